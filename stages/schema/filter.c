// SPDX-License-Identifier: Apache-2.0
#include "stages/schema/filter.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "engine/assert.h"
#include "stages/schema/table.h"

#define EXPRESSION_BYTES_MAX 65536
#define FULL_NAME_BYTES_MAX (2 * TR_NAME_BYTES_MAX + 1)

struct expression {
    struct expression *next; /* owns */
    pcre2_code *code;        /* owns */
    char *text;              /* owns */
    bool has_matched;        /* a table that was noted */
};

struct expression_list {
    const char *property;     /* static: for messages */
    struct expression *first; /* owns */
    struct expression *last;  /* of the same chain; NULL = empty */
};

struct tr_filter_order {
    struct expression_list list;
};

struct tr_filter {
    struct expression_list database_include;
    struct expression_list database_exclude;
    struct expression_list table_include;
    struct expression_list table_exclude;
    bool capture_builtin;
};

static enum tr_code list_open(struct expression_list *list, const char *property,
                              struct tr_span text, struct tr_error *err);
static enum tr_code list_add(struct expression_list *list, struct tr_span expression,
                             struct tr_error *err);
static void list_close(struct expression_list *list);
static enum tr_code expression_match(const struct expression_list *list,
                                     const struct expression *expression, struct tr_span name,
                                     bool *matches, struct tr_error *err);
static enum tr_code list_match(const struct expression_list *list, struct tr_span name,
                               uint32_t *index, struct tr_error *err);
static enum tr_code pass(const struct expression_list *include,
                         const struct expression_list *exclude, struct tr_span name, bool *passes,
                         struct tr_error *err);
static enum tr_code full_name(char *name, struct tr_span database, struct tr_span table,
                              struct tr_span *full, struct tr_error *err);

enum tr_code tr_filter_open(struct tr_filter **filter, const struct tr_filter_options *options,
                            struct tr_error *err)
{
    *filter = NULL;
    if (options->database_include.bytes > 0 && options->database_exclude.bytes > 0) {
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                       "debezium.source.database.include.list and "
                       "debezium.source.database.exclude.list are both set: set one of them");
    }
    if (options->table_include.bytes > 0 && options->table_exclude.bytes > 0) {
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                       "debezium.source.table.include.list and debezium.source.table.exclude.list "
                       "are both set: set one of them");
    }
    struct tr_filter *opened = calloc(1, sizeof(*opened));
    if (opened == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "table filter: no memory: add memory");
    }
    opened->capture_builtin = options->capture_builtin;
    enum tr_code code =
        list_open(&opened->database_include, "debezium.source.database.include.list",
                  options->database_include, err);
    if (code == TR_OK) {
        code = list_open(&opened->database_exclude, "debezium.source.database.exclude.list",
                         options->database_exclude, err);
    }
    if (code == TR_OK) {
        code = list_open(&opened->table_include, "debezium.source.table.include.list",
                         options->table_include, err);
    }
    if (code == TR_OK) {
        code = list_open(&opened->table_exclude, "debezium.source.table.exclude.list",
                         options->table_exclude, err);
    }
    if (code != TR_OK) {
        tr_filter_close(opened);
        return code;
    }
    *filter = opened;
    return TR_OK;
}

void tr_filter_close(struct tr_filter *filter)
{
    if (filter == NULL) {
        return;
    }
    list_close(&filter->database_include);
    list_close(&filter->database_exclude);
    list_close(&filter->table_include);
    list_close(&filter->table_exclude);
    free(filter);
}

enum tr_code tr_filter_match(const struct tr_filter *filter, struct tr_span database,
                             struct tr_span table, bool *is_captured, struct tr_error *err)
{
    char name[FULL_NAME_BYTES_MAX];

    const enum tr_code code = tr_filter_match_database(filter, database, is_captured, err);
    if (code != TR_OK || !*is_captured) {
        return code;
    }
    struct tr_span full;
    if (full_name(name, database, table, &full, err) != TR_OK) {
        *is_captured = false;
        return err->code;
    }
    return pass(&filter->table_include, &filter->table_exclude, full, is_captured, err);
}

enum tr_code tr_filter_order_open(struct tr_filter_order **order, const char *property,
                                  struct tr_span list, struct tr_error *err)
{
    struct tr_filter_order *opened = calloc(1, sizeof(*opened));

