// SPDX-License-Identifier: Apache-2.0
/* The decoder as an actor: rings, pools, jumbos, faults. Table d.t(id INT, v TEXT); the test plays
 * all its neighbours. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/decode/decoder.h"
#include "stages/decode/plan.h"
#include "stages/schema/table_map.h"
#include "stages/stream.h"
#include "tests/check.h"

#define UNITS_MAX 4
#define STEPS_MAX 100000

struct world {
    struct tr_decoder decoder;
    struct tr_ring units;
    struct tr_ring decoded;
    struct tr_ring empty;
    struct tr_ring to_ingest;
    struct tr_ring to_inflate;
    struct tr_fault fault;
    struct tr_metric_block metrics;
    struct tr_streams *streams;
    struct tr_schema schemas[20];
    uint32_t schema_count;
    struct tr_unit unit[UNITS_MAX];
    struct tr_chunk chunk[UNITS_MAX];
    uint64_t seq;
    /* What came out, in order. */
    uint64_t record_count;
    uint64_t hash; /* over keys and values */
    uint32_t fragment_count;
    uint32_t jumbo_count;
    uint64_t last_seq; /* of the last unit_last */
};

static const struct tr_encode_options encode_options = {
    .topic_prefix = {(const uint8_t *)"p", 1},
    .tombstones_on_delete = true,
    .record_bytes_max = 1u << 20,
};

static void add_schema(struct world *world, const char *name, struct tr_error *err)
{
    struct tr_schema *schema = &world->schemas[world->schema_count++];
    struct tr_table *table = tr_table_open(tr_span_of_text("d"), tr_span_of_text(name), 2, err);
    char stream[64];

    assert_non_null(table);
    table->columns[0] = (struct tr_column){.name = tr_span_of_text("id"), .type = TR_COLUMN_INT};
    table->columns[1] = (struct tr_column){.name = tr_span_of_text("v"),
                                           .type = TR_COLUMN_TEXT,
                                           .charset = TR_CHARSET_UTF8,
                                           .is_nullable = true};
    table->key_columns = tr_table_array(table, sizeof(uint16_t));
    table->key_count = 1;
    schema->table = table;
    schema->wire = calloc(2, sizeof(*schema->wire));
    assert_non_null(schema->wire);
    schema->wire[0] = (struct tr_wire_column){.type = TR_WIRE_LONG};
    schema->wire[1] =
        (struct tr_wire_column){.type = TR_WIRE_BLOB, .pack_bytes = 3, .nullable = true};
    (void)snprintf(stream, sizeof(stream), "p.d.%s", name);
    schema->stream = tr_streams_intern(world->streams, tr_span_of_text(stream), err);
    assert_non_null(schema->stream);
    assert_int_equal(tr_plan_open(&schema->plan, schema, &encode_options, err), TR_OK);
}

static struct world *open_world(uint32_t units_in_flight)
{
    struct tr_error err = {0};
    struct world *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    assert_int_equal(tr_streams_open(&world->streams, 1, &err), TR_OK);
    assert_int_equal(tr_ring_init(&world->units, UNITS_MAX, sizeof(void *), &err), TR_OK);
    assert_int_equal(tr_ring_init(&world->decoded,
                                  tr_decoder_decoded_slots(units_in_flight, UNITS_MAX),
                                  sizeof(struct tr_decoded), &err),
                     TR_OK);
    assert_int_equal(tr_ring_init(&world->empty, tr_decoder_fragment_slots(units_in_flight),
                                  sizeof(void *), &err),
                     TR_OK);
    assert_int_equal(tr_ring_init(&world->to_ingest, UNITS_MAX, sizeof(void *), &err), TR_OK);
    assert_int_equal(tr_ring_init(&world->to_inflate, UNITS_MAX, sizeof(void *), &err), TR_OK);
    const struct tr_decoder_options options = {
        .index = 3,
        .units_in_flight = units_in_flight,
        .row_bytes_max = 4u << 20,
        .record_bytes_max = encode_options.record_bytes_max,
        .units = &world->units,
        .decoded = &world->decoded,
        .empty = &world->empty,
        .chunks_to_ingest = &world->to_ingest,
        .chunks_to_inflate = &world->to_inflate,
        .metrics = &world->metrics,
        .fault = &world->fault,
    };
    assert_int_equal(tr_decoder_init(&world->decoder, &options, &err), TR_OK);
    add_schema(world, "t", &err);
    return world;
}

