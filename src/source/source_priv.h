/* source/source_priv.h - what the two logs have in common; for this room only. */
#ifndef SOURCE_SOURCE_PRIV_H
#define SOURCE_SOURCE_PRIV_H

#include "source/order.h"
#include "source/source.h"

/* The calls of source.h, one column a log. See there for the promises. */
struct source_ops {
    void (*close)(struct source *s);
    enum zl_status (*poll)(struct source *s, struct source_batch *out, struct zl_error *err);
    void (*put_back)(struct source *s, const struct source_batch *batch, int from); /* file */
    uint64_t (*first_record)(const struct source *s);                               /* file */
    int (*fds)(struct source *s, int *fds, int max);
    void (*wake_clear)(struct source *s);
    bool (*items_ready)(const struct source *s);
    bool (*connected)(struct source *s, char *why, size_t len);
    int (*partitions)(const struct source *s);
    int64_t (*high_watermark)(struct source *s, enum zl_topic topic, int32_t partition);
    struct zl_span (*statistics)(struct source *s);
    void (*commit)(struct source *s, const struct zl_positions *upto);
};

/* First member of each log's own struct. */
struct source {
    const struct source_ops *ops;
    struct source_config cfg; /* shallow copy: strings and tables are borrowed */
    struct source_order order;
};

#endif
