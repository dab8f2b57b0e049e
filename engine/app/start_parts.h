// SPDX-License-Identifier: Apache-2.0
/* What the files of the start share; private to engine/app/start*.c. */
#ifndef TR_ENGINE_APP_START_PARTS_H
#define TR_ENGINE_APP_START_PARTS_H

#include "engine/app/start.h"

/* --- start.c */

/* What the server is, into start->identity. */
void tr_start_fill_identity(struct tr_start *start);

/* --- start_tables.c */

/* What a reading of the captured tables gave. */
struct tr_start_tables {
    uint64_t fingerprint;
    uint32_t count;
};

/* Empty catalog and DDL model, in place of those there are. */
TR_NODISCARD enum tr_code tr_start_open_catalog(struct tr_start *start, struct tr_error *err);

/* Reads the captured tables as they are now from information_schema and makes their streams known;
 * `into_model`: they become the model, too. */
TR_NODISCARD enum tr_code tr_start_read_tables(struct tr_start *start,
                                               struct tr_start_tables *tables, bool into_model,
                                               struct tr_error *err);

/* The model as it was at start->position, from the stored history; count: documents there are. */
TR_NODISCARD enum tr_code tr_start_recover_tables(struct tr_start *start, uint64_t *count,
                                                  struct tr_error *err);

/* Makes the model's captured tables the catalog's, and their streams known. */
TR_NODISCARD enum tr_code tr_start_use_model(struct tr_start *start, struct tr_error *err);

/* Makes a captured table's stream known. */
TR_NODISCARD enum tr_code tr_start_add_stream(struct tr_start *start, struct tr_span database,
                                              struct tr_span table, struct tr_error *err);

/* Makes the stream of schema changes known, and what statements leave behind. */
TR_NODISCARD enum tr_code tr_start_open_publisher(struct tr_start *start, struct tr_error *err);

/* --- start_begin.c */

/* Decides where to begin: from the stored offset, or with a snapshot (contract §3.2). */
TR_NODISCARD enum tr_code tr_start_begin(struct tr_start *start,
                                         const struct tr_store_content *content,
                                         struct tr_error *err);

#endif
