// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/row.h"

#include "engine/assert.h"
#include "engine/cover.h"
#include "stages/decode/hash.h"
#include "stages/decode/text_row.h"
#include "stages/prepared.h"
#include "stages/stream.h"

#define RECORDS_PER_ROW_MAX 3 /* delete, tombstone, create */

_Static_assert(sizeof(struct tr_record) == 64, "records lie on lines of their own");

static enum tr_write_outcome put_whole(struct tr_row *row);
static enum tr_write_outcome put_half(struct tr_row *row);

void tr_row_reset_fragment(struct tr_fragment *fragment, uint64_t unit_seq)
{
    fragment->unit_seq = unit_seq;
    fragment->group_count = 0;
    fragment->bucket_count = 0;
    fragment->low_bytes = 0;
    fragment->high_bytes = 0;
    fragment->has_late_rows = false;
}

/* The stream's group, made if new; NULL when all are taken by others. */
static struct tr_fragment_group *find_group(struct tr_fragment *fragment, uint32_t stream_id)
{
    for (uint32_t i = fragment->group_count; i > 0; i--) { /* the newest first: rows come in runs */
        if (fragment->groups[i - 1].stream_id == stream_id) {
            return &fragment->groups[i - 1];
        }
    }
    if (fragment->group_count == TR_FRAGMENT_GROUPS_MAX) {
        TR_COVER("decode.fragment_groups_full");
        return NULL;
    }
    struct tr_fragment_group *group = &fragment->groups[fragment->group_count++];
    *group = (struct tr_fragment_group){.stream_id = stream_id};
    return group;
}

/* Where the next record's bytes go, or NULL when not even what is constant of it fits; sets the
 * limit of what is not. */
static uint8_t *open_record(struct tr_row *row)
{
    struct tr_fragment *fragment = row->fragment;
    const uint64_t reserve = (uint64_t)row->plan->fixed_bytes_max + TR_ENVELOPE_TAIL_BYTES_MAX +
                             TR_IMAGE_SLACK_BYTES + RECORDS_PER_ROW_MAX * sizeof(struct tr_record);
    const uint64_t room = fragment->room_bytes - fragment->low_bytes - fragment->high_bytes;

    /* A jumbo holds one row, or half of one. */
    if (room <= reserve || (fragment->jumbo && fragment->high_bytes != 0)) {
        return NULL;
    }
    row->run.limit = fragment->bytes + fragment->low_bytes + (room - reserve);
    return fragment->bytes + fragment->low_bytes;
}

static inline uint8_t *put_literal(const struct tr_plan *plan, uint8_t *out,
                                   struct tr_plan_literal literal)
{
    memcpy(out, plan->text.bytes + literal.at, literal.bytes);
    return out + literal.bytes;
}

/* Writes the key's document from the texts in the image; NULL when it does not fit. */
static uint8_t *put_key(const struct tr_row *row, uint8_t *out, const struct tr_image_key *key)
{
    const struct tr_plan *plan = row->plan;

    out = put_literal(plan, out, plan->key_open);
    for (uint32_t i = 0; i < plan->key_count; i++) {
        out = put_literal(plan, out, plan->key_columns[i].name);
        if (TR_UNLIKELY(key->bytes[i] > TR_PLAN_VALUE_BYTES_MAX) &&
            (out > row->run.limit || key->bytes[i] > (size_t)(row->run.limit - out))) {
            return NULL;
        }
        memcpy(out, key->at[i], key->bytes[i]);
        out += key->bytes[i];
    }
    *out++ = '}';
    if (plan->options.key_schemas) {
        *out++ = '}';
    }
    return out;
}

/* A finished record's places, relative to the fragment's bytes. */
struct places {
    uint32_t key_at;
    uint32_t key_bytes;
    uint32_t value_at;
    uint32_t value_bytes;
    uint64_t key_hash;
};

