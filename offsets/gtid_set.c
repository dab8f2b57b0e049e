// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "engine/assert.h"
#include "offsets/decimal.h"
#include "offsets/gtid.h"

#define MYSQL_NUMBER_MAX ((UINT64_C(1) << 63) - 2) /* mysql-binlog.md §5.1 */

struct gtid_interval {
    uint64_t first;
    uint64_t last; /* inclusive */
};

/* One source's part of a set. Buffers of entries beyond entry_count are kept for the next use. */
struct gtid_entry {
    const struct tr_gtid_source *source;
    struct gtid_interval
        *intervals; /* owns; MySQL: sorted, disjoint, never adjacent; MariaDB: one */
    uint32_t interval_count;
    uint32_t interval_room;
    uint32_t server_id; /* MariaDB */
};

#define SET_INTERVALS_MAX 1000000u

struct tr_gtid_set {
    enum tr_flavor flavor;
    uint32_t entry_count;
    uint32_t entry_room;
    uint32_t interval_count;             /* of all entries */
    struct gtid_entry *entries;          /* owns; in order of first appearance */
    uint16_t slots[TR_GTID_SOURCES_MAX]; /* by source->index: index + 1 of its entry; 0 = none */
};

static struct gtid_entry *set_entry(const struct tr_gtid_set *set,
                                    const struct tr_gtid_source *source);
static enum tr_code set_entry_make(struct tr_gtid_set *set, const struct tr_gtid_source *source,
                                   struct gtid_entry **entry, struct tr_error *err);
static void set_entry_unmake(struct tr_gtid_set *set, const struct gtid_entry *entry);
static enum tr_code entry_reserve(struct gtid_entry *entry, uint32_t count, struct tr_error *err);
static enum tr_code entry_add(struct tr_gtid_set *set, struct gtid_entry *entry, uint64_t first,
                              uint64_t last, struct tr_error *err);
static bool entry_contains(const struct gtid_entry *entry, uint64_t first, uint64_t last);

/* --- sets: life and growth --- */

enum tr_code tr_gtid_set_open(struct tr_gtid_set **set, enum tr_flavor flavor, struct tr_error *err)
{
    *set = calloc(1, sizeof(**set));
    if (*set == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "memory for a GTID set = %zu bytes: refused by the system", sizeof(**set));
    }
    (*set)->flavor = flavor;
    return TR_OK;
}

void tr_gtid_set_close(struct tr_gtid_set *set)
{
    if (set == NULL) {
        return;
    }
    for (uint32_t i = 0; i < set->entry_room; i++) {
        free(set->entries[i].intervals);
    }
    free(set->entries);
    free(set);
}

void tr_gtid_set_clear(struct tr_gtid_set *set)
{
    for (uint32_t i = 0; i < set->entry_count; i++) {
        set->slots[set->entries[i].source->index] = 0;
        set->entries[i].interval_count = 0;
    }
    set->entry_count = 0;
    set->interval_count = 0;
}

bool tr_gtid_set_is_empty(const struct tr_gtid_set *set)
{
    return set->entry_count == 0;
}

enum tr_flavor tr_gtid_set_flavor(const struct tr_gtid_set *set)
{
    return set->flavor;
}

enum tr_code tr_gtid_set_copy(struct tr_gtid_set *dst, const struct tr_gtid_set *src,
                              struct tr_error *err)
{
    TR_ASSERT(dst != src);
    TR_ASSERT(dst->flavor == src->flavor);
    tr_gtid_set_clear(dst);
    for (uint32_t i = 0; i < src->entry_count; i++) {
        const struct gtid_entry *from = &src->entries[i];
        struct gtid_entry *to;

        if (set_entry_make(dst, from->source, &to, err) != TR_OK ||
            entry_reserve(to, from->interval_count, err) != TR_OK) {
            return TR_ERR_SYSTEM;
        }
        memcpy(to->intervals, from->intervals, from->interval_count * sizeof(*from->intervals));
        to->interval_count = from->interval_count;
        to->server_id = from->server_id;
    }
    dst->interval_count = src->interval_count;
    return TR_OK;
}

