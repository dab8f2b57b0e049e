// SPDX-License-Identifier: Apache-2.0
/* How a session with Redis comes to be, and its end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "offsets/redis_session.h"

#define DEFAULT_PORT "6379"

/* Copies a text option; false when it is too long. */
static bool copy_text(char *out, size_t room_bytes, const char *text)
{
    const int bytes = snprintf(out, room_bytes, "%s", text == NULL ? "" : text);

    return bytes >= 0 && (size_t)bytes < room_bytes;
}

static enum tr_code set_names(struct tr_redis_session *session,
                              const struct tr_store_redis_options *options, struct tr_error *err)
{
    const int prefix_bytes = options->topic_prefix.bytes < TR_REDIS_NAME_BYTES_MAX / 2
                                 ? (int)options->topic_prefix.bytes
                                 : TR_REDIS_NAME_BYTES_MAX / 2;
    const struct {
        char *out;
        size_t room_bytes;
        const char *text;
        const char *name;
    } texts[] = {
        {session->address, sizeof(session->address), options->address, "address"},
        {session->user, sizeof(session->user), options->user, "user"},
        {session->password, sizeof(session->password), options->password, "password"},
        {session->key, sizeof(session->key), options->key, "key"},
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (!copy_text(texts[i].out, texts[i].room_bytes, texts[i].text)) {
            return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP, "%s.%s: wanted at most %zu bytes",
                           session->role->properties, texts[i].name, texts[i].room_bytes - 1);
        }
    }
    (void)snprintf(session->identity_key, sizeof(session->identity_key), "%s:tailrace",
                   session->key);
    (void)snprintf(session->lock_key, sizeof(session->lock_key), "%s:tailrace:lock:%.*s",
                   session->key, prefix_bytes, (const char *)options->topic_prefix.data);
    return tr_file_text_set(&session->field, options->offset_key, err);
}

/* 128 random bits, so that nobody takes our lock for theirs, and who we are, for people. */
static enum tr_code set_lock_value(struct tr_redis_session *session, struct tr_error *err)
{
    uint64_t random[2];
    char host[65] = "unknown-host";

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "16 random bytes: refused by the system");
    }
    (void)gethostname(host, sizeof(host) - 1);
    (void)snprintf(session->lock_value, sizeof(session->lock_value), "%016llx%016llx %s:%ld",
                   (unsigned long long)random[0], (unsigned long long)random[1], host,
                   (long)getpid());
    return TR_OK;
}

/* host:port, [v6]:port or host; the texts have room for what the link takes. */
static enum tr_code parse_address(const struct tr_redis_session *session, char *host, char *port,
                                  struct tr_error *err)
{
    const char *const address = session->address;
    const bool is_bracketed = address[0] == '[';
    const char *const from = is_bracketed ? address + 1 : address;
    const char *const end = is_bracketed ? strchr(from, ']') : strchr(from, ':');
    const size_t host_bytes = end == NULL ? strlen(from) : (size_t)(end - from);
    const char *const rest = end == NULL ? "" : end + (is_bracketed ? 1 : 0);
    const char *const digits = rest[0] == ':' ? rest + 1 : DEFAULT_PORT;
    const size_t digit_count = strlen(digits);

    if (host_bytes == 0 || host_bytes > TR_REDIS_HOST_BYTES_MAX || (is_bracketed && end == NULL) ||
        (rest[0] != ':' && rest[0] != '\0') || digit_count == 0 ||
        digit_count > TR_REDIS_PORT_BYTES_MAX || strspn(digits, "0123456789") != digit_count ||
        strtoul(digits, NULL, 10) > UINT16_MAX) {
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                       "%s.address = \"%.300s\": wanted host:port, or [IPv6 address]:port",
                       session->role->properties, address);
    }
    memcpy(host, from, host_bytes);
    host[host_bytes] = '\0';
    memcpy(port, digits, digit_count + 1);
    return TR_OK;
}

enum tr_code tr_redis_session_open(struct tr_redis_session **opened,
                                   const struct tr_store_redis_options *options,
                                   const struct tr_redis_role *role, struct tr_error *err)
{
    struct tr_redis_session *session = calloc(1, sizeof(*session));

    *opened = NULL;
    if (session == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "memory for the %s = %zu bytes: refused by the system", role->label,
                       sizeof(*session));
    }
    session->role = role;
    char host[TR_REDIS_HOST_BYTES_MAX + 1] = "";
    char port[TR_REDIS_PORT_BYTES_MAX + 1] = "";
    const struct tr_redis_link_options link_options = {
        .host = host,
        .port = port,
        .tls = options->tls,
        .tls_no_verify = options->tls_no_verify,
        .tls_no_hostname_verify = options->tls_no_hostname_verify,
        .tls_ca_path = options->tls_ca_path,
        .tls_cert_path = options->tls_cert_path,
        .tls_key_path = options->tls_key_path,
        .reactor = options->reactor,
        .on_change = tr_redis_session_on_change,
        .self = session,
    };

    session->options = *options;
    session->timer =
        (struct tr_reactor_timer){.on_timer = tr_redis_session_on_timer, .self = session};
    if (set_names(session, options, err) != TR_OK || set_lock_value(session, err) != TR_OK ||
        parse_address(session, host, port, err) != TR_OK ||
        tr_redis_link_open(&session->link, &link_options, err) != TR_OK) {
        tr_redis_session_close(session);
        return err->code;
    }
    *opened = session;
    return TR_OK;
}

void tr_redis_session_close(struct tr_redis_session *session)
{
    if (session == NULL) {
        return;
    }
    if (session->link != NULL) {
        tr_redis_session_unlock(session);
    }
    tr_reactor_timer_cancel(session->options.reactor, &session->timer);
    tr_redis_link_close(session->link);
    tr_file_text_deinit(&session->field);
    tr_file_text_deinit(&session->known);
    tr_file_text_deinit(&session->identity);
    explicit_bzero(session->password, sizeof(session->password));
    free(session);
}
