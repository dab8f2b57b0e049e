// SPDX-License-Identifier: Apache-2.0
/*
 * Recovery: the DDL model as it was at a position, from the stored history (contract §5.3).
 *
 * Documents come oldest first, ours or Debezium's. Those at or before the position are applied: their
 * ddl through the parser, then each of their tableChanges is compared with what the parser made of
 * it. Where they agree (names, types, lengths, character sets, members, key) the parser's table
 * stays, which knows more: Debezium's JSON has no collations, no generated columns, no indexes, and
 * the type that was declared rather than the one that CONVERT TO CHARACTER SET made of it. Where they
 * do not (the parser lacked what the session had: sql_mode, character sets, earlier statements) the
 * table is built from the document. Defaults take no part in that comparison: the parser's are the
 * server's.
 *
 * With equal GTID sets Debezium applies a document whatever its file and pos; we apply it only if it
 * also does not lie behind the position in the same series of files, since the statement comes again
 * then (a swap of two tables applied twice is none). A position without GTIDs (`offsets set --file`)
 * is compared by file and pos, also with documents that have some: Debezium applies none of those. A
 * server id that is not known counts as the same server.
 *
 * A document of another `source` is passed over, as by Debezium: several engines may share a store. One
 * that is no JSON, has no `source`, or whose columns no table can have, is an error that names its number, what is
 * wrong and the remedy: the history was truncated or edited.
 * @thread the application before start
 */
#ifndef TR_STAGES_DDL_RECOVER_H
#define TR_STAGES_DDL_RECOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "offsets/gtid.h"
#include "offsets/position.h"
#include "stages/ddl/model.h"
#include "stages/schema/filter.h"

struct tr_recover_options {
    enum tr_flavor flavor;
    struct tr_span topic_prefix; /* borrowed: source.server of the documents that are ours */
    struct tr_gtid_sources *sources;
    const struct tr_saved_position *until; /* borrowed; NULL: everything */
    bool skip_unparseable;                 /* schema.history.internal.skip.unparseable.ddl */
    struct tr_ddl_model *model;            /* borrowed; NULL: one of its own, only to check */
    const struct tr_filter *filter; /* captured tables: what cannot be told of others is no matter;
                                       NULL: all are */
    bool log_describes; /* binlog_row_metadata=FULL: what cannot be told, the log will tell */
};

struct tr_recover {
    struct tr_recover_options options;
    uint64_t document_count; /* seen */
    uint64_t others_count;   /* of them: of another source */
    uint64_t applied_count;
    uint64_t skipped_count; /* behind the position */
    uint64_t built_count;   /* tables built from tableChanges: the parser had them otherwise */
    uint64_t unknown_count; /* statements without tableChanges whose effect cannot be told */
    struct {                /* newest document's position, for messages */
        char file[TR_BINLOG_NAME_BYTES_MAX + 1];
        uint64_t pos;
    } newest;
    void *state; /* owns */
};

TR_NODISCARD enum tr_code tr_recover_open(struct tr_recover *recover,
                                          const struct tr_recover_options *options,
                                          struct tr_error *err);

/* Takes the next document; a tr_history_on_document. Errors: TR_ERR_STATE naming the document's
 * number and the remedy; TR_ERR_MEMORY_LIMIT; TR_ERR_SCHEMA (its ddl cannot be parsed). */
TR_NODISCARD enum tr_code tr_recover_document(void *self, struct tr_span document,
                                              struct tr_error *err);

/* Accepts a zeroed one. */
void tr_recover_close(struct tr_recover *recover);

#endif
