// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/config_table.h"

/* Options that take their default from another key: the same words after another beginning. */
static const struct {
    const char *beginning;
    const char *instead;
} shared_beginnings[] = {
    {"debezium.source.offset.storage.redis.", "debezium.sink.redis."},
    {"debezium.source.schema.history.internal.redis.", "debezium.sink.redis."},
    {"debezium.format.key.schemas.", "debezium.format.schemas."},
    {"debezium.format.value.schemas.", "debezium.format.schemas."},
    {"quarkus.log.console.json", "quarkus.log.console.json.enabled"},
};

/* `text` without blanks around it, into `out`; false when it is longer than any word or number can
 * be. */
static bool trim(const char *text, char *out, size_t room_bytes)
{
    size_t bytes = strlen(text);

    while (bytes > 0 && isspace((unsigned char)text[bytes - 1])) {
        bytes--;
    }
    while (bytes > 0 && isspace((unsigned char)*text)) {
        text++;
        bytes--;
    }
    if (bytes >= room_bytes) {
        return false;
    }
    memcpy(out, text, bytes);
    out[bytes] = '\0';
    return true;
}

static bool parse_bool(const char *text, bool *value)
{
    *value = tr_config_same_word(text, "true");
    return *value || tr_config_same_word(text, "false");
}

/* Decimal digits; sizes in bytes may end in K, M, G or T (powers of 1024), also as KiB or KB. */
static bool parse_u64(const char *text, bool is_size, uint64_t *value)
{
    static const char suffixes[] = "KMGT";
    char *end;

    if (!isdigit((unsigned char)*text)) {
        return false;
    }
    errno = 0;
    *value = strtoull(text, &end, 10);
    if (errno != 0) {
        return false;
    }
    if (*end == '\0' || !is_size) {
        return *end == '\0';
    }
    const char *suffix = strchr(suffixes, toupper((unsigned char)*end));
    if (suffix == NULL || !(end[1] == '\0' || tr_config_same_word(end + 1, "b") ||
                            tr_config_same_word(end + 1, "ib"))) {
        return false;
    }
    const uint32_t shift = 10 * (uint32_t)(suffix - suffixes + 1);
    if (*value > UINT64_MAX >> shift) {
        return false;
    }
    *value <<= shift;
    return true;
}

/* The words of a choice that this version serves, as "a, b, c"; several spellings of one value
 * once. */
static void list_words(const struct tr_config_word *words, char *out, size_t room_bytes)
{
    size_t bytes = 0;

    out[0] = '\0';
    for (uint32_t i = 0; words[i].word != NULL; i++) {
        bool is_repeat = words[i].value == TR_CONFIG_NOT_YET;
        for (uint32_t j = 0; j < i; j++) {
            is_repeat = is_repeat || words[j].value == words[i].value;
        }
        if (!is_repeat && bytes < room_bytes) {
            bytes += (size_t)snprintf(out + bytes, room_bytes - bytes, "%s%s",
                                      bytes == 0 ? "" : " | ", words[i].word);
        }
    }
}

static void set_choice(struct tr_config *config, const struct tr_config_entry *entry,
                       const struct tr_config_origin *origin, const char *text, uint32_t *field)
{
    char list[1024];

    list_words(entry->words, list, sizeof(list));
    for (const struct tr_config_word *word = entry->words; word->word != NULL; word++) {
        if (!tr_config_same_word(word->word, text)) {
            continue;
        }
        *field = word->value == TR_CONFIG_NOT_YET ? 0 : word->value;
        if (word->value == TR_CONFIG_NOT_YET && origin->from == TR_CONFIG_FROM_DEFAULT) {
            tr_config_problem(
                config, NULL, entry->key,
                "not set, and its default `%s` is not supported by this version: set %s=%s", text,
                entry->key, entry->words[0].word);
        } else if (word->value == TR_CONFIG_NOT_YET) {
            tr_config_problem(config, origin, entry->key,
                              "`%s` is not supported by this version: set it to %s", text, list);
        }
        return;
    }
    tr_config_problem(config, origin, entry->key, "`%s` is none of its values: set it to %s", text,
                      list);
}

