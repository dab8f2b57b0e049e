// SPDX-License-Identifier: Apache-2.0
#include <zlib.h>

#include "stages/sequence/events.h"
#include "tests/check.h"
#include "tests/support/event_vectors.h"

static uint8_t event[VECTOR_BYTES_MAX];
static size_t event_bytes;
static struct tr_error err;

/* Loads a vector; returns its header and sets `body`. */
static struct tr_event_header load(const char *hex, struct tr_span *body)
{
    event_bytes = vector_bytes(hex, event);
    *body = tr_span_of(event + TR_EVENT_HEADER_BYTES,
                       event_bytes - TR_EVENT_HEADER_BYTES - TR_EVENT_TRAILER_BYTES);
    return tr_event_header_read(event);
}

static void assert_span(struct tr_span span, const char *text)
{
    assert_int_equal(span.bytes, strlen(text));
    assert_memory_equal(span.data, text, span.bytes);
}

static void events_all_vectors_have_their_length_and_checksum(void **state)
{
    (void)state;
    static const char *const vectors[] = {VECTOR_LIST};
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        struct tr_span body;
        const struct tr_event_header header = load(vectors[i], &body);
        assert_int_equal(header.event_bytes, event_bytes);
        assert_int_equal(crc32(0, event, (uInt)event_bytes - 4),
                         tr_load_u32(event + event_bytes - 4));
        assert_string_not_equal(tr_event_type_name(header.type), "unknown");
    }
}

static void events_artificial_rotate_gives_file_and_position(void **state)
{
    (void)state;
    struct tr_span body;
    struct tr_event_rotate rotate;
    const struct tr_event_header header = load(VECTOR_ROTATE, &body);
    assert_int_equal(header.type, TR_EVENT_ROTATE);
    assert_int_equal(header.flags, TR_EVENT_FLAG_ARTIFICIAL);
    assert_int_equal(header.timestamp_sec, 0);
    assert_int_equal(tr_event_rotate_parse(&rotate, body, &err), TR_OK);
    assert_int_equal(rotate.pos, 875);
    assert_span(rotate.file, "binlog.000016");
}

static void events_format_gives_version_flavor_and_checksum(void **state)
{
    (void)state;
    struct tr_span body;
    struct tr_event_format format;
    const struct tr_event_header header = load(VECTOR_FDE, &body);
    assert_int_equal(header.type, TR_EVENT_FORMAT_DESCRIPTION);
    assert_int_equal(header.end_pos, 127);
    assert_int_equal(tr_event_format_parse(&format, tr_span_of(event, event_bytes), &err), TR_OK);
    assert_string_equal(format.server_version, "9.7.4-2");
    assert_int_equal(format.flavor, TR_FLAVOR_MYSQL);
    assert_int_equal(format.checksum, TR_CHECKSUM_CRC32);
    assert_false(format.has_short_table_ids);
    event[event_bytes - 5] = 0;
    assert_int_equal(tr_event_format_parse(&format, tr_span_of(event, event_bytes), &err), TR_OK);
    assert_int_equal(format.checksum, TR_CHECKSUM_NONE);
    event[event_bytes - 5] = 2;
    assert_int_equal(tr_event_format_parse(&format, tr_span_of(event, event_bytes), &err),
                     TR_ERR_UNSUPPORTED);
}

static const uint8_t vector_uuid[16] = {0xae, 0xa6, 0x91, 0xb3, 0xe6, 0x46, 0x11, 0xf1,
                                        0x8b, 0x4e, 0x02, 0xfc, 0x00, 0x00, 0x00, 0x01};

static void events_gtid_gives_number_and_commit_time(void **state)
{
    (void)state;
    struct tr_span body;
    struct tr_event_gtid gtid;
    (void)load(VECTOR_GTID, &body);
    assert_int_equal(tr_event_gtid_parse(&gtid, body, &err), TR_OK);
    assert_int_equal(gtid.number, 261075);
    assert_memory_equal(gtid.uuid, vector_uuid, 16);
    assert_int_equal(gtid.tag.bytes, 0);
    assert_int_equal(gtid.transaction_bytes, 285);
    assert_true(gtid.immediate_commit_us > INT64_C(1700000000000000));
    assert_int_equal(gtid.original_commit_us, gtid.immediate_commit_us);
    /* 5.7 sends the first 42 bytes, 5.6 the first 25. */
    assert_int_equal(tr_event_gtid_parse(&gtid, tr_span_of(body.data, 42), &err), TR_OK);
    assert_int_equal(gtid.number, 261075);
    assert_int_equal(gtid.original_commit_us, 0);
    assert_int_equal(tr_event_gtid_parse(&gtid, tr_span_of(body.data, 25), &err), TR_OK);
    assert_int_equal(gtid.number, 261075);
    assert_int_equal(tr_event_gtid_parse(&gtid, tr_span_of(body.data, 24), &err), TR_ERR_PROTOCOL);
}

