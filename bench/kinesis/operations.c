// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/kinesis/body.h"
#include "bench/kinesis/standin.h"
#include "engine/assert.h"
#include "engine/clock.h"

#define GET_RECORDS_BYTES_MAX (10u * 1024 * 1024)
#define GET_RECORDS_MAX 10000u
#define LIST_STREAMS_MAX 100u /* a page */

static bool is(struct tr_span text, const char *wanted)
{
    return tr_span_equals(text, tr_span_of_text(wanted));
}

static uint64_t number_of(struct tr_span text, uint64_t missing)
{
    uint64_t number = 0;
    size_t i = 0;
    for (; i < text.bytes && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    }
    return i == 0 ? missing : number;
}

static struct tr_span member_of(struct tr_span body, const char *name)
{
    struct tr_span value;
    return tr_body_member(body, name, &value) ? value : (struct tr_span){0};
}

/* The stream that a request names, or NULL with the refusal written. */
static struct tr_kinesis_stream *stream_of(struct tr_standin *standin, struct tr_span body,
                                           struct tr_standin_answer *answer)
{
    struct tr_span name = member_of(body, "StreamName");
    if (name.bytes == 0) {
        name = member_of(body, "StreamARN");
        const uint8_t *slash = name.bytes == 0 ? NULL : memrchr(name.data, '/', name.bytes);
        if (slash != NULL) {
            name = tr_span_of(slash + 1, (size_t)(name.data + name.bytes - slash - 1));
        }
    }
    struct tr_kinesis_stream *stream = tr_kinesis_store_find(&standin->store, name);
    if (stream == NULL) {
        tr_standin_refuse(answer, 400, "ResourceNotFoundException",
                          "Stream not found under account 000000000000.");
    }
    return stream;
}

static void write_hash(struct tr_standin_answer *answer, tr_hash_key hash)
{
    char digits[40];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + (int)(hash % 10));
        hash /= 10;
    } while (hash != 0);
    tr_standin_write_bytes(answer, digits + at, sizeof(digits) - at);
}

static void create_stream(struct tr_standin *standin, struct tr_span body,
                          struct tr_standin_answer *answer)
{
    struct tr_error err;
    const struct tr_span name = member_of(body, "StreamName");
    if (tr_kinesis_store_find(&standin->store, name) != NULL) {
        tr_standin_refuse(answer, 400, "ResourceInUseException",
                          "Stream already exists under account 000000000000.");
        return;
    }
    const struct tr_span mode = member_of(body, "StreamModeDetails");
    const bool is_on_demand =
        mode.bytes > 0 && memmem(mode.data, mode.bytes, "ON_DEMAND", 9) != NULL;
    const uint64_t shard_count = number_of(member_of(body, "ShardCount"), 4);
    struct tr_kinesis_stream *stream = tr_kinesis_store_add(
        &standin->store, name, shard_count > 10000 ? 0 : (uint32_t)shard_count, &err);
    if (stream == NULL) {
        tr_standin_refuse(answer, 400, "ValidationException",
                          "StreamName or ShardCount is not valid");
        return;
    }
    const struct tr_span tags = member_of(body, "Tags");
    stream->is_on_demand = is_on_demand;
    stream->tags = tags.bytes == 0 ? NULL : calloc(1, tags.bytes + 1);
    if (stream->tags != NULL) {
        memcpy(stream->tags, tags.data, tags.bytes);
    }
}

static void describe_summary(const struct tr_kinesis_stream *stream,
                             struct tr_standin_answer *answer)
{
    uint32_t open_count = 0;
    for (uint32_t i = 0; i < stream->shard_count; i++) {
        open_count += !stream->shards[i].closed;
    }
    tr_standin_write(
        answer,
        "{\"StreamDescriptionSummary\":{\"StreamName\":\"%s\",\"StreamARN\":"
        "\"arn:aws:kinesis:eu-central-1:000000000000:stream/%s\",\"StreamStatus\":\"ACTIVE\","
        "\"StreamModeDetails\":{\"StreamMode\":\"%s\"},\"RetentionPeriodHours\":%u,"
        "\"StreamCreationTimestamp\":1.7E9,\"EnhancedMonitoring\":[{\"ShardLevelMetrics\":[]}],"
        "\"EncryptionType\":\"NONE\",\"OpenShardCount\":%u,\"ConsumerCount\":0,"
        "\"MaxRecordSizeInKiB\":%u}}",
        stream->name, stream->name, stream->is_on_demand ? "ON_DEMAND" : "PROVISIONED",
        stream->retention_hours, open_count, stream->record_kib_max);
}

