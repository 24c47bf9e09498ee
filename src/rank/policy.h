/* rank/policy.h - what stands on a list beyond the score of engagement: business value, places drawn by chance, and rules of what stands
 * beside what.
 * Promise  With every number at its neutral value (rank_policy_neutral) the list is the N best by score. Caps and distances hold on every
 *          list, for drawn and fresh items too; where too few items are left that keep them, the list is shorter. The least number of
 *          courses and the quota of fresh items are kept as far as caps, distances and candidates allow.
 * Threads  a plain struct, copied. */
#ifndef RANK_POLICY_H
#define RANK_POLICY_H

#include <stdint.h>

struct rank_policy {
    double conversion; /* what value * P(convert) weighs beside the score; 0: nothing */
    double mmr; /* what likeness (cosine, -1..1) to what stands above takes off; 0: nothing */
    struct {
        int slots,
            per; /* of every `per` places the last `slots` are drawn by chance; slots 0: none */
        double
            temperature; /* in mean rewards of a showing; smaller: nearer to always the best; > 0 */
        double
            uncertainty; /* standard deviations added to what an item is thought to bring; >= 0 */
        double floor;    /* share of the chance that is given to all alike; 0..1 */
    } explore;
    struct {
        int most;   /* of one category in `within` places that follow each other; 0: no cap */
        int within; /* 0: in the whole list */
    } category;
    struct {
        int most;     /* items that lead to a course; -1: no limit */
        int least;    /* at least so many */
        int distance; /* places from one of them to the next, at least; 0 and 1: any */
    } courses;
    struct {
        int most;  /* at most so many are lifted; 0: none */
        int every; /* one in so many places */
        int64_t
            age_ms; /* published, or else first met, at most so long before the user's newest event */
    } fresh;
};

/* No exploration, no rules. */
struct rank_policy rank_policy_neutral(void);

#endif
