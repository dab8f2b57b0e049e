// SPDX-License-Identifier: Apache-2.0
/*
 * Our own record beside Debezium's offset: which server the position was read from, and in which format we wrote it.
 *
 * File positions, `event` and `row` mean something only on the server they were read from. On resume they are applied only
 * if the record belongs to exactly the stored offset (tr_identity_is_of) and the source is the same server
 * (tr_identity_same_server); otherwise a GTID set must prove that the source can go on, and the open transaction is
 * replayed from its first row.
 */
#ifndef TR_OFFSETS_IDENTITY_H
#define TR_OFFSETS_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "offsets/gtid.h"
#include "offsets/history_seal.h"
#include "offsets/position.h"

#define TR_IDENTITY_FORMAT 1 /* what we write; the newest that we read */
#define TR_SERVER_UUID_BYTES 36
#define TR_IDENTITY_TEXT_BYTES_MAX 4096

struct tr_identity {
    enum tr_flavor flavor;
    char server_uuid[TR_SERVER_UUID_BYTES +
                     1]; /* MySQL: @@server_uuid, lower case; empty = unknown */
    uint32_t server_id;  /* MariaDB: @@server_id; 0 = unknown */
    uint32_t domain_id;  /* MariaDB: @@gtid_domain_id */
    char binlog_base[TR_BINLOG_NAME_BYTES_MAX + 1]; /* "binlog" of binlog.000001; empty = unknown */
    uint64_t schema_fingerprint; /* of all captured tables, the application's; 0 = none given */
    struct tr_history_seal
        history; /* of the documents stored by then; at least those that the position needs */
    int64_t saved_unix_ms;
    /* The saved point, so that the record is known to be of this offset. ts_sec and server_id are not kept. */
    struct tr_log_point point;
};

/* Writes JSON text and a NUL into `out`; returns bytes, or 0 when it does not fit `room_bytes`. */
size_t tr_identity_write_json(const struct tr_identity *identity, char *out, size_t room_bytes);

/* Errors: TR_ERR_STATE: damaged, or of a format newer than ours. Unknown members are ignored. */
TR_NODISCARD enum tr_code tr_identity_parse_json(struct tr_identity *identity, struct tr_span json,
                                                 struct tr_error *err);

/* Whether both are known to be one server: equal uuid, or MariaDB's server id and domain, and equal log names. */
bool tr_identity_same_server(const struct tr_identity *a, const struct tr_identity *b);

/* Whether the record was written together with exactly this point (file, pos, event, row). */
bool tr_identity_is_of(const struct tr_identity *identity, const struct tr_log_point *point);

/* "binlog" of "binlog.000001": the name without its numeric suffix. Writes a NUL; room TR_BINLOG_NAME_BYTES_MAX + 1. */
void tr_identity_binlog_base(const char *file, char *out);

#endif
