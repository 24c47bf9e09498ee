/* What is shown when somebody else makes the lists, and the sums of what it was truly worth.
 *
 * A recommender can only be judged by what its users wanted, which no log tells. Here it is known. Two policies can be
 * compared by two runs with one seed; and each run carries its own yardstick: at every moment the platform's rough choice is
 * drawn too, from a stream that nobody else uses, and its interest is summed beside. */
#include "app/simulate_loop.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/simulate_learned.h"
#include "app/simulate_world.h"
#include "base/check.h"

#define MOST_TRIES 50
#define LOOK 20.0 /* places after which half of the lookers are left */

static const char *const origin_names[] = {"feed", "hot", "platform"};
static const char *const block_names[] = {"1-5", "6-10", "11-20", "21-"};

static int block_of(int place)
{
    return place <= 5 ? 0 : place <= 10 ? 1 : place <= 20 ? 2 : 3;
}

double simulate_loop_looked_at(int place)
{
    return 1 / (1 + (place - 1) / LOOK);
}

static uint32_t number_of(struct zl_span id, char letter, uint32_t n)
{
    uint64_t number = 0;
    if (id.len < 2 || id.len > 10 || id.ptr[0] != letter)
        return UINT32_MAX;
    for (size_t i = 1; i < id.len; i++) {
        if (id.ptr[i] < '0' || id.ptr[i] > '9')
            return UINT32_MAX;
        number = number * 10 + (uint64_t)(id.ptr[i] - '0');
    }
    return number >= 1 && number <= n ? (uint32_t)(number - 1) : UINT32_MAX;
}

uint32_t simulate_loop_item(struct zl_span item_id, uint32_t n)
{
    return number_of(item_id, 'v', n);
}

uint32_t simulate_loop_user(struct zl_span user_id, uint32_t n)
{
    return number_of(user_id, 'u', n);
}

/* ---- pages ---- */

/* Another world's list may stand in the store: items that are not there are passed over. */
static void drop_unknown(const struct simulate *s, struct simulate_page *page)
{
    int kept = 0;
    for (int i = 0; i < page->n; i++) {
        if (page->items[i] >= s->n_items)
            continue;
        page->items[kept] = page->items[i];
        page->places[kept] = page->places[i];
        page->propensity[kept++] = page->propensity[i];
    }
    page->n = kept;
}

static bool is_open(const struct simulate *s)
{
    return s->n_events < s->cfg.open_events;
}

static void read_page(struct simulate *s, uint32_t user, struct simulate_page *page)
{
    char name[72];
    struct zl_span id = {name, sim_user_name(s, user, name)};
    for (int o = SIMULATE_FEED; o < SIMULATE_ROUGH && !is_open(s); o++) {
        memset(page, 0, sizeof *page);
        page->origin = (enum simulate_origin)o;
        if (!s->cfg.lists->read(s->cfg.lists->ctx, id, page->origin, s->cfg.page, page))
            continue;
        drop_unknown(s, page);
        if (page->n > 0)
            return;
    }
    memset(page, 0, sizeof *page);
    page->origin = SIMULATE_ROUGH;
    page->n = 1; /* the platform chooses one at a time */
    page->items[0] = sim_show(s, &s->users[user]);
    page->places[0] = 1;
    if (s->cfg.over_show > 0)
        page->propensity[0] = sim_show_chance(s, &s->users[user], page->items[0]);
}

uint32_t sim_loop_next(struct simulate *s, const struct sim_visit *v, struct sim_shown *out)
{
    struct simulate_page *page = &s->pages[v - s->visits];
    if (v->shown == 0 || page->next == page->n)
        read_page(s, v->user, page);
    int i = page->next++;
    *out = (struct sim_shown){.page = page,
                              .place = page->places[i],
                              .propensity = page->propensity[i],
                              .before_loop = is_open(s)};
    return page->items[i];
}

/* ---- the truth ---- */

static void add_to(struct simulate_sums *sums, double interest, double watched,
                   const struct sim_visit *v)
{
    sums->shown++;
    sums->interest += interest;
    sums->watched += watched;
    for (int i = 0; i < v->n_plans; i++) {
        enum zl_event_type type = v->plans[i].type;
        sums->watches += type == ZL_WATCH;
        sums->likes += type == ZL_LIKE;
        sums->enrolments += type == ZL_ENROLL;
        sums->purchases += type == ZL_PURCHASE;
    }
}

static bool has_watched(const struct simulate *s, uint32_t user, uint32_t item)
{
    const struct sim_watched *w = &s->watched[user];
    return item / 64 < w->n_words && (w->bits[item / 64] >> (item % 64) & 1);
}

static void note_watched(struct simulate *s, uint32_t user, uint32_t item)
{
    struct sim_watched *w = &s->watched[user];
    if (item / 64 >= w->n_words) {
        uint32_t n = s->n_items / 64 + 1;
        w->bits = xrealloc(w->bits, n, sizeof *w->bits);
        memset(w->bits + w->n_words, 0, (n - w->n_words) * sizeof *w->bits);
        w->n_words = n;
    }
    w->bits[item / 64] |= 1ULL << (item % 64);
}

/* What the platform would have shown: nothing that was watched in this loop, as the engine's lists have nothing that was met. (In its
 * own loop it repeats itself, and these people never tire: that would be no yardstick.) */
static uint32_t platform_choice(struct simulate *s, uint32_t user)
{
    struct rng kept = s->rng;
    s->rng = rng_at(s->cfg.seed, 8, s->n_events, s->truth.all.shown);
    uint32_t item = sim_show(s, &s->users[user]);
    for (int tries = 0; tries < MOST_TRIES && has_watched(s, user, item); tries++)
        item = sim_show(s, &s->users[user]);
    s->rng = kept;
    return item;
}

