// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

#include "engine/bytes.h"
#include "stages/sequence/inflate.h"
#include "tests/support/binlog_writer.h"

#define CHUNK_COUNT 6

struct bench {
    struct tr_inflate inflate;
    struct tr_ring jobs;
    struct tr_ring done;
    struct tr_ring returns;
    struct tr_chunk *in;  /* the input chunk */
    struct tr_buffer out; /* everything that came out, joined */
    uint32_t chunk_count; /* chunks that came out */
    uint32_t piece_count;
    uint32_t consumed_count;
    bool finished;
    bool last_seen;
    const struct tr_error *error;
};

static void open_bench(struct bench *bench)
{
    struct tr_error err;
    memset(bench, 0, sizeof(*bench));
    assert_int_equal(
        tr_ring_init(&bench->jobs, TR_INFLATE_JOBS_MAX, sizeof(struct tr_inflate_job), &err),
        TR_OK);
    assert_int_equal(tr_ring_init(&bench->done, 256, sizeof(struct tr_inflate_done), &err), TR_OK);
    assert_int_equal(tr_ring_init(&bench->returns, CHUNK_COUNT, sizeof(struct tr_chunk *), &err),
                     TR_OK);
    struct tr_ring *returns[] = {&bench->returns};
    const struct tr_inflate_options options = {.jobs = &bench->jobs,
                                               .done = &bench->done,
                                               .returns = returns,
                                               .return_count = 1,
                                               .chunk_count = CHUNK_COUNT};
    assert_int_equal(tr_inflate_init(&bench->inflate, &options, NULL, &err), TR_OK);
    bench->inflate.options.returns = malloc(sizeof(struct tr_ring *));
    *(struct tr_ring **)(uintptr_t)bench->inflate.options.returns = &bench->returns;
    bench->in = calloc(1, sizeof(*bench->in));
    assert_non_null(bench->in);
}

static void close_bench(struct bench *bench)
{
    free((void *)(uintptr_t)bench->inflate.options.returns);
    tr_inflate_deinit(&bench->inflate);
    tr_ring_deinit(&bench->jobs);
    tr_ring_deinit(&bench->done);
    tr_ring_deinit(&bench->returns);
    tr_buffer_free(&bench->out);
    free(bench->in);
}

/* Takes messages; chunks go home at once. */
static void drain(struct bench *bench)
{
    void *slots;
    while (tr_ring_peek(&bench->done, 1, &slots) == 1) {
        const struct tr_inflate_done *done = slots;
        if (done->out != NULL) {
            assert_int_equal(done->out->home, TR_HOME_INFLATE);
            assert_true(done->out->inner);
            tr_buffer_append(&bench->out, done->out->bytes, done->out->used_bytes);
            bench->chunk_count++;
            bench->piece_count += done->out->kind == TR_CHUNK_PIECE;
            bench->last_seen = bench->last_seen || done->out->inner_last;
            struct tr_chunk **home = tr_ring_claim_one(&bench->returns);
            *home = done->out;
            tr_ring_publish(&bench->returns, 1);
        }
        bench->consumed_count += done->consumed != NULL;
        bench->finished = bench->finished || done->finished;
        bench->error = done->error != NULL ? done->error : bench->error;
        tr_ring_release(&bench->done, 1);
    }
}

/* Sends an event, cut into jobs of at most `part_bytes`, and steps until it is finished or broken.
 */
static void run_event(struct bench *bench, const uint8_t *event, size_t bytes, size_t part_bytes)
{
    size_t at = 0;
    bench->finished = false;
    while (!bench->finished && bench->error == NULL) {
        if (at < bytes && tr_ring_is_empty(&bench->jobs)) {
            const size_t part = bytes - at < part_bytes ? bytes - at : part_bytes;
            memcpy(bench->in->bytes, event + at, part);
            struct tr_inflate_job *job = tr_ring_claim_one(&bench->jobs);
            *job = (struct tr_inflate_job){.chunk = bench->in,
                                           .bytes = (uint32_t)part,
                                           .total_bytes = bytes,
                                           .first = at == 0,
                                           .last = at + part == bytes};
            tr_ring_publish(&bench->jobs, 1);
            at += part;
        }
        const uint32_t work = tr_inflate_step(&bench->inflate, 0);
        drain(bench);
        assert_true(work > 0 || !tr_ring_is_empty(&bench->returns) || at < bytes ||
                    bench->finished || bench->error != NULL);
    }
}