static void events_gtid_with_an_origin_gives_the_original_commit_time(void **state)
{
    (void)state;
    uint8_t body[42 + 14] = {0};
    struct tr_event_gtid gtid;
    body[17] = 5;
    body[42] = 9; /* immediate: 9 µs, with the marker */
    body[48] = 0x80;
    body[49] = 7; /* original: 7 µs */
    assert_int_equal(tr_event_gtid_parse(&gtid, tr_span_of(body, sizeof(body)), &err), TR_OK);
    assert_int_equal(gtid.immediate_commit_us, 9);
    assert_int_equal(gtid.original_commit_us, 7);
}

static void events_tagged_gtid_gives_tag_and_number(void **state)
{
    (void)state;
    struct tr_span body;
    struct tr_event_gtid gtid;
    const struct tr_event_header header = load(VECTOR_GTID_TAGGED, &body);
    assert_int_equal(header.type, TR_EVENT_GTID_TAGGED);
    assert_int_equal(tr_event_gtid_tagged_parse(&gtid, body, &err), TR_OK);
    assert_int_equal(gtid.number, 1);
    assert_span(gtid.tag, "tag1");
    assert_memory_equal(gtid.uuid, vector_uuid, 16);
    assert_int_equal(gtid.transaction_bytes, 320);
    assert_true(gtid.original_commit_us > INT64_C(1700000000000000));
}

static void events_query_gives_session_and_text(void **state)
{
    (void)state;
    struct tr_span body;
    struct tr_event_query query;
    (void)load(VECTOR_QUERY_BEGIN, &body);
    assert_int_equal(tr_event_query_parse(&query, body, false, &err), TR_OK);
    assert_span(query.sql, "BEGIN");
    assert_span(query.database, "v");
    assert_int_equal(query.thread_id, 0x02f5);
    (void)load(VECTOR_QUERY_DDL, &body);
    assert_int_equal(tr_event_query_parse(&query, body, false, &err), TR_OK);
    assert_memory_equal(query.sql.data, "create table t(id int", 21);
    assert_int_equal(query.client_collation, 45);
    assert_int_equal(query.sql_mode, 0x45a00020);
    (void)load(VECTOR_M_QUERY_COMMIT_ALTER, &body);
    assert_int_equal(tr_event_query_parse(&query, body, false, &err), TR_OK);
    assert_span(query.sql, "alter table t add column z int");
    assert_int_equal(query.mariadb_gtid_flags, TR_MARIADB_GTID_EXTRA_COMMIT_ALTER);
    (void)load(VECTOR_M_QUERY_START_ALTER, &body);
    assert_int_equal(tr_event_query_parse(&query, body, false, &err), TR_OK);
    assert_int_equal(query.mariadb_gtid_flags, TR_MARIADB_GTID_EXTRA_START_ALTER);
}

static void events_mariadb_gtids_give_number_flags_and_alter_phase(void **state)
{
    (void)state;
    struct tr_span body;
    struct tr_event_mariadb_gtid gtid;
    struct tr_event_header header = load(VECTOR_M_GTID, &body);
    assert_int_equal(header.server_id, 61);
    assert_int_equal(tr_event_mariadb_gtid_parse(&gtid, body, &err), TR_OK);
    assert_int_equal(gtid.number, 267126);
    assert_int_equal(gtid.domain_id, 0);
    assert_int_equal(gtid.flags, 0x0c);
    assert_int_equal(gtid.flags_extra, 0);
    (void)load(VECTOR_M_GTID_XA_PREPARE, &body);
    assert_int_equal(tr_event_mariadb_gtid_parse(&gtid, body, &err), TR_OK);
    assert_int_equal(gtid.flags, 0x4c);
    assert_int_equal(gtid.flags_extra, 0x01);
    (void)load(VECTOR_M_GTID_XA_COMMIT, &body);
    assert_int_equal(tr_event_mariadb_gtid_parse(&gtid, body, &err), TR_OK);
    assert_int_equal(gtid.flags & TR_MARIADB_GTID_COMPLETED_XA, TR_MARIADB_GTID_COMPLETED_XA);
    (void)load(VECTOR_M_GTID_START_ALTER, &body);
    assert_int_equal(tr_event_mariadb_gtid_parse(&gtid, body, &err), TR_OK);
    assert_int_equal(gtid.flags_extra, TR_MARIADB_GTID_EXTRA_START_ALTER);
    (void)load(VECTOR_M_GTID_COMMIT_ALTER, &body);
    assert_int_equal(tr_event_mariadb_gtid_parse(&gtid, body, &err), TR_OK);
    assert_int_equal(gtid.flags_extra, TR_MARIADB_GTID_EXTRA_COMMIT_ALTER);
}

