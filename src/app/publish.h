/* app/publish.h - which users' lists are due, when they are ranked, and what stands in the store.
 * Promise  A user with something new is ranked at once when the loop is idle, after `coalesce` at the latest under load. A list is written
 *          when its items or their order changed, or when half of its TTL has passed. Drawn items are not compared: a list whose other
 *          places stand stays in the store with its version, its draw and the propensities of both, until the user has met a
 *          drawn item. While the store is away there is one bit a
 *          user and no queue of lists; on every new connection all active users are due. A blocked item is cut out of every list
 *          written, `scan` users a turn, before anything else is ranked for these.
 * Order    cut lists first, then users with new events, then the backlog (returned store, stale answers, old lists), which has
 *          one block of four while new events keep coming.
 * Memory   (48 + 4 n) bytes a user that ever had a list; reserved for max_users.
 * Threads  the engine's loop only. */
#ifndef APP_PUBLISH_H
#define APP_PUBLISH_H

#include <stdbool.h>
#include <stdint.h>

#include "catalog/catalog.h"
#include "model/model.h"
#include "rank/rank.h"
#include "sink/sink.h"
#include "zhiliu/position.h"

struct publish_config {
    uint32_t max_users;
    int n;         /* list length */
    uint32_t scan; /* users a turn, of what looks at all of them */
    int64_t coalesce_ns, active_ms, ttl_ms;
    uint32_t incarnation;
    uint64_t epoch;
    bool ranked; /* false: sink.kind none, nothing is ranked */
};

struct publish;

/* The rooms are borrowed until publish_close. */
MUST_CHECK enum zl_status publish_open(const struct publish_config *cfg, struct model *m,
                                       struct rank *r, struct catalog *c, struct sink *s,
                                       const struct ids *users, const struct ids *items,
                                       struct zl_positions *positions, struct publish **out,
                                       struct zl_error *err);
void publish_close(struct publish *p);

/* The user did something that may change the list. sent_ms, log_ms: of that event, for the freshness figures (0: unknown). */
void publish_mark(struct publish *p, uint32_t user, int64_t sent_ms, int64_t log_ms,
                  int64_t now_ns);
/* Everyone active is due (start, new connection). */
void publish_mark_active(struct publish *p);
/* Takes the catalogue's changes: cuts what is not served any more out of the lists. */
void publish_cut(struct publish *p);
/* Removes the user's list from the store. */
void publish_forget(struct publish *p, uint32_t user);

/* Ranks and sends what is due; idle: nothing else waits. Stops after budget_ns. Returns how many lists were ranked. */
int publish_due(struct publish *p, int64_t now_ns, bool idle, int64_t budget_ns);
/* Others send lists through the same store: answers to tokens with this bit go to take(). */
#define PUBLISH_OTHERS (1ULL << 63)
typedef void (*publish_answer)(void *ctx, const struct sink_answer *a);
void publish_share(struct publish *p, publish_answer take, void *ctx);
/* Exchanges bytes with the store and takes its answers. */
void publish_exchange(struct publish *p, int64_t now_ns);
/* Once a second: stale answers are tried again, old lists fall due, gauges. */
void publish_tick(struct publish *p);

/* When the next ranking is due, monotonic ns; INT64_MAX: nothing is. */
int64_t publish_next_ns(const struct publish *p);
/* Users due, and lists sent and not answered. */
uint32_t publish_pending(const struct publish *p);
/* Longest wait of a user that is due, ms. */
int64_t publish_oldest_wait_ms(const struct publish *p, int64_t now_ns);

#endif
