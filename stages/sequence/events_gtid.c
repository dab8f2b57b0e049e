// SPDX-License-Identifier: Apache-2.0
/* GTID events of both servers; source: mysql-binlog.md §3.8, §3.9, §3.17. */
#include "stages/sequence/events.h"

#define TAGGED_VERSION 1
#define TAGGED_UUID_BYTES 16
#define COMMIT_US_MARKER (UINT64_C(1) << 55) /* the original timestamp follows */
#define MARIADB_GTID_BODY_BYTES 19           /* padded to it without a commit id */

static enum tr_code malformed(const char *name, struct tr_error *err)
{
    return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP, "%s event is malformed", name);
}

enum tr_code tr_event_gtid_parse(struct tr_event_gtid *gtid, struct tr_span body,
                                 struct tr_error *err)
{
    struct tr_cursor cursor = tr_cursor_of(body);

    *gtid = (struct tr_event_gtid){0};
    (void)tr_cursor_u8(&cursor); /* flags */
    const uint8_t *uuid = tr_cursor_take(&cursor, sizeof(gtid->uuid));
    gtid->number = tr_cursor_u64(&cursor);
    if (cursor.failed) {
        return malformed("GTID", err);
    }
    memcpy(gtid->uuid, uuid, sizeof(gtid->uuid));
    if (tr_cursor_remaining(&cursor) < 17 + 7) {
        return TR_OK; /* 5.6 ends here, 5.7 after the logical clock */
    }
    (void)tr_cursor_take(&cursor, 17); /* clock type, last committed, sequence number */
    uint64_t immediate_us = (uint64_t)tr_cursor_u32(&cursor);
    immediate_us |= (uint64_t)tr_cursor_u24(&cursor) << 32;
    uint64_t original_us = immediate_us;
    if ((immediate_us & COMMIT_US_MARKER) != 0) {
        immediate_us &= COMMIT_US_MARKER - 1;
        original_us = (uint64_t)tr_cursor_u32(&cursor);
        original_us |= (uint64_t)tr_cursor_u24(&cursor) << 32;
        if (cursor.failed) {
            return malformed("GTID", err);
        }
    }
    gtid->immediate_commit_us = (int64_t)immediate_us;
    gtid->original_commit_us = (int64_t)original_us;
    if (tr_cursor_remaining(&cursor) > 0) {
        gtid->transaction_bytes = tr_cursor_lenenc(&cursor);
    }
    return cursor.failed ? malformed("GTID", err) : TR_OK;
}

/* The serialisation library's variable-length integer: trailing one-bits of the first byte + 1 =
 * bytes. */
static uint64_t read_varint(struct tr_cursor *cursor)
{
    const uint8_t first = tr_cursor_u8(cursor);
    uint32_t more = 0;

    while (more < 8 && (first >> more & 1) != 0) {
        more++;
    }
    const uint8_t *at = tr_cursor_take(cursor, more);
    if (at == NULL) {
        return 0;
    }
    uint64_t value = more >= 8 ? 0 : (uint64_t)first >> (more + 1);
    for (uint32_t i = 0; i < more; i++) {
        const uint32_t shift = (more >= 8 ? 0 : 7 - more) + 8 * i;
        value |= (uint64_t)at[i] << shift;
    }
    return value;
}

static int64_t read_signed_varint(struct tr_cursor *cursor)
{
    const uint64_t folded = read_varint(cursor);
    return (int64_t)(folded >> 1 ^ (0 - (folded & 1)));
}

static void read_tag(struct tr_event_gtid *gtid, struct tr_cursor *cursor)
{
    const uint64_t bytes = read_varint(cursor);
    if (bytes > sizeof(gtid->tag_bytes)) {
        cursor->failed = true;
        return;
    }
    const struct tr_span tag = tr_cursor_span(cursor, (size_t)bytes);
    if (tag.bytes > 0) {
        memcpy(gtid->tag_bytes, tag.data, tag.bytes);
        gtid->tag = tr_span_of(gtid->tag_bytes, tag.bytes);
    }
}

