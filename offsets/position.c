// SPDX-License-Identifier: Apache-2.0
#include "offsets/position.h"

#include <stdlib.h>

#include "offsets/json_text.h"

#define SINK_TYPE "kinesis"

/* What the parser has seen besides the position itself. */
struct seen {
    bool file;
    bool pos;
    bool snapshot_completed;
};

static enum tr_code parse_member(struct tr_saved_position *position,
                                 struct tr_gtid_sources *sources,
                                 const struct tr_json_member *member, struct seen *seen,
                                 struct tr_error *err);
static enum tr_code parse_number(struct tr_log_point *point, const struct tr_json_member *member,
                                 struct tr_error *err);
static enum tr_code parse_gtids(struct tr_gtid_set *set, struct tr_gtid_sources *sources,
                                const struct tr_json_member *member, struct tr_error *err);

size_t tr_position_write_key(struct tr_span topic_prefix, char *out, size_t room_bytes)
{
    struct tr_json_out json = {.text = out, .room_bytes = room_bytes};

    tr_json_out_raw(&json, tr_span_of_text("[\"" SINK_TYPE "\",{\"server\":"));
    tr_json_out_string(&json, topic_prefix);
    tr_json_out_raw(&json, tr_span_of_text("}]"));
    return tr_json_out_end(&json);
}

static void write_gtids(struct tr_json_out *json, const struct tr_gtid_set *set)
{
    const size_t bytes = tr_gtid_set_text_bytes(set);

    tr_json_out_name(json, "gtids");
    tr_json_out_raw(json, tr_span_of_text("\""));
    /* Two bytes: the closing quote, and the set's own NUL that the quote replaces. */
    if (json->overflowed || json->room_bytes - json->bytes < bytes + 2) {
        json->overflowed = true;
        return;
    }
    tr_gtid_set_write_text(set, json->text + json->bytes);
    json->bytes += bytes;
    tr_json_out_raw(json, tr_span_of_text("\""));
}

/* Members in the order that Debezium's hash map happens to have (any order is valid). */
size_t tr_position_write_json(const struct tr_saved_position *position, char *out,
                              size_t room_bytes)
{
    const struct tr_log_point *point = &position->point;
    struct tr_json_out json = {.text = out, .room_bytes = room_bytes};

    tr_json_out_raw(&json, tr_span_of_text("{"));
    if (point->ts_sec != 0) {
        tr_json_out_name(&json, "ts_sec");
        tr_json_out_i64(&json, point->ts_sec);
    }
    tr_json_out_name(&json, "file");
    tr_json_out_string(&json, tr_span_of_text(point->file));
    tr_json_out_name(&json, "pos");
    tr_json_out_u64(&json, point->pos);
    if (position->gtids != NULL && !tr_gtid_set_is_empty(position->gtids)) {
        write_gtids(&json, position->gtids);
    }
    if (position->snapshot) {
        tr_json_out_name(&json, "snapshot");
        tr_json_out_string(&json, tr_span_of_text("INITIAL"));
    }
    if (point->row_count != 0) {
        tr_json_out_name(&json, "row");
        tr_json_out_u64(&json, point->row_count);
    }
    if (point->server_id != 0) {
        tr_json_out_name(&json, "server_id");
        tr_json_out_u64(&json, point->server_id);
    }
    if (point->event_count != 0) {
        tr_json_out_name(&json, "event");
        tr_json_out_u64(&json, point->event_count);
    }
    tr_json_out_raw(&json, tr_span_of_text("}"));
    return tr_json_out_end(&json);
}

enum tr_code tr_position_parse_json(struct tr_saved_position *position,
                                    struct tr_gtid_sources *sources, struct tr_span json,
                                    struct tr_error *err)
{
    struct tr_gtid_set *const gtids = position->gtids;
    struct tr_json_in in = tr_json_in_of(json);
    struct tr_json_member member;
    struct seen seen = {0};

    *position = (struct tr_saved_position){.gtids = gtids};
    tr_gtid_set_clear(gtids);
    while (tr_json_in_next(&in, &member)) {
        if (parse_member(position, sources, &member, &seen, err) != TR_OK) {
            return tr_error_prefix(err, "stored offset");
        }
    }
    if (in.failed) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "stored offset of %zu bytes is not a JSON object: restore it from a backup, "
                       "or delete the entry to begin anew",
                       json.bytes);
    }
    if (!seen.file || !seen.pos) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "stored offset has no \"%s\": restore it from a backup, or delete the entry "
                       "to begin anew",
                       seen.file ? "pos" : "file");
    }
    if (seen.snapshot_completed) {
        position->snapshot = false;
    }
    return TR_OK;
}

