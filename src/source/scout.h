/* source/scout.h - a thread that asks the broker what would make the loop wait.
 * Promise  The loop never waits for an answer: it reads the newest one, and how old it is. The question is put again after a
 *          while, at once when woken, and soon when the answer was not complete. */
#ifndef SOURCE_SCOUT_H
#define SOURCE_SCOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "zhiliu/event.h"

#define SCOUT_MAX_PARTITIONS 1024

struct scout_answer {
    int n_partitions[ZL_N_TOPICS]; /* -1: not known; 0: there is no such topic */
    /* Where partitions ended when the topic was first seen. */
    int64_t high[ZL_N_TOPICS][SCOUT_MAX_PARTITIONS];
    int n_high[ZL_N_TOPICS]; /* 0: not asked yet */
    int n_members;           /* of the group; -1: not known */
    char stranger[160];      /* a member that is not we, in words */
    bool complete;           /* everything was answered */
    bool soon;               /* ask again soon all the same */
    int64_t asked_ns;        /* monotonic, before the questions were put */
};

struct scout;

/* ask fills *a (which holds the answer before) and may take seconds; it runs in the scout's thread. woken() is called in that thread
 * after each answer. */
struct scout *scout_open(void (*ask)(void *ctx, struct scout_answer *a), void (*woken)(void *ctx),
                         void *ctx);
/* Waits for a question that is being asked. Copes with NULL. */
void scout_close(struct scout *s);
void scout_wake(struct scout *s);
/* Copies the newest answer if it is newer than *a; false: there is none. */
bool scout_read(struct scout *s, struct scout_answer *a);

#endif