/* Reads one field's data; false when the field is not known. */
static bool read_tagged_field(struct tr_event_gtid *gtid, struct tr_cursor *cursor, uint64_t field,
                              bool *has_original)
{
    switch (field) {
    case 0: /* flags */
    case 9:
    case 10: /* server versions */
    case 11: /* commit group ticket */
        (void)read_varint(cursor);
        return true;
    case 1:
        for (size_t i = 0; i < TAGGED_UUID_BYTES; i++) {
            const uint64_t byte = read_varint(cursor);
            cursor->failed = cursor->failed || byte > 0xFF;
            gtid->uuid[i] = (uint8_t)byte;
        }
        return true;
    case 2:
        gtid->number = (uint64_t)read_signed_varint(cursor);
        return true;
    case 3:
        read_tag(gtid, cursor);
        return true;
    case 4:
    case 5: /* logical clock */
        (void)read_signed_varint(cursor);
        return true;
    case 6:
        gtid->immediate_commit_us = (int64_t)read_varint(cursor);
        return true;
    case 7:
        gtid->original_commit_us = (int64_t)read_varint(cursor);
        *has_original = true;
        return true;
    case 8:
        gtid->transaction_bytes = read_varint(cursor);
        return true;
    default:
        return false;
    }
}

enum tr_code tr_event_gtid_tagged_parse(struct tr_event_gtid *gtid, struct tr_span body,
                                        struct tr_error *err)
{
    struct tr_cursor cursor = tr_cursor_of(body);
    bool has_original = false;

    *gtid = (struct tr_event_gtid){0};
    const uint64_t version = read_varint(&cursor);
    const uint64_t message_bytes = read_varint(&cursor);
    const uint64_t last_needed_field = read_varint(&cursor);
    if (cursor.failed || version != TAGGED_VERSION || message_bytes > body.bytes) {
        return malformed("GTID_TAGGED", err);
    }
    cursor.end = body.data + message_bytes; /* at most the body's end */
    if (cursor.at > cursor.end) {
        return malformed("GTID_TAGGED", err);
    }
    while (tr_cursor_remaining(&cursor) > 0 && !cursor.failed) {
        const uint64_t field = read_varint(&cursor);
        if (!cursor.failed && !read_tagged_field(gtid, &cursor, field, &has_original)) {
            if (field <= last_needed_field) {
                return TR_FAIL(err, TR_ERR_UNSUPPORTED, TR_STOP,
                               "GTID_TAGGED event with field %llu, which is not known",
                               (unsigned long long)field);
            }
            break; /* no length is stored: what follows cannot be read and need not be */
        }
    }
    if (cursor.failed) {
        return malformed("GTID_TAGGED", err);
    }
    if (!has_original) {
        gtid->original_commit_us = gtid->immediate_commit_us;
    }
    return TR_OK;
}

enum tr_code tr_event_mariadb_gtid_parse(struct tr_event_mariadb_gtid *gtid, struct tr_span body,
                                         struct tr_error *err)
{
    struct tr_cursor cursor = tr_cursor_of(body);

    *gtid = (struct tr_event_mariadb_gtid){0};
    gtid->number = tr_cursor_u64(&cursor);
    gtid->domain_id = tr_cursor_u32(&cursor);
    gtid->flags = tr_cursor_u8(&cursor);
    if ((gtid->flags & TR_MARIADB_GTID_GROUP_COMMIT) != 0) {
        (void)tr_cursor_u64(&cursor); /* commit id */
    }
    if ((gtid->flags & (TR_MARIADB_GTID_PREPARED_XA | TR_MARIADB_GTID_COMPLETED_XA)) != 0) {
        (void)tr_cursor_u32(&cursor); /* format */
        const size_t gtrid_bytes = tr_cursor_u8(&cursor);
        const size_t bqual_bytes = tr_cursor_u8(&cursor);
        (void)tr_cursor_take(&cursor, gtrid_bytes + bqual_bytes);
    }
    if (cursor.failed) {
        return malformed("MariaDB GTID", err);
    }
    if (tr_cursor_remaining(&cursor) > 0) {
        gtid->flags_extra = tr_cursor_u8(&cursor);
    }
    return TR_OK;
}

