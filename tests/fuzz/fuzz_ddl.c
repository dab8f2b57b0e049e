// SPDX-License-Identifier: Apache-2.0
/* Statements separated by NUL against a model that has a table. Byte 0: server and modes. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stages/ddl/debezium_view.h"
#include "stages/ddl/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void apply(struct tr_ddl_model *model, struct tr_span sql, uint8_t modes)
{
    struct tr_ddl_result result;
    struct tr_error err;
    const struct tr_ddl_event event = {.sql = sql,
                                       .database = tr_span_of_text("d"),
                                       .sql_mode = ((modes & 2) != 0 ? UINT64_C(0x4) : 0) |
                                                   ((modes & 4) != 0 ? UINT64_C(0x100000) : 0) |
                                                   ((modes & 8) != 0 ? UINT64_C(0x201) : 0),
                                       .timestamps_are_implicit = (modes & 16) != 0};
    if (tr_ddl_apply(model, &event, &result, &err) != TR_OK) {
        return;
    }
    for (uint32_t i = 0; i < result.change_count; i++) {
        const struct tr_table *table = result.changes[i].table;
        for (uint32_t k = 0; table != NULL && k < table->column_count; k++) {
            struct tr_debezium_column view;
            tr_debezium_view(&view, &table->columns[k],
                             (modes & 1) != 0 ? TR_FLAVOR_MARIADB : TR_FLAVOR_MYSQL);
        }
        for (uint32_t k = 0; table != NULL && k < table->key_count; k++) {
            if (table->key_columns[k] >= table->column_count) {
                abort();
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char base[] =
        "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20) UNIQUE, e ENUM('x','y'), KEY k (a, e))";
    struct tr_ddl_model *model;
    struct tr_error err;

    if (size < 1) {
        return 0;
    }
    const uint8_t modes = data[0];
    const struct tr_ddl_options options = {.flavor = (modes & 1) != 0 ? TR_FLAVOR_MARIADB
                                                                      : TR_FLAVOR_MYSQL,
                                           .fold_names = (modes & 32) != 0,
                                           .stores_lower = (modes & 64) != 0,
                                           .hides_int_width = (modes & 128) != 0,
                                           .bytes_max = 64 << 20};
    if (tr_ddl_model_open(&model, &options, &err) != TR_OK) {
        return 0;
    }
    apply(model, tr_span_of(base, sizeof(base) - 1), 0);
    const uint8_t *at = data + 1;
    size_t left = size - 1;
    while (left > 0) {
        const uint8_t *end = memchr(at, '\0', left);
        const size_t bytes = end == NULL ? left : (size_t)(end - at);
        apply(model, tr_span_of(at, bytes), modes);
        left -= end == NULL ? left : bytes + 1;
        at = end == NULL ? at : end + 1;
    }
    tr_ddl_model_close(model);
    return 0;
}
