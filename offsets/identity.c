// SPDX-License-Identifier: Apache-2.0
#include "offsets/identity.h"

#include <stdio.h>
#include <string.h>

#include "engine/json.h"
#include "engine/json_write.h"

size_t tr_identity_write_json(const struct tr_identity *identity, char *out, size_t room_bytes)
{
    const struct tr_log_point *point = &identity->point;
    struct tr_json_writer json = tr_json_writer_of(out, room_bytes);
    char fingerprint[17];
    char chain[17];

    (void)snprintf(fingerprint, sizeof(fingerprint), "%016llx",
                   (unsigned long long)identity->schema_fingerprint);
    (void)snprintf(chain, sizeof(chain), "%016llx", (unsigned long long)identity->history.chain);
    tr_json_write_literal(&json, "{\"format\":");
    tr_json_write_uint64(&json, TR_IDENTITY_FORMAT);
    tr_json_write_literal(&json, identity->flavor == TR_FLAVOR_MYSQL ? ",\"flavor\":\"mysql\""
                                                                     : ",\"flavor\":\"mariadb\"");
    if (identity->server_uuid[0] != '\0') {
        tr_json_write_literal(&json, ",\"server_uuid\":");
        tr_json_write_text(&json, tr_span_of_text(identity->server_uuid));
    }
    if (identity->server_id != 0) {
        tr_json_write_literal(&json, ",\"server_id\":");
        tr_json_write_uint64(&json, identity->server_id);
        tr_json_write_literal(&json, ",\"domain_id\":");
        tr_json_write_uint64(&json, identity->domain_id);
    }
    tr_json_write_literal(&json, ",\"binlog_base\":");
    tr_json_write_text(&json, tr_span_of_text(identity->binlog_base));
    tr_json_write_literal(&json, ",\"schema_fingerprint\":");
    tr_json_write_text(&json, tr_span_of_text(fingerprint));
    if (identity->history.document_count != 0) {
        tr_json_write_literal(&json, ",\"history_documents\":");
        tr_json_write_uint64(&json, identity->history.document_count);
        tr_json_write_literal(&json, ",\"history_chain\":");
        tr_json_write_text(&json, tr_span_of_text(chain));
    }
    tr_json_write_literal(&json, ",\"saved_unix_ms\":");
    tr_json_write_int64(&json, identity->saved_unix_ms);
    tr_json_write_literal(&json, ",\"file\":");
    tr_json_write_text(&json, tr_span_of_text(point->file));
    tr_json_write_literal(&json, ",\"pos\":");
    tr_json_write_uint64(&json, point->pos);
    tr_json_write_literal(&json, ",\"event\":");
    tr_json_write_uint64(&json, point->event_count);
    tr_json_write_literal(&json, ",\"row\":");
    tr_json_write_uint64(&json, point->row_count);
    tr_json_write_raw(&json, tr_span_of("}", 2)); /* with its NUL */
    return json.is_full ? 0 : json.bytes - 1;
}

/* A text without NULs into a fixed field of `room_bytes` with its own. */
static bool read_text(struct tr_json_reader *reader, char *out, size_t room_bytes)
{
    const struct tr_span text = tr_json_get_text(reader);

    if (tr_json_is_failed(reader) || text.bytes >= room_bytes ||
        (text.bytes != 0 && memchr(text.data, '\0', text.bytes) != NULL)) {
        return false;
    }
    if (text.bytes != 0) {
        memcpy(out, text.data, text.bytes);
    }
    out[text.bytes] = '\0';
    return true;
}

