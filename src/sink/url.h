/* sink/url.h - where the store is, from its URL.
 * Shapes   redis://[user[:password]@]host[:port][/db]   port 6379, db 0; an IPv6 host in brackets
 *          unix://[user:password@]/path[?db=n]
 *          User and password may be percent-encoded. "redis://:secret@host" is a password without a user.
 * Promise  Words never repeat the URL: it may hold a password. `words` is the URL without user and password, for log lines. */
#ifndef SINK_URL_H
#define SINK_URL_H

#include <stdbool.h>

#include "zhiliu/status.h"

struct sink_url {
    bool is_unix;
    char host[256], port[6]; /* host "" and port "" when is_unix */
    char path[108];          /* of the socket */
    char user[256], password[512];
    int db;
    char words[320];
};

MUST_CHECK enum zl_status sink_url_parse(const char *text, struct sink_url *out,
                                         struct zl_error *err);

/* A user or password given apart from the URL goes before that in it; NULL or "": none is given. */
MUST_CHECK enum zl_status sink_url_credentials(struct sink_url *url, const char *username,
                                               const char *password, struct zl_error *err);

#endif
