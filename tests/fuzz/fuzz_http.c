/* The monitor's door: any bytes as a request head, and its page when they are one. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "monitor/head.h"
#include "monitor/page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct monitor_head head;
    int status = monitor_head_parse((struct zl_span){(const char *)data, size}, &head);
    ASSERT(status == 0 || (status >= 400 && status <= 505));
    if (status)
        return 0;
    ASSERT(head.path[0] == '/' && strlen(head.path) < sizeof head.path);
    char *body = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&body, &len);
    int answer = monitor_page_write(head.path, "", 0, out).status;
    fclose(out);
    ASSERT(len > 0 && (answer == 200 || answer == 404 || answer == 503));
    free(body);
    return 0;
}
