// SPDX-License-Identifier: Apache-2.0
#include "stages/source/mysql_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Which library: by its header, never by a file name (a distribution's compatibility package
 * renames one as the other). Connector/C exposes the TLS object through ma_pvio.h, which wants the
 * next two lines before it. */
#define HAVE_TLS 1
#include <mysql.h>
#if defined(MARIADB_PACKAGE_VERSION) || defined(MARIADB_BASE_VERSION)
#define IS_CONNECTOR_C 1
typedef unsigned char uchar;
#include <ma_pvio.h>
#else
#define IS_CONNECTOR_C 0
#endif

#include "engine/assert.h"
#include "engine/cover.h"
#include "engine/log.h"
#include "stages/source/server_error.h"

#define CONNECT_TIMEOUT_MS_DEFAULT 30000
#define QUERY_TIMEOUT_MS_DEFAULT 600000
#define SYSTEM_CA_DIR "/etc/ssl/certs" /* Debian, and most others by a link */
#define CLIENT_ERROR_FIRST 2000        /* the library's own; the server's are smaller */
#define CLIENT_ERROR_UNKNOWN_HOST 2005 /* CR_UNKNOWN_HOST */
#define CLIENT_ERROR_SSL 2026          /* CR_SSL_CONNECTION_ERROR of both libraries */
#define CAPABILITY_SSL 0x800           /* CLIENT_SSL: MySQL internals, "Capability Flags" */
#define GREETING_VERSION 10            /* Protocol::HandshakeV10 */
#define CELLS_MAX 128 /* columns of a result we ask for: information_schema has some 40 */

struct tr_mysql_link {
    MYSQL mysql;      /* owns; first, so that the library's callback finds the rest */
    bool wants_tls;   /* log in inside TLS or not at all */
    bool is_greeted;  /* the greeting was looked at */
    bool tls_missing; /* it offers no TLS, and we want it: nothing was sent */
    bool is_raw;
    uint32_t last_error;
    uint32_t column_count;
    struct tr_span columns[CELLS_MAX]; /* borrowed from the result being read */
    struct tr_span cells[CELLS_MAX];
};

static const struct {
    const char *word;
    enum tr_tls_mode mode;
} tls_words[] = {
    {"disabled", TR_TLS_DISABLED},
    {"disable", TR_TLS_DISABLED},
    {"preferred", TR_TLS_PREFERRED},
    {"required", TR_TLS_REQUIRED},
    {"trust", TR_TLS_REQUIRED},
    {"verify_ca", TR_TLS_VERIFY_CA},
    {"verify-ca", TR_TLS_VERIFY_CA},
    {"verify_identity", TR_TLS_VERIFY_IDENTITY},
    {"verify-full", TR_TLS_VERIFY_IDENTITY},
};

static enum tr_code log_in(struct tr_mysql_link *link, const struct tr_mysql_options *options,
                           enum tr_tls_mode tls, struct tr_error *err);
static void set_options(MYSQL *mysql, const struct tr_mysql_options *options, enum tr_tls_mode tls);
static void set_tls(MYSQL *mysql, const struct tr_mysql_options *options, enum tr_tls_mode tls);
static enum tr_code login_error(struct tr_mysql_link *link, const struct tr_mysql_options *options,
                                struct tr_error *err);
static enum tr_code query_error(struct tr_mysql_link *link, const char *sql, struct tr_error *err);
static enum tr_code hand_out_rows(struct tr_mysql_link *link, MYSQL_RES *result,
                                  tr_query_on_row *on_row, void *row_self, struct tr_error *err);
static bool is_given(const char *text);

bool tr_tls_mode_parse(const char *text, enum tr_tls_mode *mode)
{
    for (size_t i = 0; i < sizeof(tls_words) / sizeof(tls_words[0]); i++) {
        if (strcmp(text, tls_words[i].word) == 0) {
            *mode = tls_words[i].mode;
            return true;
        }
    }
    return false;
}

#if IS_CONNECTOR_C
/* Exported by the library and in none of its headers. Mode 0: called after each read, before the
 * bytes are parsed. */