static void note_topics(struct simulate *s, uint32_t user, uint32_t item)
{
    struct simulate_truth *t = &s->truth;
    const struct sim_user *u = &s->users[user];
    uint32_t other = platform_choice(s, user);
    t->platform_interest += sim_interest(u, &s->items[other]);
    t->platform_topics[s->items[other].topic]++;
    t->topics[s->items[item].topic]++;
    for (int i = 0; i < TASTES; i++)
        t->wanted[u->topics[i]] += sim_taste(i);
}

void sim_loop_note(struct simulate *s, const struct sim_visit *v)
{
    const struct sim_user *u = &s->users[v->user];
    const struct sim_shown *shown = &v->from;
    uint32_t item = v->plans[0].item;
    struct simulate_truth *t = &s->truth;
    double interest = sim_interest(u, &s->items[item]), watched = 0;
    for (int i = 0; i < v->n_plans; i++)
        if (v->plans[i].type == ZL_WATCH)
            watched = fmin(1, (double)v->plans[i].watch_ms / s->items[item].duration_ms);
    if (!shown->before_loop)
        note_topics(s, v->user, item);
    if (watched > 0)
        note_watched(s, v->user, item);
    if (shown->before_loop)
        return;
    add_to(&t->all, interest, watched, v);
    add_to(&t->origins[shown->page->origin], interest, watched, v);
    if (shown->page->origin != SIMULATE_ROUGH)
        add_to(&t->blocks[block_of(shown->place)], interest, watched, v);
    if (shown->propensity > 0 && shown->page->origin != SIMULATE_ROUGH)
        add_to(&t->explored, interest, watched, v);
}

void sim_loop_release(struct simulate *s)
{
    for (uint32_t u = 0; s->watched && u <= s->cfg.users; u++)
        free(s->watched[u].bits);
    free(s->watched);
    free(s->pages);
    free(s->truth.wanted);
    free(s->truth.topics);
    free(s->truth.platform_topics);
}

void sim_loop_make(struct simulate *s)
{
    struct simulate_truth *t = &s->truth;
    if (!s->cfg.lists)
        return;
    s->pages = xcalloc((size_t)s->max_visits + 1, sizeof *s->pages);
    s->watched = xcalloc((size_t)s->cfg.users + 1, sizeof *s->watched);
    t->n_topics = s->cfg.topics;
    t->wanted = xcalloc(t->n_topics, sizeof *t->wanted);
    t->topics = xcalloc(t->n_topics, sizeof *t->topics);
    t->platform_topics = xcalloc(t->n_topics, sizeof *t->platform_topics);
}

/* ---- words ---- */

static double over(double sum, uint64_t n)
{
    return n ? sum / (double)n : 0;
}

double simulate_loop_topic_error(const struct simulate_truth *t, const double *topics)
{
    double sum = 0;
    for (uint32_t i = 0; i < t->n_topics; i++)
        sum += fabs(over(topics[i], t->all.shown) - over(t->wanted[i], t->all.shown));
    return sum / 2;
}

void simulate_loop_say(const struct simulate_truth *t, const struct simulate_sums *since, FILE *out)
{
    struct simulate_sums none = {0};
    const struct simulate_sums *from = since ? since : &none;
    uint64_t n = t->all.shown - from->shown;
    if (n == 0) { /* a mean of nothing is no interest of 0 */
        fputs("nothing was shown from lists", out);
        return;
    }
    fprintf(out,
            "%llu shown, interest %.3f (the platform's choice %.3f over all), watched %.3f, "
            "%.2f conversions in 1,000",
            (unsigned long long)n, over(t->all.interest - from->interest, n),
            over(t->platform_interest, t->all.shown), over(t->all.watched - from->watched, n),
            1000 * over((double)(t->all.purchases + t->all.enrolments - from->purchases -
                                 from->enrolments),
                        n));
}

static void print_sums(const char *name, const struct simulate_sums *s, FILE *out)
{
    fprintf(out,
            "\"%s\":{\"shown\":%llu,\"interest\":%.5f,\"watched\":%.5f,\"watches\":%.5f,"
            "\"likes\":%.5f,\"enrolments\":%.6f,\"purchases\":%.6f}",
            name, (unsigned long long)s->shown, over(s->interest, s->shown),
            over(s->watched, s->shown), over((double)s->watches, s->shown),
            over((double)s->likes, s->shown), over((double)s->enrolments, s->shown),
            over((double)s->purchases, s->shown));
}

void simulate_loop_print(const struct simulate_truth *t, const struct simulate_learned *learned,
                         FILE *out)
{
    fputc('{', out);
    print_sums("overall", &t->all, out);
    for (int i = 0; i < SIMULATE_N_ORIGINS; i++) {
        fprintf(out, "%s", i ? "," : ",\"origins\":{");
        print_sums(origin_names[i], &t->origins[i], out);
    }
    for (int i = 0; i < SIMULATE_BLOCKS; i++) {
        fprintf(out, "%s", i ? "," : "},\"positions\":{");
        print_sums(block_names[i], &t->blocks[i], out);
    }
    fputs("},", out);
    print_sums("explored", &t->explored, out);
    fprintf(out, ",\"topic_error\":%.5f,\"platform\":{\"interest\":%.5f,\"topic_error\":%.5f}",
            simulate_loop_topic_error(t, t->topics), over(t->platform_interest, t->all.shown),
            simulate_loop_topic_error(t, t->platform_topics));
    if (learned)
        simulate_learned_print(learned, out);
    fputs("}\n", out);
}
