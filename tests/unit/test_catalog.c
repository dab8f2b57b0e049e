// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "stages/schema/catalog.h"
#include "stages/schema/table_map.h"
#include "tests/check.h"
#include "tests/support/binlog_writer.h"

static struct tr_catalog *catalog;
static struct tr_filter *filter;
static struct tr_streams *streams;
static struct tr_error err;
static struct tr_buffer map; /* the last TABLE_MAP's body */

static const struct tr_writer_column columns[] = {{"id", TR_WRITER_INT, 0, false, true},
                                                  {"name", TR_WRITER_VARCHAR, 40, true, false}};

static void open_catalog(struct tr_catalog_options options)
{
    const struct tr_filter_options lists = {.table_exclude = tr_span_of_text("d\\.hidden.*")};
    assert_int_equal(tr_filter_open(&filter, &lists, &err), TR_OK);
    assert_int_equal(tr_streams_open(&streams, 1, &err), TR_OK);
    options.filter = filter;
    options.streams = streams;
    options.topic.prefix = tr_span_of_text("p");
    options.bytes_max = options.bytes_max == 0 ? 1u << 20 : options.bytes_max;
    assert_int_equal(tr_catalog_open(&catalog, &options, &err), TR_OK);
}

static void close_catalog(void)
{
    tr_catalog_close(catalog);
    tr_filter_close(filter);
    tr_streams_close(streams);
    tr_buffer_free(&map);
}

static struct tr_span map_of(uint64_t table_id, const char *name, bool full_metadata)
{
    const struct tr_writer_table table = {.table_id = table_id,
                                          .database = "d",
                                          .name = name,
                                          .column_count = 2,
                                          .columns = columns,
                                          .key_column = 0};
    struct tr_binlog_writer writer = {.flavor = TR_FLAVOR_MYSQL, .full_metadata = full_metadata};
    tr_binlog_writer_table_map(&writer, &table);
    tr_buffer_free(&map);
    map = writer.out;
    return tr_span_of(map.bytes + 19, map.used - 19);
}

static struct tr_schema *bind(uint64_t table_id, const char *name, bool full_metadata)
{
    bool captured;
    struct tr_schema *schema = NULL;
    if (tr_catalog_bind(catalog, map_of(table_id, name, full_metadata), &captured, &err) != TR_OK) {
        return NULL;
    }
    const enum tr_find found = tr_catalog_find(catalog, table_id, &schema);
    assert_int_equal(found, captured ? TR_FIND_CAPTURED : TR_FIND_IGNORED);
    return schema;
}

static struct tr_table *model(const char *name)
{
    struct tr_table_map parsed;
    struct tr_wire_column wire[2];
    assert_int_equal(tr_table_map_parse(&parsed, TR_FLAVOR_MYSQL, map_of(1, name, true), &err),
                     TR_OK);
    assert_int_equal(tr_table_map_wire(&parsed, wire, &err), TR_OK);
    struct tr_table *table = tr_table_map_build(&parsed, wire, false, &err);
    assert_non_null(table);
    table->from_log = false;
    table->columns[1].has_default = true;
    table->columns[1].default_text = tr_table_text(table, tr_span_of_text("nobody"));
    return table;
}

static void catalog_recognises_a_map_by_its_bytes_under_any_id(void **state)
{
    (void)state;
    open_catalog((struct tr_catalog_options){0});
    const struct tr_schema *schema = bind(70, "t", true);
    assert_non_null(schema);
    assert_string_equal(schema->stream->name, "p.d.t");
    const uint64_t bytes = tr_catalog_memory_bytes(catalog);
    assert_ptr_equal(bind(70, "t", true), schema);
    assert_ptr_equal(bind(71, "t", true), schema);
    assert_int_equal(tr_catalog_memory_bytes(catalog), bytes);
    close_catalog();
}

