// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/text_row.h"

#include "engine/assert.h"
#include "stages/decode/text_cell.h"
#include "stages/source/snapshot_event.h"

#define CELL_NULL 0xFB

static const char ends_early[] = "the row ends inside it";

bool tr_text_event_read(struct tr_text_event *event, struct tr_span body, struct tr_span *rows)
{
    struct tr_cursor cursor = tr_cursor_of(body);

    (void)tr_cursor_take(&cursor, tr_cursor_u16(&cursor)); /* database */
    (void)tr_cursor_take(&cursor, tr_cursor_u16(&cursor)); /* table */
    event->first_mark = tr_cursor_u8(&cursor);
    event->last_mark = tr_cursor_u8(&cursor);
    event->row_count = tr_cursor_u32(&cursor);
    *rows = tr_cursor_span(&cursor, tr_cursor_remaining(&cursor));
    return !cursor.failed && event->first_mark <= TR_SNAPSHOT_LAST &&
           event->last_mark <= TR_SNAPSHOT_LAST;
}

const char *tr_text_event_mark_name(uint8_t mark)
{
    static const char *const names[] = {
        [TR_SNAPSHOT_TRUE] = "true",
        [TR_SNAPSHOT_FIRST_IN_TABLE] = "first_in_data_collection",
        [TR_SNAPSHOT_LAST_IN_TABLE] = "last_in_data_collection",
        [TR_SNAPSHOT_FIRST] = "first",
        [TR_SNAPSHOT_LAST] = "last",
    };

    TR_ASSERT(mark <= TR_SNAPSHOT_LAST);
    return names[mark];
}

enum cell { CELL_VALUE = 0, CELL_IS_NULL, CELL_CUT };

/* Takes the next cell. */
static inline enum cell take_cell(struct tr_image_run *run, struct tr_span *cell)
{
    if (TR_UNLIKELY(run->in == run->in_end)) {
        return CELL_CUT;
    }
    if (*run->in == CELL_NULL) {
        run->in++;
        return CELL_IS_NULL;
    }
    const size_t left = (size_t)(run->in_end - run->in);
    if (TR_LIKELY(*run->in < CELL_NULL && *run->in < left)) {
        *cell = tr_span_of(run->in + 1, *run->in);
        run->in += 1 + cell->bytes;
        return CELL_VALUE;
    }
    struct tr_cursor cursor = tr_cursor_of(tr_span_of(run->in, left));
    *cell = tr_cursor_lenenc_span(&cursor);
    run->in = cursor.at;
    return cursor.failed ? CELL_CUT : CELL_VALUE;
}

static enum tr_write_outcome fail_row(struct tr_image_run *run, uint32_t column)
{
    if (run->bad_reason == NULL) {
        return TR_WRITE_NO_ROOM;
    }
    run->bad_column = column;
    return TR_WRITE_BAD;
}

enum tr_write_outcome tr_text_row_put(struct tr_image_run *run, uint8_t **out,
                                      struct tr_image_key *key)
{
    const struct tr_plan *plan = run->plan;
    const uint8_t *text = plan->text.bytes;
    uint8_t *at = *out;
    struct tr_span cell;

    run->bad_reason = NULL;
    for (uint32_t i = 0; i < plan->column_count; i++) {
        const struct tr_plan_column *column = &plan->columns[i];
        memcpy(at, text + column->name_at, column->name_bytes);
        at += column->name_bytes;
        const uint8_t *from = at;
        switch (take_cell(run, &cell)) {
        case CELL_VALUE:
            at = tr_text_cell_put(run, column, at, cell);
            break;
        case CELL_IS_NULL:
            memcpy(at, text + column->null_at, column->null_bytes);
            at += column->null_bytes;
            break;
        case CELL_CUT:
            run->bad_reason = ends_early;
            at = NULL;
            break;
        }
        if (TR_UNLIKELY(at == NULL)) {
            return fail_row(run, i);
        }
        if (column->key_slot != 0) {
            key->at[column->key_slot - 1] = from;
            key->bytes[column->key_slot - 1] = (uint32_t)(at - from);
        }
    }
    *at++ = '}';
    *out = at;
    return TR_WRITE_OK;
}

enum tr_write_outcome tr_text_row_skip(struct tr_image_run *run)
{
    struct tr_span cell;

    for (uint32_t i = 0; i < run->plan->column_count; i++) {
        if (take_cell(run, &cell) == CELL_CUT) {
            run->bad_reason = ends_early;
            return fail_row(run, i);
        }
    }
    return TR_WRITE_OK;
}
