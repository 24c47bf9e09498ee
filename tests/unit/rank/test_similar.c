/* Stands for src/rank/similar.c (and model/similar.c): what the list is made of, and that hits decide whom to believe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "rank/similar.h"
#include "support/copied_rows.h"
#include "support/small_model.h"

#define MANY (RANK_ALL + 100) /* more than are candidates as a whole */
#define LIST 10

struct world {
    struct model *m;
    struct rank *r;
    struct rank_similar *s;
    struct ids *ids;
    uint8_t served[1024];
    int64_t offset;
};

static void open_world(struct world *w, uint32_t n_items)
{
    struct zl_error err;
    struct model_config mc = small_model_config(5000, 1024, 16, 5);
    struct rank_config rc = {.n = LIST, .max_items = 1024};
    *w = (struct world){0};
    assert_int_equal(model_open(&mc, &w->m, &err), ZL_OK);
    assert_int_equal(ids_open(ROWS_ITEM_IDS, "items", 1024, &w->ids, &err), ZL_OK);
    for (uint32_t i = 0; i < n_items; i++) {
        char id[16];
        snprintf(id, sizeof id, "v%u", i);
        ids_intern(w->ids, zl_span_of(id));
        model_know_item(w->m, i);
        w->served[i] = 1;
    }
    assert_int_equal(rank_open(&rc, w->m, w->served, w->ids, &w->r, &err), ZL_OK);
    assert_int_equal(rank_similar_open(w->r, LIST, &w->s, &err), ZL_OK);
}

static void close_world(struct world *w)
{
    rank_similar_close(w->s);
    rank_close(w->r);
    ids_close(w->ids);
    model_close(w->m);
}

static struct zl_event like(struct world *w, uint32_t user, uint32_t item)
{
    w->offset++;
    return small_model_liked(user, item, w->offset, 1000 + w->offset * 7000);
}

static void give(struct world *w, uint32_t user, uint32_t item)
{
    struct zl_event ev = like(w, user, item);
    rank_similar_learn(w->s, &ev);
    model_batch(w->m, &ev, 1, NULL, NULL);
}

/* People choose an even item and then the odd one beside it. */
static void give_pairs(struct world *w, uint32_t n_pairs, int rounds, struct rng *r)
{
    for (int i = 0; i < rounds; i++) {
        uint32_t pair = rng_below(r, n_pairs), user = (uint32_t)(w->offset % 4999);
        give(w, user, 2 * pair);
        give(w, user, 2 * pair + 1);
    }
}

static bool holds(const struct rank_similar_list *l, uint32_t item)
{
    for (int i = 0; i < l->n; i++)
        if (l->items[i] == item)
            return true;
    return false;
}

static void what_people_chose_next_stands_first(void **state)
{
    (void)state;
    for (uint32_t n = 200; n <= MANY; n += MANY - 200) {
        struct world w;
        struct rng r = {1};
        open_world(&w, n);
        give_pairs(&w, 50, 1500, &r);
        for (uint32_t pair = 0; pair < 50; pair++) {
            const struct rank_similar_list *l = rank_similar_of(w.s, 2 * pair);
            assert_int_equal(l->n, LIST);
            assert_int_equal(l->items[0], 2 * pair + 1);
        }
        close_world(&w);
    }
}

static void an_item_is_never_in_its_own_list_and_no_unserved_one_is(void **state)
{
    (void)state;
    for (uint32_t n = 200; n <= MANY; n += MANY - 200) {
        struct world w;
        struct rng r = {2};
        open_world(&w, n);
        give_pairs(&w, 50, 1000, &r);
        for (uint32_t i = 0; i < n; i += 3)
            w.served[i] = 0;
        for (uint32_t item = 0; item < 100; item++) {
            const struct rank_similar_list *l = rank_similar_of(w.s, item);
            assert_int_equal(l->n, LIST);
            assert_false(holds(l, item));
            for (int i = 0; i < l->n; i++)
                assert_true(l->items[i] % 3 != 0);
        }
        close_world(&w);
    }
}

/* The score is what the header says, each part from its own formula. */
static void scores_are_the_weighed_parts(void **state)
{
    (void)state;
    struct world w;
    struct rng r = {3};
    open_world(&w, 200);
    give_pairs(&w, 40, 600, &r);
    float z[16], q[16], b;
    const struct rank_similar_list *l = rank_similar_of(w.s, 4);
    const double *weights = rank_similar_weights(w.s, model_item_positives(w.m, 4));
    model_similar_encode(w.m, 4, z);
    for (int i = 0; i < l->n; i++) {
        double core, score = 0;
        model_item_output(w.m, l->items[i], q, &b);
        core = (double)b;
        for (int k = 0; k < 16; k++)
            core += (double)z[k] * (double)q[k];
        /* 17 float additions of terms below 4 */
        assert_float_equal(l->parts[RANK_SIMILAR_CORE][i], core, 1e-5);
        for (int p = 0; p < RANK_SIMILAR_PARTS; p++)
            score += weights[p] * (double)l->parts[p][i];
        assert_float_equal(l->scores[i], score, 1e-4);
        assert_true(i == 0 || l->scores[i] <= l->scores[i - 1]);
    }
    close_world(&w);
}

