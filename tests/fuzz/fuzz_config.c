/* Any bytes as a pipeline file: loading ends, leaks nothing, and what is taken prints and reads in again. The first line may carry --set
 * texts: "#set a=b" (so that both doors are walked). */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/config_priv.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_and_read_again(const struct config *c)
{
    char *text;
    size_t len;
    struct config again;
    FILE *out = open_memstream(&text, &len), *words = fopen("/dev/null", "w");
    ASSERT(out && words);
    config_print(c, out);
    fclose(out);
    bool masked = strstr(text, " not shown") != NULL;
    enum zl_status st = config_parse("again", text, len, NULL, 0, &again, words);
    ASSERT(masked || (st == ZL_OK && config_fingerprint(&again) == config_fingerprint(c)));
    config_release(&again);
    fclose(words);
    free(text);
}

static char *set_of(const char *text, size_t len)
{
    static const char mark[] = "#set ";
    if (len < sizeof mark || memcmp(text, mark, sizeof mark - 1) != 0)
        return NULL;
    const char *stop = memchr(text, '\n', len);
    size_t n = (stop ? (size_t)(stop - text) : len) - (sizeof mark - 1);
    char *set = xcalloc(n + 1, 1);
    memcpy(set, text + sizeof mark - 1, n);
    return set;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config c;
    char *words;
    size_t n;
    char *set = set_of((const char *)data, size);
    FILE *out = open_memstream(&words, &n);
    ASSERT(out);
    enum zl_status st = config_parse("fuzz.yaml", (const char *)data, size,
                                     (const char *const *)&set, set ? 1 : 0, &c, out);
    fclose(out);
    ASSERT((st == ZL_OK) == (n == 0));
    if (st == ZL_OK)
        print_and_read_again(&c);
    config_release(&c);
    free(words);
    free(set);
    return 0;
}