int ma_pvio_register_callback(my_bool is_on, void (*callback)(int mode, MYSQL *mysql,
                                                              const uchar *bytes, size_t count))
    __attribute__((weak));

/*
 * Connector/C 3.3 takes MYSQL_OPT_SSL_ENFORCE for a wish: to a server whose greeting offers no TLS
 * it logs in in clear (seen on 3.3.20). Whoever can change the greeting could so read the password.
 * Hence a look at the greeting before the library sees it; a socket that is shut takes no password.
 * Every MYSQL of the process is a tr_mysql_link's.
 */
static void look_at_greeting(int mode, MYSQL *mysql, const uchar *bytes, size_t count)
{
    struct tr_mysql_link *link = (struct tr_mysql_link *)(void *)mysql; /* its first member */

    if (mode != 0 || link->is_greeted || count > SIZE_MAX / 2) {
        return;
    }
    link->is_greeted = true;
    struct tr_cursor cursor = tr_cursor_of(tr_span_of(bytes, count));
    (void)tr_cursor_take(&cursor, 4); /* packet header */
    const uint8_t version = tr_cursor_u8(&cursor);
    if (!link->wants_tls || (!cursor.failed && version != GREETING_VERSION)) {
        return; /* an error instead of a greeting is the library's to report */
    }
    while (!cursor.failed && tr_cursor_u8(&cursor) != 0) { /* server version */
    }
    (void)tr_cursor_take(&cursor, 4 + 8 + 1); /* thread id, nonce, filler */
    const uint16_t capabilities = tr_cursor_u16(&cursor);
    if (cursor.failed || (capabilities & CAPABILITY_SSL) == 0) {
        link->tls_missing = !cursor.failed;
        (void)shutdown((int)mysql_get_socket(mysql), SHUT_RDWR);
    }
}
#endif

enum tr_code tr_mysql_library_open(struct tr_error *err)
{
    if (mysql_library_init(0, NULL, NULL) != 0) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "%s does not start: check its installation",
                       tr_mysql_library_name());
    }
#if IS_CONNECTOR_C
    if (ma_pvio_register_callback != NULL) {
        (void)ma_pvio_register_callback(1,
                                        look_at_greeting); /* refused: log_in() checks the result */
    }
#endif
    return TR_OK;
}

void tr_mysql_library_close(void)
{
#if IS_CONNECTOR_C
    if (ma_pvio_register_callback != NULL) {
        (void)ma_pvio_register_callback(0, look_at_greeting);
    }
#endif
    mysql_library_end();
}

const char *tr_mysql_library_name(void)
{
#if IS_CONNECTOR_C
    return "MariaDB Connector/C " MARIADB_PACKAGE_VERSION;
#else
    return "MySQL " MYSQL_SERVER_VERSION " (libmysqlclient)";
#endif
}

enum tr_code tr_mysql_link_open(struct tr_mysql_link **link, const struct tr_mysql_options *options,
                                struct tr_error *err)
{
    struct tr_mysql_link *opened = calloc(1, sizeof(*opened));

    *link = NULL;
    if (opened == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for a connection");
    }
    const bool may_go_plain = options->tls == TR_TLS_PREFERRED;
    enum tr_code code = log_in(opened, options, may_go_plain ? TR_TLS_REQUIRED : options->tls, err);
    /* Asked by what the server offers and not by a message: a failed handshake must never lead to a
     * password in clear. */
    if (code != TR_OK && may_go_plain && opened->tls_missing) {
        TR_COVER("mysql_link.plain_after_tls");
        mysql_close(&opened->mysql);
        code = log_in(opened, options, TR_TLS_DISABLED, err);
        if (code == TR_OK) {
            TR_LOG(TR_LOG_WARN, "source.tls_missing", TR_TEXT("host", options->host),
                   TR_UINT("port", options->port),
                   TR_TEXT("remedy",
                           "the server offers no TLS and debezium.source.database.ssl.mode = "
                           "preferred: going on "
                           "in clear; "
                           "set it to disabled to silence this, or enable TLS on the server"));
        }
    }
    if (code != TR_OK) {
        mysql_close(&opened->mysql);
        free(opened);
        return code;
    }
    *link = opened;
    return TR_OK;
}

