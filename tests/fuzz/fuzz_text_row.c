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

#include "engine/json.h"
#include "stages/ddl/model.h"
#include "stages/decode/decode.h"
#include "stages/schema/wire_column.h"
#include "stages/source/snapshot_event.h"
#include "stages/stream.h"

#define COLUMNS_MAX 16
#define JSON_BYTES_MAX (4u << 20)

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

static void require(bool holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "fuzz_text_row: %s\n", what);
        abort();
    }
}

static void check_json(struct tr_json_reader *reader, const uint8_t *text, size_t bytes)
{
    struct tr_error err;
    struct tr_span name;

    tr_json_begin(reader, tr_span_of(text, bytes));
    require(tr_json_enter_object(reader), "a record is no object");
    while (tr_json_next_member(reader, &name)) {
    }
    require(tr_json_finish(reader, &err) == TR_OK, "a record is no JSON");
}

/* Returns how many there are. */
static uint32_t check_records(const struct tr_fragment *fragment, struct tr_json_reader *reader)
{
    uint32_t count = 0;

    require(fragment->low_bytes + fragment->high_bytes <= fragment->room_bytes,
            "records and index overlap");
    for (uint32_t g = 0; g < fragment->group_count; g++) {
        const struct tr_record *record = fragment->groups[g].first;
        for (; record != NULL; record = record->next) {
            count++;
            require(record->key_at + record->key_bytes <= fragment->low_bytes, "key outside");
            require(record->value_at + record->value_bytes <= fragment->low_bytes, "value outside");
            check_json(reader, tr_record_value(record), record->value_bytes);
            if (record->key_bytes != 0) {
                check_json(reader, tr_record_key(record), record->key_bytes);
            }
        }
    }
    return count;
}

static struct tr_fragment *make_fragment(uint32_t room_bytes, bool jumbo)
{
    struct tr_fragment *fragment = aligned_alloc(64, sizeof(*fragment) + room_bytes + 64);

    require(fragment != NULL, "no memory");
    fragment->magic = TR_FRAGMENT_MAGIC;
    fragment->room_bytes = room_bytes;
    fragment->jumbo = jumbo;
    tr_row_reset_fragment(fragment, 1);
    return fragment;
}

/* What lives through all inputs. */
static struct {
    struct tr_json_reader *reader;
    struct tr_streams *streams;
    const struct tr_stream *stream;
    struct tr_ddl_model *model;
    struct tr_unit *unit;
    struct tr_fragment *fragments[2];
} kept;

static void keep_once(void)
{
    const struct tr_ddl_options options = {.flavor = TR_FLAVOR_MARIADB};
    struct tr_error err;

    if (kept.reader != NULL) {
        return;
    }
    require(tr_json_open(&kept.reader, JSON_BYTES_MAX, &err) == TR_OK, "no reader");
    require(tr_streams_open(&kept.streams, 1, &err) == TR_OK, "no streams");
    kept.stream = tr_streams_intern(kept.streams, tr_span_of_text("p.d.t"), &err);
    require(tr_ddl_model_open(&kept.model, &options, &err) == TR_OK, "no model");
    kept.unit = calloc(1, sizeof(*kept.unit));
    require(kept.stream != NULL && kept.unit != NULL, "no unit");
    kept.fragments[0] = make_fragment(24 * 1024, false);
    kept.fragments[1] = make_fragment(256 * 1024, true);
}

/* CREATE TABLE of the types that the bytes choose. */
static struct tr_table *make_table(const uint8_t *data, uint32_t column_count, bool has_key)
{
    char sql[2048] = "CREATE OR REPLACE TABLE t (";
    size_t at = strlen(sql);
    struct tr_ddl_result result;
    struct tr_error err;

    for (uint32_t i = 0; i < column_count; i++) {
        at += (size_t)snprintf(sql + at, sizeof(sql) - at, "%sc%u %s", i == 0 ? "" : ", ", i,
                               types[data[i] % (sizeof(types) / sizeof(types[0]))]);
    }
    (void)snprintf(sql + at, sizeof(sql) - at, "%s)", has_key ? ", PRIMARY KEY (c0)" : "");
    const struct tr_ddl_event event = {.sql = tr_span_of_text(sql),
                                       .database = tr_span_of_text("d")};
    require(tr_ddl_apply(kept.model, &event, &result, &err) == TR_OK && result.change_count == 1 &&
                result.changes[0].table != NULL,
            "no table");
    return result.changes[0].table;
}

static void decode_event(const struct tr_schema *schema, const uint8_t *event, size_t bytes)
{
    struct tr_decode decode;
    struct tr_error err = {0};
    /* At the chunk's end, so that what is read behind its slack is outside the allocation. */
    struct tr_chunk *chunk = calloc(1, sizeof(*chunk));
    struct tr_fragment *fragment = kept.fragments[0];
    enum tr_decode_outcome outcome;
    uint64_t count = 0;

    require(chunk != NULL && tr_decode_init(&decode, 1024, &err) == TR_OK, "no memory");
    const uint32_t at = TR_CHUNK_BYTES - (uint32_t)bytes;
    memcpy(chunk->bytes + at, event, bytes);
    kept.unit->magic = TR_UNIT_MAGIC;
    kept.unit->seq = 1;
    kept.unit->chunk = chunk;
    kept.unit->item_count = 1;
    (void)snprintf(kept.unit->file, sizeof(kept.unit->file), "binlog.000001");
    kept.unit->items[0] = (struct tr_unit_item){.schema = schema,
                                                .at = at,
                                                .bytes = (uint32_t)bytes,
                                                .event_type = TR_EVENT_SNAPSHOT_ROWS,
                                                .op = TR_ROW_READ,
                                                .thread_id = -1};
    tr_decode_begin_unit(&decode, kept.unit);
    do {
        tr_row_reset_fragment(fragment, 1);
        outcome = tr_decode_run(&decode, fragment, UINT64_MAX, &err);
        count += check_records(fragment, kept.reader);
        require(count <= bytes, "more records than bytes of rows");
        fragment = kept.fragments[outcome == TR_DECODE_NEEDS_JUMBO];
    } while (outcome == TR_DECODE_NEEDS_FRAGMENT || outcome == TR_DECODE_NEEDS_JUMBO);
    require(outcome == TR_DECODE_DONE || outcome == TR_DECODE_FAILED, "it paused without a budget");
    require((outcome == TR_DECODE_FAILED) == (err.text[0] != '\0'), "failure and error differ");
    tr_decode_deinit(&decode);
    free(chunk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct tr_wire_column wire[COLUMNS_MAX];
    uint8_t event[8192] = {
        [4] = TR_EVENT_SNAPSHOT_ROWS, [19] = 1, [21] = 'd', [22] = 1, [24] = 't'};
    const size_t head_bytes = 25;
    struct tr_error err;

    keep_once();
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
    struct tr_schema schema = {.table = table, .wire = wire, .stream = kept.stream};
    const struct tr_encode_options options = {
        .flavor = TR_FLAVOR_MARIADB,
        .topic_prefix = tr_span_of_text("p"),
        .key_schemas = (choice & 2) != 0,
        .value_schemas = (choice & 2) != 0,
        .enable_time_adjuster = (choice & 4) != 0,
    };
    require(tr_plan_open(&schema.plan, &schema, &options, &err) == TR_OK,
            "a supported table was refused");
    const size_t event_bytes =
        bytes < sizeof(event) - head_bytes ? bytes : sizeof(event) - head_bytes;
    memcpy(event + head_bytes, data, event_bytes);
    decode_event(&schema, event, head_bytes + event_bytes);
    tr_plan_close(schema.plan);
    return 0;
}
