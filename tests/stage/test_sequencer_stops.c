// SPDX-License-Identifier: Apache-2.0
/* What the sequencer refuses: everything before it is delivered, the position stays before it, one
 * line says why. */
#include <stdio.h>
#include <stdlib.h>

#include "stages/schema/table_map.h"
#include "tests/check.h"
#include "tests/support/binlog_writer.h"
#include "tests/support/sequencer_rig.h"

#define MAGIC_BYTES 4

static struct rig rig;
static struct tr_binlog_writer writer;

static const struct tr_writer_column two_columns[] = {{"id", TR_WRITER_INT, 0, false, false},
                                                      {"name", TR_WRITER_VARCHAR, 40, true, false}};
static const struct tr_writer_column three_columns[] = {
    {"id", TR_WRITER_INT, 0, false, false},
    {"n", TR_WRITER_BIGINT, 0, true, true},
    {"name", TR_WRITER_VARCHAR, 40, true, false}};
static const struct tr_writer_table orders = {.table_id = 70,
                                              .database = "shop",
                                              .name = "orders",
                                              .column_count = 2,
                                              .columns = two_columns,
                                              .key_column = 0};
static const struct tr_writer_table orders_altered = {.table_id = 71,
                                                      .database = "shop",
                                                      .name = "orders",
                                                      .column_count = 3,
                                                      .columns = three_columns,
                                                      .key_column = 0};

static void begin_log(enum tr_flavor flavor, bool full_metadata, bool checksums)
{
    writer = (struct tr_binlog_writer){.flavor = flavor,
                                       .checksums = checksums,
                                       .full_metadata = full_metadata,
                                       .server_id = 7,
                                       .timestamp_s = 1700000000};
    tr_binlog_writer_start(&writer);
}

static void write_row(const struct tr_writer_table *table, int op)
{
    const struct tr_writer_value values[3] = {
        {.number = 1}, {.number = 2, .text = tr_span_of_text("a")}, {.text = tr_span_of_text("b")}};
    tr_binlog_writer_table_map(&writer, table);
    tr_binlog_writer_rows_begin(&writer, table, op);
    tr_binlog_writer_image(&writer, table, values);
    tr_binlog_writer_rows_end(&writer);
}

static void write_transaction(const struct tr_writer_table *table, uint64_t number)
{
    tr_binlog_writer_gtid(&writer, number, false, INT64_C(1700000000123456));
    if (writer.flavor == TR_FLAVOR_MYSQL) {
        tr_binlog_writer_query(&writer, "shop", "BEGIN");
    }
    write_row(table, 0);
    tr_binlog_writer_xid(&writer, number);
}

static uint64_t write_statement(const char *sql, uint64_t number)
{
    const uint64_t pos = writer.out.used;
    tr_binlog_writer_gtid(&writer, number, true, INT64_C(1700000000123456));
    tr_binlog_writer_query(&writer, "shop", sql);
    return pos;
}

static void run(struct rig_options options)
{
    options.flavor = writer.flavor;
    options.file = "b.000001";
    options.gtids = "";
    rig_open(&rig, &options);
    rig_feed(&rig, tr_span_of(writer.out.bytes + MAGIC_BYTES, writer.out.used - MAGIC_BYTES),
             TR_CHUNK_BYTES);
    rig_send_empty(&rig, TR_CHUNK_END);
}

static void end(void)
{
    rig_close(&rig);
    tr_buffer_free(&writer.out);
}

static void passed(uint32_t item_count)
{
    const struct tr_error *fault = tr_fault_seen(&rig.fault);
    if (fault != NULL) {
        fail_msg("%s", fault->text);
    }
    assert_int_equal(rig.item_count, item_count);
    end();
}

