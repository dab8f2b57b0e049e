// SPDX-License-Identifier: Apache-2.0
#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "engine/assert.h"
#include "engine/config_table.h"

#define KEY_BYTES_MAX 200 /* longer keys have no neighbours worth naming */

#define TR_REQUIRED NULL
#define WORDS_TABLE(list)                                                                          \
    static const struct tr_config_word words_##list[] = {TR_WORDS_##list(WORD){NULL, 0}};
#define WORD(word, value) {(word), (value)},
WORDS_TABLE(CONNECTOR)
WORDS_TABLE(SSL_MODE)
WORDS_TABLE(SNAPSHOT)
WORDS_TABLE(LOCKING)
WORDS_TABLE(ROW_COUNT_ORDER)
WORDS_TABLE(OFFSET_STORAGE)
WORDS_TABLE(COMMIT_POLICY)
WORDS_TABLE(HISTORY_STORAGE)
WORDS_TABLE(DDL_ON_ERROR)
WORDS_TABLE(SINK)
WORDS_TABLE(KEY_FORMAT)
WORDS_TABLE(VALUE_FORMAT)
WORDS_TABLE(LOG_LEVEL)
WORDS_TABLE(REACTOR)
WORDS_TABLE(PLAN)
WORDS_TABLE(ORDER)
WORDS_TABLE(STREAMS_MODE)
WORDS_TABLE(HOT_KEYS)
WORDS_TABLE(KEYLESS)
WORDS_TABLE(KEY_OVERSIZE)
WORDS_TABLE(OVERSIZE)
WORDS_TABLE(ENVELOPE_TS)
WORDS_TABLE(COMPAT)
#undef WORD

#define STATUS_NOT_YET TR_CONFIG_NOT_YET_STATUS
#define STATUS_IGNORED TR_CONFIG_IGNORED_STATUS
#define STATUS_SHARED TR_CONFIG_SHARED_STATUS
#define STATUS_RENAMED TR_CONFIG_RENAMED_STATUS

const struct tr_config_entry tr_config_table[] = {
#define TR_SECTION(title_) {.kind = TR_CONFIG_SECTION, .key = (title_)},
#define TR_OPTION(type_, field_, key_, default_, min_, max_, unit_, help_)                         \
    {.kind = TR_CONFIG_##type_,                                                                    \
     .key = (key_),                                                                                \
     .default_text = (default_),                                                                   \
     .min = (min_),                                                                                \
     .max = (max_),                                                                                \
     .unit = (unit_),                                                                              \
     .offset = offsetof(struct tr_config, field_),                                                 \
     .help = (help_)},
#define TR_CHOICE(list_, field_, key_, default_, help_)                                            \
    {.kind = TR_CONFIG_CHOICE,                                                                     \
     .key = (key_),                                                                                \
     .default_text = (default_),                                                                   \
     .unit = "",                                                                                   \
     .words = words_##list_,                                                                       \
     .offset = offsetof(struct tr_config, field_),                                                 \
     .help = (help_)},
#define TR_KNOWN(status_, key_, accepted_, help_)                                                  \
    {.kind = TR_CONFIG_KNOWN,                                                                      \
     .status = STATUS_##status_,                                                                   \
     .key = (key_),                                                                                \
     .default_text = (accepted_),                                                                  \
     .unit = "",                                                                                   \
     .help = (help_)},
#include "engine/config.def"
#undef TR_SECTION
#undef TR_OPTION
#undef TR_CHOICE
#undef TR_KNOWN
};

const uint32_t tr_config_table_count = sizeof(tr_config_table) / sizeof(tr_config_table[0]);

static_assert(sizeof(tr_config_table) / sizeof(tr_config_table[0]) <= TR_CONFIG_TABLE_ROOM,
              "raise TR_CONFIG_TABLE_ROOM");

bool tr_config_same_word(const char *a, const char *b)
{
    while (*a != '\0' && tolower((unsigned char)*a) == tolower((unsigned char)*b)) {
        a++;
        b++;
    }
    return *a == *b;
}

const struct tr_config_entry *tr_config_find(const char *key)
{
    for (uint32_t i = 0; i < tr_config_table_count; i++) {
        const struct tr_config_entry *entry = &tr_config_table[i];
        if (entry->kind != TR_CONFIG_SECTION && strcmp(entry->key, key) == 0) {
            return entry;
        }
    }
    return NULL;
}

/* One * stands for one character or more. */
static bool is_in_family(const char *family, const char *key, size_t *fixed_bytes)
{
    const char *star = strchr(family, '*');

    if (star == NULL) {
        return false;
    }
    const size_t head_bytes = (size_t)(star - family);
    const size_t tail_bytes = strlen(star + 1);
    const size_t key_bytes = strlen(key);
    *fixed_bytes = head_bytes;
    return key_bytes > head_bytes + tail_bytes && memcmp(key, family, head_bytes) == 0 &&
           memcmp(key + key_bytes - tail_bytes, star + 1, tail_bytes) == 0;
}