static const char *const type_names[256] = {
    [TR_EVENT_START_V3] = "START_V3",
    [TR_EVENT_QUERY] = "QUERY",
    [TR_EVENT_STOP] = "STOP",
    [TR_EVENT_ROTATE] = "ROTATE",
    [TR_EVENT_INTVAR] = "INTVAR",
    [TR_EVENT_APPEND_BLOCK] = "APPEND_BLOCK",
    [TR_EVENT_DELETE_FILE] = "DELETE_FILE",
    [TR_EVENT_RAND] = "RAND",
    [TR_EVENT_USER_VAR] = "USER_VAR",
    [TR_EVENT_FORMAT_DESCRIPTION] = "FORMAT_DESCRIPTION",
    [TR_EVENT_XID] = "XID",
    [TR_EVENT_BEGIN_LOAD_QUERY] = "BEGIN_LOAD_QUERY",
    [TR_EVENT_EXECUTE_LOAD_QUERY] = "EXECUTE_LOAD_QUERY",
    [TR_EVENT_TABLE_MAP] = "TABLE_MAP",
    [TR_EVENT_WRITE_ROWS_V1] = "WRITE_ROWS_V1",
    [TR_EVENT_UPDATE_ROWS_V1] = "UPDATE_ROWS_V1",
    [TR_EVENT_DELETE_ROWS_V1] = "DELETE_ROWS_V1",
    [TR_EVENT_INCIDENT] = "INCIDENT",
    [TR_EVENT_HEARTBEAT] = "HEARTBEAT",
    [TR_EVENT_IGNORABLE] = "IGNORABLE",
    [TR_EVENT_ROWS_QUERY] = "ROWS_QUERY",
    [TR_EVENT_WRITE_ROWS] = "WRITE_ROWS",
    [TR_EVENT_UPDATE_ROWS] = "UPDATE_ROWS",
    [TR_EVENT_DELETE_ROWS] = "DELETE_ROWS",
    [TR_EVENT_GTID] = "GTID",
    [TR_EVENT_ANONYMOUS_GTID] = "ANONYMOUS_GTID",
    [TR_EVENT_PREVIOUS_GTIDS] = "PREVIOUS_GTIDS",
    [TR_EVENT_TRANSACTION_CONTEXT] = "TRANSACTION_CONTEXT",
    [TR_EVENT_VIEW_CHANGE] = "VIEW_CHANGE",
    [TR_EVENT_XA_PREPARE] = "XA_PREPARE",
    [TR_EVENT_PARTIAL_UPDATE_ROWS] = "PARTIAL_UPDATE_ROWS",
    [TR_EVENT_TRANSACTION_PAYLOAD] = "TRANSACTION_PAYLOAD",
    [TR_EVENT_HEARTBEAT_V2] = "HEARTBEAT_V2",
    [TR_EVENT_GTID_TAGGED] = "GTID_TAGGED",
    [TR_EVENT_ANNOTATE_ROWS] = "ANNOTATE_ROWS",
    [TR_EVENT_BINLOG_CHECKPOINT] = "BINLOG_CHECKPOINT",
    [TR_EVENT_MARIADB_GTID] = "MARIADB_GTID",
    [TR_EVENT_GTID_LIST] = "GTID_LIST",
    [TR_EVENT_START_ENCRYPTION] = "START_ENCRYPTION",
    [TR_EVENT_QUERY_COMPRESSED] = "QUERY_COMPRESSED",
    [TR_EVENT_WRITE_ROWS_COMPRESSED_V1] = "WRITE_ROWS_COMPRESSED_V1",
    [TR_EVENT_UPDATE_ROWS_COMPRESSED_V1] = "UPDATE_ROWS_COMPRESSED_V1",
    [TR_EVENT_DELETE_ROWS_COMPRESSED_V1] = "DELETE_ROWS_COMPRESSED_V1",
    [TR_EVENT_WRITE_ROWS_COMPRESSED] = "WRITE_ROWS_COMPRESSED",
    [TR_EVENT_UPDATE_ROWS_COMPRESSED] = "UPDATE_ROWS_COMPRESSED",
    [TR_EVENT_DELETE_ROWS_COMPRESSED] = "DELETE_ROWS_COMPRESSED",
};

const char *tr_event_type_name(uint8_t type)
{
    return type_names[type] != NULL ? type_names[type] : "unknown";
}
