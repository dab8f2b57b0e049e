// SPDX-License-Identifier: Apache-2.0
#include "stages/ship/sigv4.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/assert.h"

#define DATE_TEXT_BYTES 16 /* 20260115T120000Z */
#define DAY_TEXT_BYTES 8   /* 20260115 */
#define HASH_TEXT_BYTES (2 * TR_SHA256_BYTES)
#define SCOPE_BYTES_MAX 192
/* Everything of a canonical request but token and target, with room for the longest host name. */
#define CANONICAL_BYTES_MAX (1024 + TR_AWS_TOKEN_BYTES_MAX + TR_AWS_TARGET_BYTES_MAX)
#define HOST_BYTES_MAX 300
#define CONTENT_TYPE_BYTES_MAX 96

struct tr_sigv4 {
    EVP_MD *sha256;        /* owns */
    EVP_MD_CTX *digest;    /* owns; reused for every hash */
    EVP_MAC *hmac;         /* owns */
    EVP_MAC_CTX *deriving; /* owns; keyed anew at each step of the key derivation */
    EVP_MAC_CTX *signing;  /* owns; keyed with the day's signing key */
    char service[32];
    char region[64];
    char head[64 + HOST_BYTES_MAX +
              CONTENT_TYPE_BYTES_MAX]; /* canonical request up to the date's value */
    /* What `signing` is keyed for. */
    uint64_t key_generation; /* 0 = nothing yet */
    char key_day[DAY_TEXT_BYTES + 1];
    char scope[SCOPE_BYTES_MAX]; /* day/region/service/aws4_request */
    uint8_t canonical_hash[TR_SHA256_BYTES];
    char canonical[CANONICAL_BYTES_MAX];
};

struct secret_text {
    const void *bytes;
    size_t count;
};

static bool hash_bytes(struct tr_sigv4 *signer, struct tr_span bytes, uint8_t out[TR_SHA256_BYTES]);
static bool mac_bytes(EVP_MAC_CTX *mac, const struct secret_text *key, struct tr_span bytes,
                      uint8_t out[TR_SHA256_BYTES]);
static bool derive_key(struct tr_sigv4 *signer, const struct tr_credentials *credentials,
                       const char *day);
static bool write_canonical(struct tr_sigv4 *signer, const struct tr_credentials *credentials,
                            const struct tr_sigv4_request *request, const char *date);
static void write_hex(const uint8_t hash[TR_SHA256_BYTES], char out[HASH_TEXT_BYTES + 1]);
static const char *signed_names(bool has_token, bool has_target);

enum tr_code tr_sigv4_open(struct tr_sigv4 **out, const struct tr_sigv4_options *options,
                           struct tr_error *err)
{
    struct tr_sigv4 *signer = calloc(1, sizeof(*signer)); /* at start */
    *out = signer;
    if (signer == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "signer: no memory for %zu bytes: add memory",
                       sizeof(*signer));
    }
    if (strlen(options->service) >= sizeof(signer->service) ||
        strlen(options->region) >= sizeof(signer->region) ||
        strlen(options->host) > HOST_BYTES_MAX ||
        strlen(options->content_type) > CONTENT_TYPE_BYTES_MAX) {
        tr_sigv4_close(signer);
        *out = NULL;
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                       "endpoint host = \"%.60s...\", region = \"%.60s\": too long", options->host,
                       options->region);
    }
    (void)snprintf(signer->service, sizeof(signer->service), "%s", options->service);
    (void)snprintf(signer->region, sizeof(signer->region), "%s", options->region);
    (void)snprintf(signer->head, sizeof(signer->head),
                   "POST\n/\n\ncontent-type:%s\nhost:%s\nx-amz-date:", options->content_type,
                   options->host);
    signer->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    signer->digest = EVP_MD_CTX_new();
    signer->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (signer->hmac != NULL) {
        signer->deriving = EVP_MAC_CTX_new(signer->hmac);
        signer->signing = EVP_MAC_CTX_new(signer->hmac);
    }
    if (signer->sha256 == NULL || signer->digest == NULL || signer->deriving == NULL ||
        signer->signing == NULL) {
        tr_sigv4_close(signer);
        *out = NULL;
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "OpenSSL offers no SHA256 or HMAC: check the providers in openssl.cnf");
    }
    return TR_OK;
}

