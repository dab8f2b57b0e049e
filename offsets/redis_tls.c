// SPDX-License-Identifier: Apache-2.0
#include "offsets/redis_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tr_tls_context {
    SSL_CTX *ssl_context; /* owns */
    bool no_verify;
    bool no_hostname_verify;
};

struct tr_tls {
    SSL *ssl; /* owns */
};

/* The newest entry of OpenSSL's error queue, which is then empty. */
static const char *reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return text == NULL ? "no reason given" : text;
}

static enum tr_code fail_file(const char *what, const char *path, struct tr_error *err)
{
    return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                   "Redis TLS %s \"%s\": %s; wanted a readable PEM file", what, path, reason());
}

static enum tr_code load_files(SSL_CTX *ssl_context, const struct tr_tls_options *options,
                               struct tr_error *err)
{
    if (options->ca_path != NULL &&
        SSL_CTX_load_verify_locations(ssl_context, options->ca_path, NULL) != 1) {
        return fail_file("certificate authority", options->ca_path, err);
    }
    if (options->ca_path == NULL && SSL_CTX_set_default_verify_paths(ssl_context) != 1) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "the system's certificate authorities: %s",
                       reason());
    }
    if (options->cert_path == NULL) {
        return TR_OK;
    }
    const char *const key_path = options->key_path != NULL ? options->key_path : options->cert_path;

    if (SSL_CTX_use_certificate_chain_file(ssl_context, options->cert_path) != 1) {
        return fail_file("certificate", options->cert_path, err);
    }
    if (SSL_CTX_use_PrivateKey_file(ssl_context, key_path, SSL_FILETYPE_PEM) != 1) {
        return fail_file("key", key_path, err);
    }
    return TR_OK;
}

enum tr_code tr_tls_context_open(struct tr_tls_context **context,
                                 const struct tr_tls_options *options, struct tr_error *err)
{
    *context = calloc(1, sizeof(**context));
    if (*context == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "memory for TLS: refused by the system");
    }
    (*context)->no_verify = options->no_verify;
    (*context)->no_hostname_verify = options->no_hostname_verify;
    SSL_CTX *ssl_context = SSL_CTX_new(TLS_client_method());

    (*context)->ssl_context = ssl_context;
    if (ssl_context == NULL || SSL_CTX_set_min_proto_version(ssl_context, TLS1_2_VERSION) != 1) {
        (void)TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "a TLS context: %s", reason());
        goto fail;
    }
    SSL_CTX_set_verify(ssl_context, options->no_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_mode(ssl_context,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (load_files(ssl_context, options, err) != TR_OK) {
        goto fail;
    }
    return TR_OK;
fail:
    tr_tls_context_close(*context);
    *context = NULL;
    return err->code;
}

void tr_tls_context_close(struct tr_tls_context *context)
{
    if (context != NULL) {
        SSL_CTX_free(context->ssl_context);
        free(context);
    }
}

static bool set_name(SSL *ssl, const struct tr_tls_context *context, const char *host)
{
    struct in6_addr ignored;
    char name[256]; /* the macro below takes const away */
    const bool is_address =
        inet_pton(AF_INET, host, &ignored) == 1 || inet_pton(AF_INET6, host, &ignored) == 1;

    (void)snprintf(name, sizeof(name), "%s", host);
    if (!is_address && SSL_set_tlsext_host_name(ssl, name) != 1) {
        return false;
    }
    if (context->no_verify || context->no_hostname_verify) {
        return true;
    }
    return is_address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1
                      : SSL_set1_host(ssl, host) == 1;
}

enum tr_code tr_tls_open(struct tr_tls **tls, struct tr_tls_context *context, int fd,
                         const char *host, struct tr_error *err)
{
    *tls = calloc(1, sizeof(**tls));
    if (*tls == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "memory for TLS: refused by the system");
    }
    (*tls)->ssl = SSL_new(context->ssl_context);
    if ((*tls)->ssl == NULL || SSL_set_fd((*tls)->ssl, fd) != 1 ||
        !set_name((*tls)->ssl, context, host)) {
        (void)TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "a TLS connection to %s: %s", host, reason());
        tr_tls_close(*tls);
        *tls = NULL;
        return err->code;
    }
    SSL_set_connect_state((*tls)->ssl);
    return TR_OK;
}

void tr_tls_close(struct tr_tls *tls)
{
    if (tls != NULL) {
        SSL_free(tls->ssl);
        free(tls);
    }
}

/* What a failed call of OpenSSL means. */
static enum tr_tls_result classify(struct tr_tls *tls, int result, const char *what,
                                   struct tr_error *err)
{
    const int system_error = errno;
    const long verified = SSL_get_verify_result(tls->ssl);

    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return TR_TLS_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return TR_TLS_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return TR_TLS_END;
    case SSL_ERROR_SYSCALL:
        ERR_clear_error();
        (void)TR_FAIL(err, TR_ERR_STATE, TR_RETRY, "TLS %s: %s", what,
                      system_error == 0 ? "the server hung up" : strerrordesc_np(system_error));
        return TR_TLS_ERROR;
    default:
        break;
    }
    if (verified != X509_V_OK && SSL_get_verify_mode(tls->ssl) != SSL_VERIFY_NONE) {
        ERR_clear_error();
        (void)TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                      "the server's certificate is refused: %s; give its authority as a PEM file, "
                      "or use the name that the certificate is for",
                      X509_verify_cert_error_string(verified));
        return TR_TLS_ERROR;
    }
    (void)TR_FAIL(err, TR_ERR_STATE, TR_RETRY, "TLS %s: %s", what, reason());
    return TR_TLS_ERROR;
}

enum tr_tls_result tr_tls_handshake(struct tr_tls *tls, struct tr_error *err)
{
    ERR_clear_error();
    errno = 0;
    const int result = SSL_do_handshake(tls->ssl);

    return result == 1 ? TR_TLS_DONE : classify(tls, result, "handshake", err);
}

enum tr_tls_result tr_tls_read(struct tr_tls *tls, void *out, size_t room_bytes, size_t *bytes,
                               struct tr_error *err)
{
    ERR_clear_error();
    errno = 0;
    const int result = SSL_read_ex(tls->ssl, out, room_bytes, bytes);

    return result == 1 ? TR_TLS_DONE : classify(tls, result, "read", err);
}

enum tr_tls_result tr_tls_write(struct tr_tls *tls, const void *from, size_t count, size_t *bytes,
                                struct tr_error *err)
{
    ERR_clear_error();
    errno = 0;
    const int result = SSL_write_ex(tls->ssl, from, count, bytes);

    return result == 1 ? TR_TLS_DONE : classify(tls, result, "write", err);
}
