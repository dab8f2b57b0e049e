// SPDX-License-Identifier: Apache-2.0
/* The captured tables: listed as a start lists them, and a plan made of each as at its first row.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "engine/app/check.h"
#include "engine/app/settings.h"
#include "stages/schema/topic.h"
#include "stages/schema/wire_column.h"
#include "stages/source/query_rows.h"
#include "stages/source/schema_query.h"

#define LOCK_WAIT "SET SESSION lock_wait_timeout = 5" /* a table under ALTER is not waited for */
#define INCLUDE_LIST "debezium.source.table.include.list"
#define ROWS_LIST "debezium.source.snapshot.include.collection.list"
#define SQL_BYTES_MAX (4 * TR_NAME_BYTES_MAX + 64)

struct look {
    struct tr_check *check;
    struct tr_filter_order
        *lists[2]; /* owns; of included tables, and of those whose rows are read */
    struct tr_encode_options encode;
    uint32_t table_count;
    uint32_t keyless_count;
    uint32_t refused_count; /* types */
    uint32_t unreadable_count;
};

static enum tr_code is_captured(void *self, struct tr_span database, struct tr_span table,
                                bool *captured, struct tr_error *err)
{
    const struct look *look = self;
    for (size_t i = 0; i < sizeof(look->lists) / sizeof(look->lists[0]); i++) {
        if (tr_filter_order_note(look->lists[i], database, table, err) != TR_OK) {
            return err->code;
        }
    }
    return tr_filter_match(look->check->start.filter, database, table, captured, err);
}

/* Reported one by one up to a limit; the sum says how many more there are. */
static void report_some(struct look *look, const char *name, uint32_t *count,
                        const struct tr_error *err)
{
    if ((*count)++ < TR_CHECK_NAMES_MAX) {
        tr_check_report_fail(&look->check->report, name, err);
    }
}

static void check_types(struct look *look, const struct tr_table *table,
                        const struct tr_stream *stream)
{
    struct tr_wire_column *wire = calloc(table->column_count + 1, sizeof(*wire));
    struct tr_schema schema = {.table = table, .stream = stream, .wire = wire};
    struct tr_plan *plan = NULL;
    struct tr_error err;
    for (uint32_t i = 0; wire != NULL && i < table->column_count; i++) {
        wire[i] = tr_wire_column_of(&table->columns[i]);
    }
    if (wire == NULL) {
        (void)TR_FAIL(&err, TR_ERR_SYSTEM, TR_STOP, "no memory for a table: add memory");
        report_some(look, "tables.types", &look->refused_count, &err);
    } else if (tr_plan_open(&plan, &schema, &look->encode, &err) != TR_OK) {
        report_some(look, "tables.types", &look->refused_count, &err);
    }
    tr_plan_close(plan);
    free(wire);
}

static void check_select(struct look *look, const struct tr_table *table)
{
    char database[2 * TR_NAME_BYTES_MAX + 3];
    char name[2 * TR_NAME_BYTES_MAX + 3];
    char sql[SQL_BYTES_MAX];
    struct tr_error err;
    const struct tr_query_port *port = &look->check->start.query.port;
    tr_query_quote(database, table->database, '`');
    tr_query_quote(name, table->name, '`');
    (void)snprintf(sql, sizeof(sql), "SELECT * FROM %s.%s LIMIT 0", database, name);
    const enum tr_code code = port->run(port->self, sql, NULL, NULL, &err);
    if (code == TR_OK) {
        return;
    }
    if (code == TR_ERR_SOURCE_AUTH) {
        (void)TR_FAIL(&err, TR_ERR_SOURCE_AUTH, TR_STOP,
                      "table %s.%s may not be read: run GRANT SELECT ON %s.%s TO %s", database,
                      name, database, name, look->check->start.facts.user);
        report_some(look, "tables.select", &look->unreadable_count, &err);
        return;
    }
    tr_check_report_warn(&look->check->report, "tables.select", "%s", err.text);
}