    *order = NULL;
    if (opened == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "%s: no memory: add memory", property);
    }
    const enum tr_code code = list_open(&opened->list, property, list, err);
    if (code != TR_OK) {
        tr_filter_order_close(opened);
        return code;
    }
    *order = opened;
    return TR_OK;
}

void tr_filter_order_close(struct tr_filter_order *order)
{
    if (order != NULL) {
        list_close(&order->list);
        free(order);
    }
}

enum tr_code tr_filter_order_find(const struct tr_filter_order *order, struct tr_span database,
                                  struct tr_span table, uint32_t *index, struct tr_error *err)
{
    char name[FULL_NAME_BYTES_MAX];
    struct tr_span full;

    *index = UINT32_MAX;
    const enum tr_code code = full_name(name, database, table, &full, err);
    return code != TR_OK ? code : list_match(&order->list, full, index, err);
}

enum tr_code tr_filter_order_note(struct tr_filter_order *order, struct tr_span database,
                                  struct tr_span table, struct tr_error *err)
{
    char name[FULL_NAME_BYTES_MAX];
    struct tr_span full;
    enum tr_code code = full_name(name, database, table, &full, err);

    for (struct expression *at = order->list.first; at != NULL && code == TR_OK; at = at->next) {
        bool matches = false;
        code = expression_match(&order->list, at, full, &matches, err);
        at->has_matched = at->has_matched || matches;
    }
    return code;
}

const char *tr_filter_order_unmatched(const struct tr_filter_order *order, uint32_t number)
{
    for (const struct expression *at = order->list.first; at != NULL; at = at->next) {
        if (!at->has_matched && number-- == 0) {
            return at->text;
        }
    }
    return NULL;
}

/* `db.table` in `name`, of FULL_NAME_BYTES_MAX. */
static enum tr_code full_name(char *name, struct tr_span database, struct tr_span table,
                              struct tr_span *full, struct tr_error *err)
{
    if (database.bytes + 1 + table.bytes > FULL_NAME_BYTES_MAX) {
        return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP, "table name of %zu bytes: want at most %d",
                       database.bytes + 1 + table.bytes, FULL_NAME_BYTES_MAX);
    }
    memcpy(name, database.data, database.bytes);
    name[database.bytes] = '.';
    memcpy(name + database.bytes + 1, table.data, table.bytes);
    *full = tr_span_of(name, database.bytes + 1 + table.bytes);
    return TR_OK;
}

enum tr_code tr_filter_match_database(const struct tr_filter *filter, struct tr_span database,
                                      bool *is_captured, struct tr_error *err)
{
    if (database.bytes == 0 || (!filter->capture_builtin && tr_filter_is_builtin(database))) {
        *is_captured = false;
        return TR_OK;
    }
    return pass(&filter->database_include, &filter->database_exclude, database, is_captured, err);
}

static enum tr_code pass(const struct expression_list *include,
                         const struct expression_list *exclude, struct tr_span name, bool *passes,
                         struct tr_error *err)
{
    enum tr_code code = TR_OK;
    uint32_t index;

    *passes = true;
    if (include->first != NULL) {
        code = list_match(include, name, &index, err);
        *passes = index != UINT32_MAX;
    } else if (exclude->first != NULL) {
        code = list_match(exclude, name, &index, err);
        *passes = index == UINT32_MAX;
    }
    if (code != TR_OK) {
        *passes = false;
    }
    return code;
}

static bool is_space(uint8_t c)
{
    return c <= ' ';
}

static struct tr_span trimmed(struct tr_span text)
{
    while (text.bytes > 0 && is_space(text.data[0])) {
        text.data++;
        text.bytes--;
    }
    while (text.bytes > 0 && is_space(text.data[text.bytes - 1])) {
        text.bytes--;
    }
    return text;
}

/* Splits at commas that no backslash precedes; `\,` becomes a comma, every other `\x` stays as it
 * is. */
