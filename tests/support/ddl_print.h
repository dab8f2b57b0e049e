// SPDX-License-Identifier: Apache-2.0
/* The DDL model as text, for tests. */
#ifndef TR_TESTS_SUPPORT_DDL_PRINT_H
#define TR_TESTS_SUPPORT_DDL_PRINT_H

#include <stdio.h>

#include "stages/ddl/model.h"

/* As Debezium's history has it: a line per change, a line per column below it. */
void ddl_print_changes(FILE *out, const struct tr_ddl_result *result, enum tr_flavor flavor);

/* As one line of JSON, as the server has it. */
void ddl_print_table(FILE *out, const struct tr_table *table);

/* A JSON string. */
void ddl_print_string(FILE *out, struct tr_span text);

#endif