static bool read_hex64(struct tr_json_reader *reader, uint64_t *value)
{
    const struct tr_span text = tr_json_get_text(reader);

    *value = 0;
    for (size_t i = 0; i < text.bytes && text.bytes == 16; i++) {
        const uint8_t c = text.data[i];

        if (c >= '0' && c <= '9') {
            *value = *value << 4 | (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            *value = *value << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            return false;
        }
    }
    return text.bytes == 16;
}

static bool read_flavor(struct tr_json_reader *reader, enum tr_flavor *flavor)
{
    const struct tr_span text = tr_json_get_text(reader);

    *flavor =
        tr_span_equals(text, tr_span_of_text("mariadb")) ? TR_FLAVOR_MARIADB : TR_FLAVOR_MYSQL;
    return *flavor == TR_FLAVOR_MARIADB || tr_span_equals(text, tr_span_of_text("mysql"));
}

static bool read_number(struct tr_json_reader *reader, uint64_t max, uint64_t *number)
{
    *number = tr_json_get_uint64(reader);
    return !tr_json_is_failed(reader) && *number <= max;
}

static bool read_u32(struct tr_json_reader *reader, uint32_t *number)
{
    uint64_t wide = 0;
    const bool is_good = read_number(reader, UINT32_MAX, &wide);

    *number = (uint32_t)wide;
    return is_good;
}

/* False when the member is ours and not what we write. */
static bool parse_member(struct tr_identity *identity, struct tr_json_reader *reader,
                         struct tr_span name, uint64_t *format)
{
#define IS(wanted) tr_span_equals(name, tr_span_of_text(wanted))
    struct tr_log_point *point = &identity->point;

    if (IS("format")) {
        return read_number(reader, INT64_MAX, format);
    }
    if (IS("flavor")) {
        return read_flavor(reader, &identity->flavor);
    }
    if (IS("server_uuid")) {
        return read_text(reader, identity->server_uuid, sizeof(identity->server_uuid));
    }
    if (IS("server_id")) {
        return read_u32(reader, &identity->server_id);
    }
    if (IS("domain_id")) {
        return read_u32(reader, &identity->domain_id);
    }
    if (IS("binlog_base")) {
        return read_text(reader, identity->binlog_base, sizeof(identity->binlog_base));
    }
    if (IS("schema_fingerprint")) {
        return read_hex64(reader, &identity->schema_fingerprint);
    }
    if (IS("history_documents")) {
        return read_number(reader, INT64_MAX, &identity->history.document_count);
    }
    if (IS("history_chain")) {
        return read_hex64(reader, &identity->history.chain);
    }
    if (IS("saved_unix_ms")) {
        identity->saved_unix_ms = tr_json_get_int64(reader);
        return !tr_json_is_failed(reader);
    }
    if (IS("file")) {
        return read_text(reader, point->file, sizeof(point->file));
    }
    if (IS("pos")) {
        return read_number(reader, INT64_MAX, &point->pos);
    }
    if (IS("event")) {
        return read_number(reader, INT64_MAX, &point->event_count);
    }
    return !IS("row") || read_number(reader, INT64_MAX, &point->row_count);
#undef IS
}

static enum tr_code read_members(struct tr_identity *identity, struct tr_json_reader *reader,
                                 struct tr_error *err)
{
    static const char remedy[] = "restore it from a backup, or delete it to resume without the "
                                 "check that the source is the same server";
    struct tr_span name;
    uint64_t format = 0;
    bool is_good = tr_json_enter_object(reader);

    while (is_good && tr_json_next_member(reader, &name)) {
        is_good = parse_member(identity, reader, name, &format);
    }
    if (!is_good || tr_json_finish(reader, err) != TR_OK || format == 0) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP, "source identity is damaged: %s", remedy);
    }
    if (format > TR_IDENTITY_FORMAT) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "source identity: format = %llu, written by a newer version; wanted 1..%d: "
                       "run that version",
                       (unsigned long long)format, TR_IDENTITY_FORMAT);
    }
    return TR_OK;
}

enum tr_code tr_identity_parse_json(struct tr_identity *identity, struct tr_span json,
                                    struct tr_error *err)
{
    struct tr_json_reader *reader;

    *identity = (struct tr_identity){0};
    if (tr_json_open(&reader, json.bytes + 1, err) != TR_OK) { /* at start only */
        return err->code;
    }
    tr_json_begin(reader, json);
    const enum tr_code code = read_members(identity, reader, err);

    tr_json_close(reader);
    return code;
}

bool tr_identity_same_server(const struct tr_identity *a, const struct tr_identity *b)
{
    if (a->flavor != b->flavor || a->binlog_base[0] == '\0' ||
        strcmp(a->binlog_base, b->binlog_base) != 0) {
        return false;
    }
    if (a->flavor == TR_FLAVOR_MYSQL) {
        return a->server_uuid[0] != '\0' && strcmp(a->server_uuid, b->server_uuid) == 0;
    }
    return a->server_id != 0 && a->server_id == b->server_id && a->domain_id == b->domain_id;
}

bool tr_identity_is_of(const struct tr_identity *identity, const struct tr_log_point *point)
{
    const struct tr_log_point *own = &identity->point;

    return strcmp(own->file, point->file) == 0 && own->pos == point->pos &&
           own->event_count == point->event_count && own->row_count == point->row_count;
}

void tr_identity_binlog_base(const char *file, char *out)
{
    const char *const dot = strrchr(file, '.');
    const size_t bytes = dot == NULL ? strlen(file) : (size_t)(dot - file);
    const size_t kept = bytes < TR_BINLOG_NAME_BYTES_MAX ? bytes : TR_BINLOG_NAME_BYTES_MAX;

    memcpy(out, file, kept);
    out[kept] = '\0';
}