/* Parses `text` into the field of `entry`; the text is kept as the effective one. */
static void set_field(struct tr_config *config, const struct tr_config_entry *entry,
                      const struct tr_config_origin *origin, const char *text)
{
    unsigned char *at = (unsigned char *)config + entry->offset;
    char trimmed[256];

    config->hidden->texts[tr_config_index(entry)] = text;
    config->hidden->origins[tr_config_index(entry)] = *origin;
    if (entry->kind == TR_CONFIG_TEXT || entry->kind == TR_CONFIG_SECRET) {
        memcpy(at, &text, sizeof(text));
        return;
    }
    if (entry->kind == TR_CONFIG_CHOICE && text[0] == '\0') {
        return; /* absent */
    }
    if (!trim(text, trimmed, sizeof(trimmed))) {
        tr_config_problem(config, origin, entry->key, "value of %zu bytes: give one of its values",
                          strlen(text));
        return;
    }
    if (entry->kind == TR_CONFIG_CHOICE) {
        uint32_t value = 0;
        set_choice(config, entry, origin, trimmed, &value);
        memcpy(at, &value, sizeof(value));
    } else if (entry->kind == TR_CONFIG_BOOL) {
        bool value;
        if (!parse_bool(trimmed, &value)) {
            tr_config_problem(config, origin, entry->key, "`%s`: set it to true or false", trimmed);
        }
        memcpy(at, &value, sizeof(value));
    } else {
        uint64_t value = 0;
        const bool is_size = strcmp(entry->unit, "bytes") == 0;
        if (!parse_u64(trimmed, is_size, &value) || value < entry->min || value > entry->max) {
            tr_config_problem(config, origin, entry->key,
                              "`%s`: set it to a number from %" PRIu64 " to %" PRIu64 "%s%s",
                              trimmed, entry->min, entry->max, entry->unit[0] == '\0' ? "" : " ",
                              entry->unit);
            value = entry->min; /* in range, never used: there is a problem */
        }
        memcpy(at, &value, sizeof(value));
    }
}

static bool is_required(const struct tr_config_entry *entry, enum tr_config_purpose purpose)
{
    switch (purpose) {
    case TR_CONFIG_FOR_NOTHING:
        return false;
    case TR_CONFIG_FOR_SINK:
        return strncmp(entry->key, "debezium.sink.", sizeof("debezium.sink.") - 1) == 0;
    case TR_CONFIG_FOR_STATE:
        return entry->offset == offsetof(struct tr_config, topic_prefix) ||
               entry->offset == offsetof(struct tr_config, sink_type);
    case TR_CONFIG_FOR_RUN:
        return true;
    }
    return true;
}

static void set_default(struct tr_config *config, const struct tr_config_entry *entry,
                        enum tr_config_purpose purpose)
{
    const struct tr_config_origin origin = {0};
    const bool needs_source = purpose == TR_CONFIG_FOR_RUN;

    if (entry->default_text == NULL && is_required(entry, purpose) &&
        entry->offset != offsetof(struct tr_config,
                                  kinesis_region)) { /* the region may come from AWS's variables */
        tr_config_problem(config, NULL, entry->key, "not set, and it has no default: set it in %s",
                          config->file_path[0] == '\0'
                              ? "application.properties (name the file with -c FILE)"
                              : config->file_path);
    }
    if (entry->offset == offsetof(struct tr_config, snapshot_mode) && !needs_source) {
        set_field(config, entry, &origin,
                  entry->words[0].word); /* no matter to a command that reads no source */
        return;
    }
    if (entry->default_text != NULL) {
        set_field(config, entry, &origin, entry->default_text);
    } else if (entry->kind == TR_CONFIG_TEXT || entry->kind == TR_CONFIG_SECRET) {
        set_field(config, entry, &origin, "");
    }
}

