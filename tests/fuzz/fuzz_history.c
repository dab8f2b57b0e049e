// SPDX-License-Identifier: Apache-2.0
/* History documents, one per line. Byte 0: server, skipping, a position to recover to. What was
 * recovered is printed again: it must be whole. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stages/ddl/publish_json.h"
#include "stages/ddl/recover.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tr_gtid_sources *sources;

static bool print(void *self, struct tr_table *table)
{
    const struct ddl_print how = {.flavor = *(enum tr_flavor *)self, .form = DDL_FORM_RECORD};
    struct ddl_text text = {0};

    for (uint32_t i = 0; i < table->key_count; i++) {
        if (table->key_columns[i] >= table->column_count) {
            abort();
        }
    }
    ddl_text_add_table(&text, table, &how);
    if (text.refused || text.used == 0) {
        abort();
    }
    ddl_text_free(&text);
    return true;
}

static void recover(const uint8_t *data, size_t size, const struct tr_recover_options *options)
{
    struct tr_recover recover;
    struct tr_error err;

    if (tr_recover_open(&recover, options, &err) != TR_OK) {
        return;
    }
    while (size > 0) {
        const uint8_t *end = memchr(data, '\n', size);
        const size_t bytes = end == NULL ? size : (size_t)(end - data);
        if (tr_recover_document(&recover, tr_span_of(data, bytes), &err) != TR_OK &&
            (err.code == TR_OK || err.text[0] == '\0')) {
            abort();
        }
        size -= end == NULL ? size : bytes + 1;
        data = end == NULL ? data : end + 1;
    }
    tr_recover_close(&recover);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tr_saved_position until = {.point = {.file = "binlog.000001", .pos = 2000}};
    struct tr_ddl_model *model;
    struct tr_error err;

    if (size < 1 || (sources == NULL && tr_gtid_sources_open(&sources, &err) != TR_OK)) {
        return 0;
    }
    enum tr_flavor flavor = (data[0] & 1) != 0 ? TR_FLAVOR_MARIADB : TR_FLAVOR_MYSQL;
    const struct tr_ddl_options options = {.flavor = flavor, .bytes_max = 64 << 20};
    if (tr_ddl_model_open(&model, &options, &err) != TR_OK) {
        return 0;
    }
    recover(data + 1, size - 1,
            &(struct tr_recover_options){.flavor = flavor,
                                         .topic_prefix = tr_span_of_text("p"),
                                         .sources = sources,
                                         .until = (data[0] & 2) != 0 ? &until : NULL,
                                         .skip_unparseable = (data[0] & 4) != 0,
                                         .model = model});
    tr_ddl_each(model, print, &flavor);
    tr_ddl_model_close(model);
    return 0;
}