/* The engine stopped: with that code, those words in its line, the position not behind `pos`. */
static void stopped(enum tr_code code, const char *const *words, uint32_t item_count, uint64_t pos)
{
    const struct tr_error *fault = tr_fault_seen(&rig.fault);
    assert_non_null(fault);
    if (fault->code != code) {
        fail_msg("%s: %s, want %s", fault->text, tr_code_name(fault->code), tr_code_name(code));
    }
    assert_int_equal(fault->remedy, TR_STOP);
    for (size_t i = 0; words[i] != NULL; i++) {
        if (strstr(fault->text, words[i]) == NULL) {
            fail_msg("\"%s\" does not say \"%s\"", fault->text, words[i]);
        }
    }
    assert_int_equal(rig.item_count, item_count);
    assert_true(rig.taken_count > 0);
    assert_int_equal(rig.taken[rig.taken_count - 1].position.end.pos, pos);
    assert_false(rig.taken[rig.taken_count - 1].is_end);
    end();
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct tr_table *model_of(const struct tr_writer_table *table)
{
    struct tr_error err;
    struct tr_table_map map;
    struct tr_wire_column wire[8];
    struct tr_binlog_writer full = {.flavor = TR_FLAVOR_MYSQL, .full_metadata = true};
    tr_binlog_writer_table_map(&full, table);
    assert_int_equal(tr_table_map_parse(&map, TR_FLAVOR_MYSQL,
                                        tr_span_of(full.out.bytes + 19, full.out.used - 19), &err),
                     TR_OK);
    assert_int_equal(tr_table_map_wire(&map, wire, &err), TR_OK);
    struct tr_table *model = tr_table_map_build(&map, wire, false, &err);
    assert_non_null(model);
    tr_buffer_free(&full.out);
    return model;
}

static void sequencer_rebuilds_the_version_after_ddl_under_full_metadata(void **state)
{
    (void)state;
    for (int flavor = 0; flavor <= 1; flavor++) {
        begin_log((enum tr_flavor)flavor, true, true);
        write_transaction(&orders, 1);
        (void)write_statement("ALTER TABLE orders ADD n BIGINT UNSIGNED AFTER id", 2);
        write_transaction(&orders_altered, 3);
        run((struct rig_options){.strict = true});
        assert_int_equal(rig.items[0].column_count, 2);
        assert_int_equal(rig.items[1].column_count, 3);
        passed(2);
    }
}

static void sequencer_frees_a_replaced_version_once_its_units_are_routed(void **state)
{
    (void)state;
    begin_log(TR_FLAVOR_MYSQL, true, true);
    write_transaction(&orders, 1);
    run((struct rig_options){.strict = true});
    const uint64_t one_version = tr_catalog_memory_bytes(rig.catalog);
    end();
    begin_log(TR_FLAVOR_MYSQL, true, true);
    for (uint64_t i = 0; i < 50; i++) {
        (void)write_statement("ALTER TABLE orders FORCE", 2 * i + 1);
        write_transaction(&orders, 2 * i + 2);
    }
    run((struct rig_options){.strict = true});
    rig_run(&rig);
    assert_true(tr_catalog_memory_bytes(rig.catalog) <= one_version);
    passed(50);
}

static void sequencer_stops_at_a_captured_table_that_nothing_describes(void **state)
{
    (void)state;
    begin_log(TR_FLAVOR_MYSQL, false, true);
    (void)write_statement("CREATE TABLE orders (id INT)", 1);
    const uint64_t gtid_bytes = writer.out.used;
    tr_binlog_writer_gtid(&writer, 2, false, 0);
    const uint64_t begin = writer.out.used;
    writer.out.used = gtid_bytes;
    write_transaction(&orders, 2);
    run((struct rig_options){.strict = true});
    stopped(TR_ERR_SCHEMA, WORDS("shop.orders", "b.000001:", "SET GLOBAL binlog_row_metadata=FULL"),
            0, begin);

    begin_log(TR_FLAVOR_MYSQL, false, true);
    write_transaction(&orders, 1);
    run((struct rig_options){.strict = true, .table_include = "shop\\.other"});
    passed(0);
}

static void sequencer_reads_rows_without_metadata_by_the_model_of_the_start(void **state)
{
    (void)state;
    begin_log(TR_FLAVOR_MYSQL, false, true);
    write_transaction(&orders, 1);
    run((struct rig_options){.strict = true, .model = model_of(&orders)});
    passed(1);

    begin_log(TR_FLAVOR_MYSQL, false, true);
    write_transaction(&orders, 1);
    run((struct rig_options){.strict = true, .model = model_of(&orders_altered)});
    const uint64_t begin = rig.taken[rig.taken_count - 1].position.end.pos;
    stopped(TR_ERR_SCHEMA, WORDS("shop.orders", "the log has 2 columns, the schema has 3", "FULL"),
            0, begin);
}

static void sequencer_stops_at_ddl_that_the_log_does_not_explain(void **state)
{
    (void)state;
    static const char *const statements[] = {
        "ALTER TABLE orders ADD n INT",
        "RENAME TABLE shop.orders TO shop.old, shop.new TO shop.orders",
        "/* gh-ost */ ALTER TABLE `shop`.`orders` DROP COLUMN name",
        "CREATE OR REPLACE TABLE orders (id INT)",
    };
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        begin_log(TR_FLAVOR_MYSQL, false, true);
        write_transaction(&orders, 1);
        const uint64_t pos = write_statement(statements[i], 2);
        write_transaction(&orders_altered, 3);
        run((struct rig_options){.strict = true, .model = model_of(&orders)});
        assert_string_equal(rig_executed(&rig), "00000000-0000-0000-0000-000000000000:1-1");
        stopped(TR_ERR_UNSUPPORTED,
                WORDS("TABLE", "shop.orders", "SET GLOBAL binlog_row_metadata=FULL"), 1, pos);
    }
}