static void close_world(struct world *world)
{
    for (uint32_t i = 0; i < world->schema_count; i++) {
        tr_plan_close(world->schemas[i].plan);
        tr_table_close((struct tr_table *)(uintptr_t)world->schemas[i].table);
        free(world->schemas[i].wire);
    }
    tr_decoder_deinit(&world->decoder);
    tr_ring_deinit(&world->units);
    tr_ring_deinit(&world->decoded);
    tr_ring_deinit(&world->empty);
    tr_ring_deinit(&world->to_ingest);
    tr_ring_deinit(&world->to_inflate);
    tr_streams_close(world->streams);
    free(world);
}

static struct tr_unit *begin_unit(struct world *world)
{
    struct tr_unit *unit = &world->unit[world->seq % UNITS_MAX];
    struct tr_chunk *chunk = &world->chunk[world->seq % UNITS_MAX];

    memset(unit, 0, sizeof(*unit));
    chunk->magic = TR_CHUNK_MAGIC;
    chunk->kind = TR_CHUNK_EVENTS;
    chunk->home = TR_HOME_INGEST;
    chunk->used_bytes = 0;
    unit->magic = TR_UNIT_MAGIC;
    unit->seq = ++world->seq;
    unit->decoder = 3;
    unit->chunk = chunk;
    unit->chunk_last = true;
    return unit;
}

/* Begins a WRITE_ROWS event at the chunk's end. */
static struct tr_unit_item *begin_item(struct world *world, struct tr_unit *unit, uint32_t schema)
{
    struct tr_unit_item *item = &unit->items[unit->item_count++];
    uint8_t *event = unit->chunk->bytes + unit->chunk->used_bytes;

    memset(event, 0, 29);
    event[4] = 30;
    event[27] = 2;
    event[29] = 2;
    event[30] = 0xFF;
    *item = (struct tr_unit_item){
        .schema = &world->schemas[schema],
        .thread_id = -1,
        .at = unit->chunk->used_bytes,
        .bytes = 31,
        .event_type = 30,
        .op = TR_ROW_INSERT,
    };
    unit->chunk->used_bytes += 31;
    return item;
}

static void add_row(struct tr_unit *unit, struct tr_unit_item *item, int32_t id,
                    uint32_t text_bytes)
{
    uint8_t *out = unit->chunk->bytes + unit->chunk->used_bytes;

    out[0] = 0;
    memcpy(out + 1, &id, 4);
    memcpy(out + 5, &text_bytes, 3);
    memset(out + 8, 'a' + id % 26, text_bytes);
    unit->chunk->used_bytes += 8 + text_bytes;
    item->bytes += 8 + text_bytes;
}

static void deal(struct world *world, struct tr_unit *unit)
{
    *(struct tr_unit **)tr_ring_claim_one(&world->units) = unit;
    tr_ring_publish(&world->units, 1);
}

static void give_back(struct world *world, struct tr_fragment *fragment)
{
    *(struct tr_fragment **)tr_ring_claim_one(&world->empty) = fragment;
    tr_ring_publish(&world->empty, 1);
}

/* Takes one message of the decoder, if there is one; keeps the fragment or gives it back. */
static bool take_decoded(struct world *world, struct tr_fragment **keep)
{
    void *slot;

    if (tr_ring_peek(&world->decoded, 1, &slot) == 0) {
        return false;
    }
    const struct tr_decoded decoded = *(struct tr_decoded *)slot;
    tr_ring_release(&world->decoded, 1);
    if (decoded.unit_last) {
        assert_int_equal(decoded.unit_seq, world->last_seq + 1);
        world->last_seq = decoded.unit_seq;
    }
    if (decoded.fragment == NULL) {
        assert_true(decoded.unit_last);
        return true;
    }
    assert_int_equal(decoded.fragment->magic, TR_FRAGMENT_MAGIC);
    assert_int_equal(decoded.fragment->unit_seq, decoded.unit_seq);
    assert_true(decoded.fragment->group_count > 0);
    world->fragment_count++;
    world->jumbo_count += decoded.fragment->jumbo;
    for (uint32_t g = 0; g < decoded.fragment->group_count; g++) {
        const struct tr_record *record = decoded.fragment->groups[g].first;
        for (; record != NULL; record = record->next) {
            const uint8_t *value = tr_record_value(record);
            for (uint32_t i = 0; i < record->value_bytes; i++) {
                world->hash = (world->hash ^ value[i]) * UINT64_C(0x100000001b3);
            }
            world->record_count++;
        }
    }
    if (keep != NULL) {
        *keep = decoded.fragment;
    } else {
        give_back(world, decoded.fragment);
    }
    return true;
}