static size_t from_hex(const char *hex, uint8_t *out)
{
    const size_t bytes = strlen(hex) / 2;
    for (size_t i = 0; i < bytes; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
        out[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return bytes - 4; /* without the checksum */
}

static void mysql_payload_gives_its_inner_events(void **state)
{
    (void)state;
    /* mysql-binlog reference, appendix A: QUERY BEGIN, TABLE_MAP, WRITE_ROWS of three rows, XID. */
    static const char hex[] = "b0a9026b2801000000e20000008b14000000000201000303fc28010101bf0028b52f"
                              "fd602800ad0500520923306069930e53270600001441b07a0f"
                              "8720d0041b9e99aa3c65e50633c4c158ea91a10e03bf44ff6fffffd16c934fc89629"
                              "ffbf80884aa4d14013e56740119e3b0d97ad8ecb24746a2e60"
                              "c350eb4a855a7528b5908f77dc5c3eb4d173a5f8201b46c2a9804c38f8d5b1de468f"
                              "30a932d30c0a082481b1a3e4f8f3f3a8cb72508218a05bbebb"
                              "ce3cf037abccb41100a004e2e01004006fcf05c3250f9a81095fb02f380d024b90f7"
                              "23d860b107da03e20d600e31a5c2ba";
    static const uint8_t types[] = {2, 19, 30, 16};
    struct bench bench;
    uint8_t event[512];
    const size_t bytes = from_hex(hex, event);
    for (size_t part = bytes; part >= 30; part = part > 60 ? part / 2 : part - 10) {
        open_bench(&bench);
        run_event(&bench, event, bytes, part);
        assert_null(bench.error);
        assert_true(bench.finished && bench.last_seen);
        assert_int_equal(bench.out.used, 296);
        size_t at = 0;
        for (size_t i = 0; i < sizeof(types); i++) {
            assert_int_equal(bench.out.bytes[at + 4], types[i]);
            at += tr_load_u32(bench.out.bytes + at + 9);
        }
        assert_int_equal(at, 296);
        close_bench(&bench);
    }
}

static void mariadb_events_become_their_plain_types(void **state)
{
    (void)state;
    static const char rows[] = "b0a9026ba63d0000003f0000003cc4ea0000007700000000000100040f8132789cf"
                               "bc6c4c0c0c0920804df98e12c16388b15"
                               "ce6283b1003ebb0c8b4ad3892f";
    static const char query[] = "b0a9026ba53d0000007c000000a0c5ea0004001002000000000000010000230000"
                                "000000010100002054000000000603737464042d002d00080081"
                                "f64d04000000000076008129789c7309f20f50087174f271554828344c50d0d752"
                                "484fcd4b2d4a2c494d5148aa54284e2d2a4b2d52d0d20700ff0f"
                                "0cb3ce806467";
    struct bench bench;
    uint8_t event[256];

    open_bench(&bench);
    run_event(&bench, event, from_hex(rows, event), 256);
    assert_null(bench.error);
    assert_int_equal(bench.out.bytes[4], 23);
    assert_int_equal(bench.out.used, 19 + 8 + 2 + 50);
    assert_int_equal(tr_load_u32(bench.out.bytes + 9), bench.out.used);
    bench.out.used = 0;
    run_event(&bench, event, from_hex(query, event), 256);
    assert_null(bench.error);
    assert_int_equal(bench.out.bytes[4], 2);
    assert_non_null(
        memmem(bench.out.bytes, bench.out.used, "DROP TABLE `q1` /* generated by server */", 41));
    close_bench(&bench);
}

/* A TRANSACTION_PAYLOAD of `inner`. */
static size_t pack(const struct tr_buffer *inner, int level, uint8_t **event)
{
    const size_t room = ZSTD_compressBound(inner->used) + 64;
    uint8_t *out = calloc(1, room);
    assert_non_null(out);
    const size_t packed = ZSTD_compress(out + 40, room - 40, inner->bytes, inner->used, level);
    assert_false(ZSTD_isError(packed));
    /* fields: compression zstd; payload size in eight bytes; end */
    const uint8_t fields[] = {2, 1, 0, 1, 9, 0xFE};
    const uint64_t size = packed;
    memcpy(out + 19, fields, sizeof(fields));
    memcpy(out + 25, &size, 8);
    out[33] = 0;
    memmove(out + 34, out + 40, packed);
    out[4] = 40;
    *event = out;
    return 34 + packed;
}

static void large_inner_events_come_as_pieces(void **state)
{
    (void)state;
    static const struct tr_writer_column column = {.name = "s", .type = TR_WRITER_TEXT};
    const struct tr_writer_table table = {
        .table_id = 1, .database = "d", .name = "t", .column_count = 1, .columns = &column};
    struct tr_binlog_writer writer = {.flavor = TR_FLAVOR_MYSQL};
    static uint8_t text[700000];
    struct bench bench;
    uint8_t *event;

    memset(text, 'a', sizeof(text));
    tr_binlog_writer_query(&writer, "d", "BEGIN");
    for (size_t bytes = 1000; bytes <= sizeof(text); bytes *= 7) {
        const struct tr_writer_value value = {.text = tr_span_of(text, bytes)};
        tr_binlog_writer_table_map(&writer, &table);
        tr_binlog_writer_rows_begin(&writer, &table, 0);
        tr_binlog_writer_image(&writer, &table, &value);
        tr_binlog_writer_rows_end(&writer);
    }
    const size_t bytes = pack(&writer.out, 3, &event);
    open_bench(&bench);
    run_event(&bench, event, bytes, TR_CHUNK_BYTES);
    assert_null(bench.error);
    assert_true(bench.piece_count >= 2);
    assert_int_equal(bench.out.used, writer.out.used);
    assert_memory_equal(bench.out.bytes, writer.out.bytes, writer.out.used);
    close_bench(&bench);
    free(event);
    tr_buffer_free(&writer.out);
}

static void damage_is_reported_and_never_crashes(void **state)
{
    (void)state;
    struct tr_binlog_writer writer = {.flavor = TR_FLAVOR_MYSQL};
    struct bench bench;
    uint8_t *event;
    for (int i = 0; i < 20; i++) {
        tr_binlog_writer_query(&writer, "d", "BEGIN");
    }
    const size_t bytes = pack(&writer.out, 3, &event);
    for (size_t cut = 20; cut < bytes;
         cut += 3) { /* the event says it is shorter than its payload */
        open_bench(&bench);
        run_event(&bench, event, cut, 4096);
        assert_non_null(bench.error);
        assert_int_equal(bench.error->code, TR_ERR_PROTOCOL);
        close_bench(&bench);
    }
    for (size_t at = 19; at < bytes; at++) {
        event[at] ^= 0x55;
        open_bench(&bench);
        run_event(&bench, event, bytes, 4096);
        assert_true(bench.error != NULL || bench.finished);
        close_bench(&bench);
        event[at] ^= 0x55;
    }
    free(event);
    tr_buffer_free(&writer.out);
}

static void an_event_under_way_can_be_given_up(void **state)
{
    (void)state;
    struct tr_binlog_writer writer = {.flavor = TR_FLAVOR_MYSQL};
    struct bench bench;
    uint8_t *event;
    for (int i = 0; i < 20; i++) {
        tr_binlog_writer_query(&writer, "d", "BEGIN");
    }
    const size_t bytes = pack(&writer.out, 3, &event);
    open_bench(&bench);
    memcpy(bench.in->bytes, event, bytes);
    struct tr_inflate_job *job = tr_ring_claim_one(&bench.jobs);
    *job = (struct tr_inflate_job){
        .chunk = bench.in, .bytes = (uint32_t)bytes / 2, .total_bytes = bytes, .first = true};
    tr_ring_publish(&bench.jobs, 1);
    while (tr_inflate_step(&bench.inflate, 0) > 0) {
    }
    job = tr_ring_claim_one(&bench.jobs);
    *job = (struct tr_inflate_job){0};
    tr_ring_publish(&bench.jobs, 1);
    while (tr_inflate_step(&bench.inflate, 0) > 0) {
    }
    drain(&bench);
    assert_true(bench.finished);
    bench.out.used = 0;
    run_event(&bench, event, bytes, 4096); /* and the next one is whole */
    assert_null(bench.error);
    assert_int_equal(bench.out.used, writer.out.used);
    close_bench(&bench);
    free(event);
    tr_buffer_free(&writer.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mysql_payload_gives_its_inner_events),
        cmocka_unit_test(mariadb_events_become_their_plain_types),
        cmocka_unit_test(large_inner_events_come_as_pieces),
        cmocka_unit_test(damage_is_reported_and_never_crashes),
        cmocka_unit_test(an_event_under_way_can_be_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
