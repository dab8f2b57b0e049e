// SPDX-License-Identifier: Apache-2.0
/* Statements through the DDL model: how much of what they leave behind one unit holds. */
#include <stdio.h>
#include <stdlib.h>

#include "offsets/historian.h"
#include "stages/ddl/model.h"
#include "stages/ddl/publish.h"
#include "stages/prepared.h"
#include "tests/check.h"
#include "tests/support/binlog_writer.h"
#include "tests/support/sequencer_rig.h"

#define MAGIC_BYTES 4

static struct rig rig;
static struct tr_binlog_writer writer;

static const struct tr_stream stream = {.name = "p"};

static struct tr_ddl_model *begin_log(enum tr_flavor flavor)
{
    const struct tr_ddl_options options = {.flavor = flavor};
    struct tr_ddl_model *model;
    struct tr_error err;

    assert_int_equal(tr_ddl_model_open(&model, &options, &err), TR_OK);
    writer = (struct tr_binlog_writer){.flavor = flavor, .server_id = 7, .timestamp_s = 1700000000};
    tr_binlog_writer_start(&writer);
    return model;
}

static void write_drops(uint32_t count)
{
    char sql[64];

    for (uint32_t i = 0; i < count; i++) {
        (void)snprintf(sql, sizeof(sql), "DROP TABLE IF EXISTS `d`.`t%u`", i);
        tr_binlog_writer_query(&writer, "d", sql);
    }
}

/* Feeds the log; each unit's records stay within its bound. Returns their bytes. */
static uint64_t run(struct tr_ddl_model *model, bool schemas, uint32_t records)
{
    const struct tr_ddl_publisher publisher = {.flavor = writer.flavor,
                                               .topic_prefix = tr_span_of_text("p"),
                                               .stream = &stream,
                                               .key_schemas = schemas,
                                               .value_schemas = schemas};
    uint64_t sum_bytes = 0;

    rig_open(&rig, &(struct rig_options){.flavor = writer.flavor,
                                         .file = "b.000001",
                                         .unit_count = 4,
                                         .ddl = model,
                                         .publisher = &publisher});
    rig_feed(&rig, tr_span_of(writer.out.bytes + MAGIC_BYTES, writer.out.used - MAGIC_BYTES),
             TR_CHUNK_BYTES);
    assert_null(tr_fault_seen(&rig.fault));
    assert_int_equal(rig.item_count, records);
    for (uint32_t i = 0; i < rig.taken_count; i++) {
        sum_bytes += rig.taken[i].prepared_bytes;
        assert_in_range(rig.taken[i].prepared_bytes, 0, TR_UNIT_OUTPUT_BYTES_MAX + 65536);
    }
    rig_close(&rig);
    tr_ddl_model_close(model);
    tr_buffer_free(&writer.out);
    return sum_bytes;
}

/* DROP TABLE of sixty bytes leaves a record of thousands, with its schema: a chunk of them must not
 * make a unit that outgrows its bound, or 100,000 tables take gigabytes. */
static void records_of_small_statements_are_spread_over_units(void **state)
{
    (void)state;
    struct tr_ddl_model *model = begin_log(TR_FLAVOR_MYSQL);
    write_drops(2000);
    assert_true(run(model, true, 2000) > 2 * TR_UNIT_OUTPUT_BYTES_MAX); /* or nothing was tested */
}

/* CONVERT PARTITION changes one table and makes another. */
static void statement_of_two_records_has_room_for_both(void **state)
{
    (void)state;
    struct tr_ddl_model *model = begin_log(TR_FLAVOR_MARIADB);
    tr_binlog_writer_query(&writer, "d", "CREATE TABLE d.p (id INT PRIMARY KEY)");
    write_drops(TR_UNIT_ITEMS_MAX - 2);
    tr_binlog_writer_query(&writer, "d", "ALTER TABLE d.p CONVERT PARTITION a TO TABLE d.q");
    (void)run(model, false, TR_UNIT_ITEMS_MAX + 1);
}

/* Stores what was sent: its bytes. */
static uint64_t store_documents(struct tr_ring *history)
{
    uint64_t bytes = 0;
    void *slots;

    while (tr_ring_peek(history, 1, &slots) == 1) {
        const struct tr_history_entry *entry = slots;
        bytes += entry->bytes;
        free(entry->text);
        tr_ring_release(history, 1);
    }
    return bytes;
}

/* A history that is away, and wide tables: a thousand documents would be a gigabyte. */
static void documents_that_nobody_stores_are_bounded(void **state)
{
    static char sql[32768];
    const struct tr_ddl_publisher publisher = {
        .flavor = TR_FLAVOR_MYSQL, .topic_prefix = tr_span_of_text("p"), .wants_documents = true};
    struct tr_ring history;
    struct tr_error err;
    uint64_t stored_bytes = 0;
    uint32_t rounds = 0;

    (void)state;
    struct tr_ddl_model *model = begin_log(TR_FLAVOR_MYSQL);
    assert_int_equal(
        tr_ring_init(&history, TR_HISTORY_RING_SLOTS, sizeof(struct tr_history_entry), &err),
        TR_OK);
    for (int i = 0; i < 130; i++) {
        size_t at = (size_t)snprintf(sql, sizeof(sql), "CREATE TABLE d.t%d (", i);
        for (int k = 0; k < 1000; k++) {
            at += (size_t)snprintf(sql + at, sizeof(sql) - at, "%s c%d INT", k > 0 ? "," : "", k);
        }
        (void)snprintf(sql + at, sizeof(sql) - at, ")");
        tr_binlog_writer_query(&writer, "d", sql);
    }
    rig_open(&rig, &(struct rig_options){.flavor = TR_FLAVOR_MYSQL,
                                         .file = "b.000001",
                                         .ddl = model,
                                         .publisher = &publisher,
                                         .history = &history});
    rig_feed(&rig, tr_span_of(writer.out.bytes + MAGIC_BYTES, writer.out.used - MAGIC_BYTES),
             TR_CHUNK_BYTES);
    for (uint64_t bytes = 1; bytes > 0; rounds++) {
        rig_run(&rig);
        assert_null(tr_fault_seen(&rig.fault));
        bytes = store_documents(&history);
        assert_in_range(bytes, 0, TR_HISTORY_BYTES_MAX + (1 << 20));
        stored_bytes += bytes;
        atomic_store_explicit(&rig.progress.history_bytes, stored_bytes, memory_order_release);
    }
    assert_true(rounds > 2); /* it waited, and went on */
    assert_int_equal(rig.sequencer.offset, writer.out.used);
    rig_close(&rig);
    tr_ring_deinit(&history);
    tr_ddl_model_close(model);
    tr_buffer_free(&writer.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_small_statements_are_spread_over_units),
        cmocka_unit_test(documents_that_nobody_stores_are_bounded),
        cmocka_unit_test(statement_of_two_records_has_room_for_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
