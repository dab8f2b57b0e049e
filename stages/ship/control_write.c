// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>

#include "engine/assert.h"
#include "engine/json_write.h"
#include "stages/ship/control.h"

bool tr_kinesis_stream_name_is_valid(const char *name)
{
    const size_t bytes = strlen(name);
    return bytes > 0 && bytes <= TR_KINESIS_STREAM_NAME_BYTES_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
               bytes;
}

static struct tr_json_writer begin(struct tr_control_body *body)
{
    struct tr_json_writer out = tr_json_writer_of(body->text, sizeof(body->text));
    tr_json_write_literal(&out, "{");
    return out;
}

/* `"name":"value"`, with a comma before all but the first member. */
static void write_text(struct tr_json_writer *out, const char *name, const char *value)
{
    if (out->bytes > 1) {
        tr_json_write_literal(out, ",");
    }
    tr_json_write_text(out, tr_span_of_text(name));
    tr_json_write_literal(out, ":");
    tr_json_write_text(out, tr_span_of_text(value));
}

static void write_count(struct tr_json_writer *out, const char *name, uint64_t value)
{
    if (out->bytes > 1) {
        tr_json_write_literal(out, ",");
    }
    tr_json_write_text(out, tr_span_of_text(name));
    tr_json_write_literal(out, ":");
    tr_json_write_uint64(out, value);
}

static void end(struct tr_json_writer *out, struct tr_control_body *body)
{
    tr_json_write_literal(out, "}");
    /* Names, tokens and iterators are bounded where they come in. */
    TR_ASSERT(!out->is_full);
    body->bytes = out->bytes;
}

void tr_control_write_describe_stream_summary(struct tr_control_body *body, const char *stream)
{
    struct tr_json_writer out = begin(body);
    write_text(&out, "StreamName", stream);
    end(&out, body);
}

void tr_control_write_list_shards(struct tr_control_body *body, const char *stream,
                                  const char *next_token)
{
    struct tr_json_writer out = begin(body);
    if (next_token != NULL && next_token[0] != '\0') {
        write_text(&out, "NextToken", next_token); /* never together with the stream's name */
    } else {
        write_text(&out, "StreamName", stream);
    }
    write_count(&out, "MaxResults", TR_LIST_SHARDS_RESULTS);
    end(&out, body);
}

/* One "name=value" at `at`, up to a comma or the end; false where it is none. */
static bool read_tag(const char *at, struct tr_span *name, struct tr_span *value)
{
    const size_t bytes = strcspn(at, ",");
    const char *equals = memchr(at, '=', bytes);

    if (equals == NULL) {
        return false;
    }
    *name = tr_span_of(at, (size_t)(equals - at));
    *value = tr_span_of(equals + 1, (size_t)(at + bytes - equals - 1));
    return true;
}

static void write_tags(struct tr_json_writer *out, const char *tags)
{
    struct tr_span name;
    struct tr_span value;
    const char *before = ",\"Tags\":{";

    while (tags[0] != '\0' && read_tag(tags, &name, &value)) {
        tr_json_write_literal(out, before);
        tr_json_write_text(out, name);
        tr_json_write_literal(out, ":");
        tr_json_write_text(out, value);
        before = ",";
        tags += strcspn(tags, ",");
        tags += tags[0] == ',';
    }
    tr_json_write_literal(out, "}");
}

void tr_control_write_create_stream(struct tr_control_body *body, const char *stream,
                                    const struct tr_stream_wish *wish)
{
    struct tr_json_writer out = begin(body);
    write_text(&out, "StreamName", stream);
    if (wish->shard_count > 0) {
        write_count(&out, "ShardCount", wish->shard_count);
    } else {
        tr_json_write_literal(&out, ",\"StreamModeDetails\":{\"StreamMode\":\"ON_DEMAND\"}");
    }
    if (wish->tags != NULL && wish->tags[0] != '\0') {
        write_tags(&out, wish->tags);
    }
    end(&out, body);
}

void tr_control_write_increase_retention(struct tr_control_body *body, const char *stream,
                                         uint32_t hours)
{
    struct tr_json_writer out = begin(body);
    write_text(&out, "StreamName", stream);
    write_count(&out, "RetentionPeriodHours", hours);
    end(&out, body);
}

void tr_control_write_list_tags(struct tr_control_body *body, const char *stream)
{
    struct tr_json_writer out = begin(body);
    write_text(&out, "StreamName", stream);
    write_count(&out, "Limit", TR_KINESIS_TAGS_MAX);
    end(&out, body);
}

void tr_control_write_list_streams(struct tr_control_body *body, const char *start_after)
{
    struct tr_json_writer out = begin(body);
    if (start_after != NULL && start_after[0] != '\0') {
        write_text(&out, "ExclusiveStartStreamName", start_after);
    }
    end(&out, body);
}

void tr_control_write_get_shard_iterator(struct tr_control_body *body,
                                         const struct tr_iterator_request *request)
{
    static const char *const names[] = {
        [TR_ITERATOR_TRIM_HORIZON] = "TRIM_HORIZON",
        [TR_ITERATOR_LATEST] = "LATEST",
        [TR_ITERATOR_AT_TIMESTAMP] = "AT_TIMESTAMP",
        [TR_ITERATOR_AT_SEQUENCE] = "AT_SEQUENCE_NUMBER",
        [TR_ITERATOR_AFTER_SEQUENCE] = "AFTER_SEQUENCE_NUMBER",
    };
    struct tr_json_writer out = begin(body);
    write_text(&out, "StreamName", request->stream);
    write_text(&out, "ShardId", request->shard_id);
    write_text(&out, "ShardIteratorType", names[request->type]);
    if (request->type == TR_ITERATOR_AT_SEQUENCE || request->type == TR_ITERATOR_AFTER_SEQUENCE) {
        write_text(&out, "StartingSequenceNumber", request->sequence);
    }
    if (request->type == TR_ITERATOR_AT_TIMESTAMP) {
        /* Seconds with a millisecond fraction. */
        TR_ASSERT(request->timestamp_unix_ms >= 0);
        const uint64_t ms = (uint64_t)request->timestamp_unix_ms % 1000;
        const char fraction[] = {'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10),
                                 (char)('0' + ms % 10), '\0'};
        write_count(&out, "Timestamp", (uint64_t)request->timestamp_unix_ms / 1000);
        tr_json_write_literal(&out, fraction);
    }
    end(&out, body);
}

void tr_control_write_get_records(struct tr_control_body *body, const char *iterator,
                                  uint32_t record_count_max)
{
    struct tr_json_writer out = begin(body);
    write_text(&out, "ShardIterator", iterator);
    write_count(&out, "Limit", record_count_max);
    end(&out, body);
}