static enum tr_code list_open(struct expression_list *list, const char *property,
                              struct tr_span text, struct tr_error *err)
{
    list->property = property;
    if (text.bytes == 0) {
        return TR_OK;
    }
    if (text.bytes > EXPRESSION_BYTES_MAX) {
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP, "%s has %zu bytes: want at most %d", property,
                       text.bytes, EXPRESSION_BYTES_MAX);
    }
    uint8_t *entry = calloc(1, text.bytes);
    if (entry == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "%s: no memory: add memory", property);
    }
    enum tr_code code = TR_OK;
    size_t entry_bytes = 0;
    for (size_t i = 0; i <= text.bytes && code == TR_OK; i++) {
        if (i == text.bytes || text.data[i] == ',') {
            code = list_add(list, trimmed(tr_span_of(entry, entry_bytes)), err);
            entry_bytes = 0;
        } else if (text.data[i] == '\\' && i + 1 < text.bytes) {
            if (text.data[i + 1] != ',') {
                entry[entry_bytes++] = '\\';
            }
            entry[entry_bytes++] = text.data[++i];
        } else {
            entry[entry_bytes++] = text.data[i];
        }
    }
    free(entry);
    return code;
}

static enum tr_code list_add(struct expression_list *list, struct tr_span expression,
                             struct tr_error *err)
{
    int error_number = 0;
    PCRE2_SIZE error_offset = 0;

    if (expression.bytes == 0) {
        return TR_OK;
    }
    struct expression *added = calloc(1, sizeof(*added));
    if (added == NULL || (added->text = calloc(1, expression.bytes + 1)) == NULL) {
        free(added);
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "%s: no memory: add memory", list->property);
    }
    added->code = pcre2_compile(expression.data, expression.bytes,
                                PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_CASELESS | PCRE2_UTF |
                                    PCRE2_MATCH_INVALID_UTF,
                                &error_number, &error_offset, NULL);
    if (added->code == NULL) {
        PCRE2_UCHAR reason[128] = "";
        (void)pcre2_get_error_message(error_number, reason,
                                      sizeof(reason)); /* cut when too long: fine */
        free(added->text);
        free(added);
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                       "%s: expression \"%.*s\" is wrong at offset %zu: %s", list->property,
                       (int)expression.bytes, (const char *)expression.data, (size_t)error_offset,
                       (const char *)reason);
    }
    memcpy(added->text, expression.data, expression.bytes);
    if (list->last == NULL) {
        list->first = added;
    } else {
        list->last->next = added;
    }
    list->last = added;
    return TR_OK;
}

static void list_close(struct expression_list *list)
{
    while (list->first != NULL) {
        struct expression *next = list->first->next;
        pcre2_code_free(list->first->code);
        free(list->first->text);
        free(list->first);
        list->first = next;
    }
}

static enum tr_code expression_match(const struct expression_list *list,
                                     const struct expression *expression, struct tr_span name,
                                     bool *matches, struct tr_error *err)
{
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    if (match == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "%s: no memory: add memory", list->property);
    }
    const int found = pcre2_match(expression->code, name.data, name.bytes, 0, 0, match, NULL);
    pcre2_match_data_free(match);
    if (found < 0 && found != PCRE2_ERROR_NOMATCH) {
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                       "%s cannot be evaluated on \"%.*s\" (error %d): write a simpler expression",
                       list->property, (int)name.bytes, (const char *)name.data, found);
    }
    *matches = found >= 0;
    return TR_OK;
}

/* The first expression that matches: `index` from 0, UINT32_MAX = none. */
static enum tr_code list_match(const struct expression_list *list, struct tr_span name,
                               uint32_t *index, struct tr_error *err)
{
    uint32_t count = 0;

    *index = UINT32_MAX;
    for (const struct expression *at = list->first; at != NULL && *index == UINT32_MAX;
         at = at->next) {
        bool matches;
        if (expression_match(list, at, name, &matches, err) != TR_OK) {
            return err->code;
        }
        *index = matches ? count : UINT32_MAX;
        count++;
    }
    return TR_OK;
}

bool tr_filter_is_builtin(struct tr_span database)
{
    static const char *const names[] = {"mysql", "performance_schema", "sys", "information_schema"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const size_t name_bytes = strlen(names[i]);
        if (database.bytes != name_bytes) {
            continue;
        }
        size_t same = 0;
        while (same < name_bytes &&
               (database.data[same] | 0x20) == (uint8_t)(names[i][same] | 0x20)) {
            same++;
        }
        if (same == name_bytes) {
            return true;
        }
    }
    return false;
}
