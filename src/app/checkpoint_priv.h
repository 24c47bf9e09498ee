/* app/checkpoint_priv.h - what the files of the checkpoint share, and what its tests may hold it by.
 *
 *   checkpoint.c         moments: when one begins, is sealed, failed; open, close, step, finish
 *   checkpoint_freeze.c  the loop's side of a moment: dirty lists taken, slices written, changing rows saved first
 *   checkpoint_writer.c  the thread: buffers into files, fsync, rename, unlink
 *   checkpoint_format.c  bytes of a base or segment, written and read
 *   checkpoint_ids.c     the logs of event-id hashes beside them
 *   checkpoint_load.c    which files make the newest state, and their rows back into the tables; the digest
 *   checkpoint_folder.c  names, lock, epoch, listing; the table of file operations
 *   checkpoint_guard.c   the one place that names the guard */
#ifndef APP_CHECKPOINT_PRIV_H
#define APP_CHECKPOINT_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "app/checkpoint.h"

/* a block is handed over when it has reached this */
#define CHECKPOINT_BLOCK_BYTES ((size_t)256 * 1024)
/* slices stop when this waits for the disk */
#define CHECKPOINT_QUEUE_BYTES ((size_t)16 * 1024 * 1024)
/* segments of less than this never call for a new base */
#define CHECKPOINT_BASE_LEAST ((uint64_t)16 * 1024 * 1024)
#define CHECKPOINT_MAX_SEGMENTS 512 /* after so many a new base begins, however small they are */
#define CHECKPOINT_NAME_MAX 80
#define CHECKPOINT_PATH_MAX 4096

/* ---- file operations: the system's, or a test's that fail at the n-th call. Set before open ---- */
struct checkpoint_ops {
    int (*open)(const char *path, int flags, mode_t mode);
    int (*close)(int fd);
    ssize_t (*pwrite)(int fd, const void *bytes, size_t len, off_t at);
    ssize_t (*pread)(int fd, void *bytes, size_t len, off_t at);
    int (*fsync)(int fd);
    int (*rename)(const char *from, const char *to);
    int (*unlink)(const char *path);
    /* tests: jobs run only in checkpoint_writer_run_one() and checkpoint_finish() */
    bool no_thread;
};
extern struct checkpoint_ops checkpoint_ops;

/* ---- format ---- */
#define CHECKPOINT_VERSION 4
#define CHECKPOINT_HEADER_BYTES 64
#define CHECKPOINT_BLOCK_HEADER 24

enum checkpoint_kind { CHECKPOINT_BASE = 1, CHECKPOINT_SEGMENT = 2 };
enum checkpoint_block_type {
    BLOCK_POSITIONS = 1,
    BLOCK_COUNTS = 2,
    BLOCK_IDS = 3,
    BLOCK_ROWS = 4,
    BLOCK_FOOTER = 5,
};

struct checkpoint_header {
    enum checkpoint_kind kind;
    uint64_t fingerprint;
    uint64_t moment;
    /* a segment fits on a state of moment s, previous <= s < moment; a base: 0 */
    uint64_t previous;
    int64_t moment_ms;
};

struct checkpoint_block {
    uint64_t offset; /* of its header in the file */
    uint64_t chain;  /* hash of the block before it: the seed of its own */
    uint32_t len;    /* bytes after the header */
    uint32_t n_rows;
    uint16_t type, kind;
};

struct checkpoint_count {
    uint32_t kind, rows;
};

struct checkpoint_length { /* of an ids log, as of a moment */
    int32_t partition;
    int64_t generation_ms;
    uint64_t bytes;
};

/* Bytes of a file to be read: a descriptor or memory. */
struct checkpoint_reader {
    const char *name; /* for words, borrowed */
    int fd;
    const unsigned char *memory; /* not NULL: instead of fd */
    uint64_t size;
    bool ignore_hashes; /* the fuzz target only: lets its mutations past the checksums */
};

