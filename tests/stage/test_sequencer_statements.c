// SPDX-License-Identifier: Apache-2.0
/* Statements through the DDL model: how much of what they leave behind one unit holds. */
#include <stdio.h>

#include "stages/ddl/model.h"
#include "stages/ddl/publish.h"
#include "stages/prepared.h"
#include "tests/check.h"
#include "tests/support/binlog_writer.h"
#include "tests/support/sequencer_rig.h"

#define MAGIC_BYTES 4
#define STATEMENTS 2000

static struct rig rig;
static struct tr_binlog_writer writer;

/* DROP TABLE of sixty bytes leaves a record of thousands, with its schema: a chunk of them must not
 * make a unit that outgrows its bound, or 100,000 tables take gigabytes. */
static void records_of_small_statements_are_spread_over_units(void **state)
{
    static const struct tr_stream stream = {.name = "p"};
    const struct tr_ddl_publisher publisher = {.flavor = TR_FLAVOR_MYSQL,
                                               .topic_prefix = tr_span_of_text("p"),
                                               .stream = &stream,
                                               .key_schemas = true,
                                               .value_schemas = true};
    const struct tr_ddl_options options = {.flavor = TR_FLAVOR_MYSQL};
    struct tr_ddl_model *model;
    struct tr_error err;
    char sql[64];

    (void)state;
    assert_int_equal(tr_ddl_model_open(&model, &options, &err), TR_OK);
    writer = (struct tr_binlog_writer){
        .flavor = TR_FLAVOR_MYSQL, .server_id = 7, .timestamp_s = 1700000000};
    tr_binlog_writer_start(&writer);
    for (int i = 0; i < STATEMENTS; i++) {
        (void)snprintf(sql, sizeof(sql), "DROP TABLE IF EXISTS `d`.`t%d`", i);
        tr_binlog_writer_query(&writer, "d", sql);
    }
    rig_open(&rig, &(struct rig_options){.flavor = TR_FLAVOR_MYSQL,
                                         .file = "b.000001",
                                         .unit_count = 4,
                                         .ddl = model,
                                         .publisher = &publisher});
    rig_feed(&rig, tr_span_of(writer.out.bytes + MAGIC_BYTES, writer.out.used - MAGIC_BYTES),
             TR_CHUNK_BYTES);
    assert_null(tr_fault_seen(&rig.fault));
    assert_int_equal(rig.item_count, STATEMENTS);
    uint64_t sum_bytes = 0;
    for (uint32_t i = 0; i < rig.taken_count; i++) {
        const uint64_t bytes = rig.taken[i].prepared_bytes;
        sum_bytes += bytes;
        assert_in_range(bytes, 0, TR_UNIT_OUTPUT_BYTES_MAX + sum_bytes / STATEMENTS + 65536);
    }
    assert_true(sum_bytes > 2 * TR_UNIT_OUTPUT_BYTES_MAX); /* or nothing was tested */
    rig_close(&rig);
    tr_ddl_model_close(model);
    tr_buffer_free(&writer.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_small_statements_are_spread_over_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