static struct gtid_entry *set_entry(const struct tr_gtid_set *set,
                                    const struct tr_gtid_source *source)
{
    const uint16_t slot = set->slots[source->index];

    return slot == 0 ? NULL : &set->entries[slot - 1];
}

/* The source's entry, made if new. Errors: TR_ERR_SYSTEM. */
static enum tr_code set_entry_make(struct tr_gtid_set *set, const struct tr_gtid_source *source,
                                   struct gtid_entry **entry, struct tr_error *err)
{
    *entry = set_entry(set, source);
    if (*entry != NULL) {
        return TR_OK;
    }
    if (set->entry_count == set->entry_room) {
        const uint32_t room = set->entry_room == 0 ? 4 : set->entry_room * 2;
        struct gtid_entry *grown = realloc(set->entries, room * sizeof(*grown));

        if (grown == NULL) {
            return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                           "memory for a GTID set of %u sources: refused by the system", room);
        }
        memset(grown + set->entry_room, 0, (room - set->entry_room) * sizeof(*grown));
        set->entries = grown;
        set->entry_room = room;
    }
    *entry = &set->entries[set->entry_count];
    (*entry)->source = source;
    (*entry)->interval_count = 0;
    (*entry)->server_id = 0;
    set->entry_count++; /* at most TR_GTID_SOURCES_MAX: sources are distinct */
    set->slots[source->index] = (uint16_t)set->entry_count;
    return TR_OK;
}

/* Takes a new entry back when nothing could be put into it: every entry of a set holds something.
 */
static void set_entry_unmake(struct tr_gtid_set *set, const struct gtid_entry *entry)
{
    if (entry->interval_count == 0) {
        set->slots[entry->source->index] = 0;
        set->entry_count--; /* it is the last one: it was just made */
    }
}

static enum tr_code entry_reserve(struct gtid_entry *entry, uint32_t count, struct tr_error *err)
{
    if (count <= entry->interval_room) {
        return TR_OK;
    }
    uint32_t room = entry->interval_room == 0 ? 4 : entry->interval_room;

    while (room < count) { /* count is at most SET_INTERVALS_MAX: no wrap */
        room *= 2;
    }
    struct gtid_interval *grown = realloc(entry->intervals, room * sizeof(*grown));

    if (grown == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "memory for %u GTID intervals: refused by the system", room);
    }
    entry->intervals = grown;
    entry->interval_room = room;
    return TR_OK;
}

/* --- sets: adding and asking --- */

enum tr_code tr_gtid_set_add(struct tr_gtid_set *set, const struct tr_gtid_range *range,
                             struct tr_error *err)
{
    struct gtid_entry *entry;

    TR_ASSERT(range->source != NULL);
    TR_ASSERT(range->source->flavor == set->flavor);
    if (set->flavor == TR_FLAVOR_MYSQL &&
        (range->first == 0 || range->last < range->first || range->last > MYSQL_NUMBER_MAX)) {
        return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                       "GTID numbers = %llu-%llu: wanted 1..2^63-2 in ascending order",
                       (unsigned long long)range->first, (unsigned long long)range->last);
    }
    if (set_entry_make(set, range->source, &entry, err) != TR_OK) {
        return TR_ERR_SYSTEM;
    }
    if (set->flavor == TR_FLAVOR_MYSQL) {
        const enum tr_code code = entry_add(set, entry, range->first, range->last, err);

        if (code != TR_OK) {
            set_entry_unmake(set, entry);
        }
        return code;
    }
    if (entry_reserve(entry, 1, err) != TR_OK) {
        set_entry_unmake(set, entry);
        return TR_ERR_SYSTEM;
    }
    set->interval_count += 1 - entry->interval_count;
    entry->interval_count = 1;
    entry->intervals[0] = (struct gtid_interval){.first = range->last, .last = range->last};
    entry->server_id = range->server_id;
    return TR_OK;
}

