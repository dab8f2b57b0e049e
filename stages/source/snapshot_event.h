// SPDX-License-Identifier: Apache-2.0
/*
 * Events of our own with which a snapshot travels the path of the log: source port -> ingest ->
 * sequencer -> decoders. They have the log's 19-byte header (log_pos 0, no checksum trailer) and
 * numbers that no server uses. The sequencer takes them only while a snapshot is expected.
 *
 *   STATEMENT*  (ROWS of table 1)* (ROWS of table 2)* ...  END
 *
 * All integers are little-endian. The header's time is the server's when the table's scan began
 * (STATEMENT: when it was read), in seconds; its server id is 0.
 *
 * STATEMENT body:  flags:1  database_bytes:2  database  sql (to the end, UTF-8)
 * ROWS body:       database_bytes:2  database  table_bytes:2  table  first_mark:1  last_mark:1
 *                  row_count:4  rows
 *   a row:         per column of the table, in order: 0xFB = NULL, else a length-encoded integer
 *                  (protocol: < 0xFB one byte; 0xFC + 2; 0xFD + 3; 0xFE + 8) and that many bytes:
 *                  the server's text in utf8mb4 (BINARY, BLOB, BIT, GEOMETRY: the bytes)
 * END body:        empty
 *
 * What the SELECT of a table asks for, so that rows come out as Debezium's (contract §2, §3.8):
 * every column of the model in its order, invisible ones too, by its bare name (`a`, `b`), in the
 * text protocol, no CAST and no expression around any type:
 *
 *   FLOAT             the server's six digits are what Debezium gets (3.40282E38): no `+ 0e0`
 *   DOUBLE            the server's text reads back as the same double
 *   BIT, BINARY, BLOB, GEOMETRY, VECTOR   come as their bytes: BIT most significant first, GEOMETRY
 *                     as SRID and WKB, VECTOR as little-endian floats
 *   JSON, UUID, INET  the server's text
 *   TIMESTAMP         in the session's time zone: SET time_zone = '+00:00'
 *   texts             SET NAMES utf8mb4 (character_set_results decides)
 *
 * The session's sql_mode stays the server's, as in Debezium's session. SHOW CREATE TABLE is another
 * matter: it runs on a connection with the server's own time zone, or the defaults of TIMESTAMP columns
 * come out shifted.
 */
#ifndef TR_STAGES_SOURCE_SNAPSHOT_EVENT_H
#define TR_STAGES_SOURCE_SNAPSHOT_EVENT_H

#include <stdint.h>

#define TR_EVENT_SNAPSHOT_STATEMENT 240
#define TR_EVENT_SNAPSHOT_ROWS 241
#define TR_EVENT_SNAPSHOT_END 242

/* STATEMENT flags. */
#define TR_SNAPSHOT_STATEMENT_LAST 1u /* no row follows: its last record is marked `last` */

/* Which row of the snapshot a row is (contract §1.4), the one that wins being the greatest: of a
 * ROWS event its first and its last row have marks of their own, all others are TR_SNAPSHOT_TRUE;
 * a single row has the greater of the two. */
enum tr_snapshot_mark {
    TR_SNAPSHOT_TRUE = 0,
    TR_SNAPSHOT_FIRST_IN_TABLE,
    TR_SNAPSHOT_LAST_IN_TABLE,
    TR_SNAPSHOT_FIRST,
    TR_SNAPSHOT_LAST,
};

#endif
