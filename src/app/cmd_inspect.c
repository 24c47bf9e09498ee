/* zhiliu inspect user U | item I | similar I | users | items | conversion | checkpoint [PIPELINE]: what a checkpoint holds, so that anyone can hold the engine
 * against a ledger of their own. JSON: one object a line. Text: the same, for eyes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/engine.h"
#include "app/inspect_conversion.h"
#include "app/json_text.h"
#include "catalog/catalog.h"
#include "model/model.h"
#include "rank/similar.h"

static void print_counts(FILE *out, const uint32_t counts[ZL_N_EVENT_TYPES])
{
    bool first = true;
    fputs("\"counts\":{", out);
    for (int t = 0; t < ZL_N_EVENT_TYPES; t++)
        if (counts[t]) {
            fprintf(out, "%s\"%s\":%u", first ? "" : ",", zl_event_type_name((enum zl_event_type)t),
                    counts[t]);
            first = false;
        }
    fputc('}', out);
}

static void print_user(const struct engine *e, uint32_t user)
{
    struct model_user_info u;
    model_user_info(engine_model(e), user, &u);
    printf("{\"user\":");
    json_text_print(stdout, ids_name(engine_users(e), user));
    putchar(',');
    print_counts(stdout, u.counts);
    printf(",\"reward_table_micro\":%" PRId64 ",\"first_ms\":%" PRId64 ",\"last_ms\":%" PRId64
           ",\"seen\":%u,\"opted_out\":%s,\"history\":[",
           u.reward_table_micro, u.first_ms, u.last_ms, u.n_seen, u.opted_out ? "true" : "false");
    for (uint32_t i = 0; i < u.n_history; i++) {
        printf("%s{\"item\":", i ? "," : "");
        json_text_print(stdout, ids_name(engine_items(e), u.history[i].item));
        printf(",\"reward_micro\":%" PRId64 ",\"ts\":%" PRId64 "}", u.history[i].reward_micro,
               u.history[i].ts_ms);
    }
    puts("]}");
}

static void print_item(const struct engine *e, uint32_t item)
{
    struct model_item_info m;
    struct catalog_item c;
    model_item_info(engine_model(e), item, &m);
    catalog_get(engine_catalog(e), item, &c);
    printf("{\"item\":");
    json_text_print(stdout, ids_name(engine_items(e), item));
    printf(",\"status\":\"%s\",\"described\":%s,\"served\":%s,", zl_item_status_name(c.status),
           c.described ? "true" : "false",
           catalog_served(engine_catalog(e), item) ? "true" : "false");
    if (c.title.len) {
        printf("\"title\":");
        json_text_print(stdout, c.title);
        putchar(',');
    }
    print_counts(stdout, m.counts);
    printf(",\"reward_table_micro\":%" PRId64 ",\"first_ms\":%" PRId64 ",\"last_ms\":%" PRId64
           ",\"popularity\":[%.6g,%.6g,%.6g]}\n",
           m.reward_table_micro, m.first_ms, m.last_ms, m.popularity[0], m.popularity[1],
           m.popularity[2]);
}

static void print_similar_json(const struct engine *e, uint32_t item,
                               const struct rank_similar_list *l)
{
    printf("{\"item\":");
    json_text_print(stdout, ids_name(engine_items(e), item));
    printf(",\"items\":[");
    for (int i = 0; i < l->n; i++) {
        printf("%s{\"item\":", i ? "," : "");
        json_text_print(stdout, ids_name(engine_items(e), l->items[i]));
        printf(",\"score\":%.6g,\"core\":%.6g,\"cooccurrence\":%.6g,\"popularity\":%.6g}",
               (double)l->scores[i], (double)l->parts[RANK_SIMILAR_CORE][i],
               (double)l->parts[RANK_SIMILAR_COOCCUR][i],
               (double)l->parts[RANK_SIMILAR_POPULARITY][i]);
    }
    puts("]}");
}

static void print_similar_text(const struct engine *e, uint32_t item,
                               const struct rank_similar_list *l)
{
    const double *w =
        rank_similar_weights(engine_rank_similar(e), model_item_positives(engine_model(e), item));
    printf("%-24s %9s = %5.2f core + %5.2f log co-occurrence + %5.2f log popularity\n", "item",
           "score", w[RANK_SIMILAR_CORE], w[RANK_SIMILAR_COOCCUR], w[RANK_SIMILAR_POPULARITY]);
    for (int i = 0; i < l->n; i++) {
        struct zl_span name = ids_name(engine_items(e), l->items[i]);
        printf("%-24.*s %9.3f   %10.3f   %18.3f   %16.3f\n", (int)name.len, name.ptr,
               (double)l->scores[i], (double)l->parts[RANK_SIMILAR_CORE][i],
               (double)l->parts[RANK_SIMILAR_COOCCUR][i],
               (double)l->parts[RANK_SIMILAR_POPULARITY][i]);
    }
}

/* What the engine would write now; an item without a choice has no list. */
static void print_similar(const struct engine *e, uint32_t item, bool json)
{
    static const struct rank_similar_list none;
    bool chosen = item < model_items(engine_model(e)) &&
                  model_item_positives(engine_model(e), item) > 0 &&
                  catalog_served(engine_catalog(e), item);
    const struct rank_similar_list *l =
        chosen ? rank_similar_of(engine_rank_similar(e), item) : &none;
    if (json)
        print_similar_json(e, item, l);
    else
        print_similar_text(e, item, l);
}

