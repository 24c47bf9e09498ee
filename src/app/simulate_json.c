/* What happened, written down as JSON. By hand, byte after byte: at 200,000 events a second printf would be most of the program. All
 * names are plain ASCII or our own Chinese words, so nothing needs escaping (simulate_open refuses other names). */
#include "app/simulate_world.h"

#include <stdio.h>
#include <string.h>

static const char *const topic_names[] = {
    "cooking", "python",   "football",  "history",     "guitar",  "physics",  "travel", "fitness",
    "finance", "painting", "gaming",    "english",     "biology", "movies",   "pets",   "math",
    "design",  "law",      "gardening", "photography", "chess",   "medicine", "music",  "space",
    "cars",    "writing",  "dance",     "japanese",    "coffee",  "woodwork",
};
static const char *const topic_chinese[] = {
    "做菜", "编程", "足球", "历史", "吉他", "物理", "旅行", "健身", "理财", "绘画",
    "游戏", "英语", "生物", "电影", "宠物", "数学", "设计", "法律", "园艺", "摄影",
    "象棋", "医学", "音乐", "太空", "汽车", "写作", "舞蹈", "日语", "咖啡", "木工",
};
#define N_NAMES (sizeof topic_names / sizeof *topic_names)

static const char *const style_names[STYLES] = {"calm", "funny", "deep", "fast"};
static const char *const style_chinese[STYLES] = {"慢慢讲", "笑着学", "深入", "三分钟"};
static const char *const surfaces[SIM_SURFACE_NAMES] = {"feed", "search", "follow", "item"};
static const uint8_t surface_at[SIM_SURFACES] = {0, 0, 0, 0, 0, 0, 1, 1, 2, 3};

uint32_t sim_surface_number(uint32_t place)
{
    return surface_at[place];
}

static char *put(char *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    return at + len;
}
#define PUT(at, literal) put(at, literal, sizeof(literal) - 1)

static char *put_text(char *at, const char *text)
{
    return put(at, text, strlen(text));
}

static char *put_integer(char *at, int64_t value)
{
    char digits[24];
    int n = 0;
    uint64_t v = value < 0 ? (uint64_t)-value : (uint64_t)value;
    do
        digits[n++] = (char)('0' + v % 10);
    while (v /= 10);
    if (value < 0)
        *at++ = '-';
    while (n)
        *at++ = digits[--n];
    return at;
}

static char *put_hex(char *at, uint64_t value, int digits)
{
    for (int i = digits - 1; i >= 0; i--)
        *at++ = "0123456789abcdef"[value >> (4 * i) & 15];
    return at;
}

const char *sim_topic_name(uint32_t topic, char buffer[16])
{
    if (topic < N_NAMES)
        return topic_names[topic];
    *put_integer(PUT(buffer, "topic"), (int64_t)topic) = '\0';
    return buffer;
}

size_t sim_user_name(const struct simulate *s, uint32_t user, char *out)
{
    char *at = user == s->cfg.users ? put_text(out, s->named)
                                    : put_integer(PUT(out, "u"), (int64_t)user + 1);
    *at = '\0';
    return (size_t)(at - out);
}

static char *put_user(char *at, const struct simulate *s, uint32_t user)
{
    return at + sim_user_name(s, user, at);
}

static char *put_item(char *at, uint32_t item)
{
    return put_integer(PUT(at, "v"), (int64_t)item + 1);
}

static char *put_event_id(char *at, const struct simulate *s)
{
    return put_integer(PUT(put_hex(at, s->tag, 8), "-"), (int64_t)s->n_events);
}

/* {"event_id":"1f3a-7","type":"watch","user_id":"u7","ts":...  : what every event has. */
static char *put_head(char *at, const struct simulate *s, const char *type, uint32_t user,
                      int64_t ts_ms)
{
    at = PUT(put_event_id(PUT(at, "{\"event_id\":\""), s), "\",\"type\":\"");
    at = PUT(put_text(at, type), "\",\"user_id\":\"");
    at = PUT(put_user(at, s, user), "\",\"ts\":");
    return put_integer(at, ts_ms);
}

static char *put_about_item(char *at, const struct simulate *s, const struct sim_plan *p)
{
    const struct sim_item *it = &s->items[p->item];
    at = PUT(put_item(PUT(at, ",\"item_id\":\""), p->item), "\"");
    if (p->type == ZL_WATCH) {
        at = put_integer(PUT(at, ",\"watch_ms\":"), p->watch_ms);
        at = put_integer(PUT(at, ",\"duration_ms\":"), it->duration_ms);
    }
    if ((p->type == ZL_FOLLOW || p->type == ZL_WATCH) && !s->cfg.bare)
        at = PUT(put_integer(PUT(at, ",\"uploader_id\":\"up"), it->uploader), "\"");
    return at;
}

static char *put_about_course(char *at, const struct simulate *s, const struct sim_plan *p)
{
    at = PUT(put_integer(PUT(at, ",\"course_id\":\"c"), (int64_t)p->course + 1), "\"");
    if (p->type == ZL_PURCHASE || p->type == ZL_REFUND) {
        at = put_integer(PUT(at, ",\"amount\":"), sim_course_price(s, p->course));
        at = PUT(at, ",\"currency\":\"CNY\"");
    }
    return at;
}