static void list_shards(const struct tr_kinesis_stream *stream, struct tr_span body,
                        struct tr_standin_answer *answer)
{
    const struct tr_span filter = member_of(body, "ShardFilter");
    const bool open_only =
        filter.bytes > 0 && memmem(filter.data, filter.bytes, "AT_LATEST", 9) != NULL;
    bool first = true;
    tr_standin_write(answer, "{\"Shards\":[");
    for (uint32_t i = 0; i < stream->shard_count; i++) {
        const struct tr_shard *shard = &stream->shards[i];
        if (open_only && shard->closed) {
            continue;
        }
        tr_standin_write(answer, "%s{\"ShardId\":\"shardId-%012u\",", first ? "" : ",",
                         shard->number);
        if (shard->parent >= 0) {
            tr_standin_write(answer, "\"ParentShardId\":\"shardId-%012" PRId64 "\",",
                             shard->parent);
        }
        tr_standin_write(answer, "\"HashKeyRange\":{\"StartingHashKey\":\"");
        write_hash(answer, shard->first_hash);
        tr_standin_write(answer, "\",\"EndingHashKey\":\"");
        write_hash(answer, shard->last_hash);
        tr_standin_write(
            answer, "\"},\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"%056u\"%s}}", 0u,
            shard->closed ? ",\"EndingSequenceNumber\":\"99999999999999999999\"" : "");
        first = false;
    }
    tr_standin_write(answer, "]}");
}

/* A page behind ExclusiveStartStreamName, in the order of creation. */
static void list_streams(struct tr_kinesis_store *store, struct tr_span body,
                         struct tr_standin_answer *answer)
{
    const struct tr_kinesis_stream *after =
        tr_kinesis_store_find(store, member_of(body, "ExclusiveStartStreamName"));
    const uint32_t first = after == NULL ? 0 : (uint32_t)(after - store->streams) + 1;
    const uint32_t left = store->stream_count - first;
    const uint32_t end = first + (left < LIST_STREAMS_MAX ? left : LIST_STREAMS_MAX);

    tr_standin_write(answer, "{\"StreamNames\":[");
    for (uint32_t i = first; i < end; i++) {
        tr_standin_write(answer, "%s\"%s\"", i == first ? "" : ",", store->streams[i].name);
    }
    tr_standin_write(answer, "],\"StreamSummaries\":[");
    for (uint32_t i = first; i < end; i++) {
        tr_standin_write(answer, "%s{\"StreamName\":\"%s\",\"StreamStatus\":\"ACTIVE\"}",
                         i == first ? "" : ",", store->streams[i].name);
    }
    tr_standin_write(answer, "],\"HasMoreStreams\":%s}",
                     left > LIST_STREAMS_MAX ? "true" : "false");
}

/* An iterator is `stream|shard|next sequence wanted`. */
static void get_iterator(struct tr_standin *standin, struct tr_span body,
                         struct tr_standin_answer *answer)
{
    const struct tr_kinesis_stream *stream = stream_of(standin, body, answer);
    if (stream == NULL) {
        return;
    }
    struct tr_span shard_id = member_of(body, "ShardId");
    const struct tr_span type = member_of(body, "ShardIteratorType");
    const uint64_t shard_index =
        shard_id.bytes < 9
            ? UINT64_MAX
            : number_of(tr_span_of(shard_id.data + 8, shard_id.bytes - 8), UINT64_MAX);
    const uint64_t start = number_of(member_of(body, "StartingSequenceNumber"), 0);
    uint64_t sequence = 0;
    if (shard_index >= stream->shard_count) {
        tr_standin_refuse(answer, 400, "ResourceNotFoundException", "Shard does not exist");
        return;
    }
    if (is(type, "LATEST")) {
        sequence = standin->store.next_sequence + 1;
    } else if (is(type, "AT_SEQUENCE_NUMBER")) {
        sequence = start;
    } else if (is(type, "AFTER_SEQUENCE_NUMBER")) {
        sequence = start + 1;
    } else if (is(type, "AT_TIMESTAMP")) {
        const struct tr_span text = member_of(body, "Timestamp");
        char copy[40] = {0};
        memcpy(copy, text.data, text.bytes < sizeof(copy) - 1 ? text.bytes : sizeof(copy) - 1);
        const double wanted_s = strtod(copy, NULL);
        const struct tr_kept_record *record = stream->shards[shard_index].oldest;
        while (record != NULL && (double)record->arrival_unix_ms < wanted_s * 1000.0) {
            record = record->next;
        }
        sequence = record == NULL ? standin->store.next_sequence + 1 : record->sequence;
    } else if (!is(type, "TRIM_HORIZON")) {
        tr_standin_refuse(answer, 400, "ValidationException", "ShardIteratorType is not valid");
        return;
    }
    tr_standin_write(answer, "{\"ShardIterator\":\"%s|%" PRIu64 "|%" PRIu64 "\"}", stream->name,
                     shard_index, sequence);
}

