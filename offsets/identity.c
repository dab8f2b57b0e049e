// SPDX-License-Identifier: Apache-2.0
#include "offsets/identity.h"

#include "offsets/json_text.h"

size_t tr_identity_write_json(const struct tr_identity *identity, char *out, size_t room_bytes)
{
    static const char hex[] = "0123456789abcdef";
    struct tr_json_out json = {.text = out, .room_bytes = room_bytes};
    char fingerprint[16];

    for (size_t i = 0; i < sizeof(fingerprint); i++) {
        fingerprint[i] = hex[identity->schema_fingerprint >> (60 - 4 * i) & 15];
    }
    tr_json_out_raw(&json, tr_span_of_text("{"));
    tr_json_out_name(&json, "format");
    tr_json_out_u64(&json, TR_IDENTITY_FORMAT);
    tr_json_out_name(&json, "flavor");
    tr_json_out_string(&json,
                       tr_span_of_text(identity->flavor == TR_FLAVOR_MYSQL ? "mysql" : "mariadb"));
    if (identity->server_uuid[0] != '\0') {
        tr_json_out_name(&json, "server_uuid");
        tr_json_out_string(&json, tr_span_of_text(identity->server_uuid));
    }
    if (identity->server_id != 0) {
        tr_json_out_name(&json, "server_id");
        tr_json_out_u64(&json, identity->server_id);
        tr_json_out_name(&json, "domain_id");
        tr_json_out_u64(&json, identity->domain_id);
    }
    tr_json_out_name(&json, "binlog_base");
    tr_json_out_string(&json, tr_span_of_text(identity->binlog_base));
    tr_json_out_name(&json, "schema_fingerprint");
    tr_json_out_string(&json, tr_span_of(fingerprint, sizeof(fingerprint)));
    tr_json_out_name(&json, "saved_unix_ms");
    tr_json_out_i64(&json, identity->saved_unix_ms);
    tr_json_out_name(&json, "file");
    tr_json_out_string(&json, tr_span_of_text(identity->point.file));
    tr_json_out_name(&json, "pos");
    tr_json_out_u64(&json, identity->point.pos);
    tr_json_out_name(&json, "event");
    tr_json_out_u64(&json, identity->point.event_count);
    tr_json_out_name(&json, "row");
    tr_json_out_u64(&json, identity->point.row_count);
    tr_json_out_raw(&json, tr_span_of_text("}"));
    return tr_json_out_end(&json);
}

/* A text member into a fixed field of `room_bytes` with its NUL. */
static bool parse_text(const struct tr_json_member *member, char *out, size_t room_bytes)
{
    const size_t bytes = tr_json_member_text(member, out, room_bytes - 1);

    if (bytes == SIZE_MAX || memchr(out, '\0', bytes) != NULL) {
        out[0] = '\0';
        return false;
    }
    out[bytes] = '\0';
    return true;
}

static bool parse_hex64(const struct tr_json_member *member, uint64_t *value)
{
    *value = 0;
    if (member->kind != TR_JSON_STRING || member->value.bytes != 16) {
        return false;
    }
    for (size_t i = 0; i < 16; i++) {
        const uint8_t c = member->value.data[i];

        if (c >= '0' && c <= '9') {
            *value = *value << 4 | (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            *value = *value << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            return false;
        }
    }
    return true;
}

static bool parse_flavor(const struct tr_json_member *member, enum tr_flavor *flavor)
{
    *flavor = tr_span_equals(member->value, tr_span_of_text("mariadb")) ? TR_FLAVOR_MARIADB
                                                                        : TR_FLAVOR_MYSQL;
    return member->kind == TR_JSON_STRING &&
           (*flavor == TR_FLAVOR_MARIADB ||
            tr_span_equals(member->value, tr_span_of_text("mysql")));
}

static bool parse_u32(const struct tr_json_member *member, uint32_t *value)
{
    uint64_t wide = 0;
    const bool is_whole = tr_json_member_u64(member, UINT32_MAX, &wide);

    *value = (uint32_t)wide;
    return is_whole;
}

/* False when the member is ours and not what we write. */
static bool parse_member(struct tr_identity *identity, const struct tr_json_member *member)
{
    struct tr_log_point *point = &identity->point;

    if (tr_json_member_is(member, "flavor")) {
        return parse_flavor(member, &identity->flavor);
    }
    if (tr_json_member_is(member, "server_uuid")) {
        return parse_text(member, identity->server_uuid, sizeof(identity->server_uuid));
    }
    if (tr_json_member_is(member, "server_id")) {
        return parse_u32(member, &identity->server_id);
    }
    if (tr_json_member_is(member, "domain_id")) {
        return parse_u32(member, &identity->domain_id);
    }
    if (tr_json_member_is(member, "binlog_base")) {
        return parse_text(member, identity->binlog_base, sizeof(identity->binlog_base));
    }
    if (tr_json_member_is(member, "schema_fingerprint")) {
        return parse_hex64(member, &identity->schema_fingerprint);
    }
    if (tr_json_member_is(member, "saved_unix_ms")) {
        return tr_json_member_i64(member, &identity->saved_unix_ms);
    }
    if (tr_json_member_is(member, "file")) {
        return parse_text(member, point->file, sizeof(point->file));
    }
    if (tr_json_member_is(member, "pos")) {
        return tr_json_member_u64(member, INT64_MAX, &point->pos);
    }
    if (tr_json_member_is(member, "event")) {
        return tr_json_member_u64(member, INT64_MAX, &point->event_count);
    }
    if (tr_json_member_is(member, "row")) {
        return tr_json_member_u64(member, INT64_MAX, &point->row_count);
    }
    return true;
}

enum tr_code tr_identity_parse_json(struct tr_identity *identity, struct tr_span json,
                                    struct tr_error *err)
{
    static const char remedy[] = "restore it from a backup, or delete it to resume without the "
                                 "check that the source is the same server";
    struct tr_json_in in = tr_json_in_of(json);
    struct tr_json_member member;
    uint64_t format = 0;

    *identity = (struct tr_identity){0};
    while (tr_json_in_next(&in, &member)) {
        if (tr_json_member_is(&member, "format") &&
            !tr_json_member_u64(&member, INT64_MAX, &format)) {
            format = 0;
        }
        if (!parse_member(identity, &member)) {
            return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                           "source identity: member \"%.*s\" is damaged; %s",
                           (int)member.name.bytes, (const char *)member.name.data, remedy);
        }
    }
    if (in.failed || format == 0) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP, "source identity of %zu bytes is damaged; %s",
                       json.bytes, remedy);
    }
    if (format > TR_IDENTITY_FORMAT) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "source identity: format = %llu, written by a newer version; wanted 1..%d: "
                       "run that version",
                       (unsigned long long)format, TR_IDENTITY_FORMAT);
    }
    return TR_OK;
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
