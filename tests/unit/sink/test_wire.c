/* Stands for src/sink/wire.c; the socket is one end of a socketpair. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "sink/wire.h"

static int ends[2];

static int open_pair(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends);
}

static int close_pair(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static void a_command_is_written_in_redis_wire_format(void **state)
{
    (void)state;
    char got[100] = "";
    struct sink_wire w = {0};
    sink_wire_command(&w, 3);
    sink_wire_argument(&w, ZL_SPAN("SET"));
    sink_wire_pieces(&w, 3, (struct zl_span[]){ZL_SPAN("a{"), {"x\0y", 3}, ZL_SPAN("}")});
    sink_wire_argument(&w, ZL_SPAN(""));
    assert_int_equal(sink_wire_unsent(&w), 31);
    sink_wire_flush(&w, ends[0]);
    assert_int_equal(sink_wire_unsent(&w), 0);
    assert_int_equal(read(ends[1], got, sizeof got), 31);
    assert_memory_equal(got, "*3\r\n$3\r\nSET\r\n$6\r\na{x\0y}\r\n$0\r\n\r\n", 31);
    sink_wire_release(&w);
}

/* A socket that takes a little at a time must still see every byte once, also when commands are added in between. */
static void bytes_leave_in_order_however_little_the_socket_takes(void **state)
{
    (void)state;
    static char block[5000], got[4096];
    unsigned char next = 0;
    size_t received = 0, put = 0;
    struct sink_wire w = {0};
    int small = 4096;
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    for (int round = 0; round < 200; round++) {
        for (size_t i = 0; i < sizeof block; i++)
            block[i] = (char)(unsigned char)(put + i);
        if (round < 100) {
            /* raw bytes, to know each one */
            w.bytes = realloc(w.bytes, w.capacity = w.len + sizeof block);
            memcpy(w.bytes + w.len, block, sizeof block);
            w.len += sizeof block;
            put += sizeof block;
        }
        sink_wire_flush(&w, ends[0]);
        for (ssize_t n; (n = read(ends[1], got, sizeof got)) > 0;) {
            for (ssize_t i = 0; i < n; i++)
                assert_int_equal((unsigned char)got[i], next++);
            received += (size_t)n;
            sink_wire_flush(&w, ends[0]);
        }
    }
    assert_int_equal(received, put);
    assert_int_equal(sink_wire_unsent(&w), 0);
    sink_wire_release(&w);
}

static void an_argument_behind_half_sent_bytes_does_not_touch_them(void **state)
{
    (void)state;
    static char big[400000], got[500000];
    struct sink_wire w = {0};
    memset(big, 'b', sizeof big);
    sink_wire_argument(&w, (struct zl_span){big, sizeof big});
    size_t all = sink_wire_unsent(&w), n = 0;
    sink_wire_flush(&w, ends[0]);
    assert_true(sink_wire_unsent(&w) > 0 && sink_wire_unsent(&w) < all);
    sink_wire_argument(&w, ZL_SPAN("tail"));
    all += 10; /* $4\r\ntail\r\n */
    while (n < all) {
        ssize_t more = read(ends[1], got + n, sizeof got - n);
        if (more > 0)
            n += (size_t)more;
        sink_wire_flush(&w, ends[0]);
    }
    assert_int_equal(n, all);
    assert_memory_equal(got, "$400000\r\nbbb", 12);
    assert_memory_equal(got + n - 13, "b\r\n$4\r\ntail\r\n", 13);
    sink_wire_release(&w);
}

static void a_broken_socket_is_noted_and_cleared(void **state)
{
    (void)state;
    struct sink_wire w = {0};
    shutdown(ends[0], SHUT_WR);
    sink_wire_argument(&w, ZL_SPAN("x"));
    sink_wire_flush(&w, ends[0]); /* no SIGPIPE */
    assert_int_equal(w.broken, EPIPE);
    sink_wire_clear(&w);
    assert_int_equal(w.broken, 0);
    assert_int_equal(sink_wire_unsent(&w), 0);
    sink_wire_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_command_is_written_in_redis_wire_format, open_pair,
                                        close_pair),
        cmocka_unit_test_setup_teardown(bytes_leave_in_order_however_little_the_socket_takes,
                                        open_pair, close_pair),
        cmocka_unit_test_setup_teardown(an_argument_behind_half_sent_bytes_does_not_touch_them,
                                        open_pair, close_pair),
        cmocka_unit_test_setup_teardown(a_broken_socket_is_noted_and_cleared, open_pair,
                                        close_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
