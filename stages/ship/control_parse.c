// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "engine/json.h"
#include "stages/ship/classify.h"
#include "stages/ship/control.h"

#define RECORD_KIB_DEFAULT 1024

static bool is(struct tr_span name, const char *wanted)
{
    return tr_span_equals(name, tr_span_of_text(wanted));
}

/* Copies a text into a fixed array; a text that does not fit fails the reader. */
static void copy_text(struct tr_json_reader *reader, char *out, size_t room_bytes)
{
    const struct tr_span text = tr_json_get_text_or_null(reader);
    if (text.bytes >= room_bytes) {
        tr_json_fail(reader, "a text that is too long");
        return;
    }
    if (text.bytes > 0) {
        memcpy(out, text.data, text.bytes);
    }
    out[text.bytes] = '\0';
}

static uint32_t count_or_default(struct tr_json_reader *reader, uint32_t otherwise)
{
    if (tr_json_type(reader) == TR_JSON_TYPE_NULL) {
        return otherwise;
    }
    const uint64_t count = tr_json_get_uint64(reader);
    if (count > UINT32_MAX) {
        tr_json_fail(reader, "a count above 2^32");
        return otherwise;
    }
    return (uint32_t)count;
}

static enum tr_code finish(struct tr_json_reader *reader, const char *operation,
                           struct tr_error *err)
{
    struct tr_error inner;
    if (tr_json_finish(reader, &inner) != TR_OK) {
        return TR_FAIL(err, TR_ERR_PROTOCOL, TR_RETRY,
                       "answer to %s is not understood: %.300s: check that the endpoint is Kinesis",
                       operation, inner.text);
    }
    return TR_OK;
}

/* Begins an answer that must be an object. */
static bool enter(struct tr_json_reader *reader, struct tr_span answer)
{
    tr_json_begin(reader, answer);
    return tr_json_enter_object(reader);
}

static enum tr_stream_status status_of(struct tr_span text)
{
    if (is(text, "ACTIVE")) {
        return TR_STREAM_ACTIVE;
    }
    if (is(text, "UPDATING")) {
        return TR_STREAM_UPDATING;
    }
    if (is(text, "CREATING")) {
        return TR_STREAM_CREATING;
    }
    return is(text, "DELETING") ? TR_STREAM_DELETING : TR_STREAM_OTHER;
}

static void parse_mode(struct tr_json_reader *reader, struct tr_stream_summary *summary)
{
    struct tr_span name;
    if (tr_json_type(reader) == TR_JSON_TYPE_NULL || !tr_json_enter_object(reader)) {
        return;
    }
    while (tr_json_next_member(reader, &name)) {
        if (is(name, "StreamMode")) {
            summary->is_on_demand = is(tr_json_get_text_or_null(reader), "ON_DEMAND");
        }
    }
}

enum tr_code tr_control_parse_stream_summary(struct tr_json_reader *reader, struct tr_span answer,
                                             struct tr_stream_summary *summary,
                                             struct tr_error *err)
{
    struct tr_span name;
    bool has_status = false;
    *summary = (struct tr_stream_summary){.max_record_kib = RECORD_KIB_DEFAULT,
                                          .retention_hours = TR_KINESIS_RETENTION_HOURS_DEFAULT};
    (void)enter(reader, answer);
    while (tr_json_next_member(reader, &name)) {
        if (!is(name, "StreamDescriptionSummary") || !tr_json_enter_object(reader)) {
            continue;
        }
        while (tr_json_next_member(reader, &name)) {
            if (is(name, "StreamStatus")) {
                summary->status = status_of(tr_json_get_text(reader));
                has_status = true;
            } else if (is(name, "StreamModeDetails")) {
                parse_mode(reader, summary);
            } else if (is(name, "OpenShardCount")) {
                summary->open_shard_count = count_or_default(reader, 0);
            } else if (is(name, "RetentionPeriodHours")) {
                summary->retention_hours =
                    count_or_default(reader, TR_KINESIS_RETENTION_HOURS_DEFAULT);
            } else if (is(name, "EncryptionType")) {
                summary->is_encrypted = is(tr_json_get_text_or_null(reader), "KMS");
            } else if (is(name, "MaxRecordSizeInKiB")) {
                summary->max_record_kib = count_or_default(reader, RECORD_KIB_DEFAULT);
            }
        }
    }
    if (!has_status) {
        tr_json_fail(reader, "no StreamStatus");
    }
    return finish(reader, "DescribeStreamSummary", err);
}