static void run(struct world *world)
{
    for (uint32_t i = 0; i < STEPS_MAX; i++) {
        const uint32_t work = tr_decoder_step(&world->decoder, 0);
        bool taken = false;
        while (take_decoded(world, NULL)) {
            taken = true;
        }
        if (work == 0 && !taken) {
            assert_false(tr_decoder_has_work(&world->decoder));
            return;
        }
    }
    fail_msg("the decoder does not come to rest");
}

static void fill_unit(struct world *world, struct tr_unit *unit, uint32_t rows, uint32_t text_bytes)
{
    struct tr_unit_item *item = begin_item(world, unit, 0);

    item->is_record_mark = true;
    for (uint32_t i = 0; i < rows; i++) {
        add_row(unit, item, (int32_t)i, text_bytes);
    }
}

static void units_without_rows_pass_through_in_order(void **state)
{
    (void)state;
    struct world *world = open_world(1);
    for (uint32_t i = 0; i < 3; i++) {
        struct tr_unit *unit = begin_unit(world);
        if (i == 1) {
            unit->chunk = NULL;
        }
        deal(world, unit);
    }
    run(world);
    assert_int_equal(world->last_seq, 3);
    assert_int_equal(world->record_count, 0);
    assert_int_equal(tr_ring_depth(&world->to_ingest), 2);
    close_world(world);
}

static void chunks_go_home_with_the_last_unit_of_theirs(void **state)
{
    (void)state;
    struct world *world = open_world(1);
    struct tr_unit *first = begin_unit(world);
    fill_unit(world, first, 1, 10);
    first->chunk_last = false;
    struct tr_unit *second = begin_unit(world);
    second->chunk = first->chunk;
    deal(world, first);
    run(world);
    assert_int_equal(world->last_seq, 1);
    assert_int_equal(tr_ring_depth(&world->to_ingest), 0);
    first->chunk->home = TR_HOME_INFLATE;
    deal(world, second);
    run(world);
    assert_int_equal(tr_ring_depth(&world->to_ingest), 0);
    assert_int_equal(tr_ring_depth(&world->to_inflate), 1);
    assert_null(second->chunk);
    assert_int_equal(first->record_rows, 1);
    close_world(world);
}

static void decoder_stops_without_a_fragment_and_goes_on_where_it_stood(void **state)
{
    (void)state;
    uint64_t hashes[2];
    for (uint32_t slow = 0; slow < 2; slow++) {
        struct world *world = open_world(1);
        struct tr_fragment *kept[TR_DECODER_FRAGMENTS(1)];
        uint32_t kept_count = 0;
        for (uint32_t u = 0; u < UNITS_MAX; u++) { /* about 1.3 MB of records each */
            struct tr_unit *unit = begin_unit(world);
            fill_unit(world, unit, 2500, 60);
            deal(world, unit);
        }
        while (slow == 1 && world->last_seq < UNITS_MAX) {
            const uint32_t work = tr_decoder_step(&world->decoder, 0);
            while (kept_count < TR_DECODER_FRAGMENTS(1) && take_decoded(world, &kept[kept_count])) {
                kept_count++;
            }
            if (work == 0) { /* all are out: one comes back, no more */
                assert_int_equal(world->decoder.fragments.free_count, 0);
                assert_false(tr_decoder_has_work(&world->decoder));
                give_back(world, kept[--kept_count]);
                assert_true(tr_decoder_has_work(&world->decoder));
            }
        }
        run(world);
        assert_int_equal(world->record_count, 2500 * UNITS_MAX);
        assert_int_equal(
            atomic_load_explicit(&world->metrics.values[TR_METRIC_ROWS], memory_order_relaxed),
            2500 * UNITS_MAX);
        assert_true(world->fragment_count > TR_DECODER_FRAGMENTS(1));
        assert_true(atomic_load_explicit(&world->schemas[0].output_ratio_q8, memory_order_relaxed) >
                    256);
        hashes[slow] = world->hash;
        close_world(world);
    }
    assert_int_equal(hashes[0], hashes[1]);
}

static void rows_larger_than_a_fragment_take_jumbos_that_come_back(void **state)
{
    (void)state;
    struct world *world = open_world(1);
    for (uint32_t u = 0; u < UNITS_MAX; u++) {
        struct tr_unit *unit = begin_unit(world);
        struct tr_unit_item *item = begin_item(world, unit, 0);
        add_row(unit, item, 0, 10);
        add_row(unit, item, 1, 120000);
        memset(unit->chunk->bytes + unit->chunk->used_bytes - 120000, '\n',
               120000); /* two characters each */
        add_row(unit, item, 2, 120000);
        memset(unit->chunk->bytes + unit->chunk->used_bytes - 120000, 1,
               120000); /* six characters each */
        add_row(unit, item, 3, 10);
        deal(world, unit);
        run(world);
    }
    assert_int_equal(world->record_count, 4 * UNITS_MAX);
    assert_int_equal(world->jumbo_count, UNITS_MAX); /* the larger row only */
    assert_true(world->decoder.jumbo_is_free[0]);
    assert_true(world->decoder.jumbo_is_free[1]);
    close_world(world);
}

