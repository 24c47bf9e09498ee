/* app/simulate_loop_engine.h - the closed loop in one process, without Kafka and Redis: the simulated world's events go to the
 * engine's own rooms, its users read the lists these would give at that moment.
 * Promise  The same config and seed give the same bytes and lists; there is no clock in it. The events, written to a file in this
 *          order, are the log from which the engine comes to the same states (zhiliu evaluate --snips stands on that).
 * Cost     about 20 us an event and one ranking a page.
 * Threads  one. */
#ifndef APP_SIMULATE_LOOP_ENGINE_H
#define APP_SIMULATE_LOOP_ENGINE_H

#include "app/engine.h"
#include "app/simulate.h"
#include "zhiliu/slate.h"

/* A page is about to be shown: the list it is of and its version; lent for the call. */
typedef void (*simulate_loop_read)(void *ctx, struct zl_span user_id,
                                   const struct zl_version *version, const struct zl_slate *list);

struct simulate_loop_engine_config {
    struct simulate_config world;  /* lists are filled in */
    const struct config *pipeline; /* borrowed until close; source and sink are not used */
    simulate_loop_read read;       /* NULL: nobody wants to know */
    void *ctx;
    FILE *events, *items; /* the log as JSON lines; NULL: not wanted */
    uint64_t
        look_from; /* from this event on it is looked at what was learned (simulate_learned.h); 0: never */
};

struct simulate_loop_engine;

/* cfg is copied. *out is the caller's, or NULL. */
MUST_CHECK enum zl_status simulate_loop_engine_open(const struct simulate_loop_engine_config *cfg,
                                                    struct simulate_loop_engine **out,
                                                    struct zl_error *err);
void simulate_loop_engine_close(struct simulate_loop_engine *l); /* copes with NULL */
/* So many events more. The items come before the first one. */
MUST_CHECK enum zl_status simulate_loop_engine_run(struct simulate_loop_engine *l, uint64_t events,
                                                   struct zl_error *err);

/* What was learned by the second half of the events that were run, see there. */
struct simulate_learned;
const struct simulate_learned *simulate_loop_engine_learned(const struct simulate_loop_engine *l);
struct simulate *simulate_loop_engine_world(const struct simulate_loop_engine *l);
struct engine *simulate_loop_engine_engine(const struct simulate_loop_engine *l);

#endif