static void parse_key(struct tr_json_reader *reader, tr_hash_key *key)
{
    if (!tr_hash_key_parse(tr_json_get_text(reader), key)) {
        tr_json_fail(reader, "a hash key that is no number below 2^128");
    }
}

static void parse_key_range(struct tr_json_reader *reader, struct tr_shard *shard, int *key_count)
{
    struct tr_span name;
    (void)tr_json_enter_object(reader);
    while (tr_json_next_member(reader, &name)) {
        if (is(name, "StartingHashKey")) {
            parse_key(reader, &shard->first_key);
            *key_count += 1;
        } else if (is(name, "EndingHashKey")) {
            parse_key(reader, &shard->last_key);
            *key_count += 1;
        }
    }
}

static void parse_sequence_range(struct tr_json_reader *reader, struct tr_shard *shard)
{
    struct tr_span name;
    if (tr_json_type(reader) == TR_JSON_TYPE_NULL || !tr_json_enter_object(reader)) {
        return;
    }
    while (tr_json_next_member(reader, &name)) {
        if (is(name, "EndingSequenceNumber")) {
            shard->is_closed = tr_json_get_text_or_null(reader).bytes > 0;
        }
    }
}

static void parse_shard(struct tr_json_reader *reader, struct tr_shard *shard)
{
    struct tr_span name;
    int key_count = 0;
    *shard = (struct tr_shard){0};
    (void)tr_json_enter_object(reader);
    while (tr_json_next_member(reader, &name)) {
        if (is(name, "ShardId")) {
            copy_text(reader, shard->id, sizeof(shard->id));
        } else if (is(name, "ParentShardId")) {
            copy_text(reader, shard->parent_id, sizeof(shard->parent_id));
        } else if (is(name, "AdjacentParentShardId")) {
            copy_text(reader, shard->adjacent_parent_id, sizeof(shard->adjacent_parent_id));
        } else if (is(name, "HashKeyRange")) {
            parse_key_range(reader, shard, &key_count);
        } else if (is(name, "SequenceNumberRange")) {
            parse_sequence_range(reader, shard);
        }
    }
    if (key_count != 2 || shard->id[0] == '\0' || shard->first_key > shard->last_key) {
        tr_json_fail(reader, "a shard without id or with a broken range");
    }
}

enum tr_code tr_control_parse_shards(struct tr_json_reader *reader, struct tr_span answer,
                                     struct tr_shard_list *list, struct tr_error *err)
{
    struct tr_span name;
    bool has_shards = false;
    list->next_token[0] = '\0';
    (void)enter(reader, answer);
    while (tr_json_next_member(reader, &name)) {
        if (is(name, "NextToken")) {
            copy_text(reader, list->next_token, sizeof(list->next_token));
        } else if (is(name, "Shards")) {
            has_shards = true;
            (void)tr_json_enter_array(reader);
            while (tr_json_next_element(reader)) {
                if (list->shard_count == list->shards_max) {
                    return TR_FAIL(err, TR_ERR_MEMORY_LIMIT, TR_STOP,
                                   "stream has more than %u shards, open and closed together: "
                                   "more are not supported",
                                   list->shards_max);
                }
                parse_shard(reader, &list->shards[list->shard_count]);
                list->shard_count += tr_json_is_failed(reader) ? 0 : 1;
            }
        }
    }
    if (!has_shards) {
        tr_json_fail(reader, "no Shards");
    }
    return finish(reader, "ListShards", err);
}

static void parse_listed(struct tr_json_reader *reader, tr_on_stream_name *on_name, void *self)
{
    struct tr_span name;
    struct tr_span stream = {0};
    enum tr_stream_status status = TR_STREAM_OTHER;
    (void)tr_json_enter_object(reader);
    while (tr_json_next_member(reader, &name)) {
        if (is(name, "StreamName")) {
            stream = tr_json_get_text(reader);
        } else if (is(name, "StreamStatus")) {
            status = status_of(tr_json_get_text(reader));
        }
    }
    if (stream.bytes == 0) {
        tr_json_fail(reader, "a stream without a name");
    }
    if (!tr_json_is_failed(reader)) {
        on_name(self, stream, &status);
    }
}