static void weights_move_to_the_part_that_hits(void **state)
{
    (void)state;
    struct world w;
    struct rng r = {4};
    open_world(&w, 200);
    const double *weights = rank_similar_weights(w.s, 1000);
    double before[RANK_SIMILAR_PARTS];
    memcpy(before, weights, sizeof before);
    give_pairs(&w, 60, 20, &r); /* fills the rows; items have few choices: other weights learn */
    assert_memory_equal(weights, before, sizeof before);
    give_pairs(&w, 3, 400, &r); /* now three pairs have many */
    assert_true(weights[RANK_SIMILAR_COOCCUR] > before[RANK_SIMILAR_COOCCUR] + 0.05);
    assert_true(weights[RANK_SIMILAR_COOCCUR] - before[RANK_SIMILAR_COOCCUR] >
                weights[RANK_SIMILAR_POPULARITY] - before[RANK_SIMILAR_POPULARITY]);
    close_world(&w);
}

static void popularity_is_believed_where_nothing_else_hits(void **state)
{
    (void)state;
    struct world w;
    struct rng r = {5};
    open_world(&w, 200);
    for (int i = 0; i < 900; i++) { /* whatever came before, everybody takes one of the first few */
        give(&w, (uint32_t)i % 4999, 100 + rng_below(&r, 100));
        give(&w, (uint32_t)i % 4999, rng_below(&r, 5));
    }
    const double *weights = rank_similar_weights(w.s, 6); /* of items like those that came before */
    assert_true(weights[RANK_SIMILAR_POPULARITY] > 0.4);
    close_world(&w);
}

static void nothing_is_learned_from_a_first_choice_or_a_second_time(void **state)
{
    (void)state;
    struct world w;
    uint32_t from;
    open_world(&w, 20);
    struct zl_event ev = like(&w, 1, 3);
    assert_false(model_similar_pair(w.m, &ev, &from));
    give(&w, 1, 3);
    give(&w, 1, 4);
    ev = like(&w, 1, 3);
    assert_false(model_similar_pair(w.m, &ev, &from));
    ev = like(&w, 1, 5);
    assert_true(model_similar_pair(w.m, &ev, &from));
    assert_int_equal(from, 4);
    ev.reward_micro = 0;
    assert_false(model_similar_pair(w.m, &ev, &from));
    ev = like(&w, 1, 5);
    model_set_opt_out(w.m, 1, true);
    assert_false(model_similar_pair(w.m, &ev, &from));
    close_world(&w);
}

static void the_tested_place_is_the_place_in_the_list(void **state)
{
    (void)state;
    struct world w;
    struct rng r = {6};
    open_world(&w, 200);
    give_pairs(&w, 50, 900, &r);
    give(&w, 4999, 8);
    struct rank_similar_list l = *rank_similar_of(w.s, 8);
    for (int i = 0; i < l.n; i++) {
        struct rank_similar_result result;
        struct zl_event ev = like(&w, 4999, l.items[i]);
        assert_true(rank_similar_test(w.s, &ev, &result));
        assert_true(result.mix == i + 1);
        assert_true(result.core >= 1 && result.cooccur >= 1);
    }
    close_world(&w);
}

static void copy_world(struct world *from, struct world *to)
{
    struct rows_table a = rank_similar_rows(from->s), b = rank_similar_rows(to->s);
    copy_model_rows(from->m, to->m);
    copy_table(&a, &b);
    model_loaded(to->m);
    to->offset = from->offset;
}

static void learning_goes_on_from_copied_rows_to_the_same_bytes(void **state)
{
    (void)state;
    struct world a, b;
    struct rng ra = {7}, rb;
    struct rows_buffer x = {0}, y = {0};
    open_world(&a, MANY);
    open_world(&b, MANY);
    give_pairs(&a, 250, 400, &ra);
    copy_world(&a, &b);
    rb = ra;
    give_pairs(&a, 250, 600, &ra);
    give_pairs(&b, 250, 600, &rb);
    struct rows_table ta = rank_similar_rows(a.s), tb = rank_similar_rows(b.s);
    ta.write(ta.room, 0, &x);
    tb.write(tb.room, 0, &y);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.bytes, y.bytes, x.len);
    for (uint32_t item = 0; item < 500; item += 7) {
        struct rank_similar_list l = *rank_similar_of(a.s, item);
        assert_memory_equal(rank_similar_of(b.s, item)->items, l.items, LIST * sizeof *l.items);
        assert_memory_equal(rank_similar_of(b.s, item)->scores, l.scores, LIST * sizeof *l.scores);
    }
    rows_buffer_release(&x);
    rows_buffer_release(&y);
    close_world(&a);
    close_world(&b);
}

static void a_row_of_another_form_is_refused(void **state)
{
    (void)state;
    struct world w;
    struct zl_error err;
    struct rows_buffer bytes = {0};
    open_world(&w, 20);
    struct rows_table t = rank_similar_rows(w.s);
    t.write(t.room, 0, &bytes);
    struct rows_cursor in = {.at = bytes.bytes, .end = bytes.bytes + bytes.len - 1};
    assert_int_equal(t.read(t.room, 0, &in, &err), ZL_EBADDATA);
    rows_put_u8(&bytes, 0);
    in = (struct rows_cursor){.at = bytes.bytes, .end = bytes.bytes + bytes.len};
    assert_int_equal(t.read(t.room, 0, &in, &err), ZL_EBADDATA);
    rows_buffer_release(&bytes);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_people_chose_next_stands_first),
        cmocka_unit_test(an_item_is_never_in_its_own_list_and_no_unserved_one_is),
        cmocka_unit_test(scores_are_the_weighed_parts),
        cmocka_unit_test(weights_move_to_the_part_that_hits),
        cmocka_unit_test(popularity_is_believed_where_nothing_else_hits),
        cmocka_unit_test(nothing_is_learned_from_a_first_choice_or_a_second_time),
        cmocka_unit_test(the_tested_place_is_the_place_in_the_list),
        cmocka_unit_test(learning_goes_on_from_copied_rows_to_the_same_bytes),
        cmocka_unit_test(a_row_of_another_form_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