static void write_kept(struct tr_standin_answer *answer, const struct tr_kept_record *record,
                       bool first)
{
    const size_t base64_bytes = ((size_t)record->data_bytes + 2) / 3 * 4;
    tr_standin_write(answer,
                     "%s{\"SequenceNumber\":\"%056" PRIu64
                     "\",\"ApproximateArrivalTimestamp\":%" PRId64 ".%03d,\"Data\":\"",
                     first ? "" : ",", record->sequence, record->arrival_unix_ms / 1000,
                     (int)(record->arrival_unix_ms % 1000));
    TR_ASSERT(base64_bytes + 1 < answer->room_bytes - answer->bytes);
    if (record->data_bytes > 0) {
        uint8_t *out = (uint8_t *)answer->out + answer->bytes;
        answer->bytes += (size_t)EVP_EncodeBlock(out, record->bytes + record->key_bytes,
                                                 (int)record->data_bytes);
    }
    tr_standin_write(answer, "\",\"PartitionKey\":\"");
    for (uint32_t i = 0; i < record->key_bytes; i++) {
        const uint8_t c = record->bytes[i];
        if (c == '"' || c == '\\') {
            tr_standin_write_bytes(answer, "\\", 1);
        }
        if (c < 0x20) {
            tr_standin_write(answer, "\\u%04x", c);
        } else {
            tr_standin_write_bytes(answer, &c, 1);
        }
    }
    tr_standin_write(answer, "\",\"EncryptionType\":\"NONE\"}");
}

static void get_records(struct tr_standin *standin, struct tr_span body,
                        struct tr_standin_answer *answer)
{
    const struct tr_span iterator = member_of(body, "ShardIterator");
    const uint8_t *bar = iterator.bytes == 0 ? NULL : memchr(iterator.data, '|', iterator.bytes);
    const uint8_t *second =
        bar == NULL ? NULL
                    : memchr(bar + 1, '|', (size_t)(iterator.data + iterator.bytes - bar - 1));
    const struct tr_kinesis_stream *stream =
        bar == NULL
            ? NULL
            : tr_kinesis_store_find(&standin->store,
                                    tr_span_of(iterator.data, (size_t)(bar - iterator.data)));
    if (second == NULL || stream == NULL) {
        tr_standin_refuse(answer, 400, "InvalidArgumentException", "Invalid ShardIterator.");
        return;
    }
    const uint8_t *end = iterator.data + iterator.bytes;
    const uint64_t shard_index =
        number_of(tr_span_of(bar + 1, (size_t)(second - bar - 1)), UINT64_MAX);
    uint64_t sequence = number_of(tr_span_of(second + 1, (size_t)(end - second - 1)), 0);
    const uint64_t limit = number_of(member_of(body, "Limit"), GET_RECORDS_MAX);
    if (shard_index >= stream->shard_count || limit < 1 || limit > GET_RECORDS_MAX) {
        tr_standin_refuse(answer, 400, "InvalidArgumentException",
                          "Invalid ShardIterator or Limit.");
        return;
    }
    const struct tr_shard *shard = &stream->shards[shard_index];
    const struct tr_kept_record *record = shard->oldest;
    uint64_t count = 0;
    uint64_t bytes = 0;
    tr_standin_write(answer, "{\"Records\":[");
    for (; record != NULL && count < limit; record = record->next) {
        if (record->sequence < sequence) {
            continue;
        }
        bytes += record->data_bytes + record->key_bytes;
        if (bytes > GET_RECORDS_BYTES_MAX && count > 0) {
            break;
        }
        write_kept(answer, record, count == 0);
        sequence = record->sequence + 1;
        count++;
    }
    tr_standin_write(answer, "],\"MillisBehindLatest\":%d", record == NULL ? 0 : 1000);
    if (record == NULL && shard->closed) {
        tr_standin_write(answer, ",\"NextShardIterator\":null,\"ChildShards\":[");
        bool first = true;
        for (uint32_t i = 0; i < stream->shard_count; i++) {
            if (stream->shards[i].parent == (int64_t)shard->number) {
                tr_standin_write(answer,
                                 "%s{\"ShardId\":\"shardId-%012u\",\"ParentShards\":[\"shardId-%"
                                 "012u\"],\"HashKeyRange\":"
                                 "{\"StartingHashKey\":\"",
                                 first ? "" : ",", i, shard->number);
                write_hash(answer, stream->shards[i].first_hash);
                tr_standin_write(answer, "\",\"EndingHashKey\":\"");
                write_hash(answer, stream->shards[i].last_hash);
                tr_standin_write(answer, "\"}}");
                first = false;
            }
        }
        tr_standin_write(answer, "]}");
    } else {
        tr_standin_write(answer, ",\"NextShardIterator\":\"%s|%" PRIu64 "|%" PRIu64 "\"}",
                         stream->name, shard_index, sequence);
    }
}

