/* The store's answers, as a client reads them: any bytes as a reply, and what a reply holds as a list. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/simulate_loop_redis.h"
#include "base/check.h"
#include "decode/json.h"
#include "sink/read.h"
#include "sink/sink_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_list(struct zl_span value)
{
    static struct json *j;
    static struct json_members members;
    struct simulate_page page = {0};
    if (!j)
        j = decode_json_open();
    /* as sink/read.c lends it: with readable bytes behind */
    char *copy = xcalloc(value.len + SINK_READ_PADDING, 1);
    if (value.len)
        memcpy(copy, value.ptr, value.len);
    if (simulate_loop_redis_parse(j, &members, (struct zl_span){copy, value.len}, 20, &page)) {
        ASSERT(page.n >= 0 && page.n <= 20);
        for (int i = 0; i < page.n; i++)
            ASSERT(page.propensity[i] >= 0 && page.propensity[i] <= 1);
        ASSERT(memchr(page.request_id, '\0', sizeof page.request_id));
        ASSERT(memchr(page.experiment, '\0', sizeof page.experiment));
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zl_span bytes = {(const char *)data, size};
    struct sink_reply reply = {0};
    int whole = sink_read_reply(bytes, &reply);
    ASSERT(whole >= -1 && whole <= 1);
    if (whole != 1)
        return 0;
    ASSERT(reply.from <= size && reply.len <= size - reply.from);
    ASSERT(reply.kind != '$' || bytes.ptr[1] == '-' ||
           (bytes.ptr[1] >= '0' && bytes.ptr[1] <= '9'));
    if (reply.kind != '$' || reply.nothing)
        return 0;
    struct sink_reply part = {0};
    ASSERT(sink_read_reply((struct zl_span){bytes.ptr, reply.from + reply.len}, &part) == 0);
    read_list((struct zl_span){bytes.ptr + reply.from, reply.len});
    return 0;
}