static void catalog_ids_end_with_the_file(void **state)
{
    (void)state;
    struct tr_schema *schema;
    open_catalog((struct tr_catalog_options){0});
    (void)bind(70, "t", true);
    tr_catalog_forget_ids(catalog);
    assert_int_equal(tr_catalog_find(catalog, 70, &schema), TR_FIND_NOT_BOUND);
    /* The server was started again: the id stands for another table. */
    assert_string_equal(bind(70, "u", true)->stream->name, "p.d.u");
    assert_int_equal(tr_catalog_find(catalog, 99, &schema), TR_FIND_NOT_BOUND);
    close_catalog();
}

static void catalog_ignores_what_is_not_captured_and_keeps_little_of_it(void **state)
{
    (void)state;
    open_catalog((struct tr_catalog_options){0});
    assert_null(bind(70, "hidden", false));
    assert_in_range(tr_catalog_memory_bytes(catalog), 1, 400);
    assert_null(bind(70, "hidden", false));
    assert_null(bind(71, "hidden2", false));
    close_catalog();
}

/* Gives the catalog a model, and with it the only share. */
static enum tr_code set_model(struct tr_table *table)
{
    const enum tr_code code =
        tr_catalog_set_model(catalog, table->database, table->name, table, &err);
    tr_table_close(table);
    return code;
}

static void catalog_keeps_the_models_extras_while_the_log_agrees(void **state)
{
    (void)state;
    for (int full = 0; full <= 1; full++) {
        open_catalog((struct tr_catalog_options){0});
        assert_int_equal(set_model(model("t")), TR_OK);
        const struct tr_schema *schema = bind(70, "t", full != 0);
        assert_non_null(schema);
        assert_true(schema->table->columns[1].has_default);
        assert_false(schema->table->from_log);
        close_catalog();
    }
    open_catalog((struct tr_catalog_options){0});
    struct tr_table *other = model("t");
    other->columns[0].is_unsigned = false;
    assert_int_equal(set_model(other), TR_OK);
    const struct tr_schema *schema = bind(70, "t", true); /* FULL metadata wins */
    assert_non_null(schema);
    assert_true(schema->table->from_log);
    assert_true(schema->table->columns[0].is_unsigned);
    assert_false(schema->table->columns[1].has_default);
    close_catalog();
}

static void catalog_refuses_to_grow_above_its_bound(void **state)
{
    (void)state;
    open_catalog((struct tr_catalog_options){.bytes_max = 20000});
    char name[16];
    uint32_t count = 0;
    do {
        (void)snprintf(name, sizeof(name), "t%u", count);
    } while (bind(100 + count++, name, true) != NULL);
    assert_in_range(count, 2, 100);
    assert_int_equal(err.code, TR_ERR_MEMORY_LIMIT);
    assert_non_null(strstr(err.text, "tailrace.catalog.max.bytes = 20000"));
    assert_true(tr_catalog_memory_bytes(catalog) <= 20000);
    close_catalog();
}

/* A sequence's own map, and one that differs from it in one column's type. */
static void catalog_passes_over_sequences_of_mariadb(void **state)
{
    static const uint8_t body[] = {7, 0, 0, 0, 0, 0, 1, 0, 1, 'd', 0, 1, 's',
                                   0, 8, 8, 8, 8, 8, 8, 8, 1, 8,   0, 0};
    uint8_t other[sizeof(body)];
    struct tr_schema *schema = NULL;
    bool captured = true;

    (void)state;
    open_catalog((struct tr_catalog_options){.flavor = TR_FLAVOR_MARIADB});
    assert_int_equal(tr_catalog_bind(catalog, tr_span_of(body, sizeof(body)), &captured, &err),
                     TR_OK);
    assert_false(captured);
    assert_int_equal(tr_catalog_find(catalog, 7, &schema), TR_FIND_IGNORED);
    memcpy(other, body, sizeof(body));
    other[16] = 3;
    assert_int_equal(tr_catalog_bind(catalog, tr_span_of(other, sizeof(other)), &captured, &err),
                     TR_ERR_SCHEMA);
    memcpy(other, body, sizeof(body));
    other[24] = 4; /* a column that allows NULL */
    assert_int_equal(tr_catalog_bind(catalog, tr_span_of(other, sizeof(other)), &captured, &err),
                     TR_ERR_SCHEMA);
    close_catalog();
    open_catalog((struct tr_catalog_options){.flavor = TR_FLAVOR_MYSQL});
    assert_int_equal(tr_catalog_bind(catalog, tr_span_of(body, sizeof(body)), &captured, &err),
                     TR_ERR_SCHEMA);
    close_catalog();
}

