// SPDX-License-Identifier: Apache-2.0
/* Large events and payloads, bounds and waits, positions, times: the sequencer's way of working. */
#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

#include "tests/check.h"
#include "tests/support/binlog_writer.h"
#include "tests/support/random.h"
#include "tests/support/sequencer_rig.h"

#define MAGIC_BYTES 4
#define NUMBER_US INT64_C(1700000000123456)

static struct rig rig;
static struct tr_binlog_writer writer;
static struct tr_random noise; /* seeded per test */

static const struct tr_writer_column columns[] = {{"id", TR_WRITER_INT, 0, false, false},
                                                  {"body", TR_WRITER_TEXT, 0, true, false}};
static const struct tr_writer_table notes = {.table_id = 9,
                                             .database = "d",
                                             .name = "notes",
                                             .column_count = 2,
                                             .columns = columns,
                                             .key_column = 0};

static void begin_log(enum tr_flavor flavor, bool checksums)
{
    writer = (struct tr_binlog_writer){.flavor = flavor,
                                       .checksums = checksums,
                                       .full_metadata = true,
                                       .server_id = 7,
                                       .timestamp_s = 1700000000};
    tr_binlog_writer_start(&writer);
}

static void write_rows(size_t text_bytes)
{
    uint8_t *text = malloc(text_bytes + 1);
    for (size_t i = 0; i < text_bytes; i++) {
        text[i] = (uint8_t)tr_random_next(&noise);
    }
    const struct tr_writer_value values[2] = {{.number = 1},
                                              {.text = tr_span_of(text, text_bytes)}};
    tr_binlog_writer_table_map(&writer, &notes);
    tr_binlog_writer_rows_begin(&writer, &notes, 0);
    tr_binlog_writer_image(&writer, &notes, values);
    tr_binlog_writer_rows_end(&writer);
    free(text);
}

static void write_transaction(uint64_t number, size_t text_bytes, int events)
{
    tr_binlog_writer_gtid(&writer, number, false, NUMBER_US + (int64_t)number);
    if (writer.flavor == TR_FLAVOR_MYSQL) {
        tr_binlog_writer_query(&writer, "d", "BEGIN");
    }
    for (int i = 0; i < events; i++) {
        write_rows(text_bytes);
    }
    tr_binlog_writer_xid(&writer, number);
}

static void open_rig(struct rig_options options)
{
    options.flavor = writer.flavor;
    options.file = "b.000001";
    options.gtids = "";
    rig_open(&rig, &options);
}

static void feed(size_t from, size_t to, size_t chunk_bytes)
{
    rig_feed(&rig, tr_span_of(writer.out.bytes + from, to - from), chunk_bytes);
}

static void end(void)
{
    const struct tr_error *fault = tr_fault_seen(&rig.fault);
    if (fault != NULL) {
        fail_msg("%s", fault->text);
    }
    rig_close(&rig);
    tr_buffer_free(&writer.out);
}

static void sequencer_sends_a_large_event_as_pieces_to_one_decoder(void **state)
{
    (void)state;
    for (int checksums = 0; checksums <= 1; checksums++) {
        begin_log(TR_FLAVOR_MYSQL, checksums != 0);
        write_transaction(1, 600000, 1);
        write_transaction(2, 10, 1);
        open_rig((struct rig_options){.decoder_count = 3});
        feed(MAGIC_BYTES, writer.out.used, TR_CHUNK_BYTES);
        assert_int_equal(rig.item_count, 4);
        uint32_t bytes = 0;
        for (int i = 0; i < 3; i++) {
            assert_int_equal(rig.items[i].kind, TR_ITEM_PIECE);
            bytes += rig.items[i].bytes;
        }
        assert_in_range(bytes, 600000 + 19, 600000 + 60);
        assert_int_equal(rig.items[3].kind, TR_ITEM_ROWS);
        uint32_t records = 0;
        uint32_t decoder = UINT32_MAX;
        for (uint32_t u = 0; u < rig.taken_count; u++) {
            const struct rig_unit *unit = &rig.taken[u];
            records += unit->position.has_record;
            if (unit->item_end > 0 && unit->item_end <= 3 &&
                (u == 0 || rig.taken[u - 1].item_end < unit->item_end)) {
                assert_true(decoder == UINT32_MAX || decoder == unit->decoder);
                decoder = unit->decoder;
                assert_int_equal(unit->position.has_record,
                                 unit->item_end == 3); /* its rows come out with the last */
            }
        }
        assert_int_equal(records, 2);
        assert_int_equal(rig.taken[rig.taken_count - 1].position.end.pos, writer.out.used);
        end();
    }
}