static enum tr_code fail_member(const char *name, const char *wanted, struct tr_error *err)
{
    return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                   "member \"%s\": wanted %s; restore it from a backup, or delete the entry to "
                   "begin anew",
                   name, wanted);
}

/* "snapshot": 3.x has the kind by name, 2.3 has true. */
static void parse_snapshot(struct tr_saved_position *position, const struct tr_json_member *member)
{
    if (member->kind == TR_JSON_STRING &&
        tr_span_equals(member->value, tr_span_of_text("INCREMENTAL"))) {
        position->incremental_snapshot = true;
        return;
    }
    position->snapshot =
        member->kind == TR_JSON_TRUE || (member->kind == TR_JSON_STRING &&
                                         !tr_span_equals(member->value, tr_span_of_text("false")));
}

static enum tr_code parse_file(struct tr_log_point *point, const struct tr_json_member *member,
                               struct tr_error *err)
{
    const size_t bytes = tr_json_member_text(member, point->file, TR_BINLOG_NAME_BYTES_MAX);

    if (bytes == SIZE_MAX || bytes == 0 || memchr(point->file, '\0', bytes) != NULL) {
        point->file[0] = '\0';
        return fail_member("file", "the name of a binary log file, 1..255 bytes", err);
    }
    point->file[bytes] = '\0';
    return TR_OK;
}

static enum tr_code parse_member(struct tr_saved_position *position,
                                 struct tr_gtid_sources *sources,
                                 const struct tr_json_member *member, struct seen *seen,
                                 struct tr_error *err)
{
    if (member->kind == TR_JSON_NULL) {
        return TR_OK;
    }
    if (tr_json_member_is(member, "file")) {
        seen->file = true;
        return parse_file(&position->point, member, err);
    }
    if (tr_json_member_is(member, "gtids")) {
        return parse_gtids(position->gtids, sources, member, err);
    }
    if (tr_json_member_is(member, "snapshot")) {
        parse_snapshot(position, member);
    }
    if (tr_json_member_is(member, "snapshot_completed")) {
        seen->snapshot_completed = member->kind == TR_JSON_TRUE ||
                                   (member->kind == TR_JSON_STRING &&
                                    tr_span_equals(member->value, tr_span_of_text("true")));
    }
    if (tr_json_member_is(member, "incremental_snapshot_collections")) {
        position->incremental_snapshot = true;
    }
    if (tr_json_member_is(member, "pos")) {
        seen->pos = true;
    }
    return parse_number(&position->point, member, err);
}

/* The members that are numbers; others are not ours and are passed over. */
static enum tr_code parse_number(struct tr_log_point *point, const struct tr_json_member *member,
                                 struct tr_error *err)
{
    const struct {
        const char *name;
        uint64_t *value;
        const char *wanted;
    } numbers[] = {
        {"pos", &point->pos, "a whole number from 0 on"},
        {"event", &point->event_count, "a whole number from 0 on"},
        {"row", &point->row_count, "a whole number from 0 on"},
    };
    uint64_t server_id;

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (tr_json_member_is(member, numbers[i].name)) {
            return tr_json_member_u64(member, INT64_MAX, numbers[i].value)
                       ? TR_OK
                       : fail_member(numbers[i].name, numbers[i].wanted, err);
        }
    }
    if (tr_json_member_is(member, "server_id")) {
        if (!tr_json_member_u64(member, UINT32_MAX, &server_id)) {
            return fail_member("server_id", "a whole number 0..4294967295", err);
        }
        point->server_id = (uint32_t)server_id;
    }
    if (tr_json_member_is(member, "ts_sec") && !tr_json_member_i64(member, &point->ts_sec)) {
        return fail_member("ts_sec", "a whole number of seconds", err);
    }
    return TR_OK;
}

static enum tr_code parse_gtids(struct tr_gtid_set *set, struct tr_gtid_sources *sources,
                                const struct tr_json_member *member, struct tr_error *err)
{
    char *const text = calloc(1, member->value.bytes + 1); /* at start only */

    if (text == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "memory for the stored GTID set = %zu bytes: refused by the system",
                       member->value.bytes);
    }
    const size_t bytes = tr_json_member_text(member, text, member->value.bytes);

    tr_gtid_set_clear(set); /* of two members of that name the last one counts */
    const enum tr_code code = bytes == SIZE_MAX
                                  ? fail_member("gtids", "a text", err)
                                  : tr_gtid_set_parse(set, sources, tr_span_of(text, bytes), err);

    free(text);
    return code;
}
