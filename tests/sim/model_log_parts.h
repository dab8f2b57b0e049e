// SPDX-License-Identifier: Apache-2.0
/* What model_log.c (groups and files) takes from model_rows.c (values, rows, statements). */
#ifndef TR_TESTS_SIM_MODEL_LOG_PARTS_H
#define TR_TESTS_SIM_MODEL_LOG_PARTS_H

#include "tests/sim/model_log.h"

#define MODEL_LOG_HEADER_BYTES 19 /* of an event */

extern const struct tr_writer_column model_log_number_columns[TR_MODEL_COLUMNS_MAX];
extern const char *const model_log_table_names[TR_MODEL_TABLES_MAX + 1];

/* Room for one more element behind `count`; the array may move. */
void *model_log_grow(void *array, uint32_t count, uint32_t *room, size_t bytes);

/* An event that Debezium counts, inside a group. */
void model_log_count_event(struct tr_model_log *log);

/* The statements of one transaction, and their changes into the truth. */
void model_log_write_statements(struct tr_model_log *log);

#endif
