// SPDX-License-Identifier: Apache-2.0
/* What model_log.c (groups and files) takes from model_rows.c (values, rows) and model_statements.c
 * (what changes tables). */
#ifndef TR_TESTS_SIM_MODEL_LOG_PARTS_H
#define TR_TESTS_SIM_MODEL_LOG_PARTS_H

#include "tests/sim/model_log.h"

#define MODEL_LOG_HEADER_BYTES 19 /* of an event */
#define MODEL_LOG_DEFAULT "5"     /* of added columns that do not take NULL */

extern const char *const model_log_table_names[TR_MODEL_TABLES_MAX + 1];

/* Room for one more element behind `count`; the array may move. */
void *model_log_grow(void *array, uint32_t count, uint32_t *room, size_t bytes);

/* An event that Debezium counts, inside a group. */
void model_log_count_event(struct tr_model_log *log);

/* The statements of one transaction, and their changes into the truth. */
void model_log_write_statements(struct tr_model_log *log);

/* Some rows that are inserted into that table. */
void model_log_write_inserts(struct tr_model_log *log, uint32_t table);
/* Appends a change of the group that is begun, or will be next. */
void model_log_remember(struct tr_model_log *log, struct tr_model_change change);

/* Whether the column was added, can be a key, takes NULL. */
bool model_log_is_keyable(uint32_t number);
bool model_log_is_nullable(uint32_t number);

/* Commits a group of one statement; with what was remembered for it. */
void model_log_commit_query(struct tr_model_log *log, const char *sql);
/* Commits CREATE TABLE … SELECT: the statement and the rows of the table in one transaction. */
void model_log_commit_create_select(struct tr_model_log *log, uint32_t table, const char *sql);
void model_log_commit_plain(struct tr_model_log *log, bool is_empty);

/* Commits the statement that makes a table as it is in the beginning. */
void model_log_create_table(struct tr_model_log *log, uint32_t table);
/* Draws a statement, changes tables by it, and commits it: one group, or several. */
void model_log_commit_statement(struct tr_model_log *log);

#endif
