/* One world, one engine, and a hand that carries messages one way and lists the other. A list is ranked when it is read: that is
 * what a reader of a store finds whose engine keeps up. */
#include "app/simulate_loop_engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/simulate_learned.h"
#include "base/check.h"
#include "source/source.h"

#define LOOK_EVERY 5 /* events: what is learned moves slower than that */

struct simulate_loop_engine {
    struct simulate_loop_engine_config cfg;
    struct simulate_lists lists;
    struct simulate *world;
    struct engine *engine;
    struct simulate_learned *learned; /* NULL: nobody looks */
    uint64_t n_events;
    int64_t offsets[ZL_N_TOPICS];
};

static bool read_list(void *ctx, struct zl_span user_id, enum simulate_origin origin, int max,
                      struct simulate_page *out)
{
    struct simulate_loop_engine *l = ctx;
    struct zl_version version;
    struct zl_slate list;
    if (origin != SIMULATE_FEED || !engine_list(l->engine, user_id, &version, &list))
        return false;
    if (l->cfg.read)
        l->cfg.read(l->cfg.ctx, user_id, &version, &list);
    zl_version_format(&version, out->request_id);
    for (int i = 0; i < list.n && i < max; i++) {
        uint32_t item = simulate_loop_item(ids_name(engine_items(l->engine), list.items[i]),
                                           simulate_items(l->world));
        if (item == UINT32_MAX)
            continue;
        out->items[out->n] = item;
        out->places[out->n] = i + 1;
        out->propensity[out->n++] = list.propensities ? list.propensities[i] : 0;
    }
    return true;
}

enum zl_status simulate_loop_engine_open(const struct simulate_loop_engine_config *cfg,
                                         struct simulate_loop_engine **out, struct zl_error *err)
{
    struct simulate_loop_engine *l = xcalloc(1, sizeof *l);
    *out = NULL;
    l->cfg = *cfg;
    l->lists = (struct simulate_lists){read_list, l};
    l->cfg.world.lists = &l->lists;
    enum zl_status st =
        engine_open(cfg->pipeline, &(struct engine_options){.feed = true, .checkpoint_path = ""},
                    &l->engine, err);
    if (st == ZL_OK)
        st = simulate_open(&l->cfg.world, &l->world, err);
    if (st != ZL_OK) {
        simulate_loop_engine_close(l);
        return st;
    }
    if (cfg->look_from)
        l->learned = simulate_learned_open(l->world, l->engine);
    *out = l;
    return ZL_OK;
}

void simulate_loop_engine_close(struct simulate_loop_engine *l)
{
    if (!l)
        return;
    simulate_learned_close(l->learned);
    simulate_close(l->world);
    engine_close(l->engine);
    free(l);
}

static enum zl_status write_down(FILE *out, const struct simulate_record *r, struct zl_error *err)
{
    if (out &&
        (fwrite(r->value.ptr, 1, r->value.len, out) != r->value.len || fputc('\n', out) == EOF))
        return zl_fail(err, ZL_EIO, "cannot write: %s", strerror(errno));
    return ZL_OK;
}

static void look(struct simulate_loop_engine *l, struct zl_span user_id)
{
    if (!l->learned || l->n_events < l->cfg.look_from || l->n_events % LOOK_EVERY)
        return;
    uint32_t user = simulate_loop_user(user_id, l->cfg.world.users);
    if (user != UINT32_MAX)
        simulate_learned_look(l->learned, user);
}

static enum zl_status one_message(struct simulate_loop_engine *l, struct zl_error *err)
{
    struct simulate_record r;
    simulate_next(l->world, -1, &r);
    l->n_events += r.topic == ZL_TOPIC_EVENTS;
    if (r.topic == ZL_TOPIC_EVENTS)
        look(l, r.key);
    TRY(write_down(r.topic == ZL_TOPIC_EVENTS ? l->cfg.events : l->cfg.items, &r, err));
    struct source_message m = {.topic = r.topic,
                               .offset = l->offsets[r.topic]++,
                               .log_ms = -1,
                               .has_key = true,
                               .has_value = true,
                               .key = r.key,
                               .value = r.value};
    return engine_feed(l->engine, &m, err);
}

enum zl_status simulate_loop_engine_run(struct simulate_loop_engine *l, uint64_t events,
                                        struct zl_error *err)
{
    uint64_t until = l->n_events + events;
    while (l->n_events < until)
        TRY(one_message(l, err));
    return ZL_OK;
}

struct simulate *simulate_loop_engine_world(const struct simulate_loop_engine *l)
{
    return l->world;
}

const struct simulate_learned *simulate_loop_engine_learned(const struct simulate_loop_engine *l)
{
    return l->learned;
}

struct engine *simulate_loop_engine_engine(const struct simulate_loop_engine *l)
{
    return l->engine;
}
