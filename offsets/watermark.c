// SPDX-License-Identifier: Apache-2.0
#include "offsets/watermark.h"

#include <stdlib.h>
#include <string.h>

#include "engine/assert.h"
#include "engine/cover.h"

#define ENTRY_MASK (TR_WATERMARK_ENTRIES_MAX - 1)
#define RANGE_MASK (TR_WATERMARK_RANGES_MAX - 1)
#define MERGE_LOOK_BACK 64u /* merging is an economy: how far back it looks for a neighbour */

_Static_assert((TR_WATERMARK_ENTRIES_MAX & ENTRY_MASK) == 0, "a power of two");
_Static_assert((TR_WATERMARK_RANGES_MAX & RANGE_MASK) == 0, "a power of two");
_Static_assert(TR_WATERMARK_RANGES_MAX >= 2 * TR_UNIT_RANGES_MAX, "room for a unit's ranges");

struct mark {
    uint64_t range_count; /* absolute: ranges completed before the point */
    uint64_t log_bytes;   /* of the unit that it is of */
    uint64_t link_epoch;
    struct tr_log_point point;
};

struct entry {
    uint64_t seq;
    struct mark record; /* of this or an earlier unit; not usable once the base set has passed it */
    struct mark end;
};

struct tr_watermark {
    bool keep_gtids;
    struct tr_gtid_set
        *base; /* owns; GTIDs of the initial position and of the first base_count ranges */
    uint64_t base_count;
    uint64_t range_count; /* ever pushed (merged ones leave no gap: indexes are renumbered) */
    uint32_t first;       /* place of the oldest entry */
    uint32_t entry_count;
    struct mark
        record_latest; /* of the newest entry: what the next one without a record inherits */
    struct entry safe;
    struct entry entries[TR_WATERMARK_ENTRIES_MAX];
    struct tr_gtid_range ranges[TR_WATERMARK_RANGES_MAX]; /* by absolute index & RANGE_MASK */
};

static void thin_out(struct tr_watermark *watermark);
static enum tr_code move_base(struct tr_watermark *watermark, uint64_t range_count,
                              struct tr_error *err);

static struct entry *entry_at(struct tr_watermark *watermark, uint32_t index)
{
    return &watermark->entries[(watermark->first + index) & ENTRY_MASK];
}

static bool is_usable(const struct tr_watermark *watermark, const struct mark *mark)
{
    return mark->range_count >= watermark->base_count;
}

size_t tr_watermark_memory_bytes(void)
{
    return sizeof(struct tr_watermark);
}

enum tr_code tr_watermark_open(struct tr_watermark **watermark, enum tr_flavor flavor,
                               bool keep_gtids, const struct tr_saved_position *initial,
                               struct tr_error *err)
{
    struct tr_watermark *made = calloc(1, sizeof(*made));

    *watermark = NULL;
    if (made == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "memory for the table of positions = %zu bytes: refused by the system",
                       sizeof(*made));
    }
    made->keep_gtids = keep_gtids;
    made->safe.end.point = initial->point;
    made->safe.record = made->safe.end;
    made->record_latest = made->safe.end;
    if (tr_gtid_set_open(&made->base, flavor, err) != TR_OK ||
        (keep_gtids && initial->gtids != NULL &&
         tr_gtid_set_copy(made->base, initial->gtids, err) != TR_OK)) {
        tr_watermark_close(made);
        return err->code;
    }
    *watermark = made;
    return TR_OK;
}

void tr_watermark_close(struct tr_watermark *watermark)
{
    if (watermark != NULL) {
        tr_gtid_set_close(watermark->base);
        free(watermark);
    }
}

/* --- pushing --- */

static bool has_room(const struct tr_watermark *watermark, uint32_t range_count)
{
    return watermark->entry_count < TR_WATERMARK_ENTRIES_MAX &&
           watermark->range_count - watermark->base_count + range_count <= TR_WATERMARK_RANGES_MAX;
}

