// SPDX-License-Identifier: Apache-2.0
/* The referee's own SigV4, straight from the published algorithm and without any caching: it must
 * not share a fault with the client's. Source: AWS, "Create a signed AWS API request". */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <time.h>

#include "bench/kinesis/judge.h"

#define CLOCK_SKEW_S_MAX 300
#define DIGEST_BYTES 32

static void to_hex(const uint8_t *digest, char *hex)
{
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
}

static void sha256_hex(struct tr_span text, char *hex)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    (void)EVP_Digest(text.data, text.bytes, digest, NULL, EVP_sha256(), NULL);
    to_hex(digest, hex);
}

static void hmac(uint8_t *key, size_t key_bytes, struct tr_span text)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    (void)HMAC(EVP_sha256(), key, (int)key_bytes, text.data, text.bytes, digest, NULL);
    memcpy(key, digest, DIGEST_BYTES);
}

static struct tr_span part_after(struct tr_span text, const char *label)
{
    const uint8_t *at = memmem(text.data, text.bytes, label, strlen(label));
    if (at == NULL) {
        return (struct tr_span){0};
    }
    at += strlen(label);
    const uint8_t *end = at;
    while (end < text.data + text.bytes && *end != ',' && *end != ' ') {
        end++;
    }
    return tr_span_of(at, (size_t)(end - at));
}

static bool date_is_near(struct tr_span date, int64_t now_unix_s)
{
    struct tm parts = {0};
    char text[17];
    if (date.bytes != 16) {
        return false;
    }
    memcpy(text, date.data, 16);
    text[16] = '\0';
    const char *end = strptime(text, "%Y%m%dT%H%M%SZ", &parts);
    if (end == NULL || *end != '\0') {
        return false;
    }
    const int64_t sent_unix_s = timegm(&parts);
    return sent_unix_s > now_unix_s - CLOCK_SKEW_S_MAX &&
           sent_unix_s < now_unix_s + CLOCK_SKEW_S_MAX;
}

static void sign(const struct tr_judge_request *request,
                 const struct tr_judge_credentials *credentials, char *hex)
{
    char canonical[4096];
    char hash[65];
    char to_sign[512];
    uint8_t key[DIGEST_BYTES + 256] = "AWS4";
    const bool has_token = request->token.bytes > 0;

    sha256_hex(request->body, hash);
    const int bytes = snprintf(
        canonical, sizeof(canonical),
        "POST\n/\n\ncontent-type:%.*s\nhost:%.*s\nx-amz-date:%.*s\n%s%.*s%sx-amz-target:%.*s\n\n"
        "content-type;host;x-amz-date;%sx-amz-target\n%s",
        (int)request->content_type.bytes, (const char *)request->content_type.data,
        (int)request->host.bytes, (const char *)request->host.data, (int)request->date.bytes,
        (const char *)request->date.data, has_token ? "x-amz-security-token:" : "",
        (int)request->token.bytes, has_token ? (const char *)request->token.data : "",
        has_token ? "\n" : "", (int)request->target.bytes, (const char *)request->target.data,
        has_token ? "x-amz-security-token;" : "", hash);
    sha256_hex(tr_span_of(canonical, bytes < (int)sizeof(canonical) ? (size_t)bytes : 0), hash);
    const int sign_bytes = snprintf(to_sign, sizeof(to_sign),
                                    "AWS4-HMAC-SHA256\n%.*s\n%.8s/%s/kinesis/aws4_request\n%s", 16,
                                    (const char *)request->date.data,
                                    (const char *)request->date.data, credentials->region, hash);
    const size_t secret_bytes = strlen(credentials->secret_key);
    memcpy(key + 4, credentials->secret_key, secret_bytes < 256 ? secret_bytes : 256);
    hmac(key, 4 + secret_bytes, tr_span_of(request->date.data, 8));
    hmac(key, DIGEST_BYTES, tr_span_of_text(credentials->region));
    hmac(key, DIGEST_BYTES, tr_span_of_text("kinesis"));
    hmac(key, DIGEST_BYTES, tr_span_of_text("aws4_request"));
    hmac(key, DIGEST_BYTES, tr_span_of(to_sign, (size_t)sign_bytes));
    to_hex(key, hex);
}

const char *tr_judge_signature(const struct tr_judge_request *request,
                               const struct tr_judge_credentials *credentials, int64_t now_unix_s)
{
    char expected[65];
    char scope[160];
    const struct tr_span credential = part_after(request->authorization, "Credential=");
    const struct tr_span names = part_after(request->authorization, "SignedHeaders=");
    const struct tr_span signature = part_after(request->authorization, "Signature=");

    if (!date_is_near(request->date, now_unix_s)) {
        return "Signature expired: X-Amz-Date is not within five minutes";
    }
    (void)snprintf(scope, sizeof(scope), "%s/%.8s/%s/kinesis/aws4_request", credentials->access_key,
                   (const char *)request->date.data, credentials->region);
    if (!tr_span_equals(credential, tr_span_of_text(scope))) {
        return "Credential is not the expected key, day, region and service";
    }
    const char *token = credentials->session_token == NULL ? "" : credentials->session_token;
    if (!tr_span_equals(request->token, tr_span_of_text(token))) {
        return "X-Amz-Security-Token is not the expected one";
    }
    if (!tr_span_equals(
            names,
            tr_span_of_text(request->token.bytes > 0
                                ? "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"
                                : "content-type;host;x-amz-date;x-amz-target"))) {
        return "SignedHeaders are not the expected ones";
    }
    sign(request, credentials, expected);
    if (signature.bytes != 64 || CRYPTO_memcmp(signature.data, expected, 64) != 0) {
        return "Signature does not match";
    }
    return NULL;
}
