// SPDX-License-Identifier: Apache-2.0
/*
 * A table made of the first bytes, a rows event of the others: records that are JSON, or an error,
 * and never a byte read behind the event's slack.
 *
 * Input: options, number of columns, per column its kind, then the event from its table id on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/schema/table_map.h"
#include "tests/fuzz/decode_rig.h"

#define COLUMNS_MAX 24
#define RECORDS_PER_ROW_MAX 3 /* delete, tombstone, create */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const struct {
    enum tr_column_type type;
    struct tr_wire_column wire;
    uint32_t length;
    uint8_t precision;
    uint8_t scale;
    enum tr_charset charset;
} kinds[] = {
    {TR_COLUMN_TINYINT, {TR_WIRE_TINY, 0, 0, true}, 0, 0, 0, TR_CHARSET_NONE},
    {TR_COLUMN_SMALLINT, {TR_WIRE_SHORT, 0, 0, true}, 0, 0, 0, TR_CHARSET_NONE},
    {TR_COLUMN_MEDIUMINT, {TR_WIRE_INT24, 0, 0, true}, 0, 0, 0, TR_CHARSET_NONE},
    {TR_COLUMN_INT, {TR_WIRE_LONG, 0, 0, true}, 0, 0, 0, TR_CHARSET_NONE},
    {TR_COLUMN_BIGINT, {TR_WIRE_LONGLONG, 0, 0, true}, 0, 0, 0, TR_CHARSET_NONE},
    {TR_COLUMN_FLOAT, {TR_WIRE_FLOAT, 4, 0, true}, 0, 0, 0, TR_CHARSET_NONE},
    {TR_COLUMN_FLOAT, {TR_WIRE_FLOAT, 4, 0, true}, 7, 0, 4, TR_CHARSET_NONE},
    {TR_COLUMN_DOUBLE, {TR_WIRE_DOUBLE, 8, 0, true}, 0, 0, 0, TR_CHARSET_NONE},
    {TR_COLUMN_DECIMAL, {TR_WIRE_NEWDECIMAL, 10 | 2 << 8, 0, true}, 0, 10, 2, TR_CHARSET_NONE},
    {TR_COLUMN_DECIMAL, {TR_WIRE_NEWDECIMAL, 65 | 30 << 8, 0, true}, 0, 65, 30, TR_CHARSET_NONE},
    {TR_COLUMN_BIT, {TR_WIRE_BIT, 1, 0, true}, 1, 0, 0, TR_CHARSET_NONE},
    {TR_COLUMN_BIT, {TR_WIRE_BIT, 1 | 4 << 8, 0, true}, 33, 0, 0, TR_CHARSET_NONE},
    {TR_COLUMN_YEAR, {TR_WIRE_YEAR, 0, 0, true}, 0, 0, 0, TR_CHARSET_NONE},
    {TR_COLUMN_DATE, {TR_WIRE_DATE, 0, 0, true}, 0, 0, 0, TR_CHARSET_NONE},
    {TR_COLUMN_TIME, {TR_WIRE_TIME2, 0, 0, true}, 0, 0, 0, TR_CHARSET_NONE},
    {TR_COLUMN_TIME, {TR_WIRE_TIME2, 6, 0, true}, 0, 0, 6, TR_CHARSET_NONE},
    {TR_COLUMN_TIME, {TR_WIRE_TIME, 0, 0, true}, 0, 0, 0, TR_CHARSET_NONE},
    {TR_COLUMN_TIME, {TR_WIRE_TIME, 0, 0, true}, 0, 0, 4, TR_CHARSET_NONE},
    {TR_COLUMN_DATETIME, {TR_WIRE_DATETIME2, 3, 0, true}, 0, 0, 3, TR_CHARSET_NONE},
    {TR_COLUMN_DATETIME, {TR_WIRE_DATETIME, 0, 0, true}, 0, 0, 0, TR_CHARSET_NONE},
    {TR_COLUMN_DATETIME, {TR_WIRE_DATETIME, 0, 0, true}, 0, 0, 6, TR_CHARSET_NONE},
    {TR_COLUMN_TIMESTAMP, {TR_WIRE_TIMESTAMP2, 5, 0, true}, 0, 0, 5, TR_CHARSET_NONE},
    {TR_COLUMN_TIMESTAMP, {TR_WIRE_TIMESTAMP, 0, 0, true}, 0, 0, 0, TR_CHARSET_NONE},
    {TR_COLUMN_TIMESTAMP, {TR_WIRE_TIMESTAMP, 0, 0, true}, 0, 0, 2, TR_CHARSET_NONE},
    {TR_COLUMN_CHAR, {TR_WIRE_STRING, 40, 1, true}, 10, 0, 0, TR_CHARSET_UTF8},
    {TR_COLUMN_VARCHAR, {TR_WIRE_VARCHAR, 400, 2, true}, 100, 0, 0, TR_CHARSET_LATIN1},
    {TR_COLUMN_VARCHAR, {TR_WIRE_VARCHAR, 100, 1, true}, 100, 0, 0, TR_CHARSET_ASCII},
    {TR_COLUMN_VARCHAR, {TR_WIRE_VARCHAR, 100, 1, true}, 100, 0, 0, TR_CHARSET_BINARY},
    {TR_COLUMN_TEXT, {TR_WIRE_BLOB, 3, 3, true}, 0, 0, 0, TR_CHARSET_UTF8},
    {TR_COLUMN_BINARY, {TR_WIRE_STRING, 20, 1, true}, 20, 0, 0, TR_CHARSET_NONE},
    {TR_COLUMN_VARBINARY, {TR_WIRE_VARCHAR, 300, 2, true}, 300, 0, 0, TR_CHARSET_NONE},
    {TR_COLUMN_BLOB, {TR_WIRE_BLOB, 4, 4, true}, 0, 0, 0, TR_CHARSET_NONE},
    {TR_COLUMN_ENUM, {TR_WIRE_ENUM, 1, 1, true}, 1, 0, 0, TR_CHARSET_UTF8},
    {TR_COLUMN_SET, {TR_WIRE_SET, 1, 1, true}, 1, 0, 0, TR_CHARSET_UTF8},
    {TR_COLUMN_JSON, {TR_WIRE_JSON, 4, 4, true}, 0, 0, 0, TR_CHARSET_NONE},
    {TR_COLUMN_JSON, {TR_WIRE_JSON, 2, 2, true}, 0, 0, 0, TR_CHARSET_NONE},
    {TR_COLUMN_GEOMETRY, {TR_WIRE_GEOMETRY, 4, 4, true}, 0, 0, 0, TR_CHARSET_NONE},
    {TR_COLUMN_GEOMETRY, {TR_WIRE_GEOMETRY, 1, 1, true}, 1, 0, 0, TR_CHARSET_NONE},
    {TR_COLUMN_VECTOR, {TR_WIRE_VECTOR, 4, 4, true}, 0, 0, 0, TR_CHARSET_NONE},
    {TR_COLUMN_UUID, {TR_WIRE_STRING, 16, 1, true}, 0, 0, 0, TR_CHARSET_NONE},
};

