// SPDX-License-Identifier: Apache-2.0
/* Bytes become whole events: frames, packets, pieces, files. */
#include <stdlib.h>
#include <string.h>

#include "engine/clock.h"
#include "tests/check.h"
#include "tests/support/ingest_rig.h"

static const char *const captures[] = {"mysql97-wire-gtid.stream", "mariadb1011-wire-file.stream",
                                       "mariadb118-wire-gtid.stream", "mysql56-wire-nocrc.stream"};

static void captures_come_out_whole_at_every_read_size(void **state)
{
    (void)state;
    for (size_t c = 0; c < sizeof(captures) / sizeof(captures[0]); c++) {
        size_t byte_count;
        uint8_t *stream = ingest_rig_load(captures[c], &byte_count);
        uint8_t *expected = malloc(byte_count);
        const size_t expected_bytes = ingest_rig_strip_frames(stream, byte_count, 1, expected);
        for (size_t read_bytes = 1; read_bytes <= 200; read_bytes += read_bytes < 60 ? 1 : 37) {
            struct ingest_rig b = {
                .script = {.links = {{stream, byte_count, TR_OK, TR_STOP, TR_READ_WOULD_BLOCK}},
                           .link_count = 1,
                           .read_bytes_max = read_bytes,
                           .dry_every = read_bytes % 3 == 0 ? 2 : 0}};
            ingest_rig_open(&b, TR_FRAMING_PACKETS, (struct tr_ingest_options){0});
            ingest_rig_resume(&b, "binlog.000001");
            ingest_rig_run_dry(&b);
            assert_int_equal(b.out_bytes, expected_bytes);
            assert_memory_equal(b.out, expected, expected_bytes);
            ingest_rig_close(&b);
        }
        free(expected);
        free(stream);
    }
}

static void a_stream_cut_anywhere_gives_its_whole_events_and_a_link_down(void **state)
{
    (void)state;
    size_t byte_count;
    uint8_t *stream = ingest_rig_load(captures[0], &byte_count);
    uint8_t *expected = malloc(byte_count);

    for (size_t cut = 0; cut < byte_count; cut++) {
        size_t whole = 0;
        while (whole + 4 <= cut && whole + 4 + tr_load_u24(stream + whole) <= cut) {
            whole += 4 + tr_load_u24(stream + whole);
        }
        const size_t expected_bytes = ingest_rig_strip_frames(stream, whole, 1, expected);
        struct ingest_rig b = {
            .script = {.links = {{stream, cut, TR_OK, TR_STOP, TR_READ_END}}, .link_count = 1}};
        ingest_rig_open(&b, TR_FRAMING_PACKETS, (struct tr_ingest_options){0});
        ingest_rig_resume(&b, "binlog.000001");
        ingest_rig_run_dry(&b);
        assert_int_equal(b.out_bytes, expected_bytes);
        assert_memory_equal(b.out, expected, expected_bytes);
        assert_int_equal(b.down_count, 1);
        assert_int_equal(b.down_error.code, TR_ERR_SOURCE_LINK);
        assert_int_equal(b.script.close_count, 1);
        assert_int_equal(b.ingest.state, TR_INGEST_AWAIT_RESUME);
        ingest_rig_close(&b);
    }
    free(expected);
    free(stream);
}

static void split_packets_come_out_as_pieces(void **state)
{
    (void)state;
    size_t byte_count;
    uint8_t *stream = ingest_rig_load("mysql97-wire-split.stream.gz", &byte_count);
    uint8_t *expected = malloc(byte_count);
    const size_t expected_bytes = ingest_rig_strip_frames(stream, byte_count, 1, expected);
    const size_t read_sizes[] = {SIZE_MAX, 65536, 100001};

    for (size_t i = 0; i < sizeof(read_sizes) / sizeof(read_sizes[0]); i++) {
        struct ingest_rig b = {
            .script = {.links = {{stream, byte_count, TR_OK, TR_STOP, TR_READ_WOULD_BLOCK}},
                       .link_count = 1,
                       .read_bytes_max = read_sizes[i]}};
        ingest_rig_open(&b, TR_FRAMING_PACKETS, (struct tr_ingest_options){0});
        ingest_rig_resume(&b, "binlog.000001");
        ingest_rig_run_dry(&b);
        assert_int_equal(b.out_bytes, expected_bytes);
        assert_memory_equal(b.out, expected, expected_bytes);
        assert_true(b.piece_count >= 4 * 64);
        assert_int_equal(b.down_count, 1); /* the capture ends with an EOF packet */
        ingest_rig_close(&b);
    }
    free(expected);
    free(stream);
}

