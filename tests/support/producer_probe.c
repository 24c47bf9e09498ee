/* producer_probe BROKERS TOPIC COUNT keep|lent - a fatal error of the client in the middle of COUNT messages (key k-N, value v-N);
 * prints "put N acked N refused N". Sees the inside of the producer, to break it. */
#include "source/producer.c" /* NOLINT: the one way to reach the client */

int main(int argc, char **argv)
{
    if (argc != 5)
        return 64;
    struct producer_config cfg = {
        .brokers = argv[1], .linger_ms = 20, .keep_copies = argv[4][0] == 'k'};
    struct zl_error err = {""};
    struct producer *p;
    long count = atol(argv[3]);
    if (producer_open(&cfg, &p, &err) != ZL_OK)
        return 70;
    for (long i = 0; i < count; i++) {
        char key[32], value[32];
        struct source_header h = {ZL_SPAN("n"), ZL_SPAN("1")};
        snprintf(key, sizeof key, "k-%ld", i);
        snprintf(value, sizeof value, "v-%ld", i);
        while (producer_put(p, argv[2], -1, zl_span_of(key), zl_span_of(value), &h, 1, 0, &err) ==
               ZL_EAGAIN)
            producer_poll(p, 10);
        if (i == count / 2)
            rd_kafka_test_fatal_error(p->rk, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                      "planted");
        if (i % 100 == 0)
            producer_poll(p, 0);
    }
    int64_t until = clock_monotonic_ns() + 30000 * MS;
    while (p->acked < p->put && clock_monotonic_ns() < until)
        producer_poll(p, 50);
    printf("put %" PRIu64 " acked %" PRIu64 " refused %" PRIu64 "\n", p->put, p->acked, p->refused);
    return producer_close(p, 5000) ? 1 : 0;
}