static void more_streams_than_a_fragment_takes_make_more_fragments(void **state)
{
    (void)state;
    struct world *world = open_world(1);
    struct tr_error err = {0};
    char name[8];
    struct tr_unit *unit = begin_unit(world);
    for (uint32_t i = 1; i < 20; i++) {
        (void)snprintf(name, sizeof(name), "t%u", i);
        add_schema(world, name, &err);
    }
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 20; i++) {
            add_row(unit, begin_item(world, unit, i), (int32_t)i, 10);
        }
    }
    deal(world, unit);
    run(world);
    assert_int_equal(world->record_count, 40);
    assert_int_equal(world->fragment_count, 3); /* 16, then 4 + 12, then 8 */
    close_world(world);
}

static void everything_before_a_bad_row_is_sent_before_the_fault(void **state)
{
    (void)state;
    struct world *world = open_world(1);
    struct tr_unit *unit = begin_unit(world);
    struct tr_unit_item *item = begin_item(world, unit, 0);
    for (int32_t i = 0; i < 3000; i++) {
        add_row(unit, item, i, 60);
    }
    item->bytes -= 1;
    deal(world, unit);
    deal(world, begin_unit(world));
    run(world);
    assert_int_equal(world->record_count, 2999);
    assert_int_equal(world->last_seq, 0); /* the unit never ends: its position is not reached */
    const struct tr_error *err = tr_fault_seen(&world->fault);
    assert_non_null(err);
    assert_int_equal(err->code, TR_ERR_SCHEMA);
    assert_non_null(strstr(err->text, "table d.t, rows event at"));
    assert_non_null(strstr(err->text, "row 2999, column v: the row ends inside it"));
    assert_int_equal(tr_ring_depth(&world->to_ingest), 0);
    close_world(world);
}

static void pieces_without_a_first_one_or_too_many_bytes_are_refused(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        struct world *world = open_world(1);
        struct tr_unit *unit = begin_unit(world);
        struct tr_unit_item *item = begin_item(world, unit, 0);
        item->kind = TR_ITEM_PIECE;
        unit->chunk->kind = TR_CHUNK_PIECE;
        unit->chunk->piece = i == 0 ? TR_PIECE_LAST : TR_PIECE_FIRST;
        unit->chunk->event_bytes = i == 0 ? 31 : UINT64_C(1) << 30;
        deal(world, unit);
        run(world);
        assert_non_null(tr_fault_seen(&world->fault));
        assert_int_equal(tr_fault_seen(&world->fault)->code,
                         i == 0 ? TR_ERR_PROTOCOL : TR_ERR_UNSUPPORTED);
        assert_true(i == 0 ||
                    strstr(tr_fault_seen(&world->fault)->text, "tailrace.row.max.bytes") != NULL);
        close_world(world);
    }
}

static void memory_of_a_decoder_is_told_by_terms(void **state)
{
    (void)state;
    struct tr_memory_sum sum = {0};
    const struct tr_decoder_options options = {
        .units_in_flight = 2, .row_bytes_max = 16u << 20, .record_bytes_max = 1u << 20};
    tr_decoder_add_memory(&options, &sum);
    assert_int_equal(sum.term_count, 3);
    assert_true(sum.terms[0].bytes > TR_DECODER_FRAGMENTS(2) * (uint64_t)TR_FRAGMENT_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_without_rows_pass_through_in_order),
        cmocka_unit_test(chunks_go_home_with_the_last_unit_of_theirs),
        cmocka_unit_test(decoder_stops_without_a_fragment_and_goes_on_where_it_stood),
        cmocka_unit_test(rows_larger_than_a_fragment_take_jumbos_that_come_back),
        cmocka_unit_test(more_streams_than_a_fragment_takes_make_more_fragments),
        cmocka_unit_test(everything_before_a_bad_row_is_sent_before_the_fault),
        cmocka_unit_test(pieces_without_a_first_one_or_too_many_bytes_are_refused),
        cmocka_unit_test(memory_of_a_decoder_is_told_by_terms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
