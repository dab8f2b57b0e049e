// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/partial.h"

#include <stdlib.h>
#include <string.h>

#include "engine/assert.h"
#include "engine/cover.h"
#include "stages/decode/image_column.h"
#include "stages/decode/json_patch.h"
#include "stages/schema/table.h"

#define OPTION_PARTIAL_JSON 1u

/* Not in the image; NULL is SQL's NULL. */
static const uint8_t absent[1];

enum tr_code tr_partial_init(struct tr_partial *partial, struct tr_error *err)
{
    *partial = (struct tr_partial){0};
    for (uint32_t i = 0; i < 2; i++) {
        partial->values[i] = calloc(TR_COLUMNS_MAX, sizeof(*partial->values[i]));
    }
    partial->diffs = calloc(TR_COLUMNS_MAX, 1);
    if (partial->values[TR_IMAGE_FIRST] == NULL || partial->values[TR_IMAGE_SECOND] == NULL ||
        partial->diffs == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for row images: add memory");
    }
    return TR_OK;
}

void tr_partial_deinit(struct tr_partial *partial)
{
    free(partial->values[TR_IMAGE_FIRST]);
    free(partial->values[TR_IMAGE_SECOND]);
    free(partial->diffs);
    *partial = (struct tr_partial){0};
}

static inline bool bit_is_set(const uint8_t *bits, uint32_t at)
{
    return (bits[at >> 3] >> (at & 7) & 1) != 0;
}

/* Whether the first `count` bits are all set. */
static bool all_are_set(const uint8_t *bits, uint32_t count)
{
    const uint32_t whole_bytes = count / 8;
    uint8_t all = 0xFF;

    for (uint32_t i = 0; i < whole_bytes; i++) {
        all &= bits[i];
    }
    const uint32_t last = (1u << (count & 7)) - 1;
    return all == 0xFF && (last == 0 || (bits[whole_bytes] & last) == last);
}

bool tr_partial_begin(struct tr_partial *partial, uint32_t column_count,
                      const uint8_t *const present[2], uint32_t image_count, bool has_options)
{
    if (TR_LIKELY(!has_options && all_are_set(present[TR_IMAGE_FIRST], column_count) &&
                  (image_count == 1 || all_are_set(present[TR_IMAGE_SECOND], column_count)))) {
        return false;
    }
    partial->present[TR_IMAGE_FIRST] = present[TR_IMAGE_FIRST];
    partial->present[TR_IMAGE_SECOND] = present[TR_IMAGE_SECOND];
    partial->image_count = image_count;
    partial->has_options = has_options;
    partial->second_at = NULL;
    return true;
}

bool tr_partial_is_empty(const struct tr_partial *partial, uint32_t column_count)
{
    for (uint32_t i = 0; i < column_count; i++) {
        if (bit_is_set(partial->present[TR_IMAGE_FIRST], i)) {
            return false;
        }
    }
    return true;
}

const uint8_t *tr_partial_value(const struct tr_partial *partial, enum tr_image_place place,
                                uint32_t column)
{
    const uint8_t *value = partial->values[place][column];

    return value == absent ? NULL : value;
}

static enum tr_write_outcome fail_at(struct tr_image_run *run, uint32_t column, const char *reason)
{
    run->bad_column = column;
    run->bad_reason = reason;
    return TR_WRITE_BAD;
}

/* The bits of JSON columns that hold differences, in front of an after image; NULL when none do. */
static bool take_options(struct tr_image_run *run, const uint8_t **json_bits)
{
    const struct tr_plan *plan = run->plan;
    struct tr_cursor cursor = tr_cursor_of(tr_span_of(run->in, (size_t)(run->in_end - run->in)));
    uint32_t json_count = 0;

    *json_bits = NULL;
    if ((tr_cursor_lenenc(&cursor) & OPTION_PARTIAL_JSON) != 0) {
        for (uint32_t i = 0; i < plan->column_count; i++) {
            json_count += plan->columns[i].op == TR_OP_JSON;
        }
        *json_bits = tr_cursor_take(&cursor, (json_count + 7) / 8);
    }
    run->in = cursor.at;
    return !cursor.failed;
}