/* A base or segment that was read to its end and found whole. */
struct checkpoint_image {
    struct checkpoint_header header;
    struct checkpoint_block *blocks; /* of rows */
    size_t n_blocks, capacity;
    struct zl_positions *positions;
    struct checkpoint_count *counts;
    uint32_t n_counts;
    struct checkpoint_length *ids;
    uint32_t n_ids;
    uint64_t bytes, n_rows;
};

void checkpoint_format_header(const struct checkpoint_header *h,
                              unsigned char out[CHECKPOINT_HEADER_BYTES]);
/* What the first block's hash is seeded with. */
uint64_t checkpoint_format_first_chain(const unsigned char header[CHECKPOINT_HEADER_BYTES]);
/* Room for a block's header in an empty buffer; the payload is put after it. */
void checkpoint_format_begin_block(struct rows_buffer *b);
void checkpoint_format_describe_block(struct rows_buffer *b, enum checkpoint_block_type type,
                                      uint32_t kind, uint32_t n_rows);
/* Writes the hash of a described block; returns it, the next block's chain. */
uint64_t checkpoint_format_seal_block(struct rows_buffer *b, uint64_t chain);
void checkpoint_format_footer(struct rows_buffer *b, uint64_t n_rows, uint64_t bytes);
void checkpoint_format_positions(struct rows_buffer *b, const struct zl_positions *p);

/* Exactly len bytes, or words: ZL_EBADDATA the file ends before them, ZL_EIO it cannot be read. */
MUST_CHECK enum zl_status checkpoint_format_pread(const struct checkpoint_reader *r, void *out,
                                                  size_t len, uint64_t at, struct zl_error *err);
/* Magic, version and their own small checksum, the same in every version and in ids logs. */
void checkpoint_format_put_preamble(unsigned char out[16], const char magic[8]);
MUST_CHECK enum zl_status checkpoint_format_preamble(const struct checkpoint_reader *r,
                                                     const unsigned char *bytes,
                                                     const char magic[8], struct zl_error *err);
/* Reads a whole file. ZL_EBADDATA: damaged; ZL_ECONFIG: whole as far as read, but of another version or pipeline; ZL_EIO. out is
 * released with checkpoint_image_release, also after failure. */
MUST_CHECK enum zl_status checkpoint_format_read(const struct checkpoint_reader *r,
                                                 uint64_t fingerprint, struct checkpoint_image *out,
                                                 struct zl_error *err);
/* Calls visit for each row of a block, in order; stops at the first bad status. */
typedef enum zl_status (*checkpoint_row_visit)(void *ctx, uint32_t key, struct rows_cursor *row,
                                               struct zl_error *err);
MUST_CHECK enum zl_status checkpoint_format_rows(const struct checkpoint_reader *r,
                                                 const struct checkpoint_block *b,
                                                 struct rows_buffer *scratch,
                                                 checkpoint_row_visit visit, void *ctx,
                                                 struct zl_error *err);
void checkpoint_image_release(struct checkpoint_image *image);

/* ---- a file being written ---- */
enum checkpoint_file_state { FILE_WRITING, FILE_SEALED, FILE_FAILED };

struct checkpoint_file {
    struct checkpoint_header header;
    char name[CHECKPOINT_NAME_MAX];
    struct zl_positions positions;
    uint64_t dead_put; /* sealed when all up to this one are acknowledged */
    /* the loop's */
    uint32_t counts[CHECKPOINT_MAX_TABLES]; /* rows when frozen */
    /* one block a table, so that a block holds one kind */
    struct rows_buffer open[CHECKPOINT_MAX_TABLES];
    uint32_t n_open[CHECKPOINT_MAX_TABLES];
    int table; /* where the next slice goes on */
    uint32_t next;
    bool rows_done, seal_sent;
    uint64_t n_rows;
    /* the writer's */
    int fd;
    bool renamed;
    uint64_t bytes, synced, chain;
    /* both: written by the writer before state is, read after it */
    char words[512];
    _Atomic int state;      /* enum checkpoint_file_state */
    _Atomic bool abandoned; /* the loop's wish: queued blocks need not be written */
};

