/* base/clock.h - the only file that asks what time it is. Rooms get times as arguments. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t clock_wall_ms(void);      /* Unix, UTC */
int64_t clock_monotonic_ns(void); /* spans of work, waits */
int64_t clock_cpu_ns(void);       /* of the calling thread */

#endif
