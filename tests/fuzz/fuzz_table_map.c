// SPDX-License-Identifier: Apache-2.0
/* Any bytes as a TABLE_MAP body: a map or an error; a model built from a map fits that map. First
 * byte: the flavor. */
#include <stddef.h>
#include <stdint.h>

#include "engine/assert.h"
#include "stages/schema/table_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tr_wire_column wire[TR_COLUMNS_MAX];
    struct tr_error err;
    struct tr_table_map map;

    if (size < 1) {
        return 0;
    }
    const enum tr_flavor flavor = (data[0] & 1) != 0 ? TR_FLAVOR_MARIADB : TR_FLAVOR_MYSQL;
    const struct tr_span body = tr_span_of(data + 1, size - 1);
    (void)tr_table_map_parse_head(&map, body, &err);
    if (tr_table_map_parse(&map, flavor, body, &err) != TR_OK ||
        tr_table_map_wire(&map, wire, &err) != TR_OK) {
        return 0;
    }
    struct tr_table *table = tr_table_map_build(&map, wire, false, &err);
    if (table != NULL) {
        TR_ASSERT(table->column_count == map.column_count);
        TR_ASSERT(tr_table_map_compare(&map, wire, table, &err) == TR_OK);
        tr_table_close(table);
    }
    table = tr_table_map_build(&map, wire, true, &err);
    if (table != NULL) {
        (void)tr_table_map_compare(&map, wire, table, &err);
        tr_table_close(table);
    }
    return 0;
}
