/* A baseline scores every item of the catalogue; what the user has met and what is not served is left out here, so that its place is among
 * the same items as the engine's. Items without a first event are nobody's candidates: to a baseline they are met. */
#include "app/evaluate_rivals.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "catalog/catalog.h"

struct evaluate_rivals {
    int n;
    struct baseline *models[EVALUATE_MAX_RIVALS];
    bool any_learns_by_scoring;
    uint8_t *met; /* a byte an item */
    float *scores;
    uint32_t capacity;
    uint64_t *learned; /* set of (user + 1) << 32 | item; 0: free */
    uint64_t n_learned, n_slots;
};

/* ---- names ---- */

static bool known_name(const char *name)
{
    const char *at = baseline_names();
    size_t len = strlen(name);
    while (*at) {
        size_t line = strcspn(at, "\n");
        if (line == len && memcmp(at, name, len) == 0)
            return true;
        at += line + (at[line] == '\n');
    }
    return false;
}

static enum zl_status add_name(const char *text, size_t len, struct evaluate_rival_names *out,
                               struct zl_error *err)
{
    if (out->n == EVALUATE_MAX_RIVALS)
        return zl_fail(err, ZL_EUSAGE, "--baseline: at most %d in one run", EVALUATE_MAX_RIVALS);
    char *name = out->names[out->n];
    if (len < sizeof out->names[0]) {
        memcpy(name, text, len);
        name[len] = '\0';
    }
    if (len >= sizeof out->names[0] || !known_name(name))
        return zl_fail(err, ZL_EUSAGE, "no baseline is called '%.*s'; there are:\n%s", (int)len,
                       text, baseline_names());
    for (int i = 0; i < out->n; i++)
        if (strcmp(out->names[i], name) == 0)
            return zl_fail(err, ZL_EUSAGE, "--baseline: '%s' is named twice", name);
    out->n++;
    return ZL_OK;
}

enum zl_status evaluate_rivals_parse(const char *text, struct evaluate_rival_names *out,
                                     struct zl_error *err)
{
    out->n = 0;
    while (text) {
        size_t len = strcspn(text, ",");
        TRY(add_name(text, len, out, err));
        text = text[len] ? text + len + 1 : NULL;
    }
    return ZL_OK;
}

/* ---- open and close ---- */

enum zl_status evaluate_rivals_open(const struct evaluate_rival_names *names,
                                    const struct baseline_config *cfg, struct evaluate_rivals **out,
                                    struct zl_error *err)
{
    *out = NULL;
    struct evaluate_rivals *r = xcalloc(1, sizeof *r);
    r->n_slots = 1 << 16;
    r->learned = xcalloc(r->n_slots, sizeof *r->learned);
    for (; r->n < names->n; r->n++) {
        struct baseline_config one = *cfg;
        one.name = names->names[r->n];
        enum zl_status st = baseline_open(&one, &r->models[r->n], err);
        if (st != ZL_OK) {
            evaluate_rivals_close(r);
            return st;
        }
        r->any_learns_by_scoring |= baseline_learns_by_scoring(r->models[r->n]);
    }
    *out = r;
    return ZL_OK;
}

void evaluate_rivals_close(struct evaluate_rivals *r)
{
    if (!r)
        return;
    for (int i = 0; i < r->n; i++)
        baseline_close(r->models[i]);
    free(r->learned);
    free(r->met);
    free(r->scores);
    free(r);
}

/* ---- each (user, item) once ---- */

static bool insert(struct evaluate_rivals *r, uint64_t key)
{
    uint64_t at = hash_mix(key) & (r->n_slots - 1);
    while (r->learned[at] && r->learned[at] != key)
        at = (at + 1) & (r->n_slots - 1);
    if (r->learned[at])
        return false;
    r->learned[at] = key;
    r->n_learned++;
    return true;
}

static void make_room(struct evaluate_rivals *r)
{
    uint64_t n = r->n_slots, *old = r->learned;
    if (r->n_learned < n / 2)
        return;
    r->n_slots = 2 * n;
    r->n_learned = 0;
    r->learned = xcalloc(r->n_slots, sizeof *r->learned);
    for (uint64_t i = 0; i < n; i++)
        if (old[i])
            insert(r, old[i]);
    free(old);
}

static bool first_time(struct evaluate_rivals *r, uint32_t user, uint32_t item)
{
    make_room(r);
    return insert(r, ((uint64_t)user + 1) << 32 | item);
}

/* ---- one event ---- */

static void reserve(struct evaluate_rivals *r, uint32_t n)
{
    if (n <= r->capacity)
        return;
    r->capacity = n * 2;
    r->met = xrealloc(r->met, r->capacity, 1);
    r->scores = xrealloc(r->scores, r->capacity, sizeof *r->scores);
}

/* Returns the number of items. */
static uint32_t mark_met(struct evaluate_rivals *r, const struct engine *e, uint32_t user,
                         uint32_t item)
{
    const struct model *m = engine_model(e);
    const uint8_t *served = catalog_served_array(engine_catalog(e));
    uint32_t n = model_items(m), n_seen;
    n = item < n ? n : item + 1;
    const uint32_t *seen = model_seen(m, user, &n_seen);
    reserve(r, n);
    for (uint32_t i = 0; i < n; i++)
        r->met[i] = !served[i];
    for (uint32_t i = 0; i < n_seen; i++)
        r->met[seen[i]] = 1;
    return n;
}

static double rank_among(const struct evaluate_rivals *r, uint32_t n, uint32_t item)
{
    double above = 0, equal = 0;
    for (uint32_t i = 0; i < n; i++) {
        above += !r->met[i] && i != item && r->scores[i] > r->scores[item];
        equal += !r->met[i] && i != item && r->scores[i] == r->scores[item];
    }
    return 1 + above + equal / 2;
}

void evaluate_rivals_take(struct evaluate_rivals *r, const struct engine *e,
                          const struct zl_event *ev, struct evaluate *const *into, uint64_t at,
                          bool learn, bool enters)
{
    bool once = learn && first_time(r, ev->user, ev->item), scores_teach = once && !into;
    uint32_t n =
        into || (scores_teach && r->any_learns_by_scoring) ? mark_met(r, e, ev->user, ev->item) : 0;
    for (int i = 0; i < r->n; i++) {
        struct rank_result result = {.frozen = -1};
        /* Whom scoring teaches must not be taught by what is only tested, nor that the one item nobody has chosen yet is the answer. */
        uint32_t told = once && !enters ? ev->item : ZL_NO_INDEX;
        if (into || (scores_teach && baseline_learns_by_scoring(r->models[i])))
            baseline_score(r->models[i], ev->user, n, r->met, told, r->scores);
        if (into && !enters && !r->met[ev->item])
            result.ranks[RANK_MIX] = rank_among(r, n, ev->item);
        if (into)
            evaluate_take(into[i], engine_model(e), ev, at, &result);
        if (once)
            baseline_learn(r->models[i], ev->user, ev->item);
    }
}