static void sequencer_resumes_a_large_event_from_its_transaction(void **state)
{
    (void)state;
    begin_log(TR_FLAVOR_MYSQL, true);
    write_transaction(1, 10, 1);
    const size_t from = writer.out.used;
    write_transaction(2, 600000, 2);
    open_rig((struct rig_options){0});
    feed(MAGIC_BYTES, from, TR_CHUNK_BYTES);
    /* The link is lost behind the first piece of the second large event. */
    size_t at = from;
    for (int i = 0; i < 5; i++) {
        at += tr_load_u32(writer.out.bytes + at + 9);
    }
    feed(from, at, TR_CHUNK_BYTES);
    const uint32_t before = rig.item_count;
    struct tr_chunk *piece = rig_chunk(&rig, TR_CHUNK_PIECE);
    piece->event_bytes = tr_load_u32(writer.out.bytes + at + 9);
    piece->used_bytes = TR_CHUNK_BYTES;
    memcpy(piece->bytes, writer.out.bytes + at, TR_CHUNK_BYTES);
    rig_send(&rig, piece);
    rig_run(&rig);
    assert_int_equal(rig.item_count, before + 1);
    (void)rig_resume(&rig);
    rig_send_empty(&rig, TR_CHUNK_LINK_DOWN);
    assert_int_equal(rig_resume(&rig)->point.pos, from);
    rig_feed_dump_head(&rig, "b.000001", from,
                       tr_span_of(writer.out.bytes + MAGIC_BYTES,
                                  tr_load_u32(writer.out.bytes + MAGIC_BYTES + 9)));
    feed(from, writer.out.used, TR_CHUNK_BYTES);
    assert_int_equal(rig.item_count,
                     before + 1 + 3); /* the whole event again, the one before it not */
    assert_int_equal(rig.items[before].crc, rig.items[before + 1].crc);
    end();
}

static void sequencer_refuses_a_row_above_the_limit_by_name(void **state)
{
    (void)state;
    begin_log(TR_FLAVOR_MYSQL, true);
    write_transaction(1, 10, 1);
    write_transaction(2, 600000, 1);
    open_rig((struct rig_options){.row_bytes_max = 100000});
    feed(MAGIC_BYTES, writer.out.used, TR_CHUNK_BYTES);
    const struct tr_error *fault = tr_fault_seen(&rig.fault);
    assert_non_null(fault);
    assert_int_equal(fault->code, TR_ERR_SINK_RECORD);
    assert_non_null(strstr(fault->text, "d.notes"));
    assert_non_null(strstr(fault->text, "tailrace.row.max.bytes = 100000"));
    assert_int_equal(rig.item_count, 1);
    rig_close(&rig);
    tr_buffer_free(&writer.out);
}

