// SPDX-License-Identifier: Apache-2.0
#include "tests/support/answer_rows.h"

#include <string.h>

#include "tests/check.h"

static const char *split(const char *line, struct tr_span *cells, uint32_t *count)
{
    *count = 0;
    for (;;) {
        const size_t bytes = strcspn(line, "|\n");
        const bool is_null = bytes == 2 && strncmp(line, "\\N", 2) == 0;
        assert_true(*count < ANSWER_CELLS_MAX);
        cells[(*count)++] = is_null ? (struct tr_span){0} : tr_span_of(line, bytes);
        line += bytes;
        if (*line != '|') {
            return *line == '\n' ? line + 1 : line;
        }
        line++;
    }
}

void answer_rows_give(const char *rows, struct answer_names *names, tr_query_on_row *on_row,
                      void *row_self)
{
    const char *line = split(rows, names->names, &names->count);

    while (*line != '\0') {
        struct tr_span cells[ANSWER_CELLS_MAX];
        uint32_t count;
        line = split(line, cells, &count);
        assert_int_equal(count, names->count);
        if (on_row != NULL && on_row(row_self, cells, count) != 0) {
            break;
        }
    }
}