void tr_sigv4_close(struct tr_sigv4 *signer)
{
    if (signer == NULL) {
        return;
    }
    EVP_MAC_CTX_free(signer->signing);
    EVP_MAC_CTX_free(signer->deriving);
    EVP_MAC_free(signer->hmac);
    EVP_MD_CTX_free(signer->digest);
    EVP_MD_free(signer->sha256);
    OPENSSL_cleanse(signer, sizeof(*signer));
    free(signer);
}

enum tr_code tr_sigv4_sign(struct tr_sigv4 *signer, const struct tr_credentials *credentials,
                           const struct tr_sigv4_request *request, struct tr_sigv4_headers *headers,
                           struct tr_error *err)
{
    const time_t at = (time_t)request->unix_s;
    struct tm utc;
    char date[DATE_TEXT_BYTES + 1];
    char day[DAY_TEXT_BYTES + 1];
    if (gmtime_r(&at, &utc) == NULL ||
        strftime(date, sizeof(date), "%Y%m%dT%H%M%SZ", &utc) != DATE_TEXT_BYTES) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "wall clock = %lld s: no date: set the system clock",
                       (long long)request->unix_s);
    }
    memcpy(day, date, DAY_TEXT_BYTES);
    day[DAY_TEXT_BYTES] = '\0';
    /* The key rolls with the signed date, not with the clock. */
    if (signer->key_generation != credentials->generation || strcmp(signer->key_day, day) != 0) {
        if (!derive_key(signer, credentials, day)) {
            return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                           "OpenSSL: HMAC-SHA256 failed while deriving the signing key");
        }
        signer->key_generation = credentials->generation;
        memcpy(signer->key_day, day, sizeof(day));
    }
    if (!write_canonical(signer, credentials, request, date)) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "OpenSSL: SHA256 failed over %zu bytes of body",
                       request->body.bytes);
    }

    char canonical_hex[HASH_TEXT_BYTES + 1];
    char to_sign[64 + DATE_TEXT_BYTES + SCOPE_BYTES_MAX + HASH_TEXT_BYTES];
    uint8_t signature[TR_SHA256_BYTES];
    char signature_hex[HASH_TEXT_BYTES + 1];
    write_hex(signer->canonical_hash, canonical_hex);
    (void)snprintf(to_sign, sizeof(to_sign), "AWS4-HMAC-SHA256\n%s\n%s\n%s", date, signer->scope,
                   canonical_hex);
    if (!mac_bytes(signer->signing, NULL, tr_span_of_text(to_sign), signature)) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "OpenSSL: HMAC-SHA256 failed while signing a request");
    }
    write_hex(signature, signature_hex);

    (void)snprintf(headers->date, sizeof(headers->date), "X-Amz-Date: %s", date);
    (void)snprintf(
        headers->authorization, sizeof(headers->authorization),
        "Authorization: AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
        credentials->key_id, signer->scope,
        signed_names(credentials->token[0] != '\0', request->target != NULL), signature_hex);
    headers->token[0] = '\0';
    if (credentials->token[0] != '\0') {
        (void)snprintf(headers->token, sizeof(headers->token), "X-Amz-Security-Token: %s",
                       credentials->token);
    }
    return TR_OK;
}

const uint8_t *tr_sigv4_canonical_hash(const struct tr_sigv4 *signer)
{
    return signer->canonical_hash;
}

/* Signed are content-type, host, date, the token if any, the target if any; sorted by name. */
static const char *signed_names(bool has_token, bool has_target)
{
    if (has_token) {
        return has_target ? "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"
                          : "content-type;host;x-amz-date;x-amz-security-token";
    }
    return has_target ? "content-type;host;x-amz-date;x-amz-target"
                      : "content-type;host;x-amz-date";
}

