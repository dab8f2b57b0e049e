// SPDX-License-Identifier: Apache-2.0
/* Any text as a column's type and default: an answer or an error, never a read outside. */
#include <stdint.h>
#include <stdlib.h>

#include "stages/source/column_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tr_error err;
    struct tr_table *table = tr_table_open(tr_span_of_text("d"), tr_span_of_text("t"), 1, &err);
    if (table == NULL || size < 2) {
        tr_table_close(table);
        return 0;
    }
    const enum tr_flavor flavor = data[0] % 2 == 0 ? TR_FLAVOR_MYSQL : TR_FLAVOR_MARIADB;
    const size_t type_bytes = data[1] < size - 2 ? data[1] : size - 2;
    struct tr_column *column = &table->columns[0];
    if (tr_column_text_parse_type(table, column, tr_span_of(data + 2, type_bytes), &err) == TR_OK) {
        const enum tr_code code = tr_column_text_parse_default(
            table, column, flavor, tr_span_of(data + 2 + type_bytes, size - 2 - type_bytes),
            (struct tr_span){0}, &err);
        (void)code; /* either is fine */
    }
    tr_table_close(table);
    return 0;
}
