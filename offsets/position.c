// SPDX-License-Identifier: Apache-2.0
#include "offsets/position.h"

#include <stdio.h>
#include <string.h>

#include "engine/json.h"
#include "engine/json_write.h"

#define SINK_TYPE "kinesis"

/* What the parser has seen besides the position itself. */
struct seen {
    bool file;
    bool pos;
    bool snapshot_completed;
};

static bool parse_member(struct tr_saved_position *position, struct tr_gtid_sources *sources,
                         struct tr_json_reader *reader, struct tr_span name, struct seen *seen,
                         struct tr_error *err);

/* --- writing --- */

/* A NUL after the text; the bytes before it, or 0 when it did not fit. */
static size_t end_text(struct tr_json_writer *json)
{
    tr_json_write_raw(json, tr_span_of("", 1));
    return json->is_full ? 0 : json->bytes - 1;
}

static void write_number(struct tr_json_writer *json, const char *name, uint64_t number)
{
    tr_json_write_literal(json, name);
    tr_json_write_uint64(json, number);
}

size_t tr_position_write_key(struct tr_span topic_prefix, char *out, size_t room_bytes)
{
    struct tr_json_writer json = tr_json_writer_of(out, room_bytes);

    tr_json_write_literal(&json, "[\"" SINK_TYPE "\",{\"server\":");
    tr_json_write_text(&json, topic_prefix);
    tr_json_write_literal(&json, "}]");
    return end_text(&json);
}

static void write_gtids(struct tr_json_writer *json, const struct tr_gtid_set *set)
{
    const size_t bytes = tr_gtid_set_text_bytes(set);

    tr_json_write_literal(json, ",\"gtids\":\"");
    /* One byte more: the set's own NUL, which the closing quote replaces. */
    if (json->is_full || json->room_bytes - json->bytes < bytes + 1) {
        json->is_full = true;
        return;
    }
    tr_gtid_set_write_text(set, (char *)json->start + json->bytes);
    json->bytes += bytes;
    tr_json_write_literal(json, "\"");
}

/* Members in the order that Debezium's hash map happens to have (any order is valid). */
size_t tr_position_write_json(const struct tr_saved_position *position, char *out,
                              size_t room_bytes)
{
    const struct tr_log_point *point = &position->point;
    struct tr_json_writer json = tr_json_writer_of(out, room_bytes);

    tr_json_write_literal(&json, "{");
    if (point->ts_sec != 0) {
        tr_json_write_literal(&json, "\"ts_sec\":");
        tr_json_write_int64(&json, point->ts_sec);
        tr_json_write_literal(&json, ",");
    }
    tr_json_write_literal(&json, "\"file\":");
    tr_json_write_text(&json, tr_span_of_text(point->file));
    write_number(&json, ",\"pos\":", point->pos);
    if (position->gtids != NULL && !tr_gtid_set_is_empty(position->gtids)) {
        write_gtids(&json, position->gtids);
    }
    if (position->point.snapshot) {
        tr_json_write_literal(&json, ",\"snapshot\":\"INITIAL\"");
    }
    if (point->row_count != 0) {
        write_number(&json, ",\"row\":", point->row_count);
    }
    if (point->server_id != 0) {
        write_number(&json, ",\"server_id\":", point->server_id);
    }
    if (point->event_count != 0) {
        write_number(&json, ",\"event\":", point->event_count);
    }
    tr_json_write_literal(&json, "}");
    return end_text(&json);
}

/* --- reading --- */

static enum tr_code read_members(struct tr_saved_position *position,
                                 struct tr_gtid_sources *sources, struct tr_json_reader *reader,
                                 struct seen *seen, struct tr_error *err)
{
    struct tr_span name;

    if (tr_json_enter_object(reader)) {
        while (tr_json_next_member(reader, &name)) {
            if (!parse_member(position, sources, reader, name, seen, err)) {
                return tr_error_prefix(err, "stored offset");
            }
        }
    }
    if (tr_json_finish(reader, err) != TR_OK) {
        char text[TR_ERROR_TEXT_BYTES / 4];

        (void)snprintf(text, sizeof(text), "%.200s", err->text);
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "stored offset is not a JSON object (%s): restore it from a backup, or "
                       "delete the entry to begin anew",
                       text);
    }
    return TR_OK;
}

enum tr_code tr_position_parse_json(struct tr_saved_position *position,
                                    struct tr_gtid_sources *sources, struct tr_span json,
                                    struct tr_error *err)
{
    struct tr_gtid_set *const gtids = position->gtids;
    struct tr_json_reader *reader;
    struct seen seen = {0};

    *position = (struct tr_saved_position){.gtids = gtids};
    tr_gtid_set_clear(gtids);
    if (tr_json_open(&reader, json.bytes + 1, err) != TR_OK) { /* at start only */
        return err->code;
    }
    tr_json_begin(reader, json);
    const enum tr_code code = read_members(position, sources, reader, &seen, err);

    tr_json_close(reader);
    if (code != TR_OK) {
        return code;
    }
    if (!seen.file || !seen.pos) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "stored offset has no \"%s\": restore it from a backup, or delete the entry "
                       "to begin anew",
                       seen.file ? "pos" : "file");
    }
    if (seen.snapshot_completed) {
        position->point.snapshot = false;
    }
    return TR_OK;
}

/* Always false, for the parsers below. */
static bool fail_member(const char *name, const char *wanted, struct tr_error *err)
{
    (void)TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                  "member \"%s\": wanted %s; restore it from a backup, or delete the entry to "
                  "begin anew",
                  name, wanted);
    return false;
}