static void append_record(struct tr_row *row, struct tr_fragment_group *group,
                          const struct places *places)
{
    struct tr_fragment *fragment = row->fragment;
    const uint64_t bytes = (uint64_t)places->key_bytes + places->value_bytes;

    fragment->high_bytes += (uint32_t)sizeof(struct tr_record);
    struct tr_record *record =
        (struct tr_record *)(void *)(fragment->bytes + fragment->room_bytes - fragment->high_bytes);
    *record = (struct tr_record){
        .fragment = fragment,
        .unit_seq = row->unit_seq,
        .key_hash = places->key_hash,
        .commit_us = row->item->ts_us,
        .key_at = places->key_at,
        .key_bytes = places->key_bytes,
        .value_at = places->value_at,
        .value_bytes = places->value_bytes,
        .flags = places->key_bytes == 0 ? TR_RECORD_KEYLESS : 0,
    };
    if (group->last == NULL) {
        group->first = record;
    } else {
        group->last->next = record;
    }
    group->last = record;
    group->record_count++;
    group->record_bytes += bytes;
    row->total_bytes += bytes;
}

/* Writes the key (NULL: the record has none) behind the value that ends at `out`, then the record
 * and, for a delete, its tombstone. */
static enum tr_write_outcome close_record(struct tr_row *row, uint8_t *out,
                                          const struct tr_image_key *key, char op)
{
    struct tr_fragment *fragment = row->fragment;
    struct places places = {.value_at = fragment->low_bytes};
    const uint8_t *value_end = out;

    if (row->plan->key_count != 0 && key != NULL) {
        out = put_key(row, out, key);
        if (TR_UNLIKELY(out == NULL)) {
            return TR_WRITE_NO_ROOM;
        }
        places.key_hash = tr_hash_bytes(value_end, (size_t)(out - value_end));
    }
    const uint64_t bytes_max = row->plan->options.record_bytes_max;
    if (TR_UNLIKELY(bytes_max != 0 &&
                    (uint64_t)(out - fragment->bytes) - places.value_at > bytes_max)) {
        return TR_WRITE_TOO_LARGE;
    }
    struct tr_fragment_group *group = find_group(fragment, row->plan->schema->stream->id);
    if (TR_UNLIKELY(group == NULL)) {
        return TR_WRITE_NO_ROOM;
    }
    places.value_bytes = (uint32_t)(value_end - fragment->bytes) - places.value_at;
    places.key_at = (uint32_t)(value_end - fragment->bytes);
    places.key_bytes = (uint32_t)(out - value_end);
    fragment->low_bytes = (uint32_t)(out - fragment->bytes);
    append_record(row, group, &places);
    if (op == 'd' && row->plan->options.tombstones_on_delete) {
        places.value_bytes = 0;
        append_record(row, group, &places);
    }
    TR_ASSERT_HOT(fragment->low_bytes + fragment->high_bytes <= fragment->room_bytes);
    return TR_WRITE_OK;
}

static bool keys_equal(const struct tr_plan *plan, const struct tr_image_key *a,
                       const struct tr_image_key *b)
{
    for (uint32_t i = 0; i < plan->key_count; i++) {
        if (a->bytes[i] != b->bytes[i] || memcmp(a->at[i], b->at[i], a->bytes[i]) != 0) {
            return false;
        }
    }
    return true;
}

static enum tr_write_outcome put_create(struct tr_row *row, enum tr_image_place place)
{
    struct tr_image_key key;
    uint8_t *out = open_record(row);

    if (out == NULL) {
        return TR_WRITE_NO_ROOM;
    }
    out = put_literal(row->plan, out, row->plan->open_create);
    const enum tr_write_outcome outcome = tr_image_put(&row->run, place, &out, &key);
    if (TR_UNLIKELY(outcome != TR_WRITE_OK)) {
        return outcome;
    }
    return close_record(row, tr_envelope_put(row->envelope, out, row->number, 'c'), &key, 'c');
}

static enum tr_write_outcome put_delete(struct tr_row *row)
{
    static const char after[] = ",\"after\":null";
    struct tr_image_key key;
    uint8_t *out = open_record(row);

    if (out == NULL) {
        return TR_WRITE_NO_ROOM;
    }
    out = put_literal(row->plan, out, row->plan->open);
    const enum tr_write_outcome outcome = tr_image_put(&row->run, TR_IMAGE_FIRST, &out, &key);
    if (TR_UNLIKELY(outcome != TR_WRITE_OK)) {
        return outcome;
    }
    memcpy(out, after, sizeof(after) - 1);
    out += sizeof(after) - 1;
    return close_record(row, tr_envelope_put(row->envelope, out, row->number, 'd'), &key, 'd');
}

