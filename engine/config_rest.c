// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <string.h>

#include "engine/config_table.h"

/* Whether `key` looks like a slip in typing a known one: a letter off, two in a long word. */
static bool is_slip(const char *key)
{
    const char *dot = strrchr(key, '.');
    const size_t word_bytes = strlen(dot == NULL ? key : dot + 1);
    uint32_t distance;

    return tr_config_nearest(key, &distance) != NULL && distance <= (word_bytes < 8 ? 1u : 2u);
}

/* A key without a row of its own: a family's, or unknown. A slip in a known key is a mistake, not a
 * family's. */
static bool check_family(struct tr_config *config, const char *key, const struct tr_config_raw *raw)
{
    const struct tr_config_entry *family = tr_config_find_family(key);

    if (tr_config_is_override(config, key)) { /* an environment's variable, by its guessed key */
        return true;
    }
    if (family == NULL || (family->status != TR_CONFIG_RENAMED_STATUS && is_slip(key))) {
        return false;
    }
    if (raw->value != NULL) {
        tr_config_check_known(config, family, key, raw);
    }
    return true;
}

static void check_rest_of_file(struct tr_config *config)
{
    for (uint32_t i = 0; i < config->hidden->file.count; i++) {
        const struct tr_property *property = &config->hidden->file.items[i];
        const char *key = property->key;
        uint32_t distance;
        if (config->hidden->is_used[i]) {
            continue;
        }
        if (key[0] == '%') { /* of a profile: ours is prod, the others' properties are not for us */
            if (strncmp(key, "%prod.", 6) != 0) {
                continue;
            }
            key += 6;
        }
        const struct tr_config_raw raw = {
            .value = property->value[0] == '\0' ? NULL : property->value,
            .origin = {.from = TR_CONFIG_FROM_FILE, .line = property->line}};
        if (check_family(config, key, &raw)) {
            continue;
        }
        const char *nearest = tr_config_nearest(key, &distance);
        if (nearest != NULL) {
            tr_config_problem(config, &raw.origin, key, "unknown property: did you mean %s?",
                              nearest);
        } else {
            tr_config_problem(
                config, &raw.origin, key,
                "unknown property: remove it (`tailrace config --defaults` lists all)");
        }
    }
}

/* DEBEZIUM_SINK_X to debezium.sink.x, as Debezium Server guesses; false if the variable is not of
 * our kind. */
static bool guess_key(const char *variable, char *key, size_t room_bytes)
{
    static const char *const beginnings[] = {"debezium.", "tailrace.", "quarkus."};
    size_t bytes = 0;

    for (; variable[bytes] != '=' && variable[bytes] != '\0'; bytes++) {
        if (bytes + 1 >= room_bytes) {
            return false;
        }
        key[bytes] = variable[bytes] == '_' ? '.' : (char)tolower((unsigned char)variable[bytes]);
    }
    key[bytes] = '\0';
    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
        if (strncmp(key, beginnings[i], strlen(beginnings[i])) == 0) {
            return true;
        }
    }
    return false;
}

static bool fits_a_row(const char *variable)
{
    const size_t name_bytes = strcspn(variable, "=");

    for (uint32_t i = 0; i < tr_config_table_count; i++) {
        if (tr_config_table[i].kind != TR_CONFIG_SECTION &&
            tr_config_environment_rank(variable, name_bytes, tr_config_table[i].key) > 0) {
            return true;
        }
    }
    return false;
}

static void check_rest_of_environment(struct tr_config *config)
{
    struct tr_config_list unknown = {0};
    char key[512];

    for (char *const *entry = config->hidden->environment; entry != NULL && *entry != NULL;
         entry++) {
        const char *equals = strchr(*entry, '=');
        if (equals == NULL || !guess_key(*entry, key, sizeof(key)) || fits_a_row(*entry) ||
            strncmp(*entry, "DEBEZIUM_OPTS=", 14) == 0 ||
            strncmp(*entry, "DEBEZIUM_VERSION=", 17) == 0) {
            continue;
        }
        const char *variable = tr_config_keep(config, *entry, (size_t)(equals - *entry));
        const struct tr_config_raw raw = {
            .value = equals[1] == '\0' ? NULL : equals + 1,
            .origin = {.from = TR_CONFIG_FROM_ENVIRONMENT, .name = variable}};
        if (variable != NULL && !check_family(config, key, &raw)) {
            tr_config_list_add(&unknown, variable);
        }
    }
    if (unknown.bytes > 0) {
        tr_config_warn(config, "environment variables that name no option, without effect: %s",
                       unknown.text);
    }
}

void tr_config_check_rest(struct tr_config *config)
{
    check_rest_of_file(config);
    check_rest_of_environment(config);
    if (config->hidden->ignored.bytes > 0) {
        tr_config_warn(config, "properties that have no meaning here, without effect: %s",
                       config->hidden->ignored.text);
    }
}