static void print_checkpoint(const struct engine *e)
{
    const struct zl_positions *p = engine_positions(e);
    const uint64_t *counts = model_event_counts(engine_model(e));
    printf("{\"moment\":%" PRIu64 ",\"digest\":\"%016" PRIx64
           "\",\"users\":%u,\"items\":%u,\"positions\":[",
           engine_moment(e), engine_digest(e), ids_count(engine_users(e)),
           ids_count(engine_items(e)));
    for (int i = 0; i < p->n; i++)
        printf("%s{\"topic\":\"%s\",\"partition\":%d,\"next\":%" PRId64 ",\"log_ms\":%" PRId64 "}",
               i ? "," : "", zl_topic_name(p->at[i].topic), p->at[i].partition, p->at[i].next,
               p->at[i].log_ms);
    printf("],\"events\":{");
    for (int t = 0; t < ZL_N_EVENT_TYPES; t++)
        printf("%s\"%s\":%" PRIu64, t ? "," : "", zl_event_type_name((enum zl_event_type)t),
               counts[t]);
    puts("}}");
}

static int not_known(const char *what, const char *id)
{
    fprintf(stderr, "zhiliu inspect: the checkpoint knows no %s \"%s\"\n", what, id);
    return 66;
}

static int print_one(const struct engine *e, const char *what, const char *id, bool json)
{
    bool user = strcmp(what, "user") == 0;
    const struct ids *ids = user ? engine_users(e) : engine_items(e);
    uint32_t index = id[0] ? ids_find(ids, zl_span_of(id)) : ZL_NO_INDEX;
    if (index == ZL_NO_INDEX)
        return not_known(user ? "user" : "item", id);
    if (user)
        print_user(e, index);
    else if (strcmp(what, "similar") == 0)
        print_similar(e, index, json);
    else
        print_item(e, index);
    return 0;
}

static int print_all(const struct engine *e, const char *what, bool json)
{
    if (strcmp(what, "users") == 0)
        for (uint32_t i = 0; i < ids_count(engine_users(e)); i++)
            print_user(e, i);
    else if (strcmp(what, "items") == 0)
        for (uint32_t i = 0; i < ids_count(engine_items(e)); i++)
            print_item(e, i);
    else if (strcmp(what, "conversion") == 0)
        inspect_conversion_print(e, json, stdout);
    else
        print_checkpoint(e);
    return 0;
}

static int inspect(const struct args *args, const struct config *cfg, const char *what,
                   const char *id)
{
    struct zl_error err = {""};
    struct engine *e;
    struct engine_options opt = {.read_only = true,
                                 .checkpoint_path = args_text(args, "checkpoint")};
    enum zl_status st = engine_open(cfg, &opt, &e, &err);
    if (st != ZL_OK) {
        fprintf(stderr, "zhiliu inspect: %s\n", err.text);
        return zl_exit_code(st);
    }
    bool json = args_text(args, "format")[0] == 'j';
    int code = id ? print_one(e, what, id, json) : print_all(e, what, json);
    engine_close(e);
    return code;
}

static int usage(void)
{
    fprintf(stderr,
            "zhiliu inspect: say what: user U | item I | similar I | users | items | conversion | "
            "checkpoint, then the pipeline; see zhiliu inspect --help\n");
    return 64;
}

/* inspect user u1 u2: the second is read as the pipeline. */
static int one_at_a_time(const char *what, const char *word)
{
    fprintf(stderr,
            "zhiliu inspect: one %s is asked at a time, and after it comes the pipeline: there is "
            "no file \"%s\"\n",
            strcmp(what, "user") == 0 ? "user" : "item", word);
    return 64;
}

int cmd_inspect(const struct args *args)
{
    const char *what = args->n_words > 0 ? args->words[0] : "";
    bool one =
        strcmp(what, "user") == 0 || strcmp(what, "item") == 0 || strcmp(what, "similar") == 0;
    bool all = strcmp(what, "users") == 0 || strcmp(what, "items") == 0 ||
               strcmp(what, "checkpoint") == 0 || strcmp(what, "conversion") == 0;
    int n = one ? 2 : 1; /* words before the pipeline */
    if ((!one && !all) || args->n_words < n || args->n_words > n + 1)
        return usage();
    if (one && args->n_words > n && access(args->words[n], F_OK) != 0)
        return one_at_a_time(what, args->words[n]);
    struct config cfg;
    int code = args_config_file(args, args->n_words > n ? args->words[n] : NULL, &cfg);
    if (code == 0)
        code = inspect(args, &cfg, what, one ? args->words[1] : NULL);
    config_release(&cfg);
    return code;
}