static void sequencer_passes_ddl_that_changes_no_captured_columns(void **state)
{
    (void)state;
    begin_log(TR_FLAVOR_MYSQL, false, true);
    write_transaction(&orders, 1);
    (void)write_statement("ALTER TABLE other ADD n INT", 2);
    (void)write_statement("TRUNCATE TABLE orders", 3);
    (void)write_statement("CREATE TABLE IF NOT EXISTS orders (id INT)", 4);
    (void)write_statement("CREATE INDEX i ON orders (name)", 5);
    (void)write_statement("DROP TABLE other", 6);
    (void)write_statement("CREATE TABLE new_one (id INT)", 7);
    (void)write_statement("CREATE TEMPORARY TABLE orders (x INT)", 8);
    (void)write_statement("DROP TEMPORARY TABLE orders", 9);
    (void)write_statement("DROP DATABASE elsewhere", 10);
    write_transaction(&orders, 11);
    run((struct rig_options){.strict = true, .model = model_of(&orders)});
    passed(2);
}

static void sequencer_forgets_a_dropped_table(void **state)
{
    (void)state;
    begin_log(TR_FLAVOR_MYSQL, false, true);
    write_transaction(&orders, 1);
    (void)write_statement("DROP TABLE orders", 2);
    (void)write_statement("CREATE TABLE orders (id INT, name TEXT)", 3);
    write_transaction(&orders, 4); /* as many columns: that proves nothing */
    run((struct rig_options){.strict = true, .model = model_of(&orders)});
    assert_int_equal(tr_fault_seen(&rig.fault)->code, TR_ERR_SCHEMA);
    assert_int_equal(rig.item_count, 1);
    end();
}

static void sequencer_stops_at_changes_written_as_statements(void **state)
{
    (void)state;
    begin_log(TR_FLAVOR_MYSQL, true, true);
    write_transaction(&orders, 1);
    tr_binlog_writer_gtid(&writer, 2, false, 0);
    const uint64_t begin = writer.out.used;
    tr_binlog_writer_query(&writer, "shop", "BEGIN");
    tr_binlog_writer_query(&writer, "shop", "UPDATE orders SET name = 'x'");
    tr_binlog_writer_xid(&writer, 2);
    run((struct rig_options){.strict = true});
    stopped(TR_ERR_UNSUPPORTED, WORDS("shop.orders", "statement", "binlog_format=ROW"), 1, begin);

    begin_log(TR_FLAVOR_MYSQL, true, true);
    (void)write_statement("INSERT INTO elsewhere.t VALUES (1)", 1);
    write_transaction(&orders, 2);
    run((struct rig_options){.strict = true, .table_include = "shop\\..*"});
    passed(1);
}

/* One more event without checksum, of any type. */
static void write_event(uint8_t type, uint16_t flags, const char *body)
{
    const size_t at = writer.out.used;
    const size_t body_bytes = strlen(body);
    tr_buffer_append_uint(&writer.out, 1700000000, 4);
    tr_buffer_append_uint(&writer.out, type, 1);
    tr_buffer_append_uint(&writer.out, 7, 4);
    tr_buffer_append_uint(&writer.out, TR_EVENT_HEADER_BYTES + body_bytes, 4);
    tr_buffer_append_uint(&writer.out, at + TR_EVENT_HEADER_BYTES + body_bytes, 4);
    tr_buffer_append_uint(&writer.out, flags, 2);
    tr_buffer_append(&writer.out, body, body_bytes);
}

static void sequencer_stops_at_events_it_does_not_know(void **state)
{
    (void)state;
    begin_log(TR_FLAVOR_MYSQL, true, false);
    write_transaction(&orders, 1);
    write_event(99, TR_EVENT_FLAG_IGNORABLE, "****");
    const uint64_t pos = writer.out.used;
    write_event(98, 0, "****");
    run((struct rig_options){.strict = true});
    stopped(TR_ERR_UNSUPPORTED, WORDS("event type 98", "b.000001:"), 1, pos);

    begin_log(TR_FLAVOR_MYSQL, true, false);
    write_transaction(&orders, 1);
    const uint64_t incident_pos = writer.out.used;
    write_event(TR_EVENT_INCIDENT, 0,
                "\x01\x01\x04lost"); /* number 0x0101: 1 would need a NUL byte */
    run((struct rig_options){.strict = true});
    stopped(TR_ERR_SOURCE_GONE, WORDS("lost events", "snapshot"), 1, incident_pos);
}

