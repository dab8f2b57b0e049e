// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/period.h"

#include "engine/bytes.h"
#include "engine/cover.h"
#include "stages/decode/partial.h"
#include "stages/decode/plan_layout.h"

#define MICROS_OF_CURRENT 999999u
#define SECONDS_OF_CURRENT_2038 UINT32_C(0x7FFFFFFF)
#define SECONDS_OF_CURRENT_2106 UINT32_C(0xFFFFFFFF)

static enum tr_write_outcome fail(struct tr_image_run *run, enum tr_write_outcome outcome,
                                  const char *reason)
{
    run->bad_column = run->plan->column_count;
    run->bad_reason = reason;
    return outcome;
}

/* Moves past the image and says whether its row was a current one. */
static enum tr_write_outcome take_image(struct tr_image_run *run, enum tr_image_place place,
                                        bool *is_current)
{
    const uint32_t row_end = run->plan->image_column_count - 1; /* the last column */
    const uint8_t *nulls = run->in;
    const enum tr_write_outcome outcome = tr_image_skip(run, place);

    if (outcome != TR_WRITE_OK) {
        return outcome;
    }
    const uint8_t *value = run->in - TR_PERIOD_WIRE_BYTES;
    if (run->partial != NULL) {
        value = tr_partial_value(run->partial, place, row_end);
    } else if ((nulls[row_end >> 3] >> (row_end & 7) & 1) != 0) {
        value = NULL;
    }
    if (value == NULL) {
        return fail(run, TR_WRITE_LACKING, "the row image lacks row_end");
    }
    const uint64_t seconds = tr_load_uint_be(value, 4);
    *is_current = tr_load_uint_be(value + 4, 3) == MICROS_OF_CURRENT &&
                  (seconds == SECONDS_OF_CURRENT_2038 || seconds == SECONDS_OF_CURRENT_2106);
    return TR_WRITE_OK;
}

enum tr_write_outcome tr_period_judge(struct tr_row *row, bool *is_current)
{
    const uint8_t *start = row->run.in;
    bool is_current_after = true;
    enum tr_write_outcome outcome = take_image(&row->run, TR_IMAGE_FIRST, is_current);

    row->op = (enum tr_row_op)row->item->op;
    if (outcome == TR_WRITE_OK && row->op == TR_ROW_UPDATE) {
        outcome = take_image(&row->run, TR_IMAGE_SECOND, &is_current_after);
        if (outcome == TR_WRITE_OK && *is_current && !is_current_after) {
            TR_COVER("decode.period_ends");
            row->op = TR_ROW_DELETE;
        }
        if (outcome == TR_WRITE_OK && !*is_current && is_current_after) {
            outcome = fail(&row->run, TR_WRITE_BAD, "a row of the history became current again");
        }
    }
    row->run.in = start;
    return outcome;
}
