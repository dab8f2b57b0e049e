// SPDX-License-Identifier: Apache-2.0
/*
 * What a statement leaves behind: documents for the schema history (contract §5) and schema-change
 * records for the stream named by topic.prefix (contract §4.9). Which statements leave what is
 * contract §9.3 and §9.4.
 *
 *   tr_ddl_apply -> struct tr_ddl_result --tr_ddl_publish--> documents (history store)
 *                                                       \--> prepared records (units)
 * @thread the sequencer
 */
#ifndef TR_STAGES_DDL_PUBLISH_H
#define TR_STAGES_DDL_PUBLISH_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "offsets/gtid.h"
#include "offsets/position.h"
#include "stages/ddl/model.h"
#include "stages/prepared.h"
#include "stages/schema/filter.h"

/* Constant for the process; spans borrowed from the configuration. */
struct tr_ddl_publisher {
    enum tr_flavor flavor; /* connector "mysql" or "mariadb" */
    struct tr_span topic_prefix;
    const struct tr_filter *filter; /* captured tables; borrowed */
    const struct tr_stream *stream; /* of schema changes; NULL: include.schema.changes=false */
    bool key_schemas;
    bool value_schemas;
    bool comments;                /* of tables and columns are told */
    bool wants_documents;         /* false: there is no history */
    bool only_captured_tables;    /* schema.history.internal.store.only.captured.tables.ddl */
    bool only_captured_databases; /* …store.only.captured.databases.ddl */
    bool envelope_ts_is_source;   /* tailrace.envelope.ts=source */
};

/* Where the statement stands: what documents and records print of it. */
struct tr_ddl_place {
    /* The offset in the document: file, pos, event, row, ts_sec, server_id as Debezium has them
     * (contract §5.1); `snapshot` adds "snapshot":"INITIAL". */
    struct tr_log_point point;
    struct tr_span gtids; /* executed set before the statement, as text; empty = none */
    /* The record's source block. */
    struct tr_span file;
    uint64_t pos; /* start of the event; snapshot: of the cut */
    int64_t ts_us;
    uint32_t server_id;
    struct tr_span gtid; /* of the statement itself, as text; empty = null */
    int64_t thread_id;   /* -1 = null */
    bool is_snapshot;
    bool is_snapshot_last; /* its last record is marked `last` */
    int64_t wall_unix_ns;  /* of the unit */
};

/* Texts made for one statement; all owned by the caller, freed with tr_ddl_publication_clear. */
struct tr_ddl_publication {
    struct {
        char *text;
        size_t bytes;
    } * documents; /* in the statement's order */
    uint32_t document_count;
    struct tr_prepared *records; /* linked by next, in the statement's order */
    uint32_t record_count;
};

/*
 * Writes everything that a statement leaves behind. `result` may be of TR_DDL_NO_EFFECT or
 * TR_DDL_UNKNOWN_EFFECT (skipped: the raw text). Statements that the DDL filter drops (contract
 * §9.3) leave nothing. Errors: TR_ERR_SYSTEM (no memory), those of the filter; then nothing is in
 * `publication`.
 */
TR_NODISCARD enum tr_code
tr_ddl_publish(const struct tr_ddl_publisher *publisher, const struct tr_ddl_event *event,
               const struct tr_ddl_result *result, const struct tr_ddl_place *place,
               struct tr_ddl_publication *publication, struct tr_error *err);

/* Frees what the caller has not taken (set to NULL). Accepts a zeroed one. */
void tr_ddl_publication_clear(struct tr_ddl_publication *publication);

/*
 * Whether contract §9.3's filter drops the statement: it is neither parsed, stored nor sent. TRUNCATE
 * TABLE, which Debezium's list drops too, is not among them: it leaves nothing here, but it moves rows.
 * Statements that may carry a password are dropped in every form: SET PASSWORD, CREATE SERVER, CREATE OR
 * REPLACE USER, those behind a comment.
 */
bool tr_ddl_is_filtered(struct tr_span sql);

#endif