/* A row of the snapshot: its `source.row` is 0 always. */
static enum tr_write_outcome put_read(struct tr_row *row)
{
    struct tr_image_key key;
    uint8_t *out = open_record(row);

    if (out == NULL) {
        return TR_WRITE_NO_ROOM;
    }
    out = put_literal(row->plan, out, row->plan->open_create);
    const enum tr_write_outcome outcome = tr_text_row_put(&row->run, &out, &key);
    if (TR_UNLIKELY(outcome != TR_WRITE_OK)) {
        return outcome;
    }
    return close_record(row, tr_envelope_put(row->envelope, out, 0, 'r'), &key, 'r');
}

/* Sets part to KEY_OLD instead of writing when the key changes. */
static enum tr_write_outcome put_update(struct tr_row *row)
{
    static const char after[] = ",\"after\":";
    struct tr_image_key key_old;
    struct tr_image_key key_new;
    uint8_t *out = open_record(row);

    if (out == NULL) {
        return TR_WRITE_NO_ROOM;
    }
    out = put_literal(row->plan, out, row->plan->open);
    enum tr_write_outcome outcome = tr_image_put(&row->run, TR_IMAGE_FIRST, &out, &key_old);
    if (TR_UNLIKELY(outcome != TR_WRITE_OK)) {
        return outcome;
    }
    memcpy(out, after, sizeof(after) - 1);
    out += sizeof(after) - 1;
    outcome = tr_image_put(&row->run, TR_IMAGE_SECOND, &out, &key_new);
    if (TR_UNLIKELY(outcome != TR_WRITE_OK)) {
        return outcome;
    }
    if (TR_UNLIKELY(!keys_equal(row->plan, &key_old, &key_new))) {
        row->part = TR_ROW_KEY_OLD;
        return TR_WRITE_OK;
    }
    return close_record(row, tr_envelope_put(row->envelope, out, row->number, 'u'), &key_new, 'u');
}

static enum tr_write_outcome put_whole(struct tr_row *row)
{
    enum tr_write_outcome outcome;

    switch (row->op) {
    case TR_ROW_INSERT:
        return put_create(row, TR_IMAGE_FIRST);
    case TR_ROW_DELETE:
        outcome = put_delete(row);
        return outcome != TR_WRITE_OK || row->item->op != TR_ROW_UPDATE
                   ? outcome
                   : tr_image_skip(&row->run, TR_IMAGE_SECOND); /* looked over by tr_period_judge */
    case TR_ROW_READ:
        return put_read(row);
    case TR_ROW_UPDATE:
    case TR_ROW_TRUNCATE: /* has no image: tr_row_put_truncate */
        break;
    }
    return put_update(row);
}

/* The halves of a key change, each from the row's start. */
static enum tr_write_outcome put_half(struct tr_row *row)
{
    enum tr_write_outcome outcome;

    TR_COVER("decode.key_change");
    if (row->part == TR_ROW_KEY_OLD) {
        outcome = put_delete(row);
        if (outcome == TR_WRITE_OK) {
            row->part = TR_ROW_KEY_NEW;
        }
        return outcome;
    }
    outcome = tr_image_skip(&row->run, TR_IMAGE_FIRST);
    if (outcome == TR_WRITE_OK) {
        outcome = put_create(row, TR_IMAGE_SECOND);
    }
    if (outcome == TR_WRITE_OK) {
        row->part = TR_ROW_WHOLE;
    }
    return outcome;
}

/* The hash of the key of the image at run.in, which is written and forgotten; false when that does
 * not fit either. */
static bool hash_key(struct tr_row *row, enum tr_image_place place, uint64_t *hash)
{
    struct tr_image_key key;
    uint8_t *out = open_record(row);

    if (out == NULL || tr_image_put(&row->run, place, &out, &key) != TR_WRITE_OK) {
        return false;
    }
    const uint8_t *end = put_key(row, out, &key);
    if (end == NULL) {
        return false;
    }
    *hash = tr_hash_bytes(out, (size_t)(end - out));
    return true;
}

