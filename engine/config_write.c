// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/config_table.h"
#include "engine/log.h"

#define MASK "********"
#define LINE_BYTES (TR_CONFIG_VALUE_BYTES + 1024)

static const char *shown_value(const struct tr_config *config, uint32_t row)
{
    const char *text = config->hidden->texts[row];

    if (text == NULL) {
        return "";
    }
    return text[0] != '\0' && tr_config_is_secret(&tr_config_table[row], tr_config_table[row].key)
               ? MASK
               : text;
}

static bool has_field(const struct tr_config_entry *entry)
{
    return entry->kind != TR_CONFIG_SECTION && entry->kind != TR_CONFIG_KNOWN;
}

void tr_config_write_effective(const struct tr_config *config, tr_config_on_line *on_line,
                               void *self)
{
    char *line = malloc(LINE_BYTES);
    char origin[512];

    if (line == NULL) {
        on_line(self, "# out of memory");
        return;
    }
    for (uint32_t i = 0; i < tr_config_table_count; i++) {
        const struct tr_config_entry *entry = &tr_config_table[i];
        if (entry->kind == TR_CONFIG_SECTION && entry[1].kind != TR_CONFIG_KNOWN) {
            (void)snprintf(line, LINE_BYTES, "%s# %s", i == 0 ? "" : "\n", entry->key);
            on_line(self, line);
        }
        if (has_field(entry)) {
            tr_config_origin_text(config, &config->hidden->origins[i], origin, sizeof(origin));
            const int bytes = snprintf(line, LINE_BYTES - sizeof(origin), "%s=%s", entry->key,
                                       shown_value(config, i));
            const int gap = bytes < 70 ? 70 - bytes : 1;
            (void)snprintf(line + bytes, LINE_BYTES - (size_t)bytes, "%*s # %s", gap, "", origin);
            on_line(self, line);
        }
    }
    for (uint32_t i = 0; i < config->select_override_count; i++) {
        const struct tr_config_override *override = &config->select_overrides[i];
        (void)snprintf(line, LINE_BYTES, "%s=%s", override->key, override->select);
        on_line(self, line);
    }
    free(line);
}

void tr_config_log(const struct tr_config *config)
{
    char origin[512];

    for (uint32_t i = 0; i < tr_config_table_count; i++) {
        if (!has_field(&tr_config_table[i]) ||
            config->hidden->origins[i].from == TR_CONFIG_FROM_DEFAULT) {
            continue;
        }
        tr_config_origin_text(config, &config->hidden->origins[i], origin, sizeof(origin));
        const struct tr_log_field fields[] = {TR_TEXT("key", tr_config_table[i].key),
                                              TR_TEXT("value", shown_value(config, i)),
                                              TR_TEXT("from", origin)};
        tr_log_write(NULL, TR_LOG_INFO, "config.option", fields,
                     sizeof(fields) / sizeof(fields[0]));
    }
    for (uint32_t i = 0; i < config->select_override_count; i++) {
        const struct tr_log_field fields[] = {TR_TEXT("key", config->select_overrides[i].key),
                                              TR_TEXT("value", config->select_overrides[i].select)};
        tr_log_write(NULL, TR_LOG_INFO, "config.option", fields,
                     sizeof(fields) / sizeof(fields[0]));
    }
    for (const char *at = config->warnings.text; *at != '\0';) {
        const size_t bytes = strcspn(at, "\n");
        char line[2048];
        (void)snprintf(line, sizeof(line), "%.*s", (int)bytes, at);
        const struct tr_log_field fields[] = {TR_TEXT("text", line)};
        tr_log_write(NULL, TR_LOG_WARN, "config.warning", fields,
                     sizeof(fields) / sizeof(fields[0]));
        at += bytes + (at[bytes] == '\n');
    }
}