/* Finds where the values of the image at run->in lie, and moves past it. */
static enum tr_write_outcome find_values(struct tr_image_run *run, uint32_t image)
{
    struct tr_partial *partial = run->partial;
    const struct tr_plan *plan = run->plan;
    const uint8_t *present = partial->present[image];
    const uint8_t *json_bits = NULL;
    uint32_t present_count = 0;
    uint32_t json_index = 0;
    uint32_t null_index = 0;

    if (partial->has_options && image == TR_IMAGE_SECOND && !take_options(run, &json_bits)) {
        return fail_at(run, plan->column_count, "the row ends inside its options");
    }
    for (uint32_t i = 0; i < plan->image_column_count; i++) {
        present_count += bit_is_set(present, i);
    }
    const uint8_t *nulls = run->in;
    if ((size_t)(run->in_end - run->in) < (present_count + 7) / 8) {
        return fail_at(run, plan->column_count, "the row ends inside its null bitmap");
    }
    run->in += (present_count + 7) / 8;
    for (uint32_t i = 0; i < plan->image_column_count; i++) {
        const bool is_json = plan->columns[i].op == TR_OP_JSON;
        const bool is_diff = is_json && json_bits != NULL && bit_is_set(json_bits, json_index);
        json_index += is_json;
        if (image == TR_IMAGE_SECOND) {
            partial->diffs[i] = 0;
        }
        if (!bit_is_set(present, i)) {
            partial->values[image][i] = absent;
            continue;
        }
        if (bit_is_set(nulls, null_index++)) {
            partial->values[image][i] = NULL;
            continue;
        }
        partial->values[image][i] = run->in;
        if (image == TR_IMAGE_SECOND) {
            partial->diffs[i] = is_diff;
        }
        if (!tr_image_skip_column(run, &plan->columns[i])) {
            return fail_at(run, i < plan->column_count ? i : plan->column_count,
                           "the row ends inside it");
        }
    }
    return TR_WRITE_OK;
}

/* Looks over the row at run->in: its values, and from the first image what the second one lacks. */
static enum tr_write_outcome find_row(struct tr_image_run *run)
{
    struct tr_partial *partial = run->partial;
    const uint8_t *start = run->in;
    enum tr_write_outcome outcome = find_values(run, TR_IMAGE_FIRST);

    partial->second_at = NULL;
    if (outcome == TR_WRITE_OK && partial->image_count == 2) {
        partial->second_at = run->in;
        outcome = find_values(run, TR_IMAGE_SECOND);
        for (uint32_t i = 0; outcome == TR_WRITE_OK && i < run->plan->image_column_count; i++) {
            if (partial->values[TR_IMAGE_SECOND][i] == absent) {
                partial->values[TR_IMAGE_SECOND][i] = partial->values[TR_IMAGE_FIRST][i];
            }
        }
    }
    partial->row_end = run->in;
    run->in = start;
    TR_ASSERT(outcome != TR_WRITE_OK || partial->row_end > start); /* tr_partial_is_empty */
    return outcome;
}

/* Told apart by their addresses from what contradicts the schema. */
static const char not_there[] = "the row image lacks it";
static const char no_document[] = "its partial JSON update has no document before it";

/* A JSON column's new document: the differences applied to the one in the first image. */
static uint8_t *put_patched(struct tr_image_run *run, uint32_t column, uint8_t *out)
{
    const struct tr_plan_column *plan_column = &run->plan->columns[column];
    const uint8_t *before = run->partial->values[TR_IMAGE_FIRST][column];
    struct tr_span document;
    struct tr_span diffs;

    if (before == NULL || before == absent) {
        run->bad_reason = before == absent ? no_document : "its partial JSON update is of NULL";
        return NULL;
    }
    run->in = run->partial->values[TR_IMAGE_SECOND][column];
    if (!tr_image_take_sized(run, plan_column, &diffs)) {
        run->bad_reason = "the row ends inside it";
        return NULL;
    }
    run->in = before;
    if (!tr_image_take_sized(run, plan_column, &document)) {
        run->bad_reason = "the row ends inside it";
        return NULL;
    }
    TR_COVER("decode.json_patch");
    run->bad_reason =
        tr_json_patch(document, diffs, run->unpack->scratch, run->unpack->scratch_bytes, &document);
    if (run->bad_reason != NULL) {
        return NULL;
    }
    run->unpack->used_bytes += document.bytes;
    return tr_image_put_sized(run, plan_column, out, document);
}