bool tr_watermark_try_push(struct tr_watermark *watermark, const struct tr_unit_position *position)
{
    const uint32_t range_count = watermark->keep_gtids ? position->range_count : 0;

    TR_ASSERT(position->range_count <= TR_UNIT_RANGES_MAX);
    TR_ASSERT(position->record_range_count <= position->range_count);
    TR_ASSERT(position->seq > watermark->safe.seq);
    while (!has_room(watermark, range_count) && watermark->entry_count > 1) {
        thin_out(watermark);
    }
    if (!has_room(watermark, range_count)) {
        TR_COVER("watermark.no_room");
        return false;
    }
    TR_ASSERT(watermark->entry_count == 0 ||
              entry_at(watermark, watermark->entry_count - 1)->seq < position->seq);
    struct entry *entry = entry_at(watermark, watermark->entry_count);

    if (position->has_record) {
        watermark->record_latest = (struct mark){
            .range_count =
                watermark->range_count + (watermark->keep_gtids ? position->record_range_count : 0),
            .log_bytes = position->log_bytes,
            .link_epoch = position->link_epoch,
            .point = position->record,
        };
    }
    for (uint32_t i = 0; i < range_count; i++) {
        watermark->ranges[(watermark->range_count + i) & RANGE_MASK] = position->ranges[i];
    }
    watermark->range_count += range_count;
    entry->seq = position->seq;
    entry->record = watermark->record_latest;
    entry->end = (struct mark){
        .range_count = watermark->range_count,
        .log_bytes = position->log_bytes,
        .link_epoch = position->link_epoch,
        .point = position->end,
    };
    watermark->entry_count++;
    return true;
}

/* Appends a range at `to`, or merges it with one from `merge_from` on; returns the new end. */
static uint64_t append_range(struct tr_watermark *watermark, uint64_t to, uint64_t merge_from,
                             struct tr_gtid_range range)
{
    for (uint64_t i = to; i > merge_from && to - i < MERGE_LOOK_BACK; i--) {
        struct tr_gtid_range *before = &watermark->ranges[(i - 1) & RANGE_MASK];

        if (before->source != range.source) {
            continue;
        }
        if (range.source->flavor == TR_FLAVOR_MARIADB) {
            *before = range; /* only the domain's newest counts */
            return to;
        }
        if (before->last + 1 == range.first) {
            before->last = range.last;
            return to;
        }
    }
    watermark->ranges[to & RANGE_MASK] = range;
    return to + 1;
}

/* The marks in ascending order of their place between the ranges: two cursors over records and
 * ends. */
struct mark_walk {
    struct tr_watermark *watermark;
    uint32_t record_next; /* 0 = the safe entry, then the table's entries from 1 on */
    uint32_t end_next;
};

static struct entry *walk_entry(const struct mark_walk *walk, uint32_t index)
{
    return index == 0 ? &walk->watermark->safe : entry_at(walk->watermark, index - 1);
}

/* Renumbers the marks that stand at `from` to `to`; returns whether there was one. */
static bool renumber_marks(struct mark_walk *walk, uint64_t from, uint64_t to)
{
    const uint32_t count = walk->watermark->entry_count + 1;
    bool found = false;

    while (walk->record_next < count &&
           walk_entry(walk, walk->record_next)->record.range_count <= from) {
        struct mark *mark = &walk_entry(walk, walk->record_next)->record;

        found = true;
        mark->range_count = mark->range_count == from ? to : mark->range_count; /* less: unusable */
        walk->record_next++;
    }
    while (walk->end_next < count && walk_entry(walk, walk->end_next)->end.range_count <= from) {
        struct mark *mark = &walk_entry(walk, walk->end_next)->end;

        found = true;
        mark->range_count = mark->range_count == from ? to : mark->range_count;
        walk->end_next++;
    }
    return found;
}

/* Merges ranges that have no mark between them any more. Marks keep their ranges; indexes become
 * dense again. */