/* Writes the canonical request and hashes it into `canonical_hash`. */
static bool write_canonical(struct tr_sigv4 *signer, const struct tr_credentials *credentials,
                            const struct tr_sigv4_request *request, const char *date)
{
    uint8_t body_hash[TR_SHA256_BYTES];
    char body_hex[HASH_TEXT_BYTES + 1];
    const bool has_token = credentials->token[0] != '\0';
    const bool has_target = request->target != NULL;
    TR_ASSERT(!has_target || strlen(request->target) <= TR_AWS_TARGET_BYTES_MAX);
    if (!hash_bytes(signer, request->body, body_hash)) {
        return false;
    }
    write_hex(body_hash, body_hex);
    const int bytes = snprintf(
        signer->canonical, sizeof(signer->canonical), "%s%s\n%s%s%s%s%s%s\n%s\n%s", signer->head,
        date, has_token ? "x-amz-security-token:" : "", credentials->token, has_token ? "\n" : "",
        has_target ? "x-amz-target:" : "", has_target ? request->target : "",
        has_target ? "\n" : "", signed_names(has_token, has_target), body_hex);
    TR_ASSERT(bytes > 0);
    TR_ASSERT((size_t)bytes < sizeof(signer->canonical));
    return hash_bytes(signer, tr_span_of(signer->canonical, (size_t)bytes), signer->canonical_hash);
}

/* HMAC(HMAC(HMAC(HMAC("AWS4" secret, day), region), service), "aws4_request"), left in `signing`.
 */
static bool derive_key(struct tr_sigv4 *signer, const struct tr_credentials *credentials,
                       const char *day)
{
    const char *const steps[] = {day, signer->region, signer->service, "aws4_request"};
    char first_key[sizeof("AWS4") + TR_AWS_SECRET_BYTES_MAX];
    uint8_t key[TR_SHA256_BYTES];
    OSSL_PARAM params[] = {OSSL_PARAM_END, OSSL_PARAM_END};
    char digest_name[] = "SHA256";
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name, 0);

    (void)snprintf(first_key, sizeof(first_key), "AWS4%s", credentials->secret);
    struct secret_text with = {.bytes = first_key, .count = strlen(first_key)};
    bool ok = EVP_MAC_CTX_set_params(signer->deriving, params) == 1;
    for (size_t i = 0; ok && i < sizeof(steps) / sizeof(steps[0]); i++) {
        ok = mac_bytes(signer->deriving, &with, tr_span_of_text(steps[i]), key);
        with = (struct secret_text){.bytes = key, .count = sizeof(key)};
    }
    ok = ok && EVP_MAC_init(signer->signing, key, sizeof(key), params) == 1;
    (void)snprintf(signer->scope, sizeof(signer->scope), "%s/%s/%s/aws4_request", day,
                   signer->region, signer->service);
    OPENSSL_cleanse(first_key, sizeof(first_key));
    OPENSSL_cleanse(key, sizeof(key));
    return ok;
}

static bool hash_bytes(struct tr_sigv4 *signer, struct tr_span bytes, uint8_t out[TR_SHA256_BYTES])
{
    unsigned int count = 0;
    return EVP_DigestInit_ex2(signer->digest, signer->sha256, NULL) == 1 &&
           EVP_DigestUpdate(signer->digest, bytes.data, bytes.bytes) == 1 &&
           EVP_DigestFinal_ex(signer->digest, out, &count) == 1 && count == TR_SHA256_BYTES;
}

/* With `key` NULL the context's own key is used again. */
static bool mac_bytes(EVP_MAC_CTX *mac, const struct secret_text *key, struct tr_span bytes,
                      uint8_t out[TR_SHA256_BYTES])
{
    size_t count = 0;
    const void *key_bytes = key == NULL ? NULL : key->bytes;
    const size_t key_count = key == NULL ? 0 : key->count;
    return EVP_MAC_init(mac, key_bytes, key_count, NULL) == 1 &&
           EVP_MAC_update(mac, bytes.data, bytes.bytes) == 1 &&
           EVP_MAC_final(mac, out, &count, TR_SHA256_BYTES) == 1 && count == TR_SHA256_BYTES;
}

static void write_hex(const uint8_t hash[TR_SHA256_BYTES], char out[HASH_TEXT_BYTES + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < TR_SHA256_BYTES; i++) {
        out[2 * i] = digits[hash[i] >> 4];
        out[2 * i + 1] = digits[hash[i] & 15];
    }
    out[HASH_TEXT_BYTES] = '\0';
}
