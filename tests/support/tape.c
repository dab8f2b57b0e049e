// SPDX-License-Identifier: Apache-2.0
#include "tests/support/tape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/schema/charset.h"
#include "stages/schema/table_map.h"
#include "stages/schema/wire_column.h"
#include "stages/sequence/events.h"
#include "tests/check.h"

#define FRAGMENT_TAIL_BYTES 64
#define ROW_BYTES_MAX (8u * 1024 * 1024)

static struct tr_fragment *new_fragment(uint32_t room_bytes, bool jumbo)
{
    struct tr_fragment *fragment =
        aligned_alloc(64, (sizeof(*fragment) + room_bytes + FRAGMENT_TAIL_BYTES + 63) / 64 * 64);
    assert_non_null(fragment);
    fragment->magic = TR_FRAGMENT_MAGIC;
    fragment->decoder = 0;
    fragment->room_bytes = room_bytes;
    fragment->jumbo = jumbo;
    tr_row_reset_fragment(fragment, 0);
    return fragment;
}

void tr_tape_open(struct tr_tape *tape, const struct tr_encode_options *options)
{
    struct tr_error err;
    const uint32_t room =
        tape->fragment_room_bytes == 0 ? TR_FRAGMENT_BYTES : tape->fragment_room_bytes;

    tape->options = *options;
    tape->schema_count = 0;
    tape->map_count = 0;
    tape->unit_seq = 0;
    assert_int_equal(tr_streams_open(&tape->streams, 1, &err), TR_OK);
    assert_int_equal(tr_decode_init(&tape->decode, ROW_BYTES_MAX, &err), TR_OK);
    tape->unit = calloc(1, sizeof(*tape->unit));
    tape->chunk = calloc(1, sizeof(*tape->chunk));
    assert_non_null(tape->unit);
    assert_non_null(tape->chunk);
    tape->fragment = new_fragment(room, false);
    tape->jumbo = new_fragment(4 * ROW_BYTES_MAX, true);
    tape->item = (struct tr_unit_item){.thread_id = -1};
}

void tr_tape_close(struct tr_tape *tape)
{
    for (uint32_t i = 0; i < tape->schema_count; i++) {
        tr_plan_close(tape->schemas[i].plan);
        free(tape->schemas[i].wire);
        tr_table_close((struct tr_table *)(uintptr_t)tape->schemas[i].table);
    }
    tr_decode_deinit(&tape->decode);
    tr_streams_close(tape->streams);
    free(tape->unit);
    free(tape->chunk);
    free(tape->fragment);
    free(tape->jumbo);
}

struct tr_schema *tr_tape_add_table(struct tr_tape *tape, struct tr_table *table)
{
    struct tr_error err;
    char name[TR_STREAM_NAME_BYTES_MAX + 1];
    struct tr_schema *schema = &tape->schemas[tape->schema_count++];

    assert_true(tape->schema_count <= TR_TAPE_SCHEMAS_MAX);
    const int bytes = snprintf(
        name, sizeof(name), "%.*s.%.*s.%.*s", (int)tape->options.topic_prefix.bytes,
        (const char *)tape->options.topic_prefix.data, (int)table->database.bytes,
        (const char *)table->database.data, (int)table->name.bytes, (const char *)table->name.data);
    assert_true(bytes > 0 && (size_t)bytes < sizeof(name));
    memset(schema, 0, sizeof(*schema));
    schema->table = table;
    schema->stream = tr_streams_intern(tape->streams, tr_span_of_text(name), &err);
    assert_non_null(schema->stream);
    return schema;
}

/* --- the schema file: lines of fields separated by tabs
 * --------------------------------------------------------- table  DATABASE  NAME  COLUMNS  KEY KEY
 * = column indexes joined by ',', empty = none column NAME TYPE FLAGS LENGTH PRECISION SCALE
 * GEOMETRY CHARSET DEFAULT OPTIONS TYPE_TEXT TYPE as tr_column_type_name says; FLAGS of u
 * (unsigned), n (nullable); CHARSET utf8 or as the server names it, - DEFAULT: - none, =
 * literal, ~ expression, text behind it; \t \n \r \\ \0 escaped by backslash OPTIONS joined by
 * 0x1F, empty = none
 */
static size_t unescape(char *text)
{
    char *out = text;
    for (const char *in = text; *in != '\0'; in++) {
        if (*in != '\\') {
            *out++ = *in;
            continue;
        }
        in++;
        *out++ = *in == 't'   ? '\t'
                 : *in == 'n' ? '\n'
                 : *in == 'r' ? '\r'
                 : *in == '0' ? '\0'
                              : *in;
    }
    return (size_t)(out - text);
}

