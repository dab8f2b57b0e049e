// SPDX-License-Identifier: Apache-2.0
/*
 * A fragment: a fixed buffer of encoded records, indexed per stream.
 *
 *   bytes:  [value][key][value][key]...        ->  grows up; a tombstone shares the key before it
 *           ...[record 2][record 1][record 0]  <-  the index grows down from the end
 *   groups: per stream in it: first and last record (linked by `next`), counts
 *
 *   decoder d --(decoded ring d)--> collector --(bucket ring s)--> shipper s
 *   shipper s --(return ring s)--> collector --(empty ring d)--> decoder d
 *
 * The decoder fills and sends it; the collector counts how many buckets it made of it (`bucket_count`, a plain integer of
 * the collector) and sends it home to its decoder when the last bucket came back. A shipper owns the records of its
 * group from the bucket to the return: it may use their `next` and `slot` members.
 */
#ifndef TR_STAGES_FRAGMENT_H
#define TR_STAGES_FRAGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/assert.h"

#define TR_FRAGMENT_BYTES (256 * 1024)
#define TR_FRAGMENT_GROUPS_MAX                                                                     \
    16 /* streams mixed in one fragment; a unit that has more takes more fragments */
#define TR_FRAGMENT_MAGIC 0x46524147u
#define TR_LATE_ROW_BYTES 9 /* a row's number has at most as many digits more than "0" */

struct tr_fragment;

enum tr_record_flag {
    TR_RECORD_KEYLESS = 1u, /* no key: partition key is sink.kinesis.null.key; key_bytes is 0 */
    /* Without a row: `source.row` is that of the last row sent before, which the decoder knows only
     * where it stands in the same unit. Then the collector writes it: its "0" is at `slot` in the
     * value, and TR_LATE_ROW_BYTES before the value are free. Cleared then. */
    TR_RECORD_LATE_ROW = 2u,
};

struct tr_record {
    struct tr_record
        *next; /* next of the same stream in this fragment; later the shipper's queue */
    struct tr_fragment *fragment; /* where its bytes are */
    uint64_t unit_seq;
    uint64_t key_hash; /* 64-bit hash of the key bytes, equal for equal keys; 0 for keyless */
    int64_t commit_us; /* source time, for the commit-to-accepted histogram */
    uint32_t key_at;   /* into bytes */
    uint32_t key_bytes;
    uint32_t value_at;
    uint32_t value_bytes; /* 0 = tombstone */
    uint32_t flags;       /* enum tr_record_flag */
    uint32_t slot;        /* the shipper's; before it see TR_RECORD_LATE_ROW */
};

struct tr_fragment_group {
    uint32_t stream_id;
    uint32_t record_count;
    uint64_t record_bytes; /* keys + values */
    struct tr_record *first;
    struct tr_record *last;
};

struct tr_fragment {
    uint32_t magic;
    uint32_t decoder;  /* home */
    uint64_t unit_seq; /* one fragment never spans units */
    uint32_t group_count;
    uint32_t bucket_count; /* the collector's: buckets still out */
    uint32_t low_bytes;    /* used from the front */
    uint32_t high_bytes;   /* used from the back */
    uint32_t room_bytes;   /* of `bytes`: TR_FRAGMENT_BYTES, or a jumbo's room */
    bool jumbo;            /* one large record alone; memory is discarded when it comes home */
    bool has_late_rows;    /* some record has TR_RECORD_LATE_ROW: not yet a shipper's */
    struct tr_fragment_group groups[TR_FRAGMENT_GROUPS_MAX];
    _Alignas(64) uint8_t bytes[]; /* room_bytes, then 64 bytes of slack */
};

/* decoder -> collector */
struct tr_decoded {
    struct tr_fragment *fragment; /* NULL: nothing (more) for this unit */
    uint64_t unit_seq;
    bool unit_last; /* nothing follows for this unit: the unit is the collector's now */
};

/* collector -> shipper: the records of one stream in one fragment. */
struct tr_bucket {
    struct tr_fragment *fragment;
    uint32_t group; /* index into fragment->groups */
    uint32_t stream_id;
    uint64_t unit_seq;
};

/* shipper -> collector: one bucket of this fragment is done with (acknowledged or copied out). */
struct tr_bucket_return {
    struct tr_fragment *fragment;
};

/*
 * Writes the number of a record with TR_RECORD_LATE_ROW, which it is no longer then: the value grows to
 * the left. @thread the decoder; then the collector
 */
void tr_fragment_write_row(struct tr_fragment_group *group, struct tr_record *record, uint32_t row);

static inline const uint8_t *tr_record_key(const struct tr_record *record)
{
    return record->fragment->bytes + record->key_at;
}

static inline const uint8_t *tr_record_value(const struct tr_record *record)
{
    return record->fragment->bytes + record->value_at;
}

#endif
