// SPDX-License-Identifier: Apache-2.0
/*
 * Texts of a snapshot's schema: an arena that keeps them, a writer that forms them, and the SELECTs
 * of the tables whose rows are read. Inside the snapshot only.
 * @thread one
 */
#ifndef TR_STAGES_SOURCE_SNAPSHOT_TEXT_H
#define TR_STAGES_SOURCE_SNAPSHOT_TEXT_H

#include <stddef.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "stages/source/snapshot_schema.h"

/* Memory that lives with the texts; NULL when it was refused (sticky: `failed`). */
void *tr_snapshot_texts_take(struct tr_snapshot_texts *texts, size_t bytes);
/* A copy; empty when memory was refused. */
struct tr_span tr_snapshot_texts_keep(struct tr_snapshot_texts *texts, struct tr_span text);
/* Accepts zeroed texts. */
void tr_snapshot_texts_close(struct tr_snapshot_texts *texts);

/* Writes as far as there is room, and counts on: `bytes` is the size that the text has. */
struct tr_snapshot_writer {
    char *out; /* NULL: count only */
    size_t room_bytes;
    size_t bytes;
};

void tr_snapshot_write(struct tr_snapshot_writer *writer, struct tr_span text);
void tr_snapshot_write_text(struct tr_snapshot_writer *writer, const char *text);
/* In backquotes, those inside it doubled. */
void tr_snapshot_write_name(struct tr_snapshot_writer *writer, struct tr_span name);
/* `database`.`table` */
void tr_snapshot_write_table(struct tr_snapshot_writer *writer,
                             const struct tr_snapshot_table *table);

/*
 * Decides whose rows are read, in which order, by which statement, and asks the server for columns,
 * engine and row estimate; tries each SELECT without rows, so that a missing grant is named now and
 * not after hours. Errors: as tr_snapshot_schema_read.
 */
TR_NODISCARD enum tr_code tr_snapshot_select_plan(struct tr_snapshot_schema *schema,
                                                  const struct tr_query_port *port,
                                                  const struct tr_snapshot_options *options,
                                                  struct tr_error *err);

/* What to do about a statement on a table that failed with `err` and the server's `number`: TR_ERR_STATE | TR_RETRY when the table is gone or locked, else its name and, where a
 * privilege is missing, the GRANT. Sets err and returns its code. */
enum tr_code tr_snapshot_table_failed(const struct tr_snapshot_table *table,
                                      const struct tr_snapshot_options *options, uint32_t number,
                                      struct tr_error *err);

#endif