const struct tr_config_entry *tr_config_find_family(const char *key)
{
    const struct tr_config_entry *best = NULL;
    size_t best_bytes = 0;

    for (uint32_t i = 0; i < tr_config_table_count; i++) {
        const struct tr_config_entry *entry = &tr_config_table[i];
        size_t fixed_bytes;
        if (entry->kind == TR_CONFIG_KNOWN && is_in_family(entry->key, key, &fixed_bytes) &&
            fixed_bytes > best_bytes) {
            best = entry;
            best_bytes = fixed_bytes;
        }
    }
    return best;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Edit distance with swaps of neighbours (optimal string alignment), without case. Both lengths are
 * bounded. */
static uint32_t edit_distance(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    uint32_t rows[3][KEY_BYTES_MAX + 1];

    TR_ASSERT(a_bytes <= KEY_BYTES_MAX && b_bytes <= KEY_BYTES_MAX);
    for (uint32_t j = 0; j <= b_bytes; j++) {
        rows[0][j] = j;
    }
    for (uint32_t i = 1; i <= a_bytes; i++) {
        uint32_t *now = rows[i % 3];
        const uint32_t *above = rows[(i + 2) % 3];
        const uint32_t *two_above = rows[(i + 1) % 3];
        now[0] = i;
        for (uint32_t j = 1; j <= b_bytes; j++) {
            const int x = tolower((unsigned char)a[i - 1]);
            const int y = tolower((unsigned char)b[j - 1]);
            now[j] = least(least(above[j] + 1, now[j - 1] + 1), above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
                tolower((unsigned char)a[i - 2]) == y) {
                now[j] = least(now[j], two_above[j - 2] + 1);
            }
        }
    }
    return rows[a_bytes % 3][b_bytes];
}

/* A key whose beginning was left out ("topic.prefix"): the known key that ends in it after a dot.
 */
static const char *with_beginning(const char *key)
{
    const size_t key_bytes = strlen(key);

    for (uint32_t i = 0; i < tr_config_table_count; i++) {
        const struct tr_config_entry *entry = &tr_config_table[i];
        const size_t entry_bytes = strlen(entry->key);
        if (entry->kind != TR_CONFIG_SECTION && entry_bytes > key_bytes + 1 &&
            entry->key[entry_bytes - key_bytes - 1] == '.' &&
            strcmp(entry->key + entry_bytes - key_bytes, key) == 0) {
            return entry->key;
        }
    }
    return NULL;
}

const char *tr_config_nearest(const char *key, uint32_t *distance)
{
    const size_t key_bytes = strlen(key);
    const char *best = NULL;

    *distance = UINT32_MAX;
    if (key_bytes == 0 || key_bytes > KEY_BYTES_MAX) {
        return NULL;
    }
    for (uint32_t i = 0; i < tr_config_table_count; i++) {
        const struct tr_config_entry *entry = &tr_config_table[i];
        if (entry->kind == TR_CONFIG_SECTION || entry->status == TR_CONFIG_RENAMED_STATUS ||
            strchr(entry->key, '*') != NULL) {
            continue;
        }
        const uint32_t found = edit_distance(key, key_bytes, entry->key, strlen(entry->key));
        if (found < *distance) {
            *distance = found;
            best = entry->key;
        }
    }
    if (*distance <= 2 || (*distance <= 8 && *distance * 4 <= key_bytes)) {
        return best;
    }
    return with_beginning(key);
}

static bool is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Source: MicroProfile Config, "Environment Variables Mapping Rules"; SmallRye also takes any case.
 */
uint32_t tr_config_environment_rank(const char *name, size_t name_bytes, const char *key)
{
    bool is_exact = true;
    bool is_replaced = true;
    bool is_upper = true;

    if (strlen(key) != name_bytes) {
        return 0;
    }
    for (size_t i = 0; i < name_bytes; i++) {
        const char replaced = is_alphanumeric(key[i]) ? key[i] : '_';
        const char upper = (char)toupper((unsigned char)replaced);
        if (name[i] != key[i] && (char)toupper((unsigned char)name[i]) != upper) {
            return 0;
        }
        is_exact = is_exact && name[i] == key[i];
        is_replaced = is_replaced && name[i] == replaced;
        is_upper = is_upper && name[i] == upper;
    }
    return is_exact ? 4 : is_replaced ? 3 : is_upper ? 2 : 1;
}

bool tr_config_is_secret(const struct tr_config_entry *entry, const char *key)
{
    static const char *const marks[] = {"password", "secret", "token", "connectionstring",
                                        "access.key"};

    if (entry != NULL && entry->kind != TR_CONFIG_KNOWN) {
        return entry->kind == TR_CONFIG_SECRET;
    }
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if (strcasestr(key, marks[i]) != NULL) {
            return true;
        }
    }
    return false;
}
