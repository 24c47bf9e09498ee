/* source/file.h - a file of JSON lines as a log: plain, gzip, zstd, or "-" (standard input). Told apart by their first bytes.
 * Promise  Each line is a message of partition 0; its offset is its line number, from 0. A blank line is counted and not lent. A last
 *          line without a newline counts. A line longer than SOURCE_FILE_MAX_LINE is lent cut to that, so that decode refuses
 *          it too. Items file first, then the events. One poll takes a bounded number of bytes in.
 * Memory   the longest line, and 1 MiB. */
#ifndef SOURCE_FILE_H
#define SOURCE_FILE_H

#include "source/source.h"

#define SOURCE_FILE_MAX_LINE (16 << 20)

/* ZL_ENOENT: a file is not there; ZL_EIO: it cannot be read. */
MUST_CHECK enum zl_status source_file_open(const struct source_config *cfg, struct source **out,
                                           struct zl_error *err);
MUST_CHECK enum zl_status source_file_check(const struct source_config *cfg, struct zl_error *err);

#endif