enum tr_code tr_control_parse_streams(struct tr_json_reader *reader, struct tr_span answer,
                                      tr_on_stream_name *on_name, void *self, bool *has_more,
                                      struct tr_error *err)
{
    struct tr_span name;
    bool has_names = false;
    *has_more = false;
    (void)enter(reader, answer);
    while (tr_json_next_member(reader, &name)) {
        if (is(name, "HasMoreStreams")) {
            *has_more = tr_json_get_bool(reader);
        } else if (is(name, "StreamNames")) {
            has_names = true;
            (void)tr_json_enter_array(reader);
            while (tr_json_next_element(reader)) {
                const struct tr_span stream = tr_json_get_text(reader);
                if (!tr_json_is_failed(reader)) {
                    on_name(self, stream, NULL);
                }
            }
        } else if (is(name, "StreamSummaries") && tr_json_type(reader) == TR_JSON_TYPE_ARRAY) {
            (void)tr_json_enter_array(reader);
            while (tr_json_next_element(reader)) {
                parse_listed(reader, on_name, self);
            }
        }
    }
    if (!has_names) {
        tr_json_fail(reader, "no StreamNames");
    }
    return finish(reader, "ListStreams", err);
}

static void parse_tag(struct tr_json_reader *reader, tr_on_stream_tag *on_tag, void *self)
{
    struct tr_span name;
    struct tr_span key = {0};
    struct tr_span value = {0};
    (void)tr_json_enter_object(reader);
    while (tr_json_next_member(reader, &name)) {
        if (is(name, "Key")) {
            key = tr_json_get_text(reader);
        } else if (is(name, "Value")) {
            value = tr_json_get_text_or_null(reader);
        }
    }
    if (!tr_json_is_failed(reader)) {
        on_tag(self, key, value);
    }
}

enum tr_code tr_control_parse_tags(struct tr_json_reader *reader, struct tr_span answer,
                                   tr_on_stream_tag *on_tag, void *self, struct tr_error *err)
{
    struct tr_span name;
    bool has_tags = false;
    (void)enter(reader, answer);
    while (tr_json_next_member(reader, &name)) {
        if (is(name, "Tags")) {
            has_tags = true;
            (void)tr_json_enter_array(reader);
            while (tr_json_next_element(reader)) {
                parse_tag(reader, on_tag, self);
            }
        }
    }
    if (!has_tags) {
        tr_json_fail(reader, "no Tags");
    }
    return finish(reader, "ListTagsForStream", err);
}

enum tr_code tr_control_parse_shard_iterator(struct tr_json_reader *reader, struct tr_span answer,
                                             char *out, struct tr_error *err)
{
    struct tr_span name;
    out[0] = '\0';
    (void)enter(reader, answer);
    while (tr_json_next_member(reader, &name)) {
        if (is(name, "ShardIterator")) {
            copy_text(reader, out, TR_KINESIS_ITERATOR_BYTES_MAX + 1);
        }
    }
    if (out[0] == '\0') {
        tr_json_fail(reader, "no ShardIterator");
    }
    return finish(reader, "GetShardIterator", err);
}

/* Emulators send seconds as a number or as its text. */
static double get_seconds(struct tr_json_reader *reader)
{
    if (tr_json_type(reader) == TR_JSON_TYPE_NUMBER) {
        return tr_json_get_double(reader);
    }
    (void)tr_json_get_raw(reader);
    return 0;
}

static void parse_record(struct tr_json_reader *reader, tr_on_kinesis_record *on_record, void *self)
{
    struct tr_span name;
    struct tr_kinesis_record record = {0};
    bool has_data = false;
    (void)tr_json_enter_object(reader);
    while (tr_json_next_member(reader, &name)) {
        if (is(name, "SequenceNumber")) {
            record.sequence = tr_json_get_text(reader);
        } else if (is(name, "PartitionKey")) {
            record.partition_key = tr_json_get_text(reader);
        } else if (is(name, "Data")) {
            record.data_base64 = tr_json_get_text(reader);
            has_data = true;
        } else if (is(name, "ApproximateArrivalTimestamp")) {
            record.arrival_unix_s = get_seconds(reader);
        }
    }
    if (!has_data || record.sequence.bytes == 0 ||
        record.sequence.bytes > TR_KINESIS_SEQUENCE_BYTES_MAX) {
        tr_json_fail(reader, "a record without Data or SequenceNumber");
    }
    if (!tr_json_is_failed(reader) && !on_record(self, &record)) {
        tr_json_fail(reader, "a record that was refused");
    }
}

