// SPDX-License-Identifier: Apache-2.0
/*
 * A table made of the first bytes, rows of a snapshot of the others: records that are JSON, or an
 * error, and never a byte read behind the event's slack.
 *
 * Input: options, number of columns, per column its type, then the event from its marks on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/ddl/model.h"
#include "stages/schema/wire_column.h"
#include "stages/source/snapshot_event.h"
#include "tests/fuzz/decode_rig.h"

#define COLUMNS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char *const types[] = {
    "TINYINT",        "SMALLINT UNSIGNED",
    "MEDIUMINT",      "INT(9) ZEROFILL",
    "BIGINT",         "BIGINT UNSIGNED",
    "FLOAT",          "FLOAT(7,4)",
    "DOUBLE",         "DECIMAL(10,2)",
    "DECIMAL(65,30)", "BIT",
    "BIT(33)",        "YEAR",
    "DATE",           "DATE NOT NULL",
    "TIME",           "TIME(6)",
    "DATETIME",       "DATETIME(6) NOT NULL",
    "TIMESTAMP NULL", "TIMESTAMP(3) NOT NULL",
    "CHAR(10)",       "VARCHAR(100) CHARACTER SET latin1",
    "TEXT",           "BINARY(20)",
    "BINARY(0)",      "VARBINARY(300)",
    "LONGBLOB",       "ENUM('a','b,\\\\','')",
    "SET('a','b')",   "JSON",
    "GEOMETRY",       "POINT",
    "UUID",           "INET4",
    "INET6",          "VECTOR(3)",
};

/* The tables' definitions are made by statements; lives through all inputs. */
static struct tr_ddl_model *model;

/* CREATE TABLE of the types that the bytes choose. */
static struct tr_table *make_table(const uint8_t *data, uint32_t column_count, bool has_key)
{
    char sql[2048] = "CREATE OR REPLACE TABLE t (";
    size_t at = strlen(sql);
    struct tr_ddl_result result;
    struct tr_error err;

    if (model == NULL) {
        const struct tr_ddl_options options = {.flavor = TR_FLAVOR_MARIADB};
        decode_rig_require(tr_ddl_model_open(&model, &options, &err) == TR_OK, "no model");
    }
    for (uint32_t i = 0; i < column_count; i++) {
        at += (size_t)snprintf(sql + at, sizeof(sql) - at, "%sc%u %s", i == 0 ? "" : ", ", i,
                               types[data[i] % (sizeof(types) / sizeof(types[0]))]);
    }
    (void)snprintf(sql + at, sizeof(sql) - at, "%s)", has_key ? ", PRIMARY KEY (c0)" : "");
    const struct tr_ddl_event event = {.sql = tr_span_of_text(sql),
                                       .database = tr_span_of_text("d")};
    decode_rig_require(tr_ddl_apply(model, &event, &result, &err) == TR_OK &&
                           result.change_count == 1 && result.changes[0].table != NULL,
                       "no table");
    return result.changes[0].table;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct tr_wire_column wire[COLUMNS_MAX];
    uint8_t event[8192] = {
        [4] = TR_EVENT_SNAPSHOT_ROWS, [19] = 1, [21] = 'd', [22] = 1, [24] = 't'};
    const size_t head_bytes = 25;
    struct tr_error err;

    const uint32_t column_count = bytes < 2 ? 0 : 1 + data[1] % COLUMNS_MAX;
    if (bytes < 2 + column_count || column_count == 0) {
        return 0;
    }
    const uint8_t choice = data[0];
    struct tr_table *table = make_table(data + 2, column_count, (choice & 1) != 0);
    data += 2 + column_count;
    bytes -= 2 + column_count;
    for (uint32_t i = 0; i < column_count; i++) {
        wire[i] = tr_wire_column_of(&table->columns[i]);
    }
    struct tr_schema schema = {.table = table, .wire = wire, .stream = decode_rig_stream()};
    const struct tr_encode_options options = {
        .flavor = TR_FLAVOR_MARIADB,
        .topic_prefix = tr_span_of_text("p"),
        .key_schemas = (choice & 2) != 0,
        .value_schemas = (choice & 2) != 0,
        .enable_time_adjuster = (choice & 4) != 0,
    };
    decode_rig_require(tr_plan_open(&schema.plan, &schema, &options, &err) == TR_OK,
                       "a supported table was refused");
    const size_t event_bytes =
        bytes < sizeof(event) - head_bytes ? bytes : sizeof(event) - head_bytes;
    memcpy(event + head_bytes, data, event_bytes);
    const struct decode_rig_event decoded = {
        .item = {.schema = &schema,
                 .event_type = TR_EVENT_SNAPSHOT_ROWS,
                 .op = TR_ROW_READ,
                 .thread_id = -1},
        .bytes = event,
        .byte_count = head_bytes + event_bytes,
        .records_max = head_bytes + event_bytes,
    };
    decode_rig_run(&decoded);
    tr_plan_close(schema.plan);
    return 0;
}
