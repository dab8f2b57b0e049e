// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench/kinesis/body.h"
#include "bench/kinesis/standin.h"
#include "engine/assert.h"
#include "engine/clock.h"

#define ENTRIES_MAX 500 /* per PutRecords */
#define KEY_CHARACTERS_MAX 256
#define REQUEST_BYTES_MAX (10u * 1024 * 1024) /* data and keys, documented since late 2025 */
#define REQUEST_BYTES_MAX_SMALL                                                                    \
    (5u * 1024 * 1024) /* what streams with the default record size take */
#define SHARD_RECORDS_PER_S 1000.0
#define SHARD_BYTES_PER_S (1024.0 * 1024.0)

/* One decoded entry: spans into `bytes` of struct batch. */
struct entry {
    struct tr_span key;
    struct tr_span data;
    tr_hash_key hash;
};

struct batch {
    struct entry entries[ENTRIES_MAX];
    uint32_t count;
    uint8_t *bytes; /* owns: decoded keys and data */
    size_t used_bytes;
    size_t room_bytes;
    uint64_t total_bytes;
    const char *complaint; /* static; why the whole request is refused */
};

static size_t count_characters(struct tr_span text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.bytes; i++) {
        count += (text.data[i] & 0xC0) != 0x80;
    }
    return count;
}

/* Standard base64 with padding; -1 when it is not. */
static int64_t decode_base64(struct tr_span text, uint8_t *out)
{
    if (text.bytes == 0) {
        return 0;
    }
    if (text.bytes % 4 != 0 || memchr(text.data, '\\', text.bytes) != NULL) {
        return -1;
    }
    const int padding = text.data[text.bytes - 1] != '='   ? 0
                        : text.data[text.bytes - 2] != '=' ? 1
                                                           : 2;
    if (memchr(text.data, '=', text.bytes - (size_t)padding) != NULL) {
        return -1; /* EVP_DecodeBlock takes padding anywhere */
    }
    const int bytes = EVP_DecodeBlock(out, text.data, (int)text.bytes);
    return bytes < 0 ? -1 : bytes - padding;
}

static bool parse_hash(struct tr_span text, tr_hash_key *hash)
{
    const tr_hash_key all = ~(tr_hash_key)0;
    *hash = 0;
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        const tr_hash_key digit = (tr_hash_key)(text.data[i] - '0');
        if (*hash > (all - digit) / 10) {
            return false;
        }
        *hash = *hash * 10 + digit;
    }
    return true;
}

static bool take_entry(void *self, const struct tr_body_entry *entry)
{
    struct batch *batch = self;
    if (batch->count == ENTRIES_MAX) {
        batch->complaint =
            "ValidationException: 'records' must have length less than or equal to 500";
        return false;
    }
    if (!entry->has_data || !entry->has_key) {
        batch->complaint = "ValidationException: Data and PartitionKey must not be null";
        return false;
    }
    struct entry *taken = &batch->entries[batch->count];
    uint8_t *at = batch->bytes + batch->used_bytes;
    const int64_t key_bytes = tr_body_unescape(entry->partition_key, at);
    const int64_t data_bytes = key_bytes < 0 ? -1 : decode_base64(entry->data, at + key_bytes);
    if (data_bytes < 0) {
        batch->complaint = "SerializationException: a string or its base64 is malformed";
        return false;
    }
    taken->key = tr_span_of(at, (size_t)key_bytes);
    taken->data = tr_span_of(at + key_bytes, (size_t)data_bytes);
    const size_t characters = count_characters(taken->key);
    if (characters < 1 || characters > KEY_CHARACTERS_MAX) {
        batch->complaint = "ValidationException: 'partitionKey' must have length between 1 and 256";
        return false;
    }
    taken->hash = tr_kinesis_hash(taken->key);
    if (entry->explicit_hash.bytes > 0 && !parse_hash(entry->explicit_hash, &taken->hash)) {
        batch->complaint = "InvalidArgumentException: Invalid ExplicitHashKey";
        return false;
    }
    batch->used_bytes += (size_t)(key_bytes + data_bytes);
    batch->total_bytes += (uint64_t)(key_bytes + data_bytes);
    batch->count++;
    return true;
}