static enum tr_code take_table(void *self, struct tr_table *table, struct tr_error *err)
{
    struct look *look = self;
    char topic[TR_STREAM_NAME_BYTES_MAX + 1];
    const struct tr_topic_options options = tr_settings_topic(look->check->config);
    const size_t bytes = tr_topic_write_name(&options, table->database, table->name, topic);
    const struct tr_stream *stream =
        tr_streams_intern(look->check->start.streams, tr_span_of(topic, bytes), err);
    if (stream != NULL) {
        look->table_count++;
        look->keyless_count += table->key_count == 0;
        if (table->column_count > 0) {
            check_types(look, table, stream);
        }
        check_select(look, table);
    }
    tr_table_close(table);
    return stream == NULL ? err->code : TR_OK;
}

/* Of a list's expressions those that no table has: misspelt, or of tables that may not be seen. */
static void report_unmatched(const struct look *look, const struct tr_filter_order *list,
                             const char *property)
{
    for (uint32_t i = 0; i < TR_CHECK_NAMES_MAX; i++) {
        const char *expression = tr_filter_order_unmatched(list, i);
        if (expression == NULL) {
            return;
        }
        tr_check_report_warn(
            &look->check->report, "tables.lists",
            "%s: \"%.200s\" matches no table that this user can see: correct it, or, if there is "
            "one, run GRANT SELECT ON it TO %s",
            property, expression, look->check->start.facts.user);
    }
}

static void report_sums(struct look *look)
{
    struct tr_check_report *report = &look->check->report;
    if (look->table_count == 0) {
        tr_check_report_warn(
            report, "tables.captured",
            "no table that this user can see matches database.include.list, "
            "table.include.list and their exclude lists: correct them, or run GRANT "
            "SELECT ON the tables TO %s",
            look->check->start.facts.user);
        return;
    }
    if (look->keyless_count == 0) {
        tr_check_report_ok(report, "tables.captured", "%" PRIu32 " table%s", look->table_count,
                           look->table_count == 1 ? "" : "s");
    } else {
        tr_check_report_warn(report, "tables.captured",
                             "%" PRIu32 " tables, %" PRIu32 " of them without a primary or unique "
                             "key: all records of such a table go to one shard",
                             look->table_count, look->keyless_count);
    }
    const struct {
        const char *name;
        const char *good;
        uint32_t count;
    } sums[] = {{"tables.select", "all may be read", look->unreadable_count},
                {"tables.types", "all columns can be delivered", look->refused_count}};
    for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
        if (sums[i].count == 0) {
            tr_check_report_ok(report, sums[i].name, "%s", sums[i].good);
        } else if (sums[i].count > TR_CHECK_NAMES_MAX) {
            tr_check_report_warn(report, sums[i].name, "and %" PRIu32 " tables more",
                                 sums[i].count - TR_CHECK_NAMES_MAX);
        }
    }
}

void tr_check_tables(struct tr_check *check)
{
    struct tr_start *start = &check->start;
    struct look look = {.check = check, .encode = tr_settings_encode(check->config, &start->facts)};
    const struct tr_schema_query query = {.port = &start->query.port,
                                          .flavor = start->facts.flavor,
                                          .filter = is_captured,
                                          .filter_self = &look,
                                          .on_table = take_table,
                                          .on_table_self = &look};
    struct tr_error err;
    if (tr_filter_order_open(&look.lists[0], INCLUDE_LIST,
                             tr_span_of_text(check->config->table_include_list), &err) != TR_OK ||
        tr_filter_order_open(&look.lists[1], ROWS_LIST,
                             tr_span_of_text(check->config->snapshot_include_list),
                             &err) != TR_OK ||
        start->query.port.run(start->query.port.self, LOCK_WAIT, NULL, NULL, &err) != TR_OK ||
        tr_schema_query_tables(&query, &err) != TR_OK) {
        tr_check_report_fail(&check->report, "tables.captured", &err);
    } else {
        check->has_tables = true;
        report_sums(&look);
        if (look.table_count > 0) {
            report_unmatched(&look, look.lists[0], INCLUDE_LIST);
            report_unmatched(&look, look.lists[1], ROWS_LIST);
        }
    }
    tr_filter_order_close(look.lists[0]);
    tr_filter_order_close(look.lists[1]);
}
