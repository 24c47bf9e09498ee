/* One door for two logs: every call goes to the log that was opened, through its table of functions. */
#include "source/source.h"

#include "base/check.h"
#include "source/file.h"
#include "source/kafka.h"
#include "source/source_priv.h"

enum zl_status source_open(const struct source_config *cfg, struct source **out,
                           struct zl_error *err)
{
    return cfg->kafka ? source_kafka_open(cfg, out, err) : source_file_open(cfg, out, err);
}

void source_close(struct source *s)
{
    if (s)
        s->ops->close(s);
}

enum zl_status source_poll(struct source *s, struct source_batch *out, struct zl_error *err)
{
    out->n = 0;
    out->more = out->end = out->live = false;
    return s->ops->poll(s, out, err);
}

void source_put_back(struct source *s, const struct source_batch *batch, int from)
{
    ASSERT(s->ops->put_back && from >= 0 && from < batch->n);
    s->ops->put_back(s, batch, from);
}

uint64_t source_first_record(const struct source *s)
{
    return s->ops->first_record ? s->ops->first_record(s) : 0;
}

int source_fds(struct source *s, int *fds, int max)
{
    return s->ops->fds(s, fds, max);
}

void source_wake_clear(struct source *s)
{
    s->ops->wake_clear(s);
}

bool source_items_ready(const struct source *s)
{
    return s->ops->items_ready(s);
}

bool source_connected(struct source *s, char *why, size_t len)
{
    if (why && len)
        why[0] = '\0';
    return s->ops->connected(s, why, len);
}

int source_partitions(const struct source *s)
{
    return s->ops->partitions(s);
}

int64_t source_high_watermark(struct source *s, enum zl_topic topic, int32_t partition)
{
    return s->ops->high_watermark(s, topic, partition);
}

struct zl_span source_statistics(struct source *s)
{
    return s->ops->statistics(s);
}

void source_commit(struct source *s, const struct zl_positions *upto)
{
    s->ops->commit(s, upto);
}

enum zl_status source_check(const struct source_config *cfg, int timeout_ms, struct zl_error *err)
{
    if (err)
        err->text[0] = '\0';
    return cfg->kafka ? source_kafka_check(cfg, timeout_ms, err) : source_file_check(cfg, err);
}