/* Text for a cell of a table: the bar would end it. */
static void cell(const char *text, char *out, size_t room_bytes)
{
    size_t bytes = 0;

    for (; *text != '\0' && bytes + 3 < room_bytes; text++) {
        if (*text == '|') {
            out[bytes++] = '\\';
        }
        out[bytes++] = *text;
    }
    out[bytes] = '\0';
}

static void describe_values(const struct tr_config_entry *entry, char *out, size_t room_bytes)
{
    size_t bytes = 0;

    out[0] = '\0';
    switch (entry->kind) {
    case TR_CONFIG_BOOL:
        (void)snprintf(out, room_bytes, "true, false");
        return;
    case TR_CONFIG_U64:
        (void)snprintf(out, room_bytes, "%" PRIu64 " to %" PRIu64 "%s%s", entry->min, entry->max,
                       entry->unit[0] == '\0' ? "" : " ", entry->unit);
        return;
    case TR_CONFIG_CHOICE:
        for (const struct tr_config_word *word = entry->words;
             word->word != NULL && bytes < room_bytes; word++) {
            if (word->value != TR_CONFIG_NOT_YET) {
                bytes += (size_t)snprintf(out + bytes, room_bytes - bytes, "%s`%s`",
                                          bytes == 0 ? "" : ", ", word->word);
            }
        }
        return;
    case TR_CONFIG_SECRET:
        (void)snprintf(out, room_bytes, "secret");
        return;
    case TR_CONFIG_TEXT:
        (void)snprintf(out, room_bytes, "%s", entry->unit[0] == '\0' ? "text" : entry->unit);
        return;
    case TR_CONFIG_SECTION:
    case TR_CONFIG_KNOWN:
        return;
    }
}

static void write_known(const struct tr_config_entry *entry, char *line, size_t room_bytes)
{
    static const char *const texts[] = {
        [TR_CONFIG_SUPPORTED] = "",
        [TR_CONFIG_NOT_YET_STATUS] = "only the default",
        [TR_CONFIG_IGNORED_STATUS] = "without meaning here",
        [TR_CONFIG_SHARED_STATUS] = "yes",
        [TR_CONFIG_RENAMED_STATUS] = "renamed",
    };
    char accepted[512];

    cell(entry->default_text, accepted, sizeof(accepted));
    const bool is_quoted = accepted[0] != '\0';
    (void)snprintf(line, room_bytes, "| `%s` | %s | %s%s%s | %s |", entry->key,
                   texts[entry->status], is_quoted ? "`" : "", accepted, is_quoted ? "`" : "",
                   entry->help);
}

void tr_config_write_reference(tr_config_on_line *on_line, void *self)
{
    char line[4096];
    char values[2048];
    char escaped[2048];
    char help[1024];

    on_line(self, "# Options");
    on_line(self, "");
    on_line(self, "Written by `tailrace config --defaults`. Environment: upper case, everything "
                  "but letters and digits "
                  "becomes `_` (`DEBEZIUM_SINK_TYPE`); it outranks the file.");
    for (uint32_t i = 0; i < tr_config_table_count; i++) {
        const struct tr_config_entry *entry = &tr_config_table[i];
        if (entry->kind == TR_CONFIG_SECTION) {
            (void)snprintf(
                line, sizeof(line),
                "\n## %s\n\n| Property | Values | Default | Meaning |\n| --- | --- | --- | --- |",
                entry->key);
            on_line(self, line);
            continue;
        }
        if (entry->kind == TR_CONFIG_KNOWN) {
            write_known(entry, line, sizeof(line));
            on_line(self, line);
            continue;
        }
        describe_values(entry, values, sizeof(values));
        cell(values, escaped, sizeof(escaped));
        cell(entry->help, help, sizeof(help));
        const char *text = entry->default_text == NULL ? "required" : entry->default_text;
        const char *quote = entry->default_text == NULL || text[0] == '\0' ? "" : "`";
        (void)snprintf(line, sizeof(line), "| `%s` | %s | %s%s%s | %s |", entry->key, escaped,
                       quote, text, quote, help);
        on_line(self, line);
    }
}
