// SPDX-License-Identifier: Apache-2.0
/*
 * A whole result kept in memory: for small answers (settings, lists, one table's columns) that are
 * read more than once or by column name.
 */
#ifndef TR_STAGES_SOURCE_QUERY_ROWS_H
#define TR_STAGES_SOURCE_QUERY_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "stages/source/query.h"

#define TR_QUERY_ROWS_BYTES_MAX                                                                    \
    ((size_t)64 * 1024 * 1024) /* of one answer; a GTID set or a list of tables is far less */

/* A cell's place in `bytes`; at == SIZE_MAX: NULL. */
struct tr_query_cell {
    size_t at;
    size_t bytes;
};

struct tr_query_rows {
    uint32_t column_count; /* 0: no row came */
    uint32_t row_count;
    uint8_t *bytes; /* owns */
    size_t used_bytes;
    size_t room_bytes;
    struct tr_query_cell *cells; /* owns; the column names, then row after row */
    size_t cell_count;
    size_t cell_room;
};

/*
 * Runs a statement and keeps its rows in `rows` (zeroed, or used before: then its memory is used
 * again). Errors: the port's; TR_ERR_MEMORY_LIMIT over TR_QUERY_ROWS_BYTES_MAX; TR_ERR_SYSTEM.
 */
TR_NODISCARD enum tr_code tr_query_rows_run(struct tr_query_rows *rows,
                                            const struct tr_query_port *port, const char *sql,
                                            struct tr_error *err);

/* Accepts zeroed rows. */
void tr_query_rows_deinit(struct tr_query_rows *rows);

/* Index of the column with that name, in any case; -1 = the answer has none. */
int tr_query_rows_column(const struct tr_query_rows *rows, const char *name);

/* As many bytes as there is room for, and a NUL. */
void tr_query_copy_text(char *out, size_t room_bytes, struct tr_span text);

/* Digits up to the first other byte ("30.000000"); at most 19. */
uint64_t tr_query_number(struct tr_span text);

/* Writes a name (quote '`') or a text (quote '\'') as SQL has it, and a NUL; room 2 * bytes + 3. */
void tr_query_quote(char *out, struct tr_span text, char quote);

/* One cell; SQL NULL, and any cell of column -1, has data == NULL. Valid until the next run. */
struct tr_span tr_query_rows_cell(const struct tr_query_rows *rows, uint32_t row, int column);

#endif
