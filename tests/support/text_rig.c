// SPDX-License-Identifier: Apache-2.0
#include "tests/support/text_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/source/snapshot_event.h"
#include "tests/check.h"

struct text_rig text_rig;

static void collect(struct tr_tape *from, const struct tr_stream *stream,
                    const struct tr_record *record)
{
    (void)from;
    const int bytes =
        snprintf(text_rig.collected + text_rig.collected_bytes,
                 sizeof(text_rig.collected) - text_rig.collected_bytes, "%s|%.*s|%.*s\n",
                 stream->name, (int)record->key_bytes, (const char *)tr_record_key(record),
                 (int)record->value_bytes, (const char *)tr_record_value(record));
    assert_true(bytes > 0 && (size_t)bytes < sizeof(text_rig.collected) - text_rig.collected_bytes);
    text_rig.collected_bytes += (size_t)bytes;
    text_rig.collected_count++;
    text_rig.last_record = *record;
}

void text_rig_forget(void)
{
    text_rig.collected[0] = '\0';
    text_rig.collected_bytes = 0;
    text_rig.collected_count = 0;
}

void text_rig_open(enum tr_flavor flavor, struct tr_encode_options options, uint32_t room_bytes)
{
    const struct tr_ddl_options ddl = {.flavor = flavor,
                                       .hides_int_width = flavor == TR_FLAVOR_MYSQL};

    options.flavor = flavor;
    options.topic_prefix = tr_span_of_text("p");
    options.tombstones_on_delete = true;
    options.row_bytes_max = 1u << 20;
    options.record_bytes_max = options.record_bytes_max == 0 ? 8u << 20 : options.record_bytes_max;
    text_rig.tape = calloc(1, sizeof(*text_rig.tape));
    assert_non_null(text_rig.tape);
    text_rig.tape->fragment_room_bytes = room_bytes;
    text_rig.tape->on_record = collect;
    tr_tape_open(text_rig.tape, &options);
    text_rig.tape->wall_unix_ns = INT64_C(1700000000123456789);
    text_rig.tape->item = (struct tr_unit_item){.pos = 1683,
                                                .ts_us = INT64_C(1704164645000000),
                                                .thread_id = -1,
                                                .op = TR_ROW_READ,
                                                .event_type = TR_EVENT_SNAPSHOT_ROWS};
    assert_int_equal(tr_ddl_model_open(&text_rig.model, &ddl, &text_rig.err), TR_OK);
    text_rig_forget();
}

void text_rig_close(void)
{
    tr_tape_close(text_rig.tape);
    free(text_rig.tape);
    tr_ddl_model_close(text_rig.model);
}

struct tr_table *text_rig_table(const char *database, struct tr_span sql)
{
    struct tr_ddl_result result;
    const struct tr_ddl_event statement = {.sql = sql, .database = tr_span_of_text(database)};

    assert_int_equal(tr_ddl_apply(text_rig.model, &statement, &result, &text_rig.err), TR_OK);
    assert_int_equal(result.effect, TR_DDL_APPLIED);
    assert_non_null(result.changes[0].table);
    return tr_table_hold(result.changes[0].table);
}

struct tr_schema *text_rig_use(const char *sql)
{
    struct tr_schema *schema =
        tr_tape_add_text(text_rig.tape, text_rig_table("d", tr_span_of_text(sql)), &text_rig.err);
    assert_non_null(schema);
    text_rig.tape->item.schema = schema;
    return schema;
}

void text_rig_add_bytes(const void *bytes, size_t count)
{
    assert_true(count <= sizeof(text_rig.event) - text_rig.event_bytes);
    memcpy(text_rig.event + text_rig.event_bytes, bytes, count);
    text_rig.event_bytes += count;
}

void text_rig_begin(uint8_t first_mark, uint8_t last_mark, uint32_t row_count)
{
    uint8_t header[19] = {[4] = TR_EVENT_SNAPSHOT_ROWS};

    text_rig.event_bytes = 0;
    text_rig_add_bytes(header, sizeof(header));
    text_rig_add_bytes("\1\0d\1\0t", 6);
    text_rig_add_bytes(&first_mark, 1);
    text_rig_add_bytes(&last_mark, 1);
    text_rig_add_bytes(&row_count, 4);
}

void text_rig_add_cell(const void *cell, size_t bytes)
{
    if (cell == NULL) {
        text_rig_add_bytes("\xFB", 1);
        return;
    }
    if (bytes < 0xFB) {
        text_rig_add_bytes(&(uint8_t){(uint8_t)bytes}, 1);
    } else if (bytes <= UINT16_MAX) {
        text_rig_add_bytes("\xFC", 1);
        text_rig_add_bytes(&bytes, 2);
    } else {
        text_rig_add_bytes("\xFD", 1);
        text_rig_add_bytes(&bytes, 3);
    }
    text_rig_add_bytes(cell, bytes);
}

void text_rig_add_text(const char *cell)
{
    text_rig_add_cell(cell, cell == NULL ? 0 : strlen(cell));
}

enum tr_code text_rig_play(void)
{
    return tr_tape_item(text_rig.tape, text_rig.tape->item, text_rig.event, text_rig.event_bytes,
                        &text_rig.err);
}