static void sequencer_stops_at_a_log_of_the_other_server(void **state)
{
    (void)state;
    begin_log(TR_FLAVOR_MARIADB, true, true);
    rig_open(&rig,
             &(struct rig_options){.flavor = TR_FLAVOR_MYSQL, .file = "b.000001", .gtids = ""});
    rig_feed(&rig, tr_span_of(writer.out.bytes + MAGIC_BYTES, writer.out.used - MAGIC_BYTES),
             TR_CHUNK_BYTES);
    stopped(TR_ERR_UNSUPPORTED, WORDS("MariaDB", "connector"), 0, MAGIC_BYTES);
}

/* The same log, damaged: it must end in a fault of the log, and what came out must be the beginning
 * of what should. */
static void check_damaged(const uint8_t *log, size_t log_bytes, const struct rig_item *wanted,
                          uint32_t wanted_count, size_t where)
{
    rig_open(&rig,
             &(struct rig_options){.flavor = TR_FLAVOR_MYSQL, .file = "b.000001", .gtids = ""});
    rig_feed(&rig, tr_span_of(log, log_bytes), TR_CHUNK_BYTES);
    rig_send_empty(&rig, TR_CHUNK_END);
    const struct tr_error *fault = tr_fault_seen(&rig.fault);
    if (rig.item_count > wanted_count ||
        memcmp(rig.items, wanted, rig.item_count * sizeof(*wanted)) != 0) {
        fail_msg("damaged at byte %zu: other rows came out", where);
    }
    if (fault == NULL && rig.item_count != wanted_count) {
        fail_msg("damaged at byte %zu: rows are missing without a fault", where);
    }
    if (fault != NULL && fault->code != TR_ERR_PROTOCOL && fault->code != TR_ERR_UNSUPPORTED) {
        fail_msg("damaged at byte %zu: %s", where, fault->text);
    }
    rig_close(&rig);
}

static void sequencer_finds_every_flipped_byte_and_every_cut(void **state)
{
    (void)state;
    begin_log(TR_FLAVOR_MYSQL, true, true);
    write_transaction(&orders, 1);
    (void)write_statement("ALTER TABLE orders ADD n BIGINT UNSIGNED AFTER id", 2);
    write_transaction(&orders_altered, 3);
    run((struct rig_options){.strict = false});
    const uint32_t wanted_count = rig.item_count;
    struct rig_item *wanted = calloc(wanted_count, sizeof(*wanted));
    memcpy(wanted, rig.items, wanted_count * sizeof(*wanted));
    rig_close(&rig);
    uint8_t *log = writer.out.bytes + MAGIC_BYTES;
    const size_t log_bytes = writer.out.used - MAGIC_BYTES;
    for (size_t i = 0; i < log_bytes; i++) {
        log[i] ^= 0x40;
        check_damaged(log, log_bytes, wanted, wanted_count, i);
        log[i] ^= 0x40;
    }
    for (size_t bytes = 0; bytes < log_bytes; bytes++) {
        rig_open(&rig,
                 &(struct rig_options){.flavor = TR_FLAVOR_MYSQL, .file = "b.000001", .gtids = ""});
        rig_feed(&rig, tr_span_of(log, bytes), TR_CHUNK_BYTES);
        assert_in_range(rig.item_count, 0, wanted_count);
        assert_memory_equal(rig.items, wanted, rig.item_count * sizeof(*wanted));
        rig_close(&rig);
    }
    free(wanted);
    tr_buffer_free(&writer.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequencer_rebuilds_the_version_after_ddl_under_full_metadata),
        cmocka_unit_test(sequencer_frees_a_replaced_version_once_its_units_are_routed),
        cmocka_unit_test(sequencer_stops_at_a_captured_table_that_nothing_describes),
        cmocka_unit_test(sequencer_reads_rows_without_metadata_by_the_model_of_the_start),
        cmocka_unit_test(sequencer_stops_at_ddl_that_the_log_does_not_explain),
        cmocka_unit_test(sequencer_passes_ddl_that_changes_no_captured_columns),
        cmocka_unit_test(sequencer_forgets_a_dropped_table),
        cmocka_unit_test(sequencer_stops_at_changes_written_as_statements),
        cmocka_unit_test(sequencer_stops_at_events_it_does_not_know),
        cmocka_unit_test(sequencer_stops_at_a_log_of_the_other_server),
        cmocka_unit_test(sequencer_finds_every_flipped_byte_and_every_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