static struct tr_table *make_table(const uint8_t *data, uint32_t column_count,
                                   struct tr_wire_column *wire)
{
    struct tr_error err;
    struct tr_table *table =
        tr_table_open(tr_span_of_text("d"), tr_span_of_text("t"), column_count, &err);
    char name[16];

    decode_rig_require(table != NULL, "no table");
    for (uint32_t i = 0; i < column_count; i++) {
        const size_t kind = data[i] % (sizeof(kinds) / sizeof(kinds[0]));
        struct tr_column *column = &table->columns[i];
        (void)snprintf(name, sizeof(name), "c%u", i);
        *column = (struct tr_column){
            .name = tr_table_text(table, tr_span_of_text(name)),
            .type = kinds[kind].type,
            .charset = kinds[kind].charset,
            .length = kinds[kind].length,
            .precision = kinds[kind].precision,
            .scale = kinds[kind].scale,
            .geometry = (uint8_t)kinds[kind].length,
            .is_unsigned = data[i] > 127,
            .is_nullable = true,
        };
        wire[i] = kinds[kind].wire;
        if (column->type == TR_COLUMN_ENUM || column->type == TR_COLUMN_SET) {
            column->option_count = 3;
            column->options = tr_table_array(table, 3 * sizeof(struct tr_span));
            column->options[0] = tr_span_of_text("a");
            column->options[1] = tr_span_of_text("b,\\\"");
            column->options[2] = tr_span_of_text("");
        }
    }
    table->key_columns = tr_table_array(table, sizeof(uint16_t));
    return table;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const uint8_t types[6] = {23, 24, 25, 30, 31, 32};
    struct tr_wire_column wire[COLUMNS_MAX];
    uint8_t event[8192] = {0};
    struct tr_error err;

    if (bytes < 3) {
        return 0;
    }
    const uint8_t choice = data[0];
    const uint32_t column_count = 1 + data[1] % COLUMNS_MAX;
    if (bytes < 2 + column_count) {
        return 0;
    }
    struct tr_table *table = make_table(data + 2, column_count, wire);
    table->key_count = choice >> 7;
    data += 2 + column_count;
    bytes -= 2 + column_count;
    struct tr_schema schema = {.table = table, .wire = wire, .stream = decode_rig_stream()};
    const struct tr_encode_options options = {
        .topic_prefix = tr_span_of_text("p"),
        .key_schemas = (choice & 64) != 0,
        .value_schemas = (choice & 64) != 0,
        .tombstones_on_delete = true,
        .enable_time_adjuster = (choice & 32) != 0,
    };
    decode_rig_require(tr_plan_open(&schema.plan, &schema, &options, &err) == TR_OK,
                       "a supported table was refused");
    const size_t event_bytes = bytes < sizeof(event) - 19 ? bytes : sizeof(event) - 19;
    memcpy(event + 19, data, event_bytes);
    const struct decode_rig_event decoded = {
        .item = {.schema = &schema,
                 .event_type = types[choice % 6],
                 .op = choice % 3,
                 .thread_id = choice},
        .bytes = event,
        .byte_count = 19 + event_bytes,
        .records_max = (19 + event_bytes) * RECORDS_PER_ROW_MAX,
        .has_tombstones = true,
    };
    decode_rig_run(&decoded);
    tr_plan_close(schema.plan);
    tr_table_close(table);
    return 0;
}
