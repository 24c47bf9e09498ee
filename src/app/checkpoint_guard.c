/* The guard as the checkpoint's source of id hashes: only here are its names spoken, so the rest is built and tested without it. */
#include "app/checkpoint_priv.h"

static void take(void *ctx, void (*visit)(void *to, const struct guard_ids *ids), void *to)
{
    guard_take_new_ids(ctx, visit, to);
}

static void restore(void *ctx, const struct guard_ids *ids)
{
    guard_restore_ids(ctx, ids);
}

static int64_t oldest_ms(void *ctx, int32_t partition)
{
    return guard_oldest_generation_ms(ctx, partition);
}

void checkpoint_register_guard(struct checkpoint *c, struct guard *g)
{
    if (g)
        checkpoint_register_ids(c, (struct checkpoint_ids_source){g, take, restore, oldest_ms});
}