static void catalog_holds_more_ids_than_it_keeps(void **state)
{
    (void)state;
    open_catalog((struct tr_catalog_options){0});
    for (uint64_t id = 1; id < 100000; id++) {
        tr_catalog_begin_group(catalog);
        assert_non_null(bind(id, "t", true));
    }
    struct tr_schema *schema;
    assert_int_equal(tr_catalog_find(catalog, 1, &schema), TR_FIND_NOT_BOUND);
    assert_int_equal(tr_catalog_find(catalog, 99999, &schema), TR_FIND_CAPTURED);
    close_catalog();
}

static void catalog_does_not_fill_up_with_tables_that_are_not_captured(void **state)
{
    (void)state;
    char name[24];
    open_catalog((struct tr_catalog_options){.bytes_max = 64 * 1024});
    const struct tr_schema *schema = bind(1, "t", true);
    for (uint64_t id = 2; id < 20000; id++) { /* made, written, dropped */
        bool captured = true;
        tr_catalog_begin_group(catalog);
        (void)snprintf(name, sizeof(name), "hidden%llu", (unsigned long long)id);
        assert_int_equal(tr_catalog_bind(catalog, map_of(id, name, false), &captured, &err), TR_OK);
        assert_false(captured);
        assert_ptr_equal(bind(1, "t", true), schema);
    }
    close_catalog();
}

static enum tr_code alter(const char *name)
{
    return tr_catalog_apply(catalog, TR_CHANGE_COLUMNS, "ALTER TABLE", tr_span_of_text("d"),
                            tr_span_of_text(name), &err);
}

static void catalog_compares_names_as_the_server_does(void **state)
{
    (void)state;
    open_catalog((struct tr_catalog_options){.fold_names = false});
    assert_int_equal(set_model(model("t")), TR_OK);
    assert_non_null(bind(70, "t", false));
    assert_int_equal(alter("T"), TR_OK); /* another table */
    assert_int_equal(alter("t"), TR_ERR_UNSUPPORTED);
    close_catalog();
    open_catalog((struct tr_catalog_options){.fold_names = true});
    assert_int_equal(set_model(model("t")), TR_OK);
    assert_non_null(bind(70, "t", false));
    assert_int_equal(alter("T"), TR_ERR_UNSUPPORTED);
    close_catalog();
}

static void catalog_believes_the_server_about_tables_it_has_not_seen(void **state)
{
    (void)state;
    open_catalog((struct tr_catalog_options){.metadata_is_full = false});
    assert_int_equal(set_model(model("t")), TR_OK);
    assert_int_equal(alter("t"), TR_ERR_UNSUPPORTED);
    close_catalog();
    open_catalog((struct tr_catalog_options){.metadata_is_full = true});
    assert_int_equal(set_model(model("t")), TR_OK);
    assert_int_equal(alter("t"), TR_OK);
    close_catalog();
}

static void catalog_frees_a_version_only_behind_its_last_unit(void **state)
{
    (void)state;
    open_catalog((struct tr_catalog_options){0});
    struct tr_schema *schema = bind(70, "t", true);
    schema->pinned_seq = 5;
    assert_int_equal(alter("t"), TR_OK);
    const uint64_t bytes = tr_catalog_memory_bytes(catalog);
    tr_catalog_collect(catalog, 4);
    assert_int_equal(tr_catalog_memory_bytes(catalog), bytes);
    assert_int_equal(schema->table->column_count, 2); /* still there */
    tr_catalog_collect(catalog, 5);
    assert_true(tr_catalog_memory_bytes(catalog) < bytes);
    close_catalog();
}

