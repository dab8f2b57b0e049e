// SPDX-License-Identifier: Apache-2.0
/*
 * A connection to the server: login, TLS and SQL by the MySQL client library, whichever it is.
 *
 * Oracle's libmysqlclient and MariaDB Connector/C offer the same API with different options; this
 * is the only file that includes their header. A link belongs to one thread at a time.
 * tr_mysql_link_take_raw() gives the socket (and the TLS object) to a dump: afterwards only close
 * may be called.
 */
#ifndef TR_STAGES_SOURCE_MYSQL_LINK_H
#define TR_STAGES_SOURCE_MYSQL_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "offsets/gtid.h"
#include "stages/source/query.h"

/* Debezium's `database.ssl.mode`, both vocabularies. */
enum tr_tls_mode {
    TR_TLS_DISABLED = 0, /* disabled | disable */
    TR_TLS_PREFERRED,    /* preferred: TLS, or in clear with a warning when the server has none */
    TR_TLS_REQUIRED,  /* required | trust: TLS; the certificate is checked only against a given CA
                         file */
    TR_TLS_VERIFY_CA, /* verify_ca | verify-ca: the chain must lead to the CA file, or to the
                         system's */
    TR_TLS_VERIFY_IDENTITY, /* verify_identity | verify-full: and the certificate must be the host's
                             */
};

/* Whether `text` is one of the words above; the value goes to `mode`. */
bool tr_tls_mode_parse(const char *text, enum tr_tls_mode *mode);

/* All texts are borrowed until the link is open; NULL or empty = not given. */
struct tr_mysql_options {
    const char *host;
    const char *user;
    const char *password;
    const char *ca_path;    /* PEM */
    const char *cert_path;  /* PEM, the client's */
    const char *key_path;   /* PEM */
    const char *plugin_dir; /* authentication plugins; not given = the library's own */
    uint16_t port;
    enum tr_tls_mode tls;
    uint32_t connect_timeout_ms; /* rounded up to seconds; 0 = 30 s */
    uint32_t query_timeout_ms;   /* one read or write of a statement; 0 = 600 s */
};

struct tr_mysql_link; /* opaque */

/* Once per process, before threads, and at its end. Errors: TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_mysql_library_open(struct tr_error *err);
void tr_mysql_library_close(void);

/* "MariaDB Connector/C 3.3.20" or "MySQL 9.7.4 (libmysqlclient)"; static text. */
const char *tr_mysql_library_name(void);

/*
 * Connects and logs in. May block up to the connect timeout. Always by TCP, also to "localhost".
 * Errors: TR_ERR_SOURCE_AUTH (1045 and kin; TR_STOP), TR_ERR_SOURCE_LINK (unreachable, too many
 * connections: TR_RETRY; TLS: TR_STOP, named).
 */
TR_NODISCARD enum tr_code tr_mysql_link_open(struct tr_mysql_link **link,
                                             const struct tr_mysql_options *options,
                                             struct tr_error *err);

/* Accepts NULL. */
void tr_mysql_link_close(struct tr_mysql_link *link);

/* As struct tr_query_port.run. */
TR_NODISCARD enum tr_code tr_mysql_link_query(struct tr_mysql_link *link, const char *sql,
                                              tr_query_on_row *on_row, void *row_self,
                                              struct tr_error *err);
/* As struct tr_query_port.columns. */
const struct tr_span *tr_mysql_link_columns(const struct tr_mysql_link *link, uint32_t *count);
/* The server's (or the library's, >= 2000) number of the last failed query; 0 = none. */
uint32_t tr_mysql_link_last_error(const struct tr_mysql_link *link);

/* The version text of the greeting, and what follows from it: "MariaDB" in it, and major * 10000 +
 * minor * 100 + patch. */
const char *tr_mysql_link_version(const struct tr_mysql_link *link);
enum tr_flavor tr_mysql_link_flavor(const struct tr_mysql_link *link);
uint32_t tr_mysql_link_version_number(const struct tr_mysql_link *link);
/* The connection's TLS cipher, "none" without. */
const char *tr_mysql_link_tls(struct tr_mysql_link *link);

/* What lies under a link: `ssl` is OpenSSL's SSL *, NULL without TLS. Both stay the link's. */
struct tr_mysql_raw {
    int fd;
    void *ssl;
};

/* Hands out what lies under the link, for our own protocol. Errors: TR_ERR_UNSUPPORTED (TLS under
 * libmysqlclient, which hides it). */
TR_NODISCARD enum tr_code tr_mysql_link_take_raw(struct tr_mysql_link *link,
                                                 struct tr_mysql_raw *raw, struct tr_error *err);

/* Digits of a version text to a number: "5.5.5-10.11.19-MariaDB" -> 101119, "9.7.4-2" -> 90704. 0 =
 * none found. */
uint32_t tr_mysql_version_number(const char *version);

#endif