void tr_mysql_link_close(struct tr_mysql_link *link)
{
    if (link == NULL) {
        return;
    }
    mysql_close(&link->mysql);
    free(link);
}

static enum tr_code log_in(struct tr_mysql_link *link, const struct tr_mysql_options *options,
                           enum tr_tls_mode tls, struct tr_error *err)
{
    if (mysql_init(&link->mysql) == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for a connection");
    }
    link->wants_tls = tls != TR_TLS_DISABLED;
    link->is_greeted = false;
    link->tls_missing = false;
    set_options(&link->mysql, options, tls);
    if (mysql_real_connect(&link->mysql, options->host, options->user, options->password, NULL,
                           options->port, NULL, 0) == NULL) {
        return login_error(link, options, err);
    }
    if (link->wants_tls && mysql_get_ssl_cipher(&link->mysql) == NULL) {
        link->tls_missing = true;
        return login_error(link, options, err);
    }
    link->last_error = 0;
    return TR_OK;
}

static void set_options(MYSQL *mysql, const struct tr_mysql_options *options, enum tr_tls_mode tls)
{
    const uint32_t connect_ms =
        options->connect_timeout_ms == 0 ? CONNECT_TIMEOUT_MS_DEFAULT : options->connect_timeout_ms;
    const uint32_t query_ms =
        options->query_timeout_ms == 0 ? QUERY_TIMEOUT_MS_DEFAULT : options->query_timeout_ms;
    const unsigned int connect_s = connect_ms / 1000 + (connect_ms % 1000 != 0);
    const unsigned int query_s = query_ms / 1000 + (query_ms % 1000 != 0);
    const unsigned int protocol =
        MYSQL_PROTOCOL_TCP; /* "localhost" too: no socket file behind our back */

    (void)mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
    (void)mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &query_s);
    (void)mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &query_s);
    (void)mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
    (void)mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (is_given(options->plugin_dir)) {
        (void)mysql_options(mysql, MYSQL_PLUGIN_DIR, options->plugin_dir);
    }
#if IS_CONNECTOR_C
    if (tls == TR_TLS_DISABLED) { /* no server talks us into sending the password as it is */
        (void)mysql_options(
            mysql, MARIADB_OPT_RESTRICTED_AUTH,
            "mysql_native_password,caching_sha2_password,sha256_password,client_ed25519");
    }
#else
    /* caching_sha2_password over plain TCP: fetch the server's RSA key (Connector/C does so
     * unasked). */
    const bool get_key = true;
    (void)mysql_options(mysql, MYSQL_OPT_GET_SERVER_PUBLIC_KEY, &get_key);
#endif
    set_tls(mysql, options, tls);
}

static void set_tls(MYSQL *mysql, const struct tr_mysql_options *options, enum tr_tls_mode tls)
{
    if (tls != TR_TLS_DISABLED) {
        if (is_given(options->ca_path)) {
            (void)mysql_options(mysql, MYSQL_OPT_SSL_CA, options->ca_path);
        } else if (tls == TR_TLS_VERIFY_CA || tls == TR_TLS_VERIFY_IDENTITY) {
            (void)mysql_options(mysql, MYSQL_OPT_SSL_CAPATH, SYSTEM_CA_DIR);
        }
        if (is_given(options->cert_path)) {
            (void)mysql_options(mysql, MYSQL_OPT_SSL_CERT, options->cert_path);
        }
        if (is_given(options->key_path)) {
            (void)mysql_options(mysql, MYSQL_OPT_SSL_KEY, options->key_path);
        }
    }
#if IS_CONNECTOR_C
    const my_bool enforce = tls != TR_TLS_DISABLED;
    const my_bool verify_host = tls == TR_TLS_VERIFY_IDENTITY;
    (void)mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &enforce);
    (void)mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify_host);