/* Rewrites the transaction at `from` as a compressed one: BEGIN … XID inside a payload. */
static void compress_transaction(size_t from)
{
    const size_t inner_at = from + tr_load_u32(writer.out.bytes + from + 9);
    const size_t inner_bytes = writer.out.used - inner_at;
    uint8_t *inner = malloc(inner_bytes);
    memcpy(inner, writer.out.bytes + inner_at, inner_bytes);
    for (size_t at = 0; at < inner_bytes; at += tr_load_u32(inner + at + 9)) {
        memset(inner + at + 13, 0, 4); /* no positions inside */
    }
    const size_t room = ZSTD_compressBound(inner_bytes);
    uint8_t *packed = malloc(room);
    const size_t packed_bytes = ZSTD_compress(packed, room, inner, inner_bytes, 3);
    assert_false(ZSTD_isError(packed_bytes));
    writer.out.used = inner_at;
    const size_t start = writer.out.used;
    tr_buffer_append_uint(&writer.out, 1700000000, 4);
    tr_buffer_append_uint(&writer.out, TR_EVENT_TRANSACTION_PAYLOAD, 1);
    tr_buffer_append_uint(&writer.out, 7, 4);
    tr_buffer_append_uint(&writer.out, 0, 8);
    tr_buffer_append_uint(&writer.out, 0, 2);
    static const uint8_t compression[] = {2, 1, 0};
    tr_buffer_append(&writer.out, compression, sizeof(compression));
    tr_buffer_append_uint(&writer.out, 1, 1);
    tr_buffer_append_uint(&writer.out, 9, 1);
    tr_buffer_append_uint(&writer.out, 0xFE, 1);
    tr_buffer_append_uint(&writer.out, packed_bytes, 8);
    tr_buffer_append_uint(&writer.out, 0, 1);
    tr_buffer_append(&writer.out, packed, packed_bytes);
    const uint32_t event_bytes = (uint32_t)(writer.out.used - start);
    const uint32_t end_pos = (uint32_t)writer.out.used;
    memcpy(writer.out.bytes + start + 9, &event_bytes, 4);
    memcpy(writer.out.bytes + start + 13, &end_pos, 4);
    free(inner);
    free(packed);
}

static void sequencer_inflates_payloads_of_any_size(void **state)
{
    (void)state;
    static const struct {
        size_t text_bytes;
        int events;
    } shapes[] = {{10, 3}, {20000, 40}, {600000, 3}};
    for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
        begin_log(TR_FLAVOR_MYSQL, false);
        write_transaction(1, 10, 1);
        const size_t from = writer.out.used;
        write_transaction(2, shapes[s].text_bytes, shapes[s].events);
        open_rig((struct rig_options){0}); /* the same log without compression first */
        feed(MAGIC_BYTES, writer.out.used, TR_CHUNK_BYTES);
        const uint32_t plain_count = rig.item_count;
        rig_close(&rig);
        compress_transaction(from);
        const size_t payload_at = from + tr_load_u32(writer.out.bytes + from + 9);
        write_transaction(3, 10, 1);
        open_rig((struct rig_options){.decoder_count = 2});
        feed(MAGIC_BYTES, writer.out.used, TR_CHUNK_BYTES);
        assert_int_equal(rig.item_count, plain_count + 1);
        for (uint32_t i = 1; i < plain_count; i++) {
            assert_int_equal(rig.items[i].pos, payload_at);
            assert_string_equal(strrchr(rig.items[i].gtid, ':'), ":2");
        }
        assert_string_equal(rig_executed(&rig), "00000000-0000-0000-0000-000000000000:1-3");
        assert_int_equal(rig.taken[rig.taken_count - 1].position.end.pos, writer.out.used);
        assert_int_equal(rig.taken[rig.taken_count - 1].position.log_bytes,
                         writer.out.used - MAGIC_BYTES);
        assert_int_equal(rig.inflate.pool.free_count, rig.inflate.options.chunk_count);
        end();
    }
}

