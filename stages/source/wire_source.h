// SPDX-License-Identifier: Apache-2.0
/*
 * The source port over a live server: log in, prepare the session, send the dump command, then raw
 * bytes.
 *
 * By GTID when the resume point has some: MySQL COM_BINLOG_DUMP_GTID with the set, MariaDB
 * @slave_connect_state. Else by file and position: COM_BINLOG_DUMP, and beyond 4 GiB MySQL's
 * COM_BINLOG_DUMP_GTID with a file and a 64-bit position. No replica uuid is announced: MySQL then
 * compares server ids, and so a Debezium with the same id is noticed. Source: mysql-binlog.md §1.7
 * - §1.10, §2.5.
 */
#ifndef TR_STAGES_SOURCE_WIRE_SOURCE_H
#define TR_STAGES_SOURCE_WIRE_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "stages/source/mysql_link.h"
#include "stages/source/raw_link.h"
#include "stages/source/source_port.h"

#define TR_HEARTBEAT_NS_DEFAULT (INT64_C(5) * 1000 * 1000 * 1000)
#define TR_HEARTBEATS_MISSED_MAX 3 /* ingest's silence deadline, in periods */

struct tr_wire_options {
    struct tr_mysql_options mysql; /* texts borrowed for the source's life */
    uint32_t server_id;            /* ours: unique among all replicas of the source, not 0 */
    int64_t heartbeat_ns;          /* asked from the server; 0 = 5 s */
    const char *expected_server; /* MySQL: its server_uuid, MariaDB: its server_id, as text; another
                                    one that answers, now or at a reconnect, is refused. NULL or
                                    empty = not checked */
    uint32_t net_write_timeout_s; /* how long the server waits for a stalled reader; 0 = one day */
};

struct tr_wire_source {
    struct tr_source_port port; /* self is this object: it must not move */
    struct tr_wire_options options;
    struct tr_mysql_link *link; /* owns; NULL = closed */
    struct tr_raw_link raw;
    int wake_fd; /* owns */
};

/* Prepares the port; connects to nothing yet. Errors: TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_wire_source_init(struct tr_wire_source *source,
                                              const struct tr_wire_options *options,
                                              struct tr_error *err);

/* Closes everything; accepts a zeroed source. */
void tr_wire_source_deinit(struct tr_wire_source *source);

#define TR_DUMP_COMMAND_FIXED_BYTES                                                                \
    32 /* header and fixed members of either command, rounded up                                   \
        */

/*
 * Writes the dump command packet (header, sequence 0) for `resume` into `out` and returns its
 * bytes; NULL out: size only. 0 with err (TR_ERR_UNSUPPORTED): a position beyond 4 GiB on MariaDB,
 * or a GTID set larger than a packet.
 */
size_t tr_wire_write_dump(uint8_t *out, const struct tr_resume *resume, uint32_t server_id,
                          struct tr_error *err);

#endif
