/* zhiliu/status.h - how a call says that the world failed.
 * Bad data is never a status: it is dropped and counted, or dead-lettered with a reason. Our own mistakes are ASSERTs. */
#ifndef ZHILIU_STATUS_H
#define ZHILIU_STATUS_H

enum zl_status {
    ZL_OK = 0,
    ZL_END,          /* nothing more will come (end of a file) */
    ZL_EAGAIN,       /* not now: try again later, nothing was changed */
    ZL_EFULL,        /* a reserved table or a budget is used up */
    ZL_EUSAGE,       /* exit 64 */
    ZL_EBADDATA,     /* exit 65 */
    ZL_ENOENT,       /* exit 66: an input is not there */
    ZL_EUNREACHABLE, /* exit 69: Kafka or Redis */
    ZL_EINTERNAL,    /* exit 70 */
    ZL_EIO,          /* exit 74 */
    ZL_ECONFIG,      /* exit 78 */
    ZL_EINTERRUPTED, /* a signal ended it: exit 130 or 143 (app/interrupt.h) */
};

/* Words for people: what was tried, what failed, what to do. Always NUL-terminated. */
struct zl_error {
    char text[1024];
};

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* Writes the words (err may be NULL) and hands st back: return zl_fail(err, ZL_EIO, "cannot open %s: %s", ...). */
enum zl_status zl_fail(struct zl_error *err, enum zl_status st, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* The process's exit code for a status (design: 0, 64, 65, 66, 69, 70, 74, 78). */
int zl_exit_code(enum zl_status st);

/* Hands a bad status up; only where there is nothing to undo. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        enum zl_status try_st_ = (call);                                                           \
        if (try_st_ != ZL_OK)                                                                      \
            return try_st_;                                                                        \
    } while (0)

#endif