static void events_gtid_list_gives_its_entries(void **state)
{
    (void)state;
    struct tr_span body;
    struct tr_event_gtid_list list;
    (void)load(VECTOR_M_GTID_LIST, &body);
    assert_int_equal(tr_event_gtid_list_parse(&list, body, &err), TR_OK);
    assert_int_equal(list.count, 3);
    const struct tr_event_gtid_list_entry last = tr_event_gtid_list_entry(&list, 2);
    assert_int_equal(last.domain_id, 0);
    assert_int_equal(last.server_id, 61);
    assert_int_equal(last.number, 267136);
    assert_int_equal(tr_event_gtid_list_entry(&list, 1).server_id, 99);
    assert_int_equal(tr_event_gtid_list_parse(&list, tr_span_of(body.data, 51), &err),
                     TR_ERR_PROTOCOL);
}

static void events_xa_prepare_gives_the_xid(void **state)
{
    (void)state;
    struct tr_span body;
    struct tr_event_xa_prepare prepare;
    (void)load(VECTOR_XA_PREPARE, &body);
    assert_int_equal(tr_event_xa_prepare_parse(&prepare, body, &err), TR_OK);
    assert_false(prepare.one_phase);
    assert_int_equal(prepare.format_id, 3);
    assert_span(prepare.gtrid, "g");
    assert_span(prepare.bqual, "b");
}

static void events_payload_head_gives_sizes_and_compression(void **state)
{
    (void)state;
    struct tr_span body;
    struct tr_event_payload payload;
    (void)load(VECTOR_PAYLOAD, &body);
    assert_int_equal(tr_event_payload_parse(&payload, body, &err), TR_OK);
    assert_int_equal(payload.payload_bytes, 191);
    assert_int_equal(payload.inflated_bytes, 296);
    assert_int_equal(payload.compression, TR_PAYLOAD_ZSTD);
    assert_int_equal(body.bytes - payload.head_bytes, 191);
}

static void events_rows_head_gives_table_and_flags(void **state)
{
    (void)state;
    struct tr_span body;
    struct tr_event_rows rows;
    (void)load(VECTOR_WRITE, &body);
    assert_int_equal(tr_event_rows_parse(&rows, body, &err), TR_OK);
    assert_int_equal(rows.table_id, 0x013e);
    assert_int_equal(rows.flags, 0x10 | TR_ROWS_FLAG_STMT_END); /* 0x10: MySQL 9.6 and later */
    (void)load(VECTOR_M_WRITE_COMPRESSED, &body);
    assert_int_equal(tr_event_rows_parse(&rows, body, &err), TR_OK);
    assert_int_equal(rows.table_id, 0x77);
}

static void events_heartbeats_give_file_and_position_in_both_versions(void **state)
{
    (void)state;
    /* Seen on MySQL 9.7: position in 64 bits. */
    static const uint8_t v2[] = {0x01, 0x0d, 'b', 'i', 'n',  'l',  'o',  'g',  '.',  '0',  '0',
                                 '0',  '0',  '0', '1', 0x02, 0x04, 0xfd, 0x52, 0x0d, 0x02, 0x00};
    struct tr_event_heartbeat heartbeat;
    struct tr_event_header header = {.type = TR_EVENT_HEARTBEAT_V2, .end_pos = 7};
    assert_int_equal(
        tr_event_heartbeat_parse(&heartbeat, &header, tr_span_of(v2, sizeof(v2)), &err), TR_OK);
    assert_span(heartbeat.file, "binlog.000001");
    assert_int_equal(heartbeat.pos, 0x020d52);
    header.type = TR_EVENT_HEARTBEAT;
    assert_int_equal(
        tr_event_heartbeat_parse(&heartbeat, &header, tr_span_of_text("b.000002"), &err), TR_OK);
    assert_span(heartbeat.file, "b.000002");
    assert_int_equal(heartbeat.pos, 7);
    assert_int_equal(tr_event_heartbeat_parse(&heartbeat, &header, (struct tr_span){0}, &err),
                     TR_ERR_PROTOCOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_all_vectors_have_their_length_and_checksum),
        cmocka_unit_test(events_artificial_rotate_gives_file_and_position),
        cmocka_unit_test(events_format_gives_version_flavor_and_checksum),
        cmocka_unit_test(events_gtid_gives_number_and_commit_time),
        cmocka_unit_test(events_gtid_with_an_origin_gives_the_original_commit_time),
        cmocka_unit_test(events_tagged_gtid_gives_tag_and_number),
        cmocka_unit_test(events_query_gives_session_and_text),
        cmocka_unit_test(events_mariadb_gtids_give_number_flags_and_alter_phase),
        cmocka_unit_test(events_gtid_list_gives_its_entries),
        cmocka_unit_test(events_xa_prepare_gives_the_xid),
        cmocka_unit_test(events_payload_head_gives_sizes_and_compression),
        cmocka_unit_test(events_rows_head_gives_table_and_flags),
        cmocka_unit_test(events_heartbeats_give_file_and_position_in_both_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
