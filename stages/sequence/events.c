// SPDX-License-Identifier: Apache-2.0
#include "stages/sequence/events.h"

#include <inttypes.h>

#include "offsets/position.h"

#define FORMAT_FIXED_BYTES 57 /* version:2, server version:50, created:4, header length:1 */
#define FORMAT_TAIL_BYTES 5   /* algorithm:1, checksum:4 */
#define QUERY_HEAD_BYTES 13
#define LOAD_HEAD_BYTES 13 /* more, in EXECUTE_LOAD_QUERY */

static void read_status(struct tr_event_query *query, struct tr_span status);

static enum tr_code ends_early(const char *name, struct tr_error *err)
{
    return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP, "%s event ends early", name);
}

/* "10.11.19-MariaDB-log" is 101119. */
static uint32_t version_number(const char *version)
{
    uint32_t parts[3] = {0};
    size_t part = 0;

    for (const char *at = version; *at != '\0' && part < 3; at++) {
        if (*at >= '0' && *at <= '9' && parts[part] < 100000) {
            parts[part] = parts[part] * 10 + (uint32_t)(*at - '0');
        } else if (*at == '.') {
            part++;
        } else {
            break;
        }
    }
    return parts[0] * 10000 + parts[1] * 100 + parts[2];
}

enum tr_code tr_event_format_parse(struct tr_event_format *format, struct tr_span event,
                                   struct tr_error *err)
{
    struct tr_cursor cursor = tr_cursor_of(event);

    *format = (struct tr_event_format){0};
    (void)tr_cursor_take(&cursor, TR_EVENT_HEADER_BYTES);
    const uint16_t version = tr_cursor_u16(&cursor);
    const uint8_t *text = tr_cursor_take(&cursor, TR_SERVER_VERSION_BYTES);
    (void)tr_cursor_u32(&cursor); /* created */
    const uint8_t header_bytes = tr_cursor_u8(&cursor);
    if (cursor.failed) {
        return ends_early("FORMAT_DESCRIPTION", err);
    }
    memcpy(format->server_version, text, TR_SERVER_VERSION_BYTES);
    if (version != 4 || header_bytes != TR_EVENT_HEADER_BYTES) {
        return TR_FAIL(err, TR_ERR_UNSUPPORTED, TR_STOP,
                       "binary log version %u with headers of %u bytes: want version 4 with 19",
                       version, header_bytes);
    }
    format->flavor =
        strstr(format->server_version, "MariaDB") != NULL ? TR_FLAVOR_MARIADB : TR_FLAVOR_MYSQL;
    format->version_number = version_number(format->server_version);
    /* Events may have checksums since MySQL 5.6.1 and MariaDB 5.3. */
    format->has_checksum_field =
        format->version_number >= (format->flavor == TR_FLAVOR_MARIADB ? 50300 : 50601);
    size_t length_count = tr_cursor_remaining(&cursor);
    if (format->has_checksum_field) {
        if (length_count < FORMAT_TAIL_BYTES) {
            return ends_early("FORMAT_DESCRIPTION", err);
        }
        length_count -= FORMAT_TAIL_BYTES;
    }
    const uint8_t *lengths = tr_cursor_take(&cursor, length_count);
    if (length_count < TR_EVENT_TABLE_MAP) {
        return ends_early("FORMAT_DESCRIPTION", err);
    }
    format->has_short_table_ids = lengths[TR_EVENT_TABLE_MAP - 1] == 6;
    const uint8_t algorithm = format->has_checksum_field ? tr_cursor_u8(&cursor) : 0;
    if (algorithm > 1) {
        return TR_FAIL(err, TR_ERR_UNSUPPORTED, TR_STOP,
                       "binary log checksum algorithm %u: want 0 (NONE) or 1 (CRC32)", algorithm);
    }
    format->checksum = algorithm == 1 ? TR_CHECKSUM_CRC32 : TR_CHECKSUM_NONE;
    return TR_OK;
}

enum tr_code tr_event_rotate_parse(struct tr_event_rotate *rotate, struct tr_span body,
                                   struct tr_error *err)
{
    struct tr_cursor cursor = tr_cursor_of(body);

    rotate->pos = tr_cursor_u64(&cursor);
    rotate->file = tr_cursor_span(&cursor, tr_cursor_remaining(&cursor));
    if (cursor.failed || rotate->file.bytes == 0 || rotate->file.bytes > TR_BINLOG_NAME_BYTES_MAX) {
        return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                       "ROTATE event with a file name of %zu bytes: want 1..%d", rotate->file.bytes,
                       TR_BINLOG_NAME_BYTES_MAX);
    }
    for (size_t i = 0; i < rotate->file.bytes; i++) {
        if (rotate->file.data[i] < ' ') {
            return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP, "ROTATE event: the file name is no text");
        }
    }
    return TR_OK;
}