#else
    const unsigned int mode = tls == TR_TLS_DISABLED          ? SSL_MODE_DISABLED
                              : tls == TR_TLS_VERIFY_IDENTITY ? SSL_MODE_VERIFY_IDENTITY
                              : tls == TR_TLS_VERIFY_CA || is_given(options->ca_path)
                                  ? SSL_MODE_VERIFY_CA
                                  : SSL_MODE_REQUIRED;
    (void)mysql_options(mysql, MYSQL_OPT_SSL_MODE, &mode);
#endif
}

static void add_remedy(struct tr_error *err, const char *remedy)
{
    const size_t bytes = strlen(err->text);
    (void)snprintf(err->text + bytes, sizeof(err->text) - bytes, "%s", remedy);
}

static enum tr_code login_error(struct tr_mysql_link *link, const struct tr_mysql_options *options,
                                struct tr_error *err)
{
    char what[512];

    link->last_error = mysql_errno(&link->mysql);
    (void)snprintf(what, sizeof(what), "login to %s:%u as \"%s\"", options->host, options->port,
                   options->user);
    if (link->tls_missing || (link->last_error == CLIENT_ERROR_SSL &&
                              (link->mysql.server_capabilities & CAPABILITY_SSL) == 0)) {
        link->tls_missing = true;
        return TR_FAIL(err, TR_ERR_SOURCE_LINK, TR_STOP,
                       "%s: the server offers no TLS: enable it there, or set "
                       "debezium.source.database.ssl.mode = disabled",
                       what);
    }
    if (link->last_error == CLIENT_ERROR_SSL) {
        return TR_FAIL(err, TR_ERR_SOURCE_LINK, TR_STOP,
                       "%s: TLS failed (%s): check debezium.source.database.ssl.mode, "
                       "tailrace.source.tls.ca, and the host "
                       "name against the "
                       "server's certificate",
                       what, mysql_error(&link->mysql));
    }
    const enum tr_code code =
        tr_server_error_of_query(link->last_error, mysql_error(&link->mysql), what, err);
    if (link->last_error == TR_SERVER_ERROR_ACCESS_DENIED && options->tls == TR_TLS_DISABLED) {
        add_remedy(err, ", and debezium.source.database.ssl.mode if the user may only "
                        "come by TLS (REQUIRE SSL)");
    } else if (code == TR_ERR_SOURCE_LINK && link->last_error == CLIENT_ERROR_UNKNOWN_HOST) {
        add_remedy(err, ": check debezium.source.database.hostname, or the name server");
    } else if (code == TR_ERR_SOURCE_LINK && link->last_error >= CLIENT_ERROR_FIRST) {
        add_remedy(err, ": check debezium.source.database.hostname and .port, that the "
                        "server runs and listens there, and that no firewall is between");
    }
    return code;
}

enum tr_code tr_mysql_link_query(struct tr_mysql_link *link, const char *sql,
                                 tr_query_on_row *on_row, void *row_self, struct tr_error *err)
{
    TR_ASSERT(!link->is_raw);
    link->last_error = 0;
    if (mysql_real_query(&link->mysql, sql, strlen(sql)) != 0) {
        return query_error(link, sql, err);
    }
    MYSQL_RES *result = mysql_use_result(&link->mysql);
    if (result == NULL) {
        return mysql_errno(&link->mysql) != 0 ? query_error(link, sql, err) : TR_OK;
    }
    enum tr_code code = TR_OK;
    if (on_row != NULL) {
        code = hand_out_rows(link, result, on_row, row_self, err);
        if (code == TR_OK && mysql_errno(&link->mysql) != 0) {
            code = query_error(link, sql, err);
        }
    }
    link->column_count = 0;
    mysql_free_result(result); /* reads what is left */
    return code;
}

