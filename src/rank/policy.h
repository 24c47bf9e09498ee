/* rank/policy.h - what stands on a list beyond the score: places drawn by chance, and rules of what stands beside what.
 * Promise  With every number at its neutral value (`rank_policy_neutral`) the list is the N best by score. Rules that cannot be kept
 *          (too few items are left) make a shorter list, never a broken rule.
 * Order    the best N by score under the rules; the places of exploration are left open and drawn for from what is not on it; then
 *          the list is laid place by place. See policy.c.
 * Threads  a plain struct, copied. */
#ifndef RANK_POLICY_H
#define RANK_POLICY_H

#include <stdint.h>

struct rank_policy {
    struct {
        int slots,
            per; /* of every `per` places the last `slots` are drawn by chance; slots 0: none */
        double
            temperature; /* in mean rewards of a showing; smaller: nearer to always the best; > 0 */
        double
            uncertainty; /* standard deviations added to what an item is thought to bring; >= 0 */
        double floor;    /* share of the chance that is given to all alike; 0..1 */
    } explore;
};

/* No exploration, no rules. */
struct rank_policy rank_policy_neutral(void);

#endif