static uint32_t split(char *line, char separator, char **fields, uint32_t fields_max)
{
    uint32_t count = 0;
    char *at = line;
    while (at != NULL && count < fields_max) {
        fields[count++] = at;
        at = strchr(at, separator);
        if (at != NULL) {
            *at++ = '\0';
        }
    }
    return count;
}

static enum tr_column_type type_of(const char *name)
{
    for (uint32_t i = 1; i < TR_COLUMN_TYPE_COUNT; i++) {
        if (strcmp(tr_column_type_name((enum tr_column_type)i), name) == 0) {
            return (enum tr_column_type)i;
        }
    }
    fail_msg("no column type %s", name);
    return TR_COLUMN_UNKNOWN;
}

static enum tr_charset charset_of(const char *name)
{
    return strcmp(name, "-") == 0 ? TR_CHARSET_NONE
                                  : tr_charset_of_name(tr_span_of_text(name))->charset;
}

static void read_column(struct tr_table *table, struct tr_column *column, char **f)
{
    static char *options[65536];

    column->name = tr_table_text(table, tr_span_of(f[1], unescape(f[1])));
    column->type = type_of(f[2]);
    column->is_unsigned = strchr(f[3], 'u') != NULL;
    column->is_nullable = strchr(f[3], 'n') != NULL;
    column->length = (uint32_t)strtoul(f[4], NULL, 10);
    column->precision = (uint8_t)strtoul(f[5], NULL, 10);
    column->scale = (uint8_t)strtoul(f[6], NULL, 10);
    column->geometry = (uint8_t)strtoul(f[7], NULL, 10);
    column->charset = charset_of(f[8]);
    column->has_default = f[9][0] != '-';
    column->default_is_expression = f[9][0] == '~';
    column->default_text = tr_table_text(table, tr_span_of(f[9] + 1, unescape(f[9] + 1)));
    column->type_text = tr_table_text(table, tr_span_of_text(f[11]));
    if (f[10][0] != '\0') {
        column->option_count = split(f[10], 0x1F, options, 65536);
        column->options = tr_table_array(table, column->option_count * sizeof(struct tr_span));
        for (uint32_t i = 0; i < column->option_count; i++) {
            const size_t bytes = strcmp(options[i], "\x01") == 0 ? 0 : unescape(options[i]);
            column->options[i] = tr_table_text(table, tr_span_of(options[i], bytes));
        }
    }
}

static void read_key(struct tr_table *table, char *text)
{
    char *parts[64];
    if (text[0] == '\0') {
        return;
    }
    table->key_count = split(text, ',', parts, 64);
    table->key_columns = tr_table_array(table, table->key_count * sizeof(uint16_t));
    for (uint32_t i = 0; i < table->key_count; i++) {
        table->key_columns[i] = (uint16_t)strtoul(parts[i], NULL, 10);
        table->columns[table->key_columns[i]].key_ordinal = (uint16_t)(i + 1);
    }
}

void tr_tape_load_schemas(struct tr_tape *tape, const char *path)
{
    static char line[1u << 20];
    char *f[12];
    struct tr_error err;
    struct tr_table *table = NULL;
    uint32_t column = 0;
    FILE *file = fopen(path, "r");

    if (file == NULL) {
        fail_msg("cannot read %s", path);
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        const uint32_t count = split(line, '\t', f, 12);
        if (strcmp(f[0], "table") == 0) {
            assert_int_equal(count, 5);
            table = tr_table_open(tr_span_of_text(f[1]), tr_span_of_text(f[2]),
                                  (uint32_t)strtoul(f[3], NULL, 10), &err);
            assert_non_null(table);
            read_key(table, f[4]);
            (void)tr_tape_add_table(tape, table);
            column = 0;
        } else {
            assert_int_equal(count, 12);
            assert_non_null(table);
            read_column(table, &table->columns[column++], f);
        }
    }
    (void)fclose(file);
}

enum tr_code tr_tape_map(struct tr_tape *tape, const uint8_t *body, size_t bytes,
                         struct tr_error *err)
{
    struct tr_table_map map;
    struct tr_schema *schema = NULL;
    struct tr_wire_column *wire;