/* ---- the writer ---- */
enum checkpoint_job_type {
    JOB_OPEN,
    JOB_BLOCK,
    JOB_IDS,
    JOB_SEAL,
    JOB_ABANDON,
    JOB_DELETE,
    JOB_STOP
};

struct checkpoint_job {
    struct checkpoint_job *next;
    enum checkpoint_job_type type;
    struct checkpoint_file *file, *also; /* also: the other file of the same moment (JOB_IDS) */
    struct rows_buffer block;            /* taken (JOB_BLOCK) */
    const void *bytes;                   /* lent until the moment is sealed (JOB_IDS) */
    size_t len;
    uint64_t at, n_rows;
    char name[CHECKPOINT_NAME_MAX]; /* JOB_IDS, JOB_DELETE */
};

#define CHECKPOINT_SPARE_BUFFERS 80

struct checkpoint_writer {
    const char *path;
    int dir_fd;
    bool running, no_thread;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work, progress;
    struct checkpoint_job *first, *last;                /* under lock */
    struct rows_buffer spare[CHECKPOINT_SPARE_BUFFERS]; /* under lock */
    int n_spare;
    _Atomic size_t queued_bytes;
    bool dir_dirty; /* the thread's: a log was made and its name not yet synced */
};

MUST_CHECK enum zl_status checkpoint_writer_start(struct checkpoint_writer *w, const char *path,
                                                  int dir_fd, struct zl_error *err);
void checkpoint_writer_stop(struct checkpoint_writer *w); /* after all jobs sent before */
void checkpoint_writer_send(struct checkpoint_writer *w, struct checkpoint_job job);
struct rows_buffer
checkpoint_writer_buffer(struct checkpoint_writer *w); /* empty, perhaps with capacity */
bool checkpoint_writer_full(const struct checkpoint_writer *w);
/* false: no job waits. Not beside a running thread */
bool checkpoint_writer_run_one(struct checkpoint_writer *w);
void checkpoint_writer_wait(struct checkpoint_writer *w); /* for progress, about 1 ms */

/* ---- ids logs ---- */
struct checkpoint_ids_source { /* the guard, or a test's */
    void *ctx;                 /* NULL: none */
    void (*take)(void *ctx, void (*visit)(void *to, const struct guard_ids *ids), void *to);
    void (*restore)(void *ctx, const struct guard_ids *ids);
    int64_t (*oldest_ms)(void *ctx, int32_t partition);
};

struct checkpoint_log {
    int32_t partition;
    int64_t generation_ms;
    uint64_t bytes;          /* with the chunks not yet sealed */
    uint64_t dropped_moment; /* first moment that does not name it; 0: named */
};

struct checkpoint_chunk { /* kept until the moment that carries it is sealed */
    struct checkpoint_chunk *next;
    int32_t partition;
    int64_t generation_ms;
    uint64_t at;
    struct rows_buffer bytes;
};

struct checkpoint_ids {
    struct checkpoint_ids_source from;
    struct checkpoint_log *logs; /* sorted by partition, generation */
    uint32_t n_logs, capacity;
    struct checkpoint_chunk *first, *last;
};

/* ---- the whole ---- */
struct checkpoint_known { /* a sealed file */
    enum checkpoint_kind kind;
    uint64_t moment, bytes;
};

