// SPDX-License-Identifier: Apache-2.0
/* snapshot.select.statement.overrides: a list of tables, and a property of each table's name. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/config_table.h"

#define OVERRIDE_KEY "debezium.source.snapshot.select.statement.overrides."
#define NAME_BYTES_MAX 1024

/* The next name of a comma separated list, blanks around it cut off; 0 bytes at its end. */
static const char *next_name(const char **list, size_t *bytes)
{
    const char *at = *list;

    while (*at == ',' || isspace((unsigned char)*at)) {
        at++;
    }
    *bytes = strcspn(at, ",");
    *list = at + *bytes;
    while (*bytes > 0 && isspace((unsigned char)at[*bytes - 1])) {
        (*bytes)--;
    }
    return at;
}

/* Adds the table with its SELECT. */
static void read_one(struct tr_config *config, const char *table, size_t table_bytes)
{
    char key[sizeof(OVERRIDE_KEY) + NAME_BYTES_MAX];

    if (table_bytes > NAME_BYTES_MAX) {
        tr_config_problem(
            config, tr_config_origin_of(config, offsetof(struct tr_config, snapshot_select_tables)),
            OVERRIDE_KEY, "a table name of %zu bytes: want db.table", table_bytes);
        return;
    }
    (void)snprintf(key, sizeof(key), OVERRIDE_KEY "%.*s", (int)table_bytes, table);
    const struct tr_config_raw raw = tr_config_lookup(config, key);
    if (raw.value == NULL) { /* as Debezium */
        tr_config_warn(config,
                       "%s: not set, although the list of overrides has that table: all of it is "
                       "read",
                       key);
        return;
    }
    const struct tr_config_override override = {.table = tr_config_keep(config, table, table_bytes),
                                                .key = tr_config_keep(config, key, strlen(key)),
                                                .select = tr_config_expand(config, key, &raw)};
    if (override.table != NULL && override.key != NULL && override.select != NULL) {
        config->select_overrides[config->select_override_count++] = override;
    }
}

void tr_config_read_overrides(struct tr_config *config)
{
    const char *list = config->snapshot_select_tables;
    size_t bytes;
    uint32_t count = 0;

    while (next_name(&list, &bytes), bytes > 0) {
        count++;
    }
    config->select_overrides = calloc((size_t)count + 1, sizeof(*config->select_overrides));
    if (config->select_overrides == NULL) {
        tr_config_problem(config, NULL, OVERRIDE_KEY, "no memory for %u tables: add memory", count);
        return;
    }
    list = config->snapshot_select_tables;
    for (uint32_t i = 0; i < count; i++) {
        const char *name = next_name(&list, &bytes);
        read_one(config, name, bytes);
    }
}

bool tr_config_is_override(const struct tr_config *config, const char *key)
{
    for (uint32_t i = 0; i < config->select_override_count; i++) {
        if (tr_config_same_word(config->select_overrides[i].key, key)) {
            return true;
        }
    }
    return false;
}