static void events_around_the_chunk_size_come_out_whole(void **state)
{
    (void)state;
    uint8_t *stream = malloc(4 * TR_CHUNK_BYTES);
    uint8_t *expected = malloc(4 * TR_CHUNK_BYTES);

    for (uint32_t event_bytes = TR_CHUNK_BYTES - 140; event_bytes <= TR_CHUNK_BYTES + 70;
         event_bytes += 3) {
        for (uint32_t before = 0; before < 2; before++) {
            size_t byte_count = 0;
            uint8_t sequence = 1;
            if (before == 1) {
                byte_count += ingest_rig_write_event_packet(stream, sequence++, 100);
            }
            byte_count +=
                ingest_rig_write_event_packet(stream + byte_count, sequence++, event_bytes);
            byte_count += ingest_rig_write_event_packet(stream + byte_count, sequence++, 50);
            const size_t expected_bytes = ingest_rig_strip_frames(stream, byte_count, 1, expected);
            struct ingest_rig b = {
                .script = {.links = {{stream, byte_count, TR_OK, TR_STOP, TR_READ_WOULD_BLOCK}},
                           .link_count = 1}};
            ingest_rig_open(&b, TR_FRAMING_PACKETS, (struct tr_ingest_options){.chunk_count = 2});
            ingest_rig_resume(&b, "binlog.000001");
            ingest_rig_run_dry(&b);
            assert_int_equal(b.event_count, 2 + before);
            assert_int_equal(b.piece_count, event_bytes + 5 > TR_CHUNK_BYTES ? 2 : 0);
            assert_int_equal(b.out_bytes, expected_bytes);
            assert_memory_equal(b.out, expected, expected_bytes);
            ingest_rig_close(&b);
        }
    }
    free(expected);
    free(stream);
}

static void semi_sync_bytes_are_part_of_the_frame(void **state)
{
    (void)state;
    const char *const names[] = {"mysql97-wire-semisync.stream",
                                 "mariadb1011-wire-semisync.stream"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t byte_count;
        uint8_t *stream = ingest_rig_load(names[i], &byte_count);
        uint8_t *expected = malloc(byte_count);
        const size_t expected_bytes = ingest_rig_strip_frames(stream, byte_count, 3, expected);
        struct ingest_rig b = {
            .script = {.links = {{stream, byte_count, TR_OK, TR_STOP, TR_READ_WOULD_BLOCK}},
                       .link_count = 1}};
        ingest_rig_open(&b, TR_FRAMING_PACKETS, (struct tr_ingest_options){.semi_sync = true});
        ingest_rig_resume(&b, "binlog.000001");
        ingest_rig_run_dry(&b);
        assert_int_equal(b.out_bytes, expected_bytes);
        assert_memory_equal(b.out, expected, expected_bytes);
        ingest_rig_close(&b);
        free(expected);
        free(stream);
    }
}

static void a_file_is_read_to_its_end(void **state)
{
    (void)state;
    size_t byte_count;
    uint8_t *file = ingest_rig_load("mysql97-big-transaction.000001", &byte_count);
    struct ingest_rig b = {
        .script = {.links = {{file + 4, byte_count - 4, TR_OK, TR_STOP, TR_READ_END}},
                   .link_count = 1}};

    ingest_rig_open(&b, TR_FRAMING_EVENTS, (struct tr_ingest_options){0});
    ingest_rig_resume(&b, "binlog.000001");
    ingest_rig_run_dry(&b);
    assert_int_equal(b.out_bytes, byte_count - 4);
    assert_memory_equal(b.out, file + 4, byte_count - 4);
    assert_int_equal(b.end_count, 1);
    assert_null(tr_fault_seen(&b.fault));
    ingest_rig_close(&b);
    free(file);
}

static void a_cut_file_is_a_fault_after_its_whole_events(void **state)
{
    (void)state;
    size_t byte_count;
    uint8_t *file = ingest_rig_load("mysql97-wire-gtid.000001", &byte_count);
    struct ingest_rig b = {
        .script = {.links = {{file + 4, byte_count - 5, TR_OK, TR_STOP, TR_READ_END}},
                   .link_count = 1}};

    ingest_rig_open(&b, TR_FRAMING_EVENTS, (struct tr_ingest_options){0});
    ingest_rig_resume(&b, "binlog.000001");
    ingest_rig_run_dry(&b);
    assert_true(b.event_count > 5);
    assert_int_equal(b.end_count, 1);
    const struct tr_error *error = tr_fault_seen(&b.fault);
    assert_non_null(error);
    assert_int_equal(error->code, TR_ERR_PROTOCOL);
    ingest_rig_close(&b);
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captures_come_out_whole_at_every_read_size),
        cmocka_unit_test(a_stream_cut_anywhere_gives_its_whole_events_and_a_link_down),
        cmocka_unit_test(split_packets_come_out_as_pieces),
        cmocka_unit_test(events_around_the_chunk_size_come_out_whole),
        cmocka_unit_test(semi_sync_bytes_are_part_of_the_frame),
        cmocka_unit_test(a_file_is_read_to_its_end),
        cmocka_unit_test(a_cut_file_is_a_fault_after_its_whole_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
