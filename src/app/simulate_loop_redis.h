/* app/simulate_loop_redis.h - the simulated users' lists, read from Redis as a client reads them: one GET.
 * Keys     PREFIX feed:{USER}, PREFIX hot:all. Values: docs/reference/redis.md.
 * Promise  A store that is away is no list: the platform shows its own choice meanwhile, and it is said once in words.
 * Threads  one. */
#ifndef APP_SIMULATE_LOOP_REDIS_H
#define APP_SIMULATE_LOOP_REDIS_H

#include "app/simulate_loop.h"

struct simulate_loop_redis;

/* prefix is borrowed. ZL_ECONFIG, ZL_EUNREACHABLE. *out is the caller's, or NULL. */
MUST_CHECK enum zl_status simulate_loop_redis_open(const char *url, const char *prefix,
                                                   struct simulate_loop_redis **out,
                                                   struct zl_error *err);
void simulate_loop_redis_close(struct simulate_loop_redis *r); /* copes with NULL */
/* Lent until close. */
const struct simulate_lists *simulate_loop_redis_lists(const struct simulate_loop_redis *r);

/* A value into a page, of at most max places (<= SIMULATE_PAGE). Items that are not the simulator's are passed over. False: it is not one. */
struct json;
struct json_members;
bool simulate_loop_redis_parse(struct json *j, struct json_members *members, struct zl_span value,
                               int max, struct simulate_page *out);

#endif
