// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/oracle_keys.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/assert.h"
#include "stages/ship/partition.h"
#include "tests/sim/model_snapshot.h"

#define DIGEST_BYTES 32

static uint32_t hash_of(uint32_t stream, struct tr_span text)
{
    uint32_t hash = 2166136261u ^ stream; /* FNV-1a */
    for (size_t i = 0; i < text.bytes; i++) {
        hash = (hash ^ text.data[i]) * 16777619u;
    }
    return hash;
}

struct tr_oracle_key *oracle_keys_find(struct tr_oracle *oracle, uint32_t stream,
                                       struct tr_span text)
{
    const uint32_t hash = hash_of(stream, text);
    struct tr_oracle_key *key = oracle->buckets[hash % TR_ORACLE_BUCKETS];
    while (key != NULL && !(key->hash == hash && key->stream == stream &&
                            tr_span_equals(text, tr_span_of(key->text, key->text_bytes)))) {
        key = key->next;
    }
    return key;
}

static struct tr_oracle_key *intern(struct tr_oracle *oracle, uint32_t stream, struct tr_span text)
{
    struct tr_oracle_key *key = oracle_keys_find(oracle, stream, text);
    if (key != NULL) {
        return key;
    }
    key = calloc(1, sizeof(*key) + text.bytes);
    TR_ASSERT(key != NULL);
    key->stream = stream;
    key->text_bytes = (uint32_t)text.bytes;
    memcpy(key->text, text.data, text.bytes);
    key->hash = hash_of(stream, text);
    key->last = -1;
    key->is_hot = tr_span_equals(text, tr_span_of_text("default")); /* records without a key */
    key->next = oracle->buckets[key->hash % TR_ORACLE_BUCKETS];
    oracle->buckets[key->hash % TR_ORACLE_BUCKETS] = key;
    key->older = oracle->newest;
    oracle->newest = key;
    return key;
}

/* SHA-256 in hex: the partition key of a long one. */
static void replace_by_digest(struct tr_buffer *text)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    char hex[2 * DIGEST_BYTES + 1];
    unsigned bytes = 0;
    const int result = EVP_Digest(text->bytes, text->used, digest, &bytes, EVP_sha256(), NULL);
    TR_ASSERT(result == 1 && bytes == DIGEST_BYTES);
    for (uint32_t i = 0; i < bytes; i++) {
        (void)snprintf(&hex[i * 2], 3, "%02x", digest[i]);
    }
    text->used = 0;
    tr_buffer_append(text, hex, sizeof(hex) - 1);
}

static void append_text(struct tr_buffer *out, const char *text)
{
    tr_buffer_append(out, text, strlen(text));
}

struct tr_oracle_key *oracle_keys_of_change(struct tr_oracle *oracle,
                                            const struct tr_model_change *change)
{
    struct tr_buffer *text = &oracle->text;
    text->used = 0;
    if (change->op == TR_MODEL_STATEMENT || change->op == TR_MODEL_READ_STATEMENT) {
        const struct tr_model_effect *effects =
            change->op == TR_MODEL_STATEMENT ? oracle->log->effects : oracle->cut->effects;
        append_text(text, "{\"databaseName\":\"");
        append_text(text, effects[change->effect].database);
        append_text(text, "\"}");
    } else {
        const bool is_gone = change->op == TR_MODEL_DELETE;
        tr_model_write_key(is_gone ? change->before : change->after, text);
    }
    if (text->used == 0) {
        append_text(text, "default");
    }
    if (tr_partition_key_is_oversize(tr_span_of(text->bytes, text->used))) {
        replace_by_digest(text);
    }
    return intern(oracle, change->table, tr_span_of(text->bytes, text->used));
}

void oracle_keys_free(struct tr_oracle *oracle)
{
    while (oracle->newest != NULL) {
        struct tr_oracle_key *key = oracle->newest;
        oracle->newest = key->older;
        free(key->items);
        free(key);
    }
}