static void merge_ranges(struct tr_watermark *watermark)
{
    struct mark_walk walk = {.watermark = watermark};
    const uint64_t range_count = watermark->range_count;
    uint64_t to = watermark->base_count;
    uint64_t merge_from = to;

    for (uint64_t from = watermark->base_count; from < range_count; from++) {
        if (renumber_marks(&walk, from, to)) {
            merge_from = to;
        }
        to = append_range(watermark, to, merge_from, watermark->ranges[from & RANGE_MASK]);
    }
    (void)renumber_marks(&walk, range_count, to);
    watermark->range_count = to;
    /* The newest entry's record is the latest one: the same mark, renumbered. */
    watermark->record_latest = entry_at(watermark, watermark->entry_count - 1)->record;
}

/* Drops every second entry, never the newest. */
static void thin_out(struct tr_watermark *watermark)
{
    uint32_t kept = 0;

    TR_COVER("watermark.thinned");
    for (uint32_t i = (watermark->entry_count - 1) % 2; i < watermark->entry_count; i += 2) {
        if (kept != i) {
            *entry_at(watermark, kept) = *entry_at(watermark, i);
        }
        kept++;
    }
    watermark->entry_count = kept;
    merge_ranges(watermark);
}

/* --- advancing --- */

/* Ranges up to that count go into the base set; marks before it are not usable any more. */
static enum tr_code move_base(struct tr_watermark *watermark, uint64_t range_count,
                              struct tr_error *err)
{
    while (watermark->base_count < range_count) {
        const struct tr_gtid_range *range = &watermark->ranges[watermark->base_count & RANGE_MASK];

        if (tr_gtid_set_add(watermark->base, range, err) != TR_OK) {
            return err->code;
        }
        watermark->base_count++;
    }
    return TR_OK;
}

/* Whether the record is too far behind the unit's end, in log or by a file, to be a place to resume
 * from. */
static bool record_is_far(const struct entry *entry)
{
    return entry->end.log_bytes - entry->record.log_bytes > TR_WATERMARK_RECORD_LOG_BYTES_MAX ||
           strcmp(entry->end.point.file, entry->record.point.file) != 0;
}

enum tr_code tr_watermark_advance(struct tr_watermark *watermark, uint64_t safe_seq,
                                  struct tr_error *err)
{
    uint32_t passed = 0;

    while (passed < watermark->entry_count && entry_at(watermark, passed)->seq <= safe_seq) {
        passed++;
    }
    if (passed == 0) {
        return TR_OK;
    }
    watermark->safe = *entry_at(watermark, passed - 1);
    watermark->first = (watermark->first + passed) & ENTRY_MASK;
    watermark->entry_count -= passed;
    const struct entry *safe = &watermark->safe;
    const bool keeps_record = is_usable(watermark, &safe->record) && !record_is_far(safe);

    return move_base(watermark, keeps_record ? safe->record.range_count : safe->end.range_count,
                     err);
}

uint64_t tr_watermark_safe_seq(const struct tr_watermark *watermark)
{
    return watermark->safe.seq;
}

uint64_t tr_watermark_safe_log_bytes(const struct tr_watermark *watermark)
{
    return watermark->safe.end.log_bytes;
}

uint32_t tr_watermark_depth(const struct tr_watermark *watermark)
{
    return watermark->entry_count;
}

enum tr_code tr_watermark_position(const struct tr_watermark *watermark, bool is_newest,
                                   struct tr_saved_position *position, uint64_t *link_epoch,
                                   struct tr_error *err)
{
    const struct entry *safe = &watermark->safe;
    const bool takes_record =
        is_newest && is_usable(watermark, &safe->record) && !record_is_far(safe);
    const struct mark *mark = takes_record ? &safe->record : &safe->end;

    position->point = mark->point;
    position->incremental_snapshot = false;
    *link_epoch = mark->link_epoch;
    if (tr_gtid_set_copy(position->gtids, watermark->base, err) != TR_OK) {
        return err->code;
    }
    for (uint64_t i = watermark->base_count; i < mark->range_count; i++) {
        if (tr_gtid_set_add(position->gtids, &watermark->ranges[i & RANGE_MASK], err) != TR_OK) {
            return err->code;
        }
    }
    return TR_OK;
}