static void split_shard(struct tr_standin *standin, struct tr_span body,
                        struct tr_standin_answer *answer)
{
    struct tr_kinesis_stream *stream = stream_of(standin, body, answer);
    const struct tr_span shard_id = member_of(body, "ShardToSplit");
    if (stream == NULL) {
        return;
    }
    const uint64_t index =
        shard_id.bytes < 9
            ? UINT32_MAX
            : number_of(tr_span_of(shard_id.data + 8, shard_id.bytes - 8), UINT32_MAX);
    if (index > UINT32_MAX || !tr_kinesis_store_split(stream, (uint32_t)index)) {
        tr_standin_refuse(answer, 400, "InvalidArgumentException", "The shard cannot be split.");
    }
}

static void increase_retention(struct tr_standin *standin, struct tr_span body,
                               struct tr_standin_answer *answer)
{
    struct tr_kinesis_stream *stream = stream_of(standin, body, answer);
    const uint64_t hours = number_of(member_of(body, "RetentionPeriodHours"), 0);
    if (stream == NULL) {
        return;
    }
    if (hours < stream->retention_hours || hours > 8760) {
        tr_standin_refuse(answer, 400, "InvalidArgumentException",
                          "The retention period must be larger, and 8760 at most.");
        return;
    }
    stream->retention_hours = (uint32_t)hours;
}

/* Tags are kept as {"name":"value",...}: names and values without quotes or backslashes. */
static void list_tags(const struct tr_kinesis_stream *stream, struct tr_standin_answer *answer)
{
    const char *at = stream->tags == NULL ? "" : stream->tags;
    bool is_name = true;
    bool is_first = true;
    tr_standin_write(answer, "{\"Tags\":[");
    while ((at = strchr(at, '"')) != NULL) {
        const size_t bytes = strcspn(at + 1, "\"");
        tr_standin_write(answer, is_name ? "%s{\"Key\":\"%.*s\"," : "%s\"Value\":\"%.*s\"}",
                         is_name && !is_first ? "," : "", (int)bytes, at + 1);
        is_first = false;
        is_name = !is_name;
        at += 1 + bytes;
        at += *at == '"';
    }
    tr_standin_write(answer, "],\"HasMoreTags\":false}");
}

bool tr_standin_operate(struct tr_standin *standin, struct tr_span operation, struct tr_span body,
                        struct tr_standin_answer *answer)
{
    const struct tr_kinesis_stream *stream;
    if (is(operation, "CreateStream")) {
        create_stream(standin, body, answer);
    } else if (is(operation, "DescribeStreamSummary")) {
        stream = stream_of(standin, body, answer);
        if (stream != NULL) {
            describe_summary(stream, answer);
        }
    } else if (is(operation, "ListShards")) {
        stream = stream_of(standin, body, answer);
        if (stream != NULL) {
            list_shards(stream, body, answer);
        }
    } else if (is(operation, "IncreaseStreamRetentionPeriod")) {
        increase_retention(standin, body, answer);
    } else if (is(operation, "ListTagsForStream")) {
        stream = stream_of(standin, body, answer);
        if (stream != NULL) {
            list_tags(stream, answer);
        }
    } else if (is(operation, "ListStreams")) {
        list_streams(&standin->store, body, answer);
    } else if (is(operation, "GetShardIterator")) {
        get_iterator(standin, body, answer);
    } else if (is(operation, "GetRecords")) {
        get_records(standin, body, answer);
    } else if (is(operation, "SplitShard")) {
        split_shard(standin, body, answer);
    } else {
        return false;
    }
    return true;
}