static void sequencer_resumes_inside_a_large_payload(void **state)
{
    (void)state;
    begin_log(TR_FLAVOR_MYSQL, false);
    write_transaction(1, 10, 1);
    const size_t from = writer.out.used;
    write_transaction(2, 20000, 60);
    compress_transaction(from);
    const size_t payload_at = from + tr_load_u32(writer.out.bytes + from + 9);
    const size_t payload_end = writer.out.used;
    write_transaction(3, 10, 1);
    assert_true(payload_end - payload_at > 3 * TR_CHUNK_BYTES);
    for (int pieces = 1; pieces <= 3; pieces++) {
        open_rig((struct rig_options){0});
        feed(MAGIC_BYTES, payload_at, TR_CHUNK_BYTES);
        for (int i = 0; i < pieces; i++) {
            struct tr_chunk *piece = rig_chunk(&rig, TR_CHUNK_PIECE);
            piece->piece = i == 0 ? TR_PIECE_FIRST : TR_PIECE_MIDDLE;
            piece->event_bytes = payload_end - payload_at;
            piece->used_bytes = TR_CHUNK_BYTES;
            memcpy(piece->bytes, writer.out.bytes + payload_at + (size_t)i * TR_CHUNK_BYTES,
                   TR_CHUNK_BYTES);
            rig_send(&rig, piece);
        }
        rig_run(&rig);
        assert_true(pieces == 1 || rig.item_count > 1); /* one piece fills no chunk of output yet */
        (void)rig_resume(&rig);
        rig_send_empty(&rig, TR_CHUNK_LINK_DOWN);
        assert_int_equal(rig_resume(&rig)->point.pos, from);
        rig_feed_dump_head(&rig, "b.000001", from,
                           tr_span_of(writer.out.bytes + MAGIC_BYTES,
                                      tr_load_u32(writer.out.bytes + MAGIC_BYTES + 9)));
        feed(from, writer.out.used, TR_CHUNK_BYTES);
        assert_int_equal(rig.item_count, 1 + 60 + 1);
        for (uint32_t i = 2; i < rig.item_count; i++) {
            assert_int_not_equal(rig.items[i].crc, rig.items[i - 1].crc);
        }
        assert_int_equal(rig.inflate.pool.free_count, rig.inflate.options.chunk_count);
        rig_close(&rig);
    }
    tr_buffer_free(&writer.out);
}

static void sequencer_stops_reading_at_the_replay_bound(void **state)
{
    (void)state;
    begin_log(TR_FLAVOR_MYSQL, true);
    for (uint64_t i = 1; i <= 20; i++) {
        write_transaction(i, 1000, 1);
    }
    open_rig((struct rig_options){.replay_bytes_max = 5000});
    for (size_t at = MAGIC_BYTES, events = 0; events < 15;
         events++) { /* some events, a chunk each */
        struct tr_chunk *chunk;
        if (rig.free_count == 0) {
            break; /* nothing comes home any more */
        }
        chunk = rig_chunk(&rig, TR_CHUNK_EVENTS);
        for (int i = 0; i < 5; i++) {
            const uint32_t bytes = tr_load_u32(writer.out.bytes + at + 9);
            memcpy(chunk->bytes + chunk->used_bytes, writer.out.bytes + at, bytes);
            chunk->used_bytes += bytes;
            at += bytes;
        }
        rig_send(&rig, chunk);
        rig_run(&rig);
    }
    assert_true(atomic_load(&rig.paused));
    assert_in_range(rig.item_count, 4, 6);
    assert_false(tr_sequencer_has_work(&rig.sequencer));
    const uint32_t blocked_at = rig.item_count;
    atomic_store(&rig.progress.safe_log_bytes, rig.taken[rig.taken_count - 1].position.log_bytes);
    assert_true(tr_sequencer_has_work(&rig.sequencer));
    rig_run(&rig);
    assert_true(rig.item_count > blocked_at);
    end();
}

static void sequencer_waits_for_units_and_goes_on(void **state)
{
    (void)state;
    begin_log(TR_FLAVOR_MYSQL, true);
    for (uint64_t i = 1; i <= 300; i++) {
        write_transaction(i, 10, 1);
    }
    /* An estimate that closes a unit behind every rows event. */
    open_rig((struct rig_options){.unit_count = 3, .output_ratio_q8 = 256 * 60000});
    rig.hold_units = true;
    feed(MAGIC_BYTES, writer.out.used, TR_CHUNK_BYTES);
    assert_int_equal(tr_ring_depth(&rig.manifest), 3);
    assert_false(tr_sequencer_has_work(&rig.sequencer));
    rig.hold_units = false;
    rig_run(&rig);
    assert_int_equal(rig.item_count, 300);
    assert_true(rig.taken_count >= 300);
    end();
}