static enum tr_code hand_out_rows(struct tr_mysql_link *link, MYSQL_RES *result,
                                  tr_query_on_row *on_row, void *row_self, struct tr_error *err)
{
    const unsigned int count = mysql_num_fields(result);
    const MYSQL_FIELD *fields = mysql_fetch_fields(result);
    MYSQL_ROW row;

    if (count > CELLS_MAX) {
        return TR_FAIL(err, TR_ERR_UNSUPPORTED, TR_STOP,
                       "a result of %u columns: at most %u are read", count, CELLS_MAX);
    }
    for (unsigned int i = 0; i < count; i++) {
        link->columns[i] = tr_span_of_text(fields[i].name);
    }
    link->column_count = count;
    while ((row = mysql_fetch_row(result)) != NULL) {
        const unsigned long *lengths = mysql_fetch_lengths(result);
        for (unsigned int i = 0; i < count; i++) {
            link->cells[i] = row[i] == NULL ? (struct tr_span){0} : tr_span_of(row[i], lengths[i]);
        }
        if (on_row(row_self, link->cells, count) != 0) {
            break;
        }
    }
    return TR_OK;
}

static enum tr_code query_error(struct tr_mysql_link *link, const char *sql, struct tr_error *err)
{
    char what[96]; /* the statement's beginning names it; ours hold no secrets */

    link->last_error = mysql_errno(&link->mysql);
    (void)snprintf(what, sizeof(what), "%.90s", sql);
    return tr_server_error_of_query(link->last_error, mysql_error(&link->mysql), what, err);
}

const struct tr_span *tr_mysql_link_columns(const struct tr_mysql_link *link, uint32_t *count)
{
    *count = link->column_count;
    return link->columns;
}

uint32_t tr_mysql_link_last_error(const struct tr_mysql_link *link)
{
    return link->last_error;
}

const char *tr_mysql_link_version(const struct tr_mysql_link *link)
{
    return link->mysql.server_version == NULL ? "" : link->mysql.server_version;
}

enum tr_flavor tr_mysql_link_flavor(const struct tr_mysql_link *link)
{
    return strstr(tr_mysql_link_version(link), "MariaDB") != NULL ? TR_FLAVOR_MARIADB
                                                                  : TR_FLAVOR_MYSQL;
}

uint32_t tr_mysql_link_version_number(const struct tr_mysql_link *link)
{
    return tr_mysql_version_number(tr_mysql_link_version(link));
}

uint32_t tr_mysql_version_number(const char *version)
{
    static const char old_prefix[] = "5.5.5-"; /* MariaDB 10 puts it before its own */
    unsigned int parts[3] = {0};

    if (strstr(version, "MariaDB") != NULL &&
        strncmp(version, old_prefix, sizeof(old_prefix) - 1) == 0) {
        version += sizeof(old_prefix) - 1;
    }
    for (size_t i = 0; i < 3; i++) {
        while (*version >= '0' && *version <= '9' && parts[i] < 1000) {
            parts[i] = parts[i] * 10 + (unsigned int)(*version - '0');
            version++;
        }
        if (*version != '.') {
            break;
        }
        version++;
    }
    return parts[0] * 10000 + parts[1] * 100 + parts[2];
}

const char *tr_mysql_link_tls(struct tr_mysql_link *link)
{
    const char *cipher = mysql_get_ssl_cipher(&link->mysql);

    return cipher == NULL ? "none" : cipher;
}

enum tr_code tr_mysql_link_take_raw(struct tr_mysql_link *link, struct tr_mysql_raw *raw,
                                    struct tr_error *err)
{
#if IS_CONNECTOR_C
    const struct st_ma_pvio *pvio = link->mysql.net.pvio;
    (void)err;
    raw->fd = (int)mysql_get_socket(&link->mysql);
    raw->ssl = pvio != NULL && pvio->ctls != NULL ? pvio->ctls->ssl : NULL;
#else
    if (mysql_get_ssl_cipher(&link->mysql) != NULL) {
        return TR_FAIL(
            err, TR_ERR_UNSUPPORTED, TR_STOP,
            "reading the log over TLS needs MariaDB Connector/C: this build uses %s; build with "
            "-DTAILRACE_MYSQL=mariadb, or set debezium.source.database.ssl.mode = disabled",
            tr_mysql_library_name());
    }
    raw->fd = (int)link->mysql.net.fd;
    raw->ssl = NULL;
#endif
    link->is_raw = true;
    return TR_OK;
}

static bool is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}