    if (tr_table_map_parse(&map, tape->options.flavor, tr_span_of(body, bytes), err) != TR_OK) {
        return err->code;
    }
    for (uint32_t i = tape->schema_count; i > 0 && schema == NULL; i--) {
        if (tr_span_equals(tape->schemas[i - 1].table->database, map.database) &&
            tr_span_equals(tape->schemas[i - 1].table->name, map.table)) {
            schema = &tape->schemas[i - 1];
        }
    }
    wire = calloc(map.column_count, sizeof(*wire));
    assert_non_null(wire);
    if (tr_table_map_wire(&map, wire, err) != TR_OK) {
        free(wire);
        return err->code;
    }
    if (schema == NULL && tape->build_from_maps) {
        struct tr_table *table = tr_table_map_build(&map, wire, tape->options.lenient, err);
        if (table == NULL) {
            free(wire);
            return err->code;
        }
        schema = tr_tape_add_table(tape, table);
    }
    if (schema == NULL || schema->plan != NULL) {
        free(wire);
    } else {
        schema->wire = wire;
        schema->hidden_count = tr_table_map_hidden_count(&map, wire, schema->table);
        if (schema->table->column_count + schema->hidden_count != map.column_count ||
            tr_plan_open(&schema->plan, schema, &tape->options, err) != TR_OK) {
            return err->code;
        }
    }
    for (uint32_t i = 0; i < tape->map_count; i++) {
        if (tape->maps[i].table_id == map.table_id) {
            tape->maps[i].schema = schema;
            return TR_OK;
        }
    }
    assert_true(tape->map_count < TR_TAPE_SCHEMAS_MAX);
    tape->maps[tape->map_count].table_id = map.table_id;
    tape->maps[tape->map_count++].schema = schema;
    return TR_OK;
}

struct tr_schema *tr_tape_add_text(struct tr_tape *tape, struct tr_table *table,
                                   struct tr_error *err)
{
    struct tr_schema *schema = tr_tape_add_table(tape, table);

    schema->wire = calloc(table->column_count, sizeof(*schema->wire));
    assert_non_null(schema->wire);
    for (uint32_t i = 0; i < table->column_count; i++) {
        schema->wire[i] = tr_wire_column_of(&table->columns[i]);
    }
    return tr_plan_open(&schema->plan, schema, &tape->options, err) == TR_OK ? schema : NULL;
}

/* Hands the fragment's records on, oldest first, and empties it. */
static void drain(struct tr_tape *tape, struct tr_fragment *fragment)
{
    uint32_t seen = 0;
    for (uint32_t g = 0; g < fragment->group_count; g++) {
        const struct tr_fragment_group *group = &fragment->groups[g];
        uint32_t count = 0;
        for (const struct tr_record *record = group->first; record != NULL; record = record->next) {
            assert_ptr_equal(record->fragment, fragment);
            assert_int_equal(record->unit_seq, tape->unit_seq);
            if (tape->on_record != NULL) {
                tape->on_record(tape, tr_streams_get(tape->streams, group->stream_id), record);
            }
            count++;
        }
        assert_int_equal(count, group->record_count);
        seen += count;
    }
    assert_int_equal(seen * sizeof(struct tr_record), fragment->high_bytes);
    tr_row_reset_fragment(fragment, tape->unit_seq);
}

static enum tr_code run_unit(struct tr_tape *tape, struct tr_error *err)
{
    struct tr_fragment *fragment = tape->fragment;

    tape->unit->seq = ++tape->unit_seq;
    tr_row_reset_fragment(fragment, tape->unit_seq);
    tr_decode_begin_unit(&tape->decode, tape->unit);
    for (;;) {
        const enum tr_decode_outcome outcome = tr_decode_run(&tape->decode, fragment, 4096, err);
        if (outcome == TR_DECODE_PAUSED) {
            continue;
        }
        drain(tape, fragment);
        if (outcome == TR_DECODE_DONE) {
            return TR_OK;
        }
        if (outcome == TR_DECODE_FAILED) {
            tape->decode.unit = NULL;
            return err->code;
        }
        fragment = outcome == TR_DECODE_NEEDS_JUMBO ? tape->jumbo : tape->fragment;
        tr_row_reset_fragment(fragment, tape->unit_seq);
    }
}

enum tr_code tr_tape_rows(struct tr_tape *tape, const uint8_t *event, size_t bytes,
                          struct tr_error *err)
{
    struct tr_unit_item item = tape->item;
    struct tr_schema *schema = NULL;
    const uint64_t table_id = bytes >= 25 ? tr_load_u48(event + 19) : 0;

    for (uint32_t i = 0; i < tape->map_count; i++) {
        schema = tape->maps[i].table_id == table_id ? tape->maps[i].schema : schema;
    }
    if (schema == NULL) {
        return TR_OK; /* not captured */
    }
    item.schema = schema;
    item.event_type = event[4];
    item.server_id = tr_load_u32(event + 5);
    item.op = (uint8_t)((item.event_type - 23) % 7 == 0 ? TR_ROW_INSERT
                        : item.event_type == TR_EVENT_UPDATE_ROWS ||
                                item.event_type == TR_EVENT_UPDATE_ROWS_V1
                            ? TR_ROW_UPDATE
                            : TR_ROW_DELETE);
    if (item.event_type == TR_EVENT_PARTIAL_UPDATE_ROWS) {
        item.op = TR_ROW_UPDATE;
    }
    return tr_tape_item(tape, item, event, bytes, err);
}