static void sequencer_holds_many_transactions_in_one_unit(void **state)
{
    (void)state;
    begin_log(TR_FLAVOR_MYSQL, true);
    for (uint64_t i = 1; i <= 500; i++) {
        write_transaction(i, 10, 1);
    }
    open_rig((struct rig_options){.output_ratio_q8 = 256});
    feed(MAGIC_BYTES, writer.out.used, TR_CHUNK_BYTES);
    assert_int_equal(rig.item_count, 500);
    assert_in_range(rig.taken_count, 1, 3);
    const struct tr_unit_position *position = &rig.taken[rig.taken_count - 1].position;
    assert_int_equal(position->range_count, position->record_range_count + 1);
    assert_int_equal(position->ranges[position->record_range_count].first, 500);
    end();
}

static void sequencer_prints_the_time_of_the_event_before_without_gtid_mode(void **state)
{
    (void)state;
    begin_log(TR_FLAVOR_MYSQL, true);
    tr_binlog_writer_gtid(&writer, 1, false, NUMBER_US);
    tr_binlog_writer_query(&writer, "d", "BEGIN");
    write_rows(10); /* its table map has the time 1700000000 */
    writer.timestamp_s = 1700000005;
    write_rows(10);
    tr_binlog_writer_xid(&writer, 1);
    open_rig((struct rig_options){.gtid_mode = false});
    feed(MAGIC_BYTES, writer.out.used, TR_CHUNK_BYTES);
    assert_int_equal(rig.items[0].ts_us, INT64_C(1700000000000000));
    assert_int_equal(rig.items[1].ts_us, INT64_C(1700000005000000));
    rig_close(&rig);
    open_rig((struct rig_options){.gtid_mode = true});
    feed(MAGIC_BYTES, writer.out.used, TR_CHUNK_BYTES);
    assert_int_equal(rig.items[0].ts_us, NUMBER_US);
    assert_int_equal(rig.items[1].ts_us, NUMBER_US);
    assert_int_equal(atomic_load(&rig.progress.sequenced_unix_us), INT64_C(1700000005000000));
    end();
}

/* One event without checksum that ends at `end_pos` (modulo 2^32). */
static void send_event(uint8_t type, uint16_t flags, uint32_t bytes, uint32_t end_pos,
                       const void *body)
{
    struct tr_chunk *chunk = rig_chunk(&rig, TR_CHUNK_EVENTS);
    memset(chunk->bytes, 0, bytes);
    chunk->bytes[4] = type;
    memcpy(chunk->bytes + 9, &bytes, 4);
    memcpy(chunk->bytes + 13, &end_pos, 4);
    memcpy(chunk->bytes + 17, &flags, 2);
    if (body != NULL) {
        memcpy(chunk->bytes + TR_EVENT_HEADER_BYTES, body, bytes - TR_EVENT_HEADER_BYTES);
    }
    chunk->used_bytes = bytes;
    rig_send(&rig, chunk);
    rig_run(&rig);
}

static uint64_t position(void)
{
    return rig.taken[rig.taken_count - 1].position.end.pos;
}

static void sequencer_counts_positions_in_64_bits(void **state)
{
    (void)state;
    writer = (struct tr_binlog_writer){.flavor = TR_FLAVOR_MYSQL};
    open_rig((struct rig_options){.pos = UINT64_C(0xFFFFFFF0)});
    send_event(TR_EVENT_IGNORABLE, 0, 40, (uint32_t)(UINT64_C(0xFFFFFFF0) + 40), NULL);
    assert_int_equal(position(), UINT64_C(0xFFFFFFF0) + 40);
    send_event(TR_EVENT_IGNORABLE, 0, 40, 0, NULL); /* no position told: counted on */
    assert_int_equal(position(), UINT64_C(0xFFFFFFF0) + 80);
    send_event(TR_EVENT_IGNORABLE, 0, 40, (uint32_t)(UINT64_C(0xFFFFFFF0) + 1000),
               NULL); /* events were withheld */
    assert_int_equal(position(), UINT64_C(0xFFFFFFF0) + 1000);
    send_event(TR_EVENT_IGNORABLE, TR_EVENT_FLAG_ARTIFICIAL, 40, 0, NULL);
    assert_int_equal(position(), UINT64_C(0xFFFFFFF0) + 1000);
    assert_null(tr_fault_seen(&rig.fault));
    send_event(TR_EVENT_IGNORABLE, 0, 40, (uint32_t)(UINT64_C(0xFFFFFFF0) + 1000),
               NULL); /* backwards */
    assert_int_equal(tr_fault_seen(&rig.fault)->code, TR_ERR_PROTOCOL);
    assert_int_equal(position(), UINT64_C(0xFFFFFFF0) + 1000);
    rig_close(&rig);
}