static const char *check_sizes(const struct batch *batch, const struct tr_kinesis_stream *stream)
{
    const uint64_t record_bytes_max = (uint64_t)stream->record_kib_max * 1024;
    const uint64_t request_bytes_max =
        stream->record_kib_max > 1024 ? REQUEST_BYTES_MAX : REQUEST_BYTES_MAX_SMALL;
    for (uint32_t i = 0; i < batch->count; i++) {
        if (batch->entries[i].key.bytes + batch->entries[i].data.bytes > record_bytes_max) {
            return "ValidationException: a record is larger than the stream's MaxRecordSizeInKiB";
        }
    }
    if (batch->total_bytes > request_bytes_max) {
        return "InvalidArgumentException: Records size exceeds the limit of the request";
    }
    return NULL;
}

/* Whether the shard's allowance has room for `bytes`; takes it if so. */
static bool take_allowance(struct tr_shard *shard, size_t bytes, int64_t now_ns)
{
    const double elapsed_s = (double)(now_ns - shard->refilled_ns) / (double)TR_NS_PER_S;
    const double records = shard->refilled_ns == 0
                               ? SHARD_RECORDS_PER_S
                               : shard->record_tokens + elapsed_s * SHARD_RECORDS_PER_S;
    const double room = shard->refilled_ns == 0
                            ? SHARD_BYTES_PER_S
                            : shard->byte_tokens + elapsed_s * SHARD_BYTES_PER_S;
    shard->record_tokens = records > SHARD_RECORDS_PER_S ? SHARD_RECORDS_PER_S : records;
    shard->byte_tokens = room > SHARD_BYTES_PER_S ? SHARD_BYTES_PER_S : room;
    shard->refilled_ns = now_ns;
    if (shard->record_tokens < 1.0 || shard->byte_tokens <= 0.0) {
        return false;
    }
    shard->record_tokens -= 1.0;
    shard->byte_tokens -= (double)bytes;
    return true;
}

static void observe_latency(struct tr_standin *standin, struct tr_span data, int64_t now_unix_us)
{
    char member[80];
    if (standin->latency_column[0] == '\0') {
        return;
    }
    const int bytes = snprintf(member, sizeof(member), "\"%s\":", standin->latency_column);
    const uint8_t *at = memmem(data.data, data.bytes, member, (size_t)bytes);
    if (at == NULL) {
        return;
    }
    int64_t sent_us = 0;
    for (at += bytes; at < data.data + data.bytes && *at >= '0' && *at <= '9'; at++) {
        sent_us = sent_us * 10 + (*at - '0');
    }
    const int64_t late_us = now_unix_us - sent_us;
    const int64_t bucket = late_us < 0 ? 0 : late_us / TR_LATENCY_BUCKET_US;
    standin->latency_counts[bucket < TR_LATENCY_BUCKETS ? bucket : TR_LATENCY_BUCKETS]++;
}