static bool is_named(struct tr_span name, const char *wanted)
{
    return tr_span_equals(name, tr_span_of_text(wanted));
}

/* Whether the value is true or "true". */
static bool read_truth(struct tr_json_reader *reader)
{
    if (tr_json_type(reader) == TR_JSON_TYPE_BOOL) {
        return tr_json_get_bool(reader);
    }
    return tr_json_type(reader) == TR_JSON_TYPE_STRING &&
           is_named(tr_json_get_text(reader), "true");
}

/* "snapshot": 3.x has the kind by name, 2.3 has true. */
static void parse_snapshot(struct tr_saved_position *position, struct tr_json_reader *reader)
{
    if (tr_json_type(reader) != TR_JSON_TYPE_STRING) {
        position->point.snapshot = read_truth(reader);
        return;
    }
    const struct tr_span kind = tr_json_get_text(reader);

    position->incremental_snapshot =
        position->incremental_snapshot || is_named(kind, "INCREMENTAL");
    position->point.snapshot = !is_named(kind, "INCREMENTAL") && !is_named(kind, "false");
}

static bool parse_file(struct tr_log_point *point, struct tr_json_reader *reader,
                       struct tr_error *err)
{
    const struct tr_span file = tr_json_type(reader) == TR_JSON_TYPE_STRING
                                    ? tr_json_get_text(reader)
                                    : (struct tr_span){0};

    if (file.bytes == 0 || file.bytes > TR_BINLOG_NAME_BYTES_MAX ||
        memchr(file.data, '\0', file.bytes) != NULL) {
        return fail_member("file", "the name of a binary log file, 1..255 bytes", err);
    }
    memcpy(point->file, file.data, file.bytes);
    point->file[file.bytes] = '\0';
    return true;
}

static bool parse_gtids(struct tr_gtid_set *set, struct tr_gtid_sources *sources,
                        struct tr_json_reader *reader, struct tr_error *err)
{
    if (tr_json_type(reader) != TR_JSON_TYPE_STRING) {
        return fail_member("gtids", "a text", err);
    }
    const struct tr_span text = tr_json_get_text(reader);

    if (tr_json_is_failed(reader)) {
        return fail_member("gtids", "a text", err);
    }
    tr_gtid_set_clear(set); /* of two members of that name the last one counts */
    if (tr_gtid_set_parse(set, sources, text, err) != TR_OK) {
        char said[TR_ERROR_TEXT_BYTES / 2];

        (void)snprintf(said, sizeof(said), "%.500s", err->text);
        (void)TR_FAIL(err, err->code, err->remedy,
                      "gtids: %s; the offset is damaged, or of the other kind of server (MySQL and "
                      "MariaDB write GTIDs each in its own way): connect to the server that it is "
                      "of, or restore it from a backup",
                      said);
        return false;
    }
    return true;
}

/* A whole number 0..max. */
static bool read_number(struct tr_json_reader *reader, uint64_t max, uint64_t *number)
{
    *number = tr_json_type(reader) == TR_JSON_TYPE_NUMBER ? tr_json_get_uint64(reader) : UINT64_MAX;
    return !tr_json_is_failed(reader) && *number <= max;
}

/* The members that are numbers; others are not ours and are passed over. */
static bool parse_number(struct tr_log_point *point, struct tr_json_reader *reader,
                         struct tr_span name, struct tr_error *err)
{
    const struct {
        const char *name;
        uint64_t *value;
    } numbers[] = {
        {"pos", &point->pos}, {"event", &point->event_count}, {"row", &point->row_count}};
    uint64_t server_id;

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (is_named(name, numbers[i].name)) {
            return read_number(reader, INT64_MAX, numbers[i].value) ||
                   fail_member(numbers[i].name, "a whole number from 0 on", err);
        }
    }
    if (is_named(name, "server_id")) {
        if (!read_number(reader, UINT32_MAX, &server_id)) {
            return fail_member("server_id", "a whole number 0..4294967295", err);
        }
        point->server_id = (uint32_t)server_id;
    }
    if (is_named(name, "ts_sec")) {
        point->ts_sec =
            tr_json_type(reader) == TR_JSON_TYPE_NUMBER ? tr_json_get_int64(reader) : INT64_MIN;
        if (tr_json_is_failed(reader) || point->ts_sec == INT64_MIN) {
            return fail_member("ts_sec", "a whole number of seconds", err);
        }
    }
    return true;
}

static bool parse_member(struct tr_saved_position *position, struct tr_gtid_sources *sources,
                         struct tr_json_reader *reader, struct tr_span name, struct seen *seen,
                         struct tr_error *err)
{
    if (tr_json_type(reader) == TR_JSON_TYPE_NULL) {
        return true;
    }
    if (is_named(name, "file")) {
        seen->file = true;
        return parse_file(&position->point, reader, err);
    }
    if (is_named(name, "gtids")) {
        return parse_gtids(position->gtids, sources, reader, err);
    }
    if (is_named(name, "snapshot")) {
        parse_snapshot(position, reader);
        return true;
    }
    if (is_named(name, "snapshot_completed")) {
        seen->snapshot_completed = read_truth(reader);
        return true;
    }
    if (is_named(name, "incremental_snapshot_collections")) {
        position->incremental_snapshot = true;
        return true;
    }
    seen->pos = seen->pos || is_named(name, "pos");
    return parse_number(&position->point, reader, name, err);
}
