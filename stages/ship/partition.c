// SPDX-License-Identifier: Apache-2.0
#include "stages/ship/partition.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "engine/assert.h"

struct tr_digest {
    EVP_MD *md5;
    EVP_MD *sha256;
    EVP_MD_CTX *context; /* reused: fetching and allocating per key would cost more than the hash */
};

enum tr_code tr_digest_open(struct tr_digest **digest, struct tr_error *err)
{
    struct tr_digest *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "digest: no memory: add memory");
    }
    made->md5 = EVP_MD_fetch(NULL, "MD5", NULL);
    made->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    made->context = EVP_MD_CTX_new();
    if (made->md5 == NULL || made->sha256 == NULL || made->context == NULL) {
        tr_digest_close(made);
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "OpenSSL offers no MD5 or SHA-256, which Kinesis' shard hashing needs: "
                       "use a provider that has them (a FIPS-only configuration has no MD5)");
    }
    *digest = made;
    return TR_OK;
}

void tr_digest_close(struct tr_digest *digest)
{
    if (digest == NULL) {
        return;
    }
    EVP_MD_free(digest->md5);
    EVP_MD_free(digest->sha256);
    EVP_MD_CTX_free(digest->context);
    free(digest);
}

static void digest_bytes(struct tr_digest *digest, const EVP_MD *type, struct tr_span bytes,
                         uint8_t *out)
{
    /* These can fail for lack of memory only, and a reused context takes none. */
    const int started = EVP_DigestInit_ex2(digest->context, type, NULL);
    TR_ASSERT(started == 1);
    const int updated = EVP_DigestUpdate(digest->context, bytes.data, bytes.bytes);
    TR_ASSERT(updated == 1);
    const int ended = EVP_DigestFinal_ex(digest->context, out, NULL);
    TR_ASSERT(ended == 1);
}

tr_hash_key tr_digest_md5(struct tr_digest *digest, struct tr_span bytes)
{
    uint8_t out[EVP_MAX_MD_SIZE];

    digest_bytes(digest, digest->md5, bytes, out);
    return (tr_hash_key)tr_load_uint_be(out, 8) << 64 | tr_load_uint_be(out + 8, 8);
}

void tr_digest_sha256_hex(struct tr_digest *digest, struct tr_span bytes, char *hex)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t out[EVP_MAX_MD_SIZE];

    digest_bytes(digest, digest->sha256, bytes, out);
    for (size_t i = 0; i < TR_PARTITION_DIGEST_BYTES / 2; i++) {
        hex[2 * i] = digits[out[i] >> 4];
        hex[2 * i + 1] = digits[out[i] & 15];
    }
}

bool tr_partition_key_is_oversize(struct tr_span key)
{
    if (key.bytes <= TR_PARTITION_KEY_CHARACTERS_MAX) {
        return false; /* a character has at least one byte */
    }
    size_t characters = 0;
    for (size_t i = 0; i < key.bytes; i++) {
        characters += (key.data[i] & 0xC0) != 0x80; /* all but continuation bytes */
    }
    return characters > TR_PARTITION_KEY_CHARACTERS_MAX;
}