static void apply(struct tr_standin *standin, struct tr_kinesis_stream *stream,
                  const struct batch *batch, enum tr_fault_kind fault, uint32_t fault_value,
                  struct tr_standin_answer *answer)
{
    const int64_t now_unix_us = tr_clock_wall_unix_ns(tr_clock_system()) / 1000;
    uint32_t failed_count = 0;
    const size_t head = answer->bytes;
    tr_standin_write(answer, "{\"FailedRecordCount\":%10u,\"Records\":[", 0u);
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct entry *entry = &batch->entries[i];
        struct tr_shard *shard = tr_kinesis_shard_of(stream, entry->hash);
        const char *separator = i == 0 ? "" : ",";
        const bool drawn = (fault == TR_CHAOS_PARTIAL || fault == TR_CHAOS_THROTTLE) &&
                           tr_chaos_random(&standin->chaos, 100) < fault_value;
        if ((drawn && fault == TR_CHAOS_THROTTLE) ||
            (standin->limits &&
             !take_allowance(shard, entry->key.bytes + entry->data.bytes, standin->now_ns))) {
            tr_standin_write(answer,
                             "%s{\"ErrorCode\":\"ProvisionedThroughputExceededException\","
                             "\"ErrorMessage\":\"Rate exceeded for "
                             "shard shardId-%012u in stream %s under account 000000000000.\"}",
                             separator, shard->number, stream->name);
            failed_count++;
            continue;
        }
        if (drawn) {
            tr_standin_write(answer,
                             "%s{\"ErrorCode\":\"InternalFailure\",\"ErrorMessage\":\"Internal "
                             "Service Failure\"}",
                             separator);
            failed_count++;
            continue;
        }
        const uint64_t sequence = tr_kinesis_store_put(&standin->store, shard, entry->key,
                                                       entry->data, now_unix_us / 1000);
        tr_judge_record(&standin->judge, tr_span_of_text(stream->name), entry->key, entry->data);
        observe_latency(standin, entry->data, now_unix_us);
        standin->record_count++;
        standin->record_bytes += entry->key.bytes + entry->data.bytes;
        if (fault == TR_CHAOS_SHORT && i + 1 == batch->count && i > 0) {
            continue;
        }
        tr_standin_write(answer,
                         "%s{\"SequenceNumber\":\"%056" PRIu64 "\",\"ShardId\":\"shardId-%012u\"}",
                         separator, sequence, shard->number);
    }
    tr_standin_write(answer, "],\"EncryptionType\":\"NONE\"}");
    standin->refused_count += failed_count;
    char count_text[11];
    (void)snprintf(count_text, sizeof(count_text), "%10u", failed_count);
    memcpy(answer->out + head + strlen("{\"FailedRecordCount\":"), count_text, 10);
}

static void refuse_with(struct tr_standin *standin, struct tr_standin_answer *answer,
                        const char *complaint)
{
    char type[64];
    const char *colon = strchr(complaint, ':');
    TR_ASSERT(colon != NULL);
    (void)snprintf(type, sizeof(type), "%.*s", (int)(colon - complaint), complaint);
    standin->limit_failure_count++;
    (void)snprintf(standin->last_refusal, sizeof(standin->last_refusal), "%s", complaint);
    tr_standin_refuse(answer, 400, type, colon + 2);
}

void tr_standin_put(struct tr_standin *standin, struct tr_span body, enum tr_fault_kind fault,
                    uint32_t fault_value, struct tr_standin_answer *answer)
{
    static struct batch batch; /* one thread, and too large for the stack */
    struct tr_span name;

    if (body.bytes > batch.room_bytes) {
        free(batch.bytes);
        batch.bytes = malloc(body.bytes + 4);
        TR_ASSERT(batch.bytes != NULL);
        batch.room_bytes = body.bytes;
    }
    batch.count = 0;
    batch.used_bytes = 0;
    batch.total_bytes = 0;
    batch.complaint = NULL;
    const int64_t count = tr_body_put_records(body, &name, take_entry, &batch);
    if (batch.complaint == NULL && count < 0) {
        batch.complaint = "SerializationException: the body is not a PutRecords request";
    }
    if (batch.complaint == NULL && count == 0) {
        batch.complaint =
            "ValidationException: 'records' must have length greater than or equal to 1";
    }
    struct tr_kinesis_stream *stream = tr_kinesis_store_find(&standin->store, name);
    if (batch.complaint == NULL && stream == NULL) {
        tr_standin_refuse(answer, 400, "ResourceNotFoundException",
                          "Stream not found under account 000000000000.");
        return;
    }
    if (batch.complaint == NULL) {
        batch.complaint = check_sizes(&batch, stream);
    }
    if (batch.complaint != NULL) {
        refuse_with(standin, answer, batch.complaint);
        return;
    }
    if (fault == TR_CHAOS_SPLIT) {
        for (uint32_t i = 0; i < stream->shard_count && !tr_kinesis_store_split(stream, i); i++) {
        }
    }
    apply(standin, stream, &batch, fault, fault_value, answer);
}
