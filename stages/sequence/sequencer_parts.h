// SPDX-License-Identifier: Apache-2.0
/* What the sequencer's files share; private to stages/sequence/sequencer*.c. */
#ifndef TR_STAGES_SEQUENCE_SEQUENCER_PARTS_H
#define TR_STAGES_SEQUENCE_SEQUENCER_PARTS_H

#include "stages/sequence/sequencer.h"

/* How an event (or chunk) went. */
enum seq_outcome {
    SEQ_DONE = 0,
    SEQ_WAIT,    /* no unit: the same event again in a later step; nothing was changed */
    SEQ_INFLATE, /* handed to inflate: its inner events come first */
    SEQ_FAILED,  /* see sequencer->error; nothing was changed */
};

/* The event under way. */
struct seq_event {
    struct tr_event_header header;
    struct tr_span event; /* from the header on, without trailer (of a piece: what is there) */
    struct tr_span body;  /* behind the header */
    struct tr_sequencer_cursor *cursor;
    bool is_inner;   /* from inflate */
    bool is_payload; /* an inner event of MySQL's TRANSACTION_PAYLOAD: it has no position of its own
                      */
};

/* --- sequencer_units.c */

/* Makes sure that a unit is open for the cursor's chunk. False: none is free. */
bool seq_unit_open(struct tr_sequencer *sequencer, struct tr_sequencer_cursor *cursor);
/* Closes and deals the open unit; `chunk_last`: its chunk goes home with it. */
void seq_unit_close(struct tr_sequencer *sequencer, bool chunk_last);
/* Where a restart would begin now. */
struct tr_log_point seq_point(const struct tr_sequencer *sequencer);
/*
 * Where the open group is read again from: what begins it for Debezium. While no GTID is known to be executed, that is its
 * first event: a restart then begins by file and pos, and must meet the group's GTID.
 */
uint64_t seq_group_pos(const struct tr_sequencer *sequencer);

/* Adds a transaction to the executed set and to the open unit. */
enum seq_outcome seq_unit_executed(struct tr_sequencer *sequencer, const struct tr_gtid *gtid);
/* The group's end is where the record behind it stands: of XA, whose rows stand in no position. */
void seq_unit_mark_group(struct tr_sequencer *sequencer);
/* Adds a rows event to the open unit, or closes it first and opens another. */
enum seq_outcome seq_unit_add(struct tr_sequencer *sequencer, const struct seq_event *event,
                              struct tr_schema *schema, enum tr_item_kind kind, uint64_t row_first);

/* What `source.ts_*` prints of the event under way, whose header has that time. */
int64_t seq_item_time_us(const struct tr_sequencer *sequencer, int64_t header_sec);

/* --- sequencer_events.c */

/* Frames and handles the next event of an EVENTS chunk. */
enum seq_outcome seq_events_next(struct tr_sequencer *sequencer,
                                 struct tr_sequencer_cursor *cursor);
/* Computes event_start and event_end from the header; false with `error`: the position goes
 * backwards. */
bool seq_locate(struct tr_sequencer *sequencer, const struct tr_event_header *header);
/* What is to be done after any event was handled: position, counters, times. */
void seq_event_done(struct tr_sequencer *sequencer, const struct seq_event *event);
/* Hands the event (or piece) to inflate. */
enum seq_outcome seq_inflate(struct tr_sequencer *sequencer, const struct seq_event *event,
                             uint64_t total_bytes, bool is_first, bool is_last);
/* "binlog.000001:1234" for messages. */
#define SEQ_PLACE "%s:%" PRIu64
#define SEQ_PLACE_ARGS(sequencer) (sequencer)->file, (sequencer)->event_start

/* --- sequencer_groups.c */

enum seq_outcome seq_gtid(struct tr_sequencer *sequencer, const struct seq_event *event);
enum seq_outcome seq_mariadb_gtid(struct tr_sequencer *sequencer, const struct seq_event *event);
/* `is_cut`: the event is larger than a chunk and only its beginning is there. */
enum seq_outcome seq_query(struct tr_sequencer *sequencer, const struct seq_event *event,
                           bool is_cut);
/* XID, XA_PREPARE, COMMIT: the transaction is complete. */
enum seq_outcome seq_group_end(struct tr_sequencer *sequencer);
/* A statement that is no BEGIN, COMMIT …: ends a group of one statement. */
enum seq_outcome seq_statement_end(struct tr_sequencer *sequencer);
/* The file or the link ended inside a group. */
void seq_group_abandon(struct tr_sequencer *sequencer);
/* Remembers what of the open transaction was sequenced: it comes again on the next link. */
void seq_skip_arm_for_link(struct tr_sequencer *sequencer);

/* --- sequencer_statements.c */

/* A statement of the log that may change tables, through the DDL model. */
enum seq_outcome seq_statement(struct tr_sequencer *sequencer, const struct seq_event *event,
                               const struct tr_event_query *query);
/* A statement of the snapshot (snapshot_event.h). */
enum seq_outcome seq_snapshot_statement(struct tr_sequencer *sequencer,
                                        const struct seq_event *event);
/* Frees prepared records that no unit after `routed_seq` can hold. */
/* Whether `count` more documents may be given to the historian: slots, and bytes not yet stored. */
bool seq_history_has_room(const struct tr_sequencer *sequencer, uint32_t count);
void seq_prepared_collect(struct tr_sequencer *sequencer, uint64_t routed_seq);

/* --- sequencer_large.c */

/* A QUERY event larger than a chunk: its first piece, then each piece from `at` bytes of it on.
 * Statements that change tables are gathered, of others the beginning is looked at. */
enum seq_outcome seq_large_query_begin(struct tr_sequencer *sequencer,
                                       const struct seq_event *event);
enum seq_outcome seq_large_query_piece(struct tr_sequencer *sequencer,
                                       const struct seq_event *event, uint64_t at);
/* Gives the half-gathered statement up. */
void seq_large_query_drop(struct tr_sequencer *sequencer);

/* --- sequencer_snapshot.c */

/* Whether an event is one of the snapshot's, and comes while one is expected. */
bool seq_is_snapshot(const struct tr_sequencer *sequencer, uint8_t type);
enum seq_outcome seq_snapshot_event(struct tr_sequencer *sequencer, const struct seq_event *event);
/* The schema of a ROWS event's (or its first piece's) table; NULL: it is not captured. */
enum seq_outcome seq_snapshot_schema(struct tr_sequencer *sequencer, const struct seq_event *event,
                                     struct tr_schema **schema);

/* --- sequencer_rows.c */

enum seq_outcome seq_table_map(struct tr_sequencer *sequencer, const struct seq_event *event);
/* Rows events of every kind, the compressed ones too. */
enum seq_outcome seq_rows(struct tr_sequencer *sequencer, const struct seq_event *event);
bool seq_is_rows(uint8_t type);
bool seq_is_compressed_rows(uint8_t type);
/* One piece of an event larger than a chunk. */
enum seq_outcome seq_piece(struct tr_sequencer *sequencer, struct tr_sequencer_cursor *cursor);

#endif
