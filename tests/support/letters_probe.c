/* letters_probe BROKERS TOPIC COUNT RATE/s - puts dead letters as the engine does and prints how they are acknowledged:
 * "acked N" as it grows; at the end "put N acked N held_back N". Letter 0 is larger than any topic takes. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/dead_letters.h"
#include "base/check.h"
#include "base/clock.h"

static struct dead_letters *letters;

static void tell(void)
{
    static uint64_t last;
    uint64_t acked = dead_letters_acked(letters);
    if (acked < last || acked > dead_letters_put_count(letters))
        printf("wrong: acked %" PRIu64 " after %" PRIu64 "\n", acked, last);
    if (acked > last)
        printf("acked %" PRIu64 "\n", acked);
    last = acked;
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 64;
    struct dead_letters_config cfg = {.brokers = argv[1], .topic = argv[2], .topics = {"events"}};
    struct zl_error err = {""};
    long count = atol(argv[3]), held_back = 0;
    double rate = atof(argv[4]);
    if (dead_letters_open(&cfg, &letters, &err) != ZL_OK) {
        puts(err.text);
        return 70;
    }
    size_t huge = 3000000;
    char *big = xcalloc(1, huge);
    memset(big, 'x', huge);
    int64_t start = clock_monotonic_ns();
    for (long i = 0; i < count; i++) {
        char value[40];
        int len = snprintf(value, sizeof value, "{bad %ld", i);
        struct source_header h = {ZL_SPAN("trace"), ZL_SPAN("t1")};
        struct source_message m = {
            .has_key = true, .key = ZL_SPAN("user-7"), .headers = &h, .n_headers = 1};
        struct zl_reject r = {.from = {.offset = i},
                              .reason = i ? ZL_BAD_JSON : ZL_TOO_LARGE,
                              .detail = "planted",
                              .value = {value, (size_t)len}};
        if (i == 0)
            r.value = (struct zl_span){big, huge};
        enum zl_status st;
        while ((st = dead_letters_put(letters, &r, &m, &err)) == ZL_EAGAIN) {
            held_back++;
            dead_letters_poll(letters, 10);
        }
        if (st != ZL_OK) {
            puts(err.text);
            return 70;
        }
        while ((double)(clock_monotonic_ns() - start) < (double)i * 1e9 / rate)
            dead_letters_poll(letters, 1);
        dead_letters_poll(letters, 0);
        tell();
    }
    int64_t until = clock_monotonic_ns() + (int64_t)60e9;
    while (dead_letters_acked(letters) < (uint64_t)count && clock_monotonic_ns() < until) {
        dead_letters_poll(letters, 50);
        tell();
    }
    printf("put %" PRIu64 " acked %" PRIu64 " held_back %ld\n", dead_letters_put_count(letters),
           dead_letters_acked(letters), held_back);
    dead_letters_close(letters, 1000);
    free(big);
    return 0;
}
