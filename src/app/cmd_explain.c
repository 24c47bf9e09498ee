/* zhiliu explain [PIPELINE] --user U: why each item is on the user's list, as the state of a checkpoint makes it. The list is ranked by the
 * code that serves. What is drawn by chance is keyed by the version of a list: that of the list in the store when it can be read, else the
 * one that a first start would give it, and then the drawn places may differ. JSON: one object a line. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "app/commands.h"
#include "app/engine.h"
#include "app/explain_store.h"
#include "app/json_text.h"
#include "model/model.h"
#include "rank/explain.h"
#include "zhiliu/position.h"

static const char *const parts[MODEL_PARTS] = {
    "core", "cooccurrence", "popular_slow", "popular_middle", "popular_fast",
    "age",  "idle",         "subjects",     "likeness",       "backward"};
static const char *const slots[] = {"scored", "explored", "fresh", "moved"};

static void print_name(const struct engine *e, uint32_t item)
{
    json_text_print(stdout, ids_name(engine_items(e), item));
}

/* stored NULL: the store was not read. */
static void print_json(const struct engine *e, int place, const struct rank_explained *x,
                       const struct explain_stored *stored)
{
    printf("{\"place\":%d,\"item\":", place);
    print_name(e, x->item);
    printf(",\"score\":%.6g,\"slot\":\"%s\",\"propensity\":%.17g,\"parts\":{", (double)x->score,
           slots[x->slot], x->propensity);
    for (int k = 0; k < MODEL_PARTS; k++)
        printf("%s\"%s\":%.6g", k ? "," : "", parts[k], (double)x->parts[k]);
    printf("},\"surface\":%.6g,\"conversion\":%.6g,\"penalty\":%.6g,\"passed\":",
           (double)x->surface, (double)x->conversion, (double)x->penalty);
    if (x->passed == ZL_NO_INDEX)
        fputs("null", stdout);
    else
        print_name(e, x->passed);
    fputs(",\"reasons\":[", stdout);
    for (int i = 0; i < x->n_reasons; i++) {
        printf("%s{\"item\":", i ? "," : "");
        print_name(e, x->reasons[i].item);
        printf(",\"core\":%.6g,\"cooccurrence\":%.6g}", (double)x->reasons[i].core,
               (double)x->reasons[i].cooccur);
    }
    putchar(']');
    if (stored)
        printf(",\"stored\":%d", explain_store_place(stored, x->item));
    puts("}");
}

static void print_heading(void)
{
    puts("place item                score  how it came to its place\n"
         "      = its parts, whose sum is the score; those of 0 are left out\n"
         "      after the items of the history that pull most, with what each adds to the core");
}

static void print_part(const char *name, double part)
{
    if (fabs(part) >= 0.0005) /* else it would read 0.000 */
        printf(" %s %+.3f", name, part);
}

static void print_text(const struct engine *e, int place, const struct rank_explained *x,
                       const struct explain_stored *stored)
{
    struct zl_span id = ids_name(engine_items(e), x->item);
    printf("%5d %-16.*s %8.3f  %s", place, (int)id.len, id.ptr, (double)x->score, slots[x->slot]);
    if (x->propensity > 0)
        printf(" with probability %.4g", x->propensity);
    if (x->passed != ZL_NO_INDEX) {
        struct zl_span p = ids_name(engine_items(e), x->passed);
        printf(" before %.*s by a rule", (int)p.len, p.ptr);
    }
    int there = stored ? explain_store_place(stored, x->item) : place;
    if (there == 0)
        printf("; not on the list in the store");
    else if (there != place)
        printf("; place %d in the store", there);
    printf("\n      =");
    for (int k = 0; k < MODEL_PARTS; k++)
        print_part(parts[k], (double)x->parts[k]);
    print_part("surface", (double)x->surface);
    print_part("conversion", (double)x->conversion);
    print_part("penalty", -(double)x->penalty);
    for (int i = 0; i < x->n_reasons; i++) {
        struct zl_span h = ids_name(engine_items(e), x->reasons[i].item);
        printf("%s %.*s %+.3f", i ? "," : "\n      after", (int)h.len, h.ptr,
               (double)x->reasons[i].core);
    }
    putchar('\n');
}

