// SPDX-License-Identifier: Apache-2.0
/*
 * Positions: what is saved, in Debezium's terms (contract §4.4, §6.1).
 *
 * Outside a transaction: file and pos of the next event, event = row = 0. Inside one: file and pos of its BEGIN (MariaDB:
 * of its GTID event), the GTIDs completed before it, `event` = events completed since (BEGIN counts as one) and `row` =
 * rows done of the event that was split.
 */
#ifndef TR_OFFSETS_POSITION_H
#define TR_OFFSETS_POSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "offsets/gtid.h"

#define TR_BINLOG_NAME_BYTES_MAX 255

/* A point of the log, without its GTIDs. */
struct tr_log_point {
    char file[TR_BINLOG_NAME_BYTES_MAX + 1];
    uint64_t pos;
    uint64_t event_count; /* events of the open transaction completed; 0 outside */
    uint64_t row_count;   /* rows done of the next (split) or last event; 0 = none */
    int64_t ts_sec;       /* source time; 0 = unknown, left out */
    uint32_t server_id;   /* of the event; 0 = unknown, left out */
    bool snapshot;        /* an unfinished initial snapshot (Debezium's "snapshot" member) */
};

/* What the store holds; text members are owned by whoever owns the struct. */
struct tr_saved_position {
    struct tr_log_point point;
    struct tr_gtid_set *gtids; /* NULL or empty: no `gtids` member */
    bool
        incremental_snapshot; /* parsed only: an unfinished incremental one, whose progress we do not keep */
};

#define TR_UNIT_RANGES_MAX 32

/*
 * The position of one unit, written by the sequencer, completed by the collector, kept by the coordinator.
 * `record` is what Debezium would have stored after the unit's last record, `end` the unit's end. While the unit is the
 * newest one the record is what counts (so an idle engine stores exactly Debezium's offset); once a later unit exists,
 * the end (so that filtered traffic moves the position).
 */
struct tr_unit_position {
    uint64_t seq;
    uint64_t log_bytes;  /* bytes of log sequenced up to the unit's end, since start */
    uint64_t link_epoch; /* of the chunk: which connection, so which server, it was read from */
    bool has_record; /* false: no record so far in this unit; `record` of an earlier one stands */
    struct tr_log_point record; /* row_count is completed by the collector: rows of that event */
    struct tr_log_point end;
    /* GTIDs completed in this unit, in order; the first `record_range_count` of them before the record's transaction. */
    uint32_t range_count;
    uint32_t record_range_count;
    struct tr_gtid_range ranges[TR_UNIT_RANGES_MAX];
};

/*
 * Debezium's offset value for a position: {"ts_sec":…,"file":…,"pos":…,"gtids":…,"row":…,"server_id":…,"event":…}.
 * Writes JSON text and a NUL into `out`; returns bytes, or 0 when it does not fit `room_bytes`.
 */
size_t tr_position_write_json(const struct tr_saved_position *position, char *out,
                              size_t room_bytes);

/* Parses the same, any member order, unknown members ignored; `position->gtids` must be open. Errors: TR_ERR_STATE. */
TR_NODISCARD enum tr_code tr_position_parse_json(struct tr_saved_position *position,
                                                 struct tr_gtid_sources *sources,
                                                 struct tr_span json, struct tr_error *err);

/*
 * Debezium's offset key: ["kinesis",{"server":"<topic.prefix>"}] (the engine's name is the sink type, contract §6.1).
 * Writes JSON text and a NUL into `out`; returns bytes, or 0 when it does not fit `room_bytes`.
 */
size_t tr_position_write_key(struct tr_span topic_prefix, char *out, size_t room_bytes);

#endif