enum tr_code tr_tape_item(struct tr_tape *tape, struct tr_unit_item item, const uint8_t *event,
                          size_t bytes, struct tr_error *err)
{
    struct tr_unit *unit = tape->unit;

    unit->magic = TR_UNIT_MAGIC;
    unit->chunk = tape->chunk;
    unit->wall_unix_ns = tape->wall_unix_ns;
    unit->item_count = 1;
    (void)snprintf(unit->file, sizeof(unit->file), "binlog.000001");
    tape->chunk->magic = TR_CHUNK_MAGIC;
    tape->chunk->event_bytes = bytes;
    if (item.kind == TR_ITEM_PREPARED || item.kind == TR_ITEM_TRUNCATE) {
        unit->items[0] = item;
        return run_unit(tape, err);
    }
    if (bytes <= TR_CHUNK_BYTES) {
        tape->chunk->kind = TR_CHUNK_EVENTS;
        memcpy(tape->chunk->bytes, event, bytes);
        item.kind = TR_ITEM_ROWS;
        item.bytes = (uint32_t)bytes;
        item.is_record_mark = true;
        unit->items[0] = item;
        return run_unit(tape, err);
    }
    for (size_t at = 0; at < bytes; at += TR_CHUNK_BYTES) {
        const size_t piece_bytes = bytes - at < TR_CHUNK_BYTES ? bytes - at : TR_CHUNK_BYTES;
        tape->chunk->kind = TR_CHUNK_PIECE;
        tape->chunk->piece = at == 0                     ? TR_PIECE_FIRST
                             : at + piece_bytes == bytes ? TR_PIECE_LAST
                                                         : TR_PIECE_MIDDLE;
        memcpy(tape->chunk->bytes, event + at, piece_bytes);
        item.kind = TR_ITEM_PIECE;
        item.bytes = (uint32_t)piece_bytes;
        item.is_record_mark = at + piece_bytes == bytes;
        unit->items[0] = item;
        if (run_unit(tape, err) != TR_OK) {
            return err->code;
        }
    }
    return TR_OK;
}

static bool is_rows(uint8_t type)
{
    return (type >= TR_EVENT_WRITE_ROWS_V1 && type <= TR_EVENT_DELETE_ROWS_V1) ||
           (type >= TR_EVENT_WRITE_ROWS && type <= TR_EVENT_DELETE_ROWS) ||
           type == TR_EVENT_PARTIAL_UPDATE_ROWS;
}

void tr_tape_play(struct tr_tape *tape, const char *path)
{
    static uint8_t event[16u << 20];
    struct tr_error err = {0};
    size_t trailer_bytes = TR_EVENT_TRAILER_BYTES;
    uint64_t pos = 4;
    FILE *file = fopen(path, "rb");

    if (file == NULL) {
        fail_msg("cannot read %s", path);
    }
    assert_int_equal(fread(event, 1, 4, file), 4);
    while (fread(event, 1, TR_EVENT_HEADER_BYTES, file) == TR_EVENT_HEADER_BYTES) {
        const struct tr_event_header header = tr_event_header_read(event);
        assert_true(header.event_bytes >= TR_EVENT_HEADER_BYTES &&
                    header.event_bytes <= sizeof(event));
        const size_t rest = header.event_bytes - TR_EVENT_HEADER_BYTES;
        assert_int_equal(fread(event + TR_EVENT_HEADER_BYTES, 1, rest, file), rest);
        if (header.type == TR_EVENT_FORMAT_DESCRIPTION) {
            struct tr_event_format format;
            assert_int_equal(
                tr_event_format_parse(&format, tr_span_of(event, header.event_bytes), &err), TR_OK);
            trailer_bytes = format.checksum == TR_CHECKSUM_CRC32 ? TR_EVENT_TRAILER_BYTES : 0;
        } else if (header.type == TR_EVENT_TABLE_MAP) {
            if (tr_tape_map(tape, event + TR_EVENT_HEADER_BYTES, rest - trailer_bytes, &err) !=
                TR_OK) {
                fail_msg("%s:%llu: %s", path, (unsigned long long)pos, err.text);
            }
        } else if (is_rows(header.type)) {
            if (!tape->item_is_fixed) {
                tape->item.pos = pos;
                tape->item.ts_us = (int64_t)header.timestamp_sec * 1000000;
            }
            if (tr_tape_rows(tape, event, header.event_bytes - trailer_bytes, &err) != TR_OK) {
                fail_msg("%s:%llu: %s", path, (unsigned long long)pos, err.text);
            }
        }
        pos += header.event_bytes;
    }
    (void)fclose(file);
}