static void sequencer_follows_heartbeats_and_filler(void **state)
{
    (void)state;
    writer = (struct tr_binlog_writer){.flavor = TR_FLAVOR_MYSQL};
    open_rig((struct rig_options){.pos = 100});
    send_event(TR_EVENT_HEARTBEAT, TR_EVENT_FLAG_ARTIFICIAL, 27, 500, "b.000001");
    assert_int_equal(position(), 500);
    send_event(TR_EVENT_HEARTBEAT, TR_EVENT_FLAG_ARTIFICIAL, 27, 400,
               "b.000001"); /* never backwards */
    assert_int_equal(position(), 500);
    assert_int_equal(atomic_load(&rig.progress.source_heard_unix_us), rig.wall_unix_ns / 1000);
    send_event(TR_EVENT_HEARTBEAT, TR_EVENT_FLAG_ARTIFICIAL, 27, 4, "b.000002");
    assert_int_equal(position(), 4);
    assert_string_equal(rig.taken[rig.taken_count - 1].position.end.file, "b.000002");
    end();
    writer = (struct tr_binlog_writer){.flavor = TR_FLAVOR_MARIADB};
    open_rig((struct rig_options){.pos = 100});
    send_event(TR_EVENT_GTID_LIST, TR_EVENT_FLAG_ARTIFICIAL, 25, 700, "\0\0\0\0\0\0");
    assert_int_equal(position(), 700);
    end();
}

/* It does not come again after a restart: to count it would skip a rows event that was not
 * delivered. */
static void sequencer_does_not_count_a_heartbeat_inside_a_transaction(void **state)
{
    (void)state;
    begin_log(TR_FLAVOR_MYSQL, false);
    open_rig((struct rig_options){0});
    tr_binlog_writer_gtid(&writer, 1, false, NUMBER_US);
    tr_binlog_writer_query(&writer, "d", "BEGIN");
    write_rows(10);
    feed(MAGIC_BYTES, writer.out.used, TR_CHUNK_BYTES);
    const struct tr_log_point before = rig.taken[rig.taken_count - 1].position.end;
    assert_int_equal(before.event_count, 3); /* BEGIN, the map, the rows */
    send_event(TR_EVENT_HEARTBEAT, TR_EVENT_FLAG_ARTIFICIAL, 27, (uint32_t)writer.out.used,
               "b.000001");
    const struct tr_log_point after = rig.taken[rig.taken_count - 1].position.end;
    assert_int_equal(after.pos, before.pos);
    assert_int_equal(after.event_count, before.event_count);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequencer_sends_a_large_event_as_pieces_to_one_decoder),
        cmocka_unit_test(sequencer_resumes_a_large_event_from_its_transaction),
        cmocka_unit_test(sequencer_refuses_a_row_above_the_limit_by_name),
        cmocka_unit_test(sequencer_inflates_payloads_of_any_size),
        cmocka_unit_test(sequencer_resumes_inside_a_large_payload),
        cmocka_unit_test(sequencer_stops_reading_at_the_replay_bound),
        cmocka_unit_test(sequencer_waits_for_units_and_goes_on),
        cmocka_unit_test(sequencer_holds_many_transactions_in_one_unit),
        cmocka_unit_test(sequencer_prints_the_time_of_the_event_before_without_gtid_mode),
        cmocka_unit_test(sequencer_counts_positions_in_64_bits),
        cmocka_unit_test(sequencer_follows_heartbeats_and_filler),
        cmocka_unit_test(sequencer_does_not_count_a_heartbeat_inside_a_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