/* Index of the first interval that ends at `number` or later; interval_count when none does. */
static uint32_t entry_search(const struct gtid_entry *entry, uint64_t number)
{
    uint32_t low = 0;
    uint32_t high = entry->interval_count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (entry->intervals[middle].last < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static enum tr_code entry_add(struct tr_gtid_set *set, struct gtid_entry *entry, uint64_t first,
                              uint64_t last, struct tr_error *err)
{
    struct gtid_interval *intervals = entry->intervals;
    const uint32_t count = entry->interval_count;

    if (count > 0 && intervals[count - 1].last + 1 == first) { /* the common case */
        intervals[count - 1].last = last;
        return TR_OK;
    }
    /* All intervals that touch first..last (adjacent ones too) become one: index from..to-1. */
    const uint32_t from = entry_search(entry, first - 1);
    uint32_t to = from;

    while (to < count && intervals[to].first <= last + 1) {
        first = intervals[to].first < first ? intervals[to].first : first;
        last = intervals[to].last > last ? intervals[to].last : last;
        to++;
    }
    if (to == from) {
        if (set->interval_count == SET_INTERVALS_MAX) {
            return TR_FAIL(err, TR_ERR_MEMORY_LIMIT, TR_STOP,
                           "intervals in a GTID set = %u: the most this version keeps; close the "
                           "gaps of gtid_executed on the source (inject empty transactions)",
                           SET_INTERVALS_MAX);
        }
        if (entry_reserve(entry, count + 1, err) != TR_OK) {
            return TR_ERR_SYSTEM;
        }
        intervals = entry->intervals;
        memmove(intervals + from + 1, intervals + from, (count - from) * sizeof(*intervals));
        entry->interval_count++;
        set->interval_count++;
    } else {
        memmove(intervals + from + 1, intervals + to, (count - to) * sizeof(*intervals));
        entry->interval_count -= to - from - 1;
        set->interval_count -= to - from - 1;
    }
    intervals[from] = (struct gtid_interval){.first = first, .last = last};
    return TR_OK;
}

static bool entry_contains(const struct gtid_entry *entry, uint64_t first, uint64_t last)
{
    const uint32_t at = entry_search(entry, last);

    return at < entry->interval_count && entry->intervals[at].first <= first;
}

bool tr_gtid_set_contains(const struct tr_gtid_set *set, const struct tr_gtid *gtid)
{
    const struct gtid_entry *entry = gtid->source == NULL ? NULL : set_entry(set, gtid->source);

    if (entry == NULL) {
        return false;
    }
    if (set->flavor == TR_FLAVOR_MARIADB) {
        return gtid->number <= entry->intervals[0].last;
    }
    return entry_contains(entry, gtid->number, gtid->number);
}

bool tr_gtid_set_contains_set(const struct tr_gtid_set *whole, const struct tr_gtid_set *part)
{
    for (uint32_t i = 0; i < part->entry_count; i++) {
        const struct gtid_entry *wanted = &part->entries[i];
        const struct gtid_entry *had = set_entry(whole, wanted->source);

        if (had == NULL) {
            return false;
        }
        if (whole->flavor == TR_FLAVOR_MARIADB) {
            if (had->intervals[0].last < wanted->intervals[0].last) {
                return false;
            }
            continue;
        }
        for (uint32_t k = 0; k < wanted->interval_count; k++) {
            if (!entry_contains(had, wanted->intervals[k].first, wanted->intervals[k].last)) {
                return false;
            }
        }
    }
    return true;
}

/* --- sets: written --- */

size_t tr_gtid_set_text_bytes(const struct tr_gtid_set *set)
{
    size_t bytes = set->entry_count == 0 ? 0 : set->entry_count - 1; /* commas */

    for (uint32_t i = 0; i < set->entry_count; i++) {
        const struct gtid_entry *entry = &set->entries[i];

        bytes += entry->source->prefix_bytes;
        if (set->flavor == TR_FLAVOR_MARIADB) {
            bytes +=
                tr_decimal_bytes(entry->server_id) + 1 + tr_decimal_bytes(entry->intervals[0].last);
            continue;
        }
        for (uint32_t k = 0; k < entry->interval_count; k++) {
            bytes += (k == 0 ? 0 : 1) + tr_decimal_bytes(entry->intervals[k].first) + 1 +
                     tr_decimal_bytes(entry->intervals[k].last);
        }
    }
    return bytes;
}

void tr_gtid_set_write_text(const struct tr_gtid_set *set, char *out)
{
    for (uint32_t i = 0; i < set->entry_count; i++) {
        const struct gtid_entry *entry = &set->entries[i];

        if (i > 0) {
            *out++ = ',';
        }
        memcpy(out, entry->source->prefix, entry->source->prefix_bytes);
        out += entry->source->prefix_bytes;
        if (set->flavor == TR_FLAVOR_MARIADB) {
            out += tr_decimal_write(out, entry->server_id);
            *out++ = '-';
            out += tr_decimal_write(out, entry->intervals[0].last);
            continue;
        }
        for (uint32_t k = 0; k < entry->interval_count; k++) {
            if (k > 0) {
                *out++ = ':';
            }
            out += tr_decimal_write(out, entry->intervals[k].first);
            *out++ = '-';
            out += tr_decimal_write(out, entry->intervals[k].last);
        }
    }
    *out = '\0';
}

static uint8_t *store_u64(uint8_t *out, uint64_t value)
{
    memcpy(out, &value, sizeof(value)); /* little-endian hosts only, asserted in engine/bytes.h */
    return out + sizeof(value);
}

/* Layouts: mysql-binlog.md §5.1, "Binary classic" and "Binary tagged". */
size_t tr_gtid_set_write_binary(const struct tr_gtid_set *set, uint8_t *out)
{
    bool has_tag = false;
    size_t bytes = sizeof(uint64_t);

    TR_ASSERT(set->flavor == TR_FLAVOR_MYSQL);
    for (uint32_t i = 0; i < set->entry_count; i++) {
        has_tag = has_tag || set->entries[i].source->tag[0] != '\0';
    }
    for (uint32_t i = 0; i < set->entry_count; i++) {
        const struct gtid_entry *entry = &set->entries[i];

        bytes += sizeof(entry->source->uuid) + sizeof(uint64_t) +
                 (size_t)entry->interval_count * 2 * sizeof(uint64_t);
        bytes += has_tag ? 1 + strlen(entry->source->tag) : 0;
    }
    if (out == NULL) {
        return bytes;
    }
    out = store_u64(out, has_tag ? UINT64_C(1) | (uint64_t)set->entry_count << 8 | UINT64_C(1) << 56
                                 : set->entry_count);
    for (uint32_t i = 0; i < set->entry_count; i++) {
        const struct gtid_entry *entry = &set->entries[i];

        memcpy(out, entry->source->uuid, sizeof(entry->source->uuid));
        out += sizeof(entry->source->uuid);
        if (has_tag) {
            const size_t tag_bytes = strlen(entry->source->tag);

            *out++ = (uint8_t)(tag_bytes << 1); /* varint (§3.9): one byte below 128 */
            memcpy(out, entry->source->tag, tag_bytes);
            out += tag_bytes;
        }
        out = store_u64(out, entry->interval_count);
        for (uint32_t k = 0; k < entry->interval_count; k++) {
            out = store_u64(out, entry->intervals[k].first);
            out = store_u64(out, entry->intervals[k].last + 1); /* end is exclusive */
        }
    }
    return bytes;
}