static uint8_t *put_unavailable(struct tr_image_run *run, uint32_t column, uint8_t *out)
{
    const struct tr_plan_literal literal = run->plan->unavailable[column];

    TR_COVER("decode.unavailable");
    if (literal.bytes == 0 || run->plan->columns[column].key_slot != 0) {
        run->bad_reason = not_there;
        return NULL;
    }
    run->partial->unavailable_total++;
    memcpy(out, run->plan->text.bytes + literal.at, literal.bytes);
    return out + literal.bytes;
}

static uint8_t *put_value(struct tr_image_run *run, uint32_t image, uint32_t column, uint8_t *out)
{
    const struct tr_plan_column *plan_column = &run->plan->columns[column];
    const uint8_t *value = run->partial->values[image][column];

    if (value == absent) {
        return put_unavailable(run, column, out);
    }
    if (value == NULL) {
        memcpy(out, run->plan->text.bytes + plan_column->null_at, plan_column->null_bytes);
        return out + plan_column->null_bytes;
    }
    if (image == TR_IMAGE_SECOND && run->partial->diffs[column] != 0) {
        return put_patched(run, column, out);
    }
    run->in = value;
    return tr_image_put_column(run, plan_column, out);
}

/* How a value that could not be written ends the image. */
static enum tr_write_outcome fail_value(struct tr_image_run *run, uint32_t column)
{
    run->bad_column = column;
    if (run->bad_reason == NULL) {
        return TR_WRITE_NO_ROOM;
    }
    return run->bad_reason == not_there || run->bad_reason == no_document ? TR_WRITE_LACKING
                                                                          : TR_WRITE_BAD;
}

/* Looks over the row whose first image is at run->in; a second one was looked over with it. */
static enum tr_write_outcome begin_image(struct tr_image_run *run, enum tr_image_place place)
{
    const struct tr_partial *partial = run->partial;

    run->bad_reason = NULL;
    if (place == TR_IMAGE_FIRST) {
        return find_row(run);
    }
    TR_ASSERT(partial->image_count == 2);
    TR_ASSERT(run->in == partial->second_at);
    return TR_WRITE_OK;
}

/* Where the row goes on behind the image. */
static const uint8_t *end_of_image(const struct tr_partial *partial, enum tr_image_place place)
{
    return place == TR_IMAGE_SECOND || partial->image_count == 1 ? partial->row_end
                                                                 : partial->second_at;
}

enum tr_write_outcome tr_partial_put(struct tr_image_run *run, enum tr_image_place place,
                                     uint8_t **out, struct tr_image_key *key)
{
    const struct tr_plan *plan = run->plan;
    uint8_t *at = *out;
    const enum tr_write_outcome outcome = begin_image(run, place);

    if (outcome != TR_WRITE_OK) {
        return outcome;
    }
    for (uint32_t i = 0; i < plan->column_count; i++) {
        const struct tr_plan_column *column = &plan->columns[i];
        memcpy(at, plan->text.bytes + column->name_at, column->name_bytes);
        at += column->name_bytes;
        const uint8_t *from = at;
        at = put_value(run, place, i, at);
        if (at == NULL) {
            return fail_value(run, i);
        }
        if (column->key_slot != 0) {
            key->at[column->key_slot - 1] = from;
            key->bytes[column->key_slot - 1] = (uint32_t)(at - from);
        }
    }
    *at++ = '}';
    *out = at;
    run->in = end_of_image(run->partial, place);
    return TR_WRITE_OK;
}

enum tr_write_outcome tr_partial_skip(struct tr_image_run *run, enum tr_image_place place)
{
    const enum tr_write_outcome outcome = begin_image(run, place);

    if (outcome == TR_WRITE_OK) {
        run->in = end_of_image(run->partial, place);
    }
    return outcome;
}