static struct zl_version version_of(const struct engine *e, const struct config *cfg, uint32_t user)
{
    const struct zl_positions *all = engine_positions(e);
    struct zl_version v = {.incarnation = (uint32_t)cfg->publish.incarnation, .epoch = 1};
    for (int i = 0; i < all->n; i++)
        if (all->at[i].topic == ZL_TOPIC_EVENTS && all->at[i].next > 0 &&
            all->at[i].partition == model_user_partition(engine_model(e), user))
            v.position = (uint64_t)all->at[i].next;
    return v;
}

/* Why the store cannot be asked, or what is there; true: *out is its list. */
static bool read_stored(const struct args *args, const struct config *cfg, const struct engine *e,
                        struct explain_stored *out)
{
    struct zl_error err = {"the engine's lists do not go to Redis (sink.kind)"};
    enum zl_status st = ZL_EUNREACHABLE;
    if (args_on(args, "offline"))
        snprintf(err.text, sizeof err.text, "--offline");
    else if (cfg->sink.kind == 0)
        st = explain_store_read(cfg, zl_span_of(args_text(args, "user")), engine_items(e), out,
                                &err);
    if (st == ZL_OK)
        return true;
    if (st == ZL_END)
        snprintf(err.text, sizeof err.text, "it has no list of this user");
    fprintf(stderr,
            "zhiliu explain: the store was not read: %s; items drawn by chance (explored) may be "
            "others "
            "than those in the store\n",
            err.text);
    return false;
}

static void say_difference(const struct explain_stored *s, const struct zl_version *reached,
                           const struct rank_explained *list, int n)
{
    int same = 0;
    for (int i = 0; i < n && i < s->n; i++)
        same += s->items[i] == list[i].item;
    fprintf(stderr, "zhiliu explain: %d of %d places are as in the store, whose list is %s\n", same,
            n > s->n ? n : s->n, s->ver);
    if (reached->position != s->version.position)
        fprintf(stderr,
                "zhiliu explain: that list was made at position %llu of the user's log, the "
                "checkpoint is at "
                "%llu: scores differ by what was learned between\n",
                (unsigned long long)s->version.position, (unsigned long long)reached->position);
}

static int explain(const struct args *args, const struct config *cfg, struct engine *e)
{
    const char *id = args_text(args, "user");
    static struct rank_explained list[ZL_MAX_LIST];
    uint32_t user = ids_find(engine_users(e), zl_span_of(id));
    if (user == ZL_NO_INDEX) {
        fprintf(stderr, "zhiliu explain: the checkpoint knows no user \"%s\"\n", id);
        return 66;
    }
    static struct explain_stored stored;
    struct zl_version v = version_of(e, cfg, user);
    bool has_stored = read_stored(args, cfg, e, &stored);
    int n =
        rank_explain(engine_rank(e), user, has_stored ? &stored.version : &v, list, ZL_MAX_LIST);
    bool json = args_text(args, "format")[0] == 'j';
    if (!json)
        print_heading();
    for (int i = 0; i < n; i++)
        (json ? print_json : print_text)(e, i + 1, &list[i], has_stored ? &stored : NULL);
    if (has_stored)
        say_difference(&stored, &v, list, n);
    return 0;
}

int cmd_explain(const struct args *args)
{
    const char *user = args_text(args, "user");
    if (!user || !*user)
        return fprintf(stderr, "zhiliu explain: say --user U\n"), 64;
    struct config cfg;
    int code = args_config_file(args, args->n_words ? args->words[0] : NULL, &cfg);
    struct engine_options opt = {.read_only = true,
                                 .checkpoint_path = args_text(args, "checkpoint")};
    struct zl_error err = {""};
    struct engine *e = NULL;
    if (code == 0) {
        enum zl_status st = engine_open(&cfg, &opt, &e, &err);
        if (st != ZL_OK)
            fprintf(stderr, "zhiliu explain: %s\n", err.text);
        code = st == ZL_OK ? explain(args, &cfg, e) : zl_exit_code(st);
    }
    engine_close(e);
    config_release(&cfg);
    return code;
}
