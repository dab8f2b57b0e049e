// SPDX-License-Identifier: Apache-2.0
/* What model_log.c (groups and files) takes from model_rows.c (values, rows) and model_statements.c
 * (what changes tables). */
#ifndef TR_TESTS_SIM_MODEL_LOG_PARTS_H
#define TR_TESTS_SIM_MODEL_LOG_PARTS_H

#include "tests/sim/model_log.h"

#define MODEL_LOG_HEADER_BYTES 19 /* of an event */

extern const char *const model_log_table_names[TR_MODEL_TABLES_MAX + 1];

/* Room for one more element behind `count`; the array may move. */
void *model_log_grow(void *array, uint32_t count, uint32_t *room, size_t bytes);

/* An event that Debezium counts, inside a group. */
void model_log_count_event(struct tr_model_log *log);

/* The statements of one transaction, and their changes into the truth. */
void model_log_write_statements(struct tr_model_log *log);

#define MODEL_LOG_COLUMN_NAME_BYTES 5

/* The name of the added column of that number, "a001". */
void model_log_write_column_name(uint32_t number, char name[MODEL_LOG_COLUMN_NAME_BYTES]);
bool model_log_is_nullable(uint32_t number);

/* Writes the statement that makes a table as it is in the beginning. */
void model_log_write_create(struct tr_model_log *log, uint32_t table,
                            char sql[TR_MODEL_STATEMENT_BYTES]);
/* Draws a statement and changes tables by it; it is of the group that is begun. */
void model_log_draw_statement(struct tr_model_log *log, char sql[TR_MODEL_STATEMENT_BYTES]);

#endif
