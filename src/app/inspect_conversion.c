/* The head's state as numbers (model/convert.h), in two forms. The reliability table is what to look at first: in each row observed
 * should be near predicted. It is decayed, and an exposure that may yet convert counts as one that did not, so with slow
 * conversions observed lags behind. */
#include "app/inspect_conversion.h"

#include <inttypes.h>
#include <stdlib.h>

#include "app/json_text.h"
#include "base/check.h"
#include "model/model.h"

#define SHOWN_COURSES 20U

static double share(double part, double of)
{
    return of > 0 ? part / of : 0;
}

/* ---- JSON ---- */

static void json_totals(const struct model_convert_info *c, FILE *out)
{
    fprintf(out,
            "{\"exposures\":%" PRIu64 ",\"conversions\":%" PRIu64 ",\"uncredited\":%" PRIu64
            ",\"refunds\":%" PRIu64 ",\"unknown_refunds\":%" PRIu64
            ",\"predicted\":%.6g,\"observed\":%.6g,\"score_mean\":%.6g,\"score_deviation\":%.6g",
            c->exposures, c->conversions, c->uncredited, c->refunds, c->unknown_refunds,
            c->predicted, c->observed, c->score_mean, c->score_deviation);
}

static void json_head(const struct model_convert_info *c, FILE *out)
{
    fputs(",\"weights\":{", out);
    for (int f = 0; f < CONVERT_N_FEATURES; f++)
        fprintf(out, "%s\"%s\":%.6g", f ? "," : "", convert_feature_name((enum convert_feature)f),
                c->weights[f]);
    fputs("},\"kinds\":{", out);
    for (int k = 0; k < CONVERT_N_KINDS; k++)
        fprintf(out, "%s\"%s\":{\"exposures\":%.6g,\"conversions\":%.6g,\"base_rate\":%.6g}",
                k ? "," : "", convert_kind_name((enum convert_kind)k), c->kinds[k].exposures,
                c->kinds[k].conversions, c->kinds[k].base_rate);
    fputs("},\"reliability\":[", out);
    for (int i = 0; i < CONVERT_BINS; i++)
        fprintf(out, "%s{\"least\":%.6g,\"exposures\":%.6g,\"predicted\":%.6g,\"observed\":%.6g}",
                i ? "," : "", c->bins[i].least, c->bins[i].n,
                share(c->bins[i].predicted, c->bins[i].n),
                share(c->bins[i].converted, c->bins[i].n));
    fputc(']', out);
}

static void json_course(const struct engine *e, uint32_t course, const struct model_course_info *c,
                        FILE *out)
{
    fputs("{\"course\":", out);
    json_text_print(out, ids_name(engine_courses(e), course));
    fprintf(out,
            ",\"kind\":\"%s\",\"price\":%" PRId64 ",\"value\":%.6g,\"rate\":%.6g,\"exposures\":%.6g"
            ",\"conversions\":%.6g,\"exposed\":%" PRIu64 ",\"converted\":%" PRIu64
            ",\"conversions_net\":%" PRId64 "}",
            convert_kind_name(c->kind), c->price,
            (double)model_convert_value(engine_model(e), course), c->rate, c->exposures,
            c->conversions, c->exposed, c->converted, c->conversions_net);
}

static void print_json(const struct engine *e, const struct model_convert_info *info, FILE *out)
{
    bool first = true;
    json_totals(info, out);
    json_head(info, out);
    fputs(",\"courses\":[", out);
    for (uint32_t i = 0; i < model_courses(engine_model(e)); i++) {
        struct model_course_info c;
        model_course_info(engine_model(e), i, &c);
        if (!c.known)
            continue;
        if (!first)
            fputc(',', out);
        json_course(e, i, &c, out);
        first = false;
    }
    fputs("]}\n", out);
}

/* ---- text ---- */

static void text_head(const struct model_convert_info *c, FILE *out)
{
    fprintf(out,
            "%" PRIu64 " exposures, %" PRIu64 " converted; %" PRIu64
            " conversions without an exposure; %" PRIu64 " refunds taken back, %" PRIu64
            " of conversions not remembered\npredicted %.5f, observed %.5f an exposure\n\n",
            c->exposures, c->conversions, c->uncredited, c->refunds, c->unknown_refunds,
            c->predicted, c->observed);
    fputs("reliability     from  exposures  predicted  observed  observed/predicted\n", out);
    for (int i = 0; i < CONVERT_BINS; i++)
        fprintf(out, "  %6d     %.5f  %9.0f    %.5f   %.5f  %10.3f\n", i + 1, c->bins[i].least,
                c->bins[i].n, share(c->bins[i].predicted, c->bins[i].n),
                share(c->bins[i].converted, c->bins[i].n),
                share(c->bins[i].converted, c->bins[i].predicted));
    fputs("\nfeature         weight\n", out);
    for (int f = 0; f < CONVERT_N_FEATURES; f++)
        fprintf(out, "  %-12s %+.4f\n", convert_feature_name((enum convert_feature)f),
                c->weights[f]);
    fputs("\nkind              rate  exposures\n", out);
    for (int k = 0; k < CONVERT_N_KINDS; k++)
        fprintf(out, "  %-13s %.5f  %9.0f\n", convert_kind_name((enum convert_kind)k),
                c->kinds[k].base_rate, c->kinds[k].exposures);
}

struct shown {
    uint32_t course;
    uint64_t exposed;
};

static int by_exposed(const void *a, const void *b)
{
    const struct shown *x = a, *y = b;
    if (x->exposed != y->exposed)
        return x->exposed > y->exposed ? -1 : 1;
    return x->course < y->course ? -1 : 1;
}

static void text_courses(const struct engine *e, FILE *out)
{
    uint32_t n = model_courses(engine_model(e));
    struct shown *all = xcalloc(n + 1, sizeof *all);
    struct model_course_info c;
    for (uint32_t i = 0; i < n; i++) {
        model_course_info(engine_model(e), i, &c);
        all[i] = (struct shown){i, c.exposed};
    }
    qsort(all, n, sizeof *all, by_exposed);
    fputs("\ncourse            rate   value  exposures  conversions  net\n", out);
    for (uint32_t i = 0; i < n && i < SHOWN_COURSES; i++) {
        struct zl_span name = ids_name(engine_courses(e), all[i].course);
        model_course_info(engine_model(e), all[i].course, &c);
        fprintf(out, "  %-13.*s %.5f %7.6g  %9" PRIu64 "  %11" PRIu64 "  %" PRId64 "\n",
                (int)name.len, name.ptr, c.rate,
                (double)model_convert_value(engine_model(e), all[i].course), c.exposed, c.converted,
                c.conversions_net);
    }
    if (n > SHOWN_COURSES)
        fprintf(out, "  and %u courses more: --format json\n", n - SHOWN_COURSES);
    free(all);
}

void inspect_conversion_print(const struct engine *e, bool json, FILE *out)
{
    struct model_convert_info info;
    model_convert_info(engine_model(e), &info);
    if (json) {
        print_json(e, &info, out);
        return;
    }
    text_head(&info, out);
    text_courses(e, out);
}
