// SPDX-License-Identifier: Apache-2.0
/*
 * Recovery: the DDL model as it was at a position, from the stored history (contract §5.3).
 *
 * Documents come oldest first, ours or Debezium's. Those at or before the position are applied:
 * their tableChanges where they have some, else their ddl through the parser. With equal GTID sets
 * Debezium applies a document whatever its file and pos; we apply it only if it also does not lie
 * behind the position in the same file, since the statement comes again then (a swap of two tables
 * applied twice is none).
 *
 * A document that is no JSON, of another `source`, or whose columns no table can have, is an error
 * that names its number, what is wrong and the remedy: the history was truncated, edited, or is of
 * another connector.
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

struct tr_recover_options {
    enum tr_flavor flavor;
    struct tr_span topic_prefix; /* borrowed: every document's source.server must be it */
    struct tr_gtid_sources *sources;
    const struct tr_saved_position *until; /* borrowed; NULL: everything */
    bool skip_unparseable;                 /* schema.history.internal.skip.unparseable.ddl */
    struct tr_ddl_model *model; /* borrowed; NULL: only checks (`tailrace history verify`) */
};

struct tr_recover {
    struct tr_recover_options options;
    uint64_t document_count; /* seen */
    uint64_t applied_count;
    uint64_t skipped_count; /* behind the position */
    struct {                /* newest document's position, for messages */
        char file[TR_BINLOG_NAME_BYTES_MAX + 1];
        uint64_t pos;
    } newest;
    void *reader;              /* owns: the JSON reader */
    struct tr_gtid_set *gtids; /* owns: a document's */
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