/* A share to nine digits and more: it reads back as it was given. */
static char *put_share(char *at, double share)
{
    return at + sprintf(at, "%.17g", share);
}

/* What the list said comes back with the impression. */
static char *put_list(char *at, const struct simulate_page *page, const struct sim_plan *p)
{
    if (page->request_id[0])
        at = PUT(put_text(PUT(at, ",\"request_id\":\""), page->request_id), "\"");
    if (p->propensity > 0)
        at = put_share(PUT(at, ",\"propensity\":"), p->propensity);
    if (page->experiment[0] && strcmp(page->experiment, "{}") != 0)
        at = put_text(PUT(at, ",\"experiment\":"), page->experiment);
    return at;
}

static char *put_where(char *at, const struct simulate *s, const struct sim_visit *v,
                       const struct sim_plan *p)
{
    at = put_user(PUT(at, ",\"session_id\":\"s-"), s, v->user);
    at = put_integer(PUT(at, "-"), v->session);
    at = put_user(PUT(at, "\",\"device_id\":\"d-"), s, v->user);
    at =
        PUT(put_text(PUT(at, "\",\"surface\":\""), surfaces[sim_surface_number(v->surface)]), "\"");
    if (p->position) {
        at = put_integer(PUT(at, ",\"position\":"), p->position);
        if (s->pages && s->pages[v - s->visits].request_id[0])
            return put_list(at, &s->pages[v - s->visits], p);
        at = PUT(put_hex(PUT(at, ",\"request_id\":\""),
                         hash_mix(s->tag + (uint64_t)v->user) ^ v->session, 16),
                 "\"");
        if (p->propensity > 0)
            at = put_share(PUT(at, ",\"propensity\":"), p->propensity);
    }
    return at;
}

size_t sim_write_event(const struct simulate *s, const struct sim_visit *v,
                       const struct sim_plan *p, int64_t ts_ms, char *out)
{
    char *at = put_head(out, s, zl_event_type_name(p->type), v->user, ts_ms);
    if (p->item != NO_ITEM)
        at = put_about_item(at, s, p);
    if (p->course != NO_COURSE)
        at = put_about_course(at, s, p);
    at = PUT(put_where(at, s, v, p), "}");
    return (size_t)(at - out);
}

static char *put_title(char *at, const struct sim_item *it, uint32_t item)
{
    char name[16];
    bool chinese = item % 3 == 0 && it->topic < N_NAMES;
    if (chinese) {
        at = put_text(put_text(at, style_chinese[it->style]), topic_chinese[it->topic]);
        return put_integer(PUT(at, " 第"), (int64_t)item + 1);
    }
    at = PUT(put_text(at, style_names[it->style]), " ");
    at = PUT(put_text(at, sim_topic_name(it->topic, name)), " lesson ");
    return put_integer(at, (int64_t)item + 1);
}

static char *put_tags(char *at, const struct sim_item *it)
{
    char name[16];
    at = PUT(put_text(PUT(at, ",\"tags\":[\""), sim_topic_name(it->topic, name)), "\",\"");
    at = PUT(put_text(at, sim_topic_name(it->second, name)), "\",\"");
    at = PUT(put_text(at, style_names[it->style]), "\"");
    if (it->topic < N_NAMES)
        at = PUT(put_text(PUT(at, ",\""), topic_chinese[it->topic]), "\"");
    return PUT(at, "]");
}

/* What a reader would know of it; begins behind item_id's text, ends behind the tags. */
static char *put_words(char *at, const struct sim_item *it, uint32_t item)
{
    char name[16];
    at = put_title(PUT(at, "\",\"title\":\""), it, item);
    at = put_integer(PUT(at, "\",\"uploader_id\":\"up"), it->uploader);
    at = put_text(PUT(at, "\",\"category\":\""), sim_topic_name(it->topic, name));
    return put_tags(PUT(at, "\""), it);
}

size_t sim_write_item(const struct simulate *s, uint32_t item, char *out)
{
    const struct sim_item *it = &s->items[item];
    char *at = put_item(PUT(out, "{\"item_id\":\""), item);
    at = s->cfg.bare ? PUT(at, "\"") : put_words(at, it, item);
    at = sim_put_features(s, item, at);
    at = put_integer(PUT(at, ",\"duration_ms\":"), it->duration_ms);
    at = put_integer(PUT(at, ",\"fps\":30,\"width\":1080,\"height\":1920,\"published_at\":"),
                     it->published_ms);
    at = PUT(at, ",\"status\":\"approved\"");
    if (it->course != NO_COURSE) {
        at = put_integer(PUT(at, ",\"course_id\":\"c"), (int64_t)it->course + 1);
        at = put_integer(PUT(at, "\",\"price\":"), sim_course_price(s, it->course));
    }
    at = PUT(at, "}");
    return (size_t)(at - out);
}