struct checkpoint {
    struct checkpoint_config cfg;
    char *path;
    int lock_fd, dir_fd;
    uint64_t epoch;
    struct rows_table tables[CHECKPOINT_MAX_TABLES];
    uint32_t *taken
        [CHECKPOINT_MAX_TABLES]; /* keys of the moment that is not sealed yet; else the spare list */
    uint32_t n_taken[CHECKPOINT_MAX_TABLES];
    int n_tables;
    struct checkpoint_ids ids;
    struct checkpoint_writer writer;
    struct checkpoint_file *segment, *base; /* being written, or NULL */
    /* the one of both that seals the newest moment: it owns the taken keys */
    struct checkpoint_file *carrier;
    uint64_t moment;   /* newest begun, or seen in the folder */
    uint64_t previous; /* newest sealed moment: the next segment's ground */
    struct checkpoint_known *known;
    size_t n_known, known_capacity;
    uint64_t sealed_moment;
    int64_t sealed_ms;
    struct zl_positions sealed_positions;
    bool timed; /* next_ms holds */
    int64_t next_ms, base_not_before_ms;
    uint64_t base_least_bytes; /* CHECKPOINT_BASE_LEAST; tests: less */
    uint32_t slice_rows;       /* tests: rows a slice, instead of CPU time; 0: time */
    char failure[512]; /* words of the newest failed moment, "" none since the last sealed one */
};

void checkpoint_register_ids(struct checkpoint *c, struct checkpoint_ids_source from);

/* checkpoint_freeze.c */
/* takes dirty lists, marks rows for c->segment and c->base of this moment */
void checkpoint_freeze_begin(struct checkpoint *c);
void checkpoint_freeze_slice(struct checkpoint *c, int64_t cpu_ns);
void checkpoint_freeze_put_back(struct checkpoint *c); /* the taken keys are dirty again */
void checkpoint_freeze_unmark(struct checkpoint *c, const struct checkpoint_file *f);
void checkpoint_freeze_before_change(void *ctx, struct rows_track *t, uint32_t key);

/* checkpoint_ids.c */
void checkpoint_ids_freeze(struct checkpoint *c);
void checkpoint_ids_lengths(const struct checkpoint *c, struct rows_buffer *b);
void checkpoint_ids_sealed(struct checkpoint *c);
void checkpoint_ids_prune(struct checkpoint *c, uint64_t oldest_moment);
MUST_CHECK enum zl_status checkpoint_ids_check(const struct checkpoint *c,
                                               const struct checkpoint_image *image,
                                               struct zl_error *err);
MUST_CHECK enum zl_status checkpoint_ids_restore(struct checkpoint *c,
                                                 const struct checkpoint_image *image,
                                                 struct zl_error *err);
/* One log's first bytes (its size of them), each chunk handed to visit (may be NULL). */
MUST_CHECK enum zl_status checkpoint_ids_read(const struct checkpoint_reader *r,
                                              uint64_t fingerprint,
                                              const struct checkpoint_length *length,
                                              void (*visit)(void *ctx, const struct guard_ids *ids),
                                              void *ctx, struct zl_error *err);
/* in the folder, before restore */
void checkpoint_ids_found(struct checkpoint *c, const struct checkpoint_length *log);
void checkpoint_ids_release(struct checkpoint *c);

/* checkpoint_folder.c */
enum checkpoint_name { NAME_OTHER, NAME_BASE, NAME_SEGMENT, NAME_IDS, NAME_TMP, NAME_SET_ASIDE };
enum checkpoint_name checkpoint_folder_parse(const char *name, uint64_t *moment,
                                             struct checkpoint_length *log);
void checkpoint_folder_name(char out[CHECKPOINT_NAME_MAX], enum checkpoint_kind kind,
                            uint64_t moment);
void checkpoint_folder_log_name(char out[CHECKPOINT_NAME_MAX], int32_t partition,
                                int64_t generation_ms);
void checkpoint_folder_path(char out[CHECKPOINT_PATH_MAX], const char *folder, const char *name,
                            const char *suffix);
/* make, lock, epoch */
MUST_CHECK enum zl_status checkpoint_folder_open(struct checkpoint *c, struct zl_error *err);
/* Calls visit for each name. */
MUST_CHECK enum zl_status checkpoint_folder_list(const char *folder,
                                                 void (*visit)(void *ctx, const char *name),
                                                 void *ctx, struct zl_error *err);
bool checkpoint_folder_write_all(int fd, const void *bytes, size_t len, uint64_t at);

/* checkpoint.c */
void checkpoint_know(struct checkpoint *c, enum checkpoint_kind kind, uint64_t moment,
                     uint64_t bytes);

#endif