/* What is set for an option: under its own key, else under the key that it shares. */
static struct tr_config_raw lookup_shared(struct tr_config *config,
                                          const struct tr_config_entry *entry)
{
    struct tr_config_raw raw = tr_config_lookup(config, entry->key);
    char other[256];

    for (size_t i = 0; i < sizeof(shared_beginnings) / sizeof(shared_beginnings[0]); i++) {
        const size_t bytes = strlen(shared_beginnings[i].beginning);
        if (raw.value != NULL || strncmp(entry->key, shared_beginnings[i].beginning, bytes) != 0) {
            continue;
        }
        (void)snprintf(other, sizeof(other), "%s%s", shared_beginnings[i].instead,
                       entry->key + bytes);
        raw = tr_config_lookup(config, other);
        if (raw.value != NULL && raw.origin.from == TR_CONFIG_FROM_FILE) {
            raw.origin.name = tr_config_keep(config, other, strlen(other));
        }
    }
    return raw;
}

/* Whether `value` is one of the alternatives in `accepted`. */
static bool is_accepted(const char *accepted, const char *value)
{
    char trimmed[256];
    char one[256];

    if (!trim(value, trimmed, sizeof(trimmed))) {
        return false;
    }
    for (const char *at = accepted;;) {
        const size_t bytes = strcspn(at, "|");
        (void)snprintf(one, sizeof(one), "%.*s", (int)bytes, at);
        if (tr_config_same_word(one, trimmed)) {
            return true;
        }
        if (at[bytes] == '\0') {
            return false;
        }
        at += bytes + 1;
    }
}

/* `key` is the row's own, or a member of its family. */
void tr_config_check_known(struct tr_config *config, const struct tr_config_entry *entry,
                           const char *key, const struct tr_config_raw *raw)
{
    const char *value = tr_config_expand(config, key, raw);
    const bool is_secret = tr_config_is_secret(entry, key);

    if (value == NULL) {
        return;
    }
    if (entry->status == TR_CONFIG_RENAMED_STATUS) {
        /* Of a family the rest of the name stays. */
        const char *name = entry->default_text;
        const size_t name_bytes = strcspn(name, "*");
        const char *rest = name[name_bytes] == '*' ? key + strcspn(entry->key, "*") : "";
        tr_config_problem(config, &raw->origin, key, "is spelt otherwise here: rename it to %.*s%s",
                          (int)name_bytes, name, rest);
        return;
    }
    if (is_accepted(entry->default_text, value)) {
        return; /* the default: nothing to honour */
    }
    if (entry->status == TR_CONFIG_IGNORED_STATUS) {
        tr_config_list_add(&config->hidden->ignored, key);
    }
    if (entry->status != TR_CONFIG_NOT_YET_STATUS) {
        return;
    }
    const size_t default_bytes = strcspn(entry->default_text, "|");
    tr_config_problem(config, &raw->origin, key,
                      "`%.100s` is not supported by this version (%s): %s%.*s",
                      is_secret ? "********" : value, entry->help,
                      default_bytes == 0 ? "remove it" : "remove it, or leave it at ",
                      (int)default_bytes, entry->default_text);
}

void tr_config_read_options(struct tr_config *config, enum tr_config_purpose purpose)
{
    for (uint32_t i = 0; i < tr_config_table_count; i++) {
        const struct tr_config_entry *entry = &tr_config_table[i];
        if (entry->kind == TR_CONFIG_SECTION || strchr(entry->key, '*') != NULL) {
            continue;
        }
        const struct tr_config_raw raw = lookup_shared(config, entry);
        if (entry->kind == TR_CONFIG_KNOWN) {
            if (raw.value != NULL) {
                tr_config_check_known(config, entry, entry->key, &raw);
            }
            continue;
        }
        const char *text = raw.value == NULL ? NULL : tr_config_expand(config, entry->key, &raw);
        if (raw.value != NULL && text == NULL) { /* a problem already: not also missing */
            set_default(config, entry, TR_CONFIG_FOR_NOTHING);
        } else if (text == NULL || text[0] == '\0') {
            set_default(config, entry, purpose);
        } else {
            set_field(config, entry, &raw.origin, text);
        }
    }
}
