// SPDX-License-Identifier: Apache-2.0
#include "engine/config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/assert.h"
#include "engine/config_table.h"

#define LINE_BYTES 2048

static void add_line(struct tr_config_lines *lines, const char *line);

enum tr_code tr_config_load(struct tr_config **config_out, const struct tr_config_request *request,
                            struct tr_error *err)
{
    struct tr_config *config = calloc(1, sizeof(*config));

    *config_out = config;
    if (config != NULL) {
        config->hidden = calloc(1, sizeof(*config->hidden));
        config->problems.text = calloc(1, TR_CONFIG_LINES_BYTES);
        config->warnings.text = calloc(1, TR_CONFIG_LINES_BYTES);
    }
    if (config != NULL && config->hidden != NULL) {
        config->hidden->arena = malloc(TR_CONFIG_ARENA_BYTES);
    }
    if (config == NULL || config->hidden == NULL || config->problems.text == NULL ||
        config->warnings.text == NULL || config->hidden->arena == NULL) {
        tr_config_close(config);
        *config_out = NULL;
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "configuration: out of memory; free memory and start again");
    }
    config->hidden->environment = request->environment;
    tr_config_read_file(config, request);
    /* A file that cannot be read leaves everything unset: to say so of every option would bury the
     * cause. */
    const enum tr_config_purpose purpose =
        config->problems.count > 0 ? TR_CONFIG_FOR_NOTHING : request->purpose;
    tr_config_read_options(config, purpose);
    tr_config_read_overrides(config);
    tr_config_check_rest(config);
    tr_config_check(config, purpose);
    config->hidden->environment = NULL;
    if (config->problems.count == 0) {
        return TR_OK;
    }
    const char *end = strchr(config->problems.text, '\n');
    const int first_bytes = end == NULL ? 0 : (int)(end - config->problems.text);
    if (config->problems.count == 1) {
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP, "%.*s", first_bytes, config->problems.text);
    }
    return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP, "%.*s (and %" PRIu32 " more)", first_bytes,
                   config->problems.text, config->problems.count - 1);
}

void tr_config_close(struct tr_config *config)
{
    if (config == NULL) {
        return;
    }
    if (config->hidden != NULL) {
        tr_properties_deinit(&config->hidden->file);
        free(config->hidden->is_used);
        free(config->hidden->arena);
        free(config->hidden);
    }
    free(config->select_overrides);
    free(config->problems.text);
    free(config->warnings.text);
    free(config);
}

static void add_line(struct tr_config_lines *lines, const char *line)
{
    const size_t bytes = strlen(line);

    lines->count++;
    if (bytes + 2 > TR_CONFIG_LINES_BYTES - lines->bytes) {
        return; /* counted all the same */
    }
    memcpy(lines->text + lines->bytes, line, bytes);
    lines->text[lines->bytes + bytes] = '\n';
    lines->bytes += bytes + 1;
    lines->text[lines->bytes] = '\0';
}

void tr_config_origin_text(const struct tr_config *config, const struct tr_config_origin *origin,
                           char *out, size_t room_bytes)
{
    switch (origin->from) {
    case TR_CONFIG_FROM_DEFAULT:
        (void)snprintf(out, room_bytes, "default");
        return;
    case TR_CONFIG_FROM_FILE:
        (void)snprintf(out, room_bytes, "%s:%" PRIu32 "%s%s%s", config->file_path, origin->line,
                       origin->name == NULL ? "" : " (", origin->name == NULL ? "" : origin->name,
                       origin->name == NULL ? "" : ")");
        return;
    case TR_CONFIG_FROM_ENVIRONMENT:
        (void)snprintf(out, room_bytes, "environment %s", origin->name == NULL ? "" : origin->name);
        return;
    case TR_CONFIG_FROM_OPTION:
        (void)snprintf(out, room_bytes, "by %s", origin->name);
        return;
    }
}

void tr_config_problem(struct tr_config *config, const struct tr_config_origin *origin,
                       const char *key, const char *format, ...)
{
    char text[LINE_BYTES];
    char place[512] = "";
    char line[LINE_BYTES + 1024];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* a cut text is still a problem */
    va_end(args);
    if (origin != NULL && origin->from != TR_CONFIG_FROM_DEFAULT) {
        tr_config_origin_text(config, origin, place, sizeof(place) - 2);
        (void)strncat(place, ": ", sizeof(place) - strlen(place) - 1);
    }
    (void)snprintf(line, sizeof(line), "%s%s: %s", place, key, text);
    add_line(&config->problems, line);
}

void tr_config_warn(struct tr_config *config, const char *format, ...)
{
    char text[LINE_BYTES];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    add_line(&config->warnings, text);
}

void tr_config_list_add(struct tr_config_list *list, const char *name)
{
    const size_t bytes = strlen(name);

    if (bytes + 3 > sizeof(list->text) - list->bytes) {
        return; /* a warning need not be endless */
    }
    list->bytes += (size_t)snprintf(list->text + list->bytes, sizeof(list->text) - list->bytes,
                                    "%s%s", list->bytes == 0 ? "" : ", ", name);
}

uint32_t tr_config_index(const struct tr_config_entry *entry)
{
    return (uint32_t)(entry - tr_config_table);
}

static const struct tr_config_entry *entry_of(size_t offset)
{
    for (uint32_t i = 0; i < tr_config_table_count; i++) {
        const struct tr_config_entry *entry = &tr_config_table[i];
        if (entry->kind != TR_CONFIG_SECTION && entry->kind != TR_CONFIG_KNOWN &&
            entry->offset == offset) {
            return entry;
        }
    }
    TR_ASSERT(offset == SIZE_MAX); /* every field has its row */
    return NULL;
}

const struct tr_config_origin *tr_config_origin_of(const struct tr_config *config, size_t offset)
{
    return &config->hidden->origins[tr_config_index(entry_of(offset))];
}

const char *tr_config_key_of(size_t offset)
{
    return entry_of(offset)->key;
}