static struct tr_schema *bind_text(const char *name)
{
    bool captured;
    struct tr_schema *schema = NULL;
    if (tr_catalog_bind_text(catalog, tr_span_of_text("d"), tr_span_of_text(name), &schema,
                             &captured, &err) != TR_OK) {
        return NULL;
    }
    assert_int_equal(captured, schema != NULL);
    return schema;
}

static void catalog_reads_the_snapshots_rows_with_a_version_of_its_own(void **state)
{
    (void)state;
    open_catalog((struct tr_catalog_options){0});
    assert_null(bind_text("t"));
    assert_int_equal(err.code, TR_ERR_SCHEMA);
    assert_int_equal(set_model(model("t")), TR_OK);
    assert_int_equal(set_model(model("u")), TR_OK);
    const uint64_t bytes = tr_catalog_memory_bytes(catalog);
    struct tr_schema *text = bind_text("t");
    assert_non_null(text);
    assert_string_equal(text->stream->name, "p.d.t");
    assert_int_equal(text->wire[0].type, TR_WIRE_LONG);
    assert_ptr_equal(bind_text("t"), text);
    text->pinned_seq = 7;
    /* The next table's takes its place; it is freed when no unit can hold it. */
    struct tr_schema *next = bind_text("u");
    assert_non_null(next);
    const uint64_t both = tr_catalog_memory_bytes(catalog);
    tr_catalog_collect(catalog, 6);
    assert_int_equal(tr_catalog_memory_bytes(catalog), both);
    tr_catalog_collect(catalog, 7);
    assert_true(tr_catalog_memory_bytes(catalog) < both);
    /* The log's first map has a version apart from it, and ends it. */
    struct tr_schema *log = bind(70, "u", true);
    assert_non_null(log);
    assert_ptr_not_equal(log, next);
    assert_ptr_equal(log->table, next->table);
    tr_catalog_drop_text(catalog); /* there is none any more */
    text = bind_text("t");
    tr_catalog_drop_text(catalog);
    tr_catalog_collect(catalog, 7);
    assert_ptr_equal(bind(70, "u", true), log);
    assert_true(tr_catalog_memory_bytes(catalog) > bytes);
    close_catalog();
}

static void catalog_has_no_text_version_of_tables_that_are_not_captured(void **state)
{
    (void)state;
    bool captured = true;
    struct tr_schema *schema = NULL;
    open_catalog((struct tr_catalog_options){0});
    assert_int_equal(tr_catalog_bind_text(catalog, tr_span_of_text("d"), tr_span_of_text("hidden"),
                                          &schema, &captured, &err),
                     TR_OK);
    assert_false(captured);
    assert_null(schema);
    close_catalog();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(catalog_passes_over_sequences_of_mariadb),
        cmocka_unit_test(catalog_recognises_a_map_by_its_bytes_under_any_id),
        cmocka_unit_test(catalog_ids_end_with_the_file),
        cmocka_unit_test(catalog_ignores_what_is_not_captured_and_keeps_little_of_it),
        cmocka_unit_test(catalog_keeps_the_models_extras_while_the_log_agrees),
        cmocka_unit_test(catalog_refuses_to_grow_above_its_bound),
        cmocka_unit_test(catalog_holds_more_ids_than_it_keeps),
        cmocka_unit_test(catalog_does_not_fill_up_with_tables_that_are_not_captured),
        cmocka_unit_test(catalog_compares_names_as_the_server_does),
        cmocka_unit_test(catalog_believes_the_server_about_tables_it_has_not_seen),
        cmocka_unit_test(catalog_frees_a_version_only_behind_its_last_unit),
        cmocka_unit_test(catalog_reads_the_snapshots_rows_with_a_version_of_its_own),
        cmocka_unit_test(catalog_has_no_text_version_of_tables_that_are_not_captured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