/* An update whose two images do not fit an empty jumbo together may still be two records that do.
 */
static bool is_large_key_change(struct tr_row *row)
{
    const uint8_t *start = row->run.in;
    uint64_t hashes[2];
    const bool is_change = row->op == TR_ROW_UPDATE && row->fragment->jumbo &&
                           row->fragment->high_bytes == 0 && row->plan->key_count != 0 &&
                           hash_key(row, TR_IMAGE_FIRST, &hashes[0]) &&
                           hash_key(row, TR_IMAGE_SECOND, &hashes[1]) && hashes[0] != hashes[1];

    row->run.in = start;
    return is_change;
}

enum tr_write_outcome tr_row_put(struct tr_row *row)
{
    const uint8_t *start = row->run.in;
    enum tr_write_outcome outcome;

    if (row->part == TR_ROW_WHOLE) {
        outcome = put_whole(row);
        if (TR_LIKELY(outcome == TR_WRITE_OK && row->part == TR_ROW_WHOLE)) {
            return TR_WRITE_OK;
        }
        row->run.in = start;
        if (outcome == TR_WRITE_NO_ROOM && is_large_key_change(row)) {
            TR_COVER("decode.large_key_change");
            row->part = TR_ROW_KEY_OLD;
            outcome = TR_WRITE_OK;
        }
        if (outcome != TR_WRITE_OK) {
            return outcome;
        }
    }
    while (row->part != TR_ROW_WHOLE) { /* two turns */
        row->run.in = start;
        outcome = put_half(row);
        if (outcome != TR_WRITE_OK) {
            row->run.in = start;
            return outcome;
        }
    }
    return TR_WRITE_OK;
}

enum tr_write_outcome tr_row_put_truncate(struct tr_row *row)
{
    uint8_t *out = open_record(row);

    if (out == NULL) {
        return TR_WRITE_NO_ROOM;
    }
    out = put_literal(row->plan, out, row->plan->open_create);
    memcpy(out, "null", 4);
    return close_record(row, tr_envelope_put(row->envelope, out + 4, 0, 't'), NULL, 't');
}

enum tr_write_outcome tr_row_put_prepared(struct tr_row *row, uint32_t row_last)
{
    struct tr_fragment *fragment = row->fragment;
    const struct tr_prepared *prepared = row->item->prepared;
    const uint64_t bytes = (uint64_t)prepared->key_bytes + prepared->value_bytes;
    const uint64_t room = fragment->room_bytes - fragment->low_bytes - fragment->high_bytes;
    const uint32_t late_bytes = prepared->row_at != 0 ? TR_LATE_ROW_BYTES : 0;

    TR_ASSERT(prepared->key_bytes != 0);
    TR_ASSERT(prepared->value_bytes != 0);
    if (room < bytes + late_bytes + sizeof(struct tr_record) ||
        (fragment->jumbo && fragment->high_bytes != 0)) {
        return TR_WRITE_NO_ROOM;
    }
    struct tr_fragment_group *group = find_group(fragment, prepared->stream->id);
    if (group == NULL) {
        return TR_WRITE_NO_ROOM;
    }
    const struct places places = {
        .value_at = fragment->low_bytes + late_bytes,
        .value_bytes = prepared->value_bytes,
        .key_at = fragment->low_bytes + late_bytes + prepared->value_bytes,
        .key_bytes = prepared->key_bytes,
        .key_hash = tr_hash_bytes(prepared->bytes, prepared->key_bytes),
    };
    memcpy(fragment->bytes + places.value_at, prepared->bytes + prepared->key_bytes,
           prepared->value_bytes);
    memcpy(fragment->bytes + places.key_at, prepared->bytes, prepared->key_bytes);
    fragment->low_bytes += (uint32_t)bytes + late_bytes;
    append_record(row, group, &places);
    if (prepared->row_at != 0) {
        group->last->flags |= TR_RECORD_LATE_ROW;
        group->last->slot = prepared->row_at;
        fragment->has_late_rows = true;
        if (row_last != TR_UNIT_ROW_NONE) {
            tr_fragment_write_row(group, group->last, row_last);
        }
    }
    return TR_WRITE_OK;
}