enum tr_code tr_event_query_parse(struct tr_event_query *query, struct tr_span body, bool is_load,
                                  struct tr_error *err)
{
    struct tr_cursor cursor = tr_cursor_of(body);

    *query = (struct tr_event_query){0};
    query->thread_id = tr_cursor_u32(&cursor);
    (void)tr_cursor_u32(&cursor); /* execution time */
    const uint8_t database_bytes = tr_cursor_u8(&cursor);
    query->error_code = tr_cursor_u16(&cursor);
    const uint16_t status_bytes = tr_cursor_u16(&cursor);
    if (is_load) {
        (void)tr_cursor_take(&cursor, LOAD_HEAD_BYTES);
    }
    const struct tr_span status = tr_cursor_span(&cursor, status_bytes);
    query->database = tr_cursor_span(&cursor, database_bytes);
    (void)tr_cursor_u8(&cursor); /* NUL */
    query->sql = tr_cursor_span(&cursor, tr_cursor_remaining(&cursor));
    if (cursor.failed) {
        return ends_early("QUERY", err);
    }
    read_status(query, status);
    return TR_OK;
}

/* Status variables in any order; the first one that is not known hides the rest. Source:
 * mysql-binlog.md §3.6. */
static void read_status(struct tr_event_query *query, struct tr_span status)
{
    struct tr_cursor cursor = tr_cursor_of(status);

    while (tr_cursor_remaining(&cursor) > 0 && !cursor.failed) {
        switch (tr_cursor_u8(&cursor)) {
        case 1:
            query->sql_mode = tr_cursor_u64(&cursor);
            break;
        case 4: /* client character set, connection collation, server collation */
            query->client_collation = tr_cursor_u16(&cursor);
            (void)tr_cursor_u16(&cursor);
            query->server_collation = tr_cursor_u16(&cursor);
            break;
        case 2: /* catalog with NUL */
            (void)tr_cursor_take(&cursor, (size_t)tr_cursor_u8(&cursor) + 1);
            break;
        case 5: /* time zone */
        case 6: /* catalog */
            (void)tr_cursor_take(&cursor, tr_cursor_u8(&cursor));
            break;
        case 7:
            (void)tr_cursor_take(&cursor, 2);
            break;
        case 8:
            query->database_collation = tr_cursor_u16(&cursor);
            break;
        case 18:
            query->utf8mb4_collation = tr_cursor_u16(&cursor);
            break;
        case 0:
            query->flags2 = tr_cursor_u32(&cursor);
            break;
        case 3:
        case 10:
            (void)tr_cursor_take(&cursor, 4);
            break;
        case 9:
        case 14:
        case 15:
        case 17:
        case 129:
            (void)tr_cursor_take(&cursor, 8);
            break;
        case 11: /* invoker: user, host */
            (void)tr_cursor_take(&cursor, tr_cursor_u8(&cursor));
            (void)tr_cursor_take(&cursor, tr_cursor_u8(&cursor));
            break;
        case 13:
        case 128:
            (void)tr_cursor_take(&cursor, 3);
            break;
        case 16:
            query->timestamps_are_explicit = tr_cursor_u8(&cursor) != 0;
            query->tells_timestamps = true;
            break;
        case 19:
        case 20:
            (void)tr_cursor_take(&cursor, 1);
            break;
        case 130:
            query->mariadb_gtid_flags = tr_cursor_u8(&cursor);
            if ((query->mariadb_gtid_flags & (TR_MARIADB_GTID_EXTRA_COMMIT_ALTER |
                                              TR_MARIADB_GTID_EXTRA_ROLLBACK_ALTER)) != 0) {
                (void)tr_cursor_take(&cursor, 8);
            }
            break;
        case 131:
            query->charset_collations = tr_cursor_span(&cursor, (size_t)tr_cursor_u8(&cursor) * 4);
            break;
        case 12: { /* names of changed databases; 254 = too many, none listed */
            const uint8_t count = tr_cursor_u8(&cursor);
            for (uint32_t i = 0; count != 254 && i < count && !cursor.failed; i++) {
                while (tr_cursor_u8(&cursor) != 0 && !cursor.failed) {
                }
            }
            break;
        }
        default:
            return;
        }
    }
}

enum tr_code tr_event_gtid_list_parse(struct tr_event_gtid_list *list, struct tr_span body,
                                      struct tr_error *err)
{
    struct tr_cursor cursor = tr_cursor_of(body);

    const uint32_t count_and_flags = tr_cursor_u32(&cursor);
    list->count = count_and_flags & 0x0FFFFFFF;
    list->flags = (uint8_t)(count_and_flags >> 28);
    list->entries = tr_cursor_span(&cursor, (size_t)list->count * 16);
    return cursor.failed ? ends_early("GTID_LIST", err) : TR_OK;
}