enum tr_code tr_control_parse_records(struct tr_json_reader *reader, struct tr_span answer,
                                      struct tr_records_page *page, tr_on_kinesis_record *on_record,
                                      void *self, struct tr_error *err)
{
    struct tr_span name;
    bool has_records = false;
    *page = (struct tr_records_page){0};
    (void)enter(reader, answer);
    while (tr_json_next_member(reader, &name)) {
        if (is(name, "NextShardIterator")) {
            copy_text(reader, page->next_iterator, sizeof(page->next_iterator));
            page->has_next = page->next_iterator[0] != '\0';
        } else if (is(name, "MillisBehindLatest")) {
            page->behind_ms =
                tr_json_type(reader) == TR_JSON_TYPE_NULL ? 0 : tr_json_get_int64(reader);
        } else if (is(name, "Records")) {
            has_records = true;
            (void)tr_json_enter_array(reader);
            while (tr_json_next_element(reader)) {
                parse_record(reader, on_record, self);
                page->record_count += tr_json_is_failed(reader) ? 0 : 1;
            }
        }
    }
    if (!has_records) {
        tr_json_fail(reader, "no Records");
    }
    return finish(reader, "GetRecords", err);
}

/* Printable ASCII only, cut to the room. */
static void copy_printable(char *out, size_t room_bytes, struct tr_span text)
{
    const size_t bytes = text.bytes < room_bytes ? text.bytes : room_bytes - 1;
    for (size_t i = 0; i < bytes; i++) {
        const uint8_t byte = text.data[i];
        out[i] = byte >= ' ' && byte < 0x7F ? (char)byte : '?';
    }
    out[bytes] = '\0';
}

void tr_control_parse_failure(struct tr_json_reader *reader, struct tr_span answer,
                              const char *header_type, struct tr_kinesis_failure *failure)
{
    struct tr_span name;
    struct tr_span type = {0};
    *failure = (struct tr_kinesis_failure){0};
    (void)enter(reader, answer);
    while (tr_json_next_member(reader, &name)) {
        const bool is_text = tr_json_type(reader) == TR_JSON_TYPE_STRING;
        if (is_text && is(name, "__type")) {
            type = tr_json_get_text(reader);
            copy_printable(failure->type, sizeof(failure->type), tr_kinesis_error_name(type));
        } else if (is_text && (is(name, "message") || is(name, "Message"))) {
            copy_printable(failure->message, sizeof(failure->message), tr_json_get_text(reader));
        }
    }
    if (tr_json_finish(reader, NULL) != TR_OK) {
        *failure = (struct tr_kinesis_failure){0}; /* half a text is none */
    }
    if (header_type != NULL && header_type[0] != '\0') {
        copy_printable(failure->type, sizeof(failure->type),
                       tr_kinesis_error_name(tr_span_of_text(header_type)));
    }
}

bool tr_hash_key_parse(struct tr_span text, tr_hash_key *key)
{
    tr_hash_key value = 0;
    if (text.bytes == 0 || text.bytes > 39) { /* 2^128 has 39 digits */
        return false;
    }
    for (size_t i = 0; i < text.bytes; i++) {
        const unsigned digit = (unsigned)text.data[i] - '0';
        if (digit > 9 || value > (TR_HASH_KEY_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *key = value;
    return true;
}

static int compare_shards(const void *left, const void *right)
{
    const struct tr_shard *a = left;
    const struct tr_shard *b = right;
    return a->first_key < b->first_key ? -1 : a->first_key > b->first_key ? 1 : 0;
}

bool tr_shard_list_keep_open(struct tr_shard_list *list)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < list->shard_count; i++) {
        if (!list->shards[i].is_closed) {
            list->shards[kept] = list->shards[i];
            kept++;
        }
    }
    list->shard_count = kept;
    if (kept == 0) {
        return false;
    }
    qsort(list->shards, kept, sizeof(list->shards[0]), compare_shards);
    bool is_whole =
        list->shards[0].first_key == 0 && list->shards[kept - 1].last_key == TR_HASH_KEY_MAX;
    for (uint32_t i = 1; i < kept; i++) {
        const tr_hash_key before = list->shards[i - 1].last_key;
        is_whole = is_whole && before != TR_HASH_KEY_MAX && list->shards[i].first_key == before + 1;
    }
    return is_whole;
}
