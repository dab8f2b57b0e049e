// SPDX-License-Identifier: Apache-2.0
/*
 * A server's answer as a test writes it: cells split by '|', rows by newline, `\N` is NULL; the first row holds the column names.
 */
#ifndef TR_TESTS_SUPPORT_ANSWER_ROWS_H
#define TR_TESTS_SUPPORT_ANSWER_ROWS_H

#include "stages/source/query.h"

#define ANSWER_CELLS_MAX 64

/* Column names of the last answer; they point into its text. */
struct answer_names {
    struct tr_span names[ANSWER_CELLS_MAX];
    uint32_t count;
};

/* Notes the names and gives each row to `on_row` (NULL: to nobody) until it wants no more. */
void answer_rows_give(const char *rows, struct answer_names *names, tr_query_on_row *on_row,
                      void *row_self);

#endif