struct tr_event_gtid_list_entry tr_event_gtid_list_entry(const struct tr_event_gtid_list *list,
                                                         uint32_t index)
{
    const uint8_t *at = list->entries.data + (size_t)index * 16;
    return (struct tr_event_gtid_list_entry){.domain_id = tr_load_u32(at),
                                             .server_id = tr_load_u32(at + 4),
                                             .number = tr_load_u64(at + 8)};
}

enum tr_code tr_event_heartbeat_parse(struct tr_event_heartbeat *heartbeat,
                                      const struct tr_event_header *header, struct tr_span body,
                                      struct tr_error *err)
{
    *heartbeat = (struct tr_event_heartbeat){.file = body, .pos = header->end_pos};
    if (header->type == TR_EVENT_HEARTBEAT_V2) {
        struct tr_cursor cursor = tr_cursor_of(body);
        heartbeat->file = (struct tr_span){0};
        uint8_t field = tr_cursor_u8(&cursor);
        while (field != 0 && !cursor.failed) {
            const struct tr_span value = tr_cursor_lenenc_span(&cursor);
            if (field == 1) {
                heartbeat->file = value;
            } else if (field == 2) {
                struct tr_cursor number = tr_cursor_of(value);
                heartbeat->pos = tr_cursor_lenenc(&number);
                cursor.failed = cursor.failed || number.failed;
            }
            field = tr_cursor_remaining(&cursor) > 0 ? tr_cursor_u8(&cursor) : 0;
        }
        if (cursor.failed) {
            return ends_early("HEARTBEAT_V2", err);
        }
    }
    if (heartbeat->file.bytes == 0 || heartbeat->file.bytes > TR_BINLOG_NAME_BYTES_MAX) {
        return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                       "HEARTBEAT event with a file name of %zu bytes: want 1..%d",
                       heartbeat->file.bytes, TR_BINLOG_NAME_BYTES_MAX);
    }
    return TR_OK;
}

enum tr_code tr_event_xa_prepare_parse(struct tr_event_xa_prepare *prepare, struct tr_span body,
                                       struct tr_error *err)
{
    struct tr_cursor cursor = tr_cursor_of(body);

    prepare->one_phase = tr_cursor_u8(&cursor) != 0;
    prepare->format_id = tr_cursor_u32(&cursor);
    const uint32_t gtrid_bytes = tr_cursor_u32(&cursor);
    const uint32_t bqual_bytes = tr_cursor_u32(&cursor);
    prepare->gtrid = tr_cursor_span(&cursor, gtrid_bytes);
    prepare->bqual = tr_cursor_span(&cursor, bqual_bytes);
    return cursor.failed ? ends_early("XA_PREPARE", err) : TR_OK;
}

enum tr_code tr_event_payload_parse(struct tr_event_payload *payload, struct tr_span body,
                                    struct tr_error *err)
{
    struct tr_cursor cursor = tr_cursor_of(body);

    *payload = (struct tr_event_payload){.compression = TR_PAYLOAD_NONE};
    uint64_t field = tr_cursor_lenenc(&cursor);
    while (field != 0 && !cursor.failed) {
        struct tr_cursor value = tr_cursor_of(tr_cursor_lenenc_span(&cursor));
        const uint64_t number =
            tr_cursor_lenenc(&value); /* values are length-encoded integers themselves */
        cursor.failed = cursor.failed || (field <= 3 && value.failed);
        if (field == 1) {
            payload->payload_bytes = number;
        } else if (field == 2) {
            payload->compression = number;
        } else if (field == 3) {
            payload->inflated_bytes = number;
        }
        field = tr_cursor_lenenc(&cursor);
    }
    if (cursor.failed) {
        return ends_early("TRANSACTION_PAYLOAD", err);
    }
    payload->head_bytes = (uint32_t)(body.bytes - tr_cursor_remaining(&cursor));
    return TR_OK;
}

enum tr_code tr_event_rows_parse(struct tr_event_rows *rows, struct tr_span body,
                                 struct tr_error *err)
{
    struct tr_cursor cursor = tr_cursor_of(body);

    rows->table_id = tr_cursor_u48(&cursor);
    rows->flags = tr_cursor_u16(&cursor);
    return cursor.failed ? ends_early("rows", err) : TR_OK;
}

enum tr_code tr_event_incident_parse(struct tr_event_incident *incident, struct tr_span body,
                                     struct tr_error *err)
{
    struct tr_cursor cursor = tr_cursor_of(body);

    incident->number = tr_cursor_u16(&cursor);
    incident->message = tr_cursor_span(&cursor, tr_cursor_u8(&cursor));
    return cursor.failed ? ends_early("INCIDENT", err) : TR_OK;
}
