// SPDX-License-Identifier: Apache-2.0
#include "stages/ddl/publish_plan.h"

#include <stdlib.h>
#include <string.h>

#include "stages/ddl/java_set.h"
#include "stages/ddl/sql_lexer.h"

static bool is_event(const struct tr_ddl_change *change);
static void add_events(struct ddl_plan *plan, const struct tr_ddl_publisher *publisher,
                       const struct tr_ddl_event *event, const struct tr_ddl_result *result);
static void name_tables(struct ddl_plan *plan);
static enum tr_code decide(struct ddl_plan *plan, const struct tr_ddl_publisher *publisher,
                           const struct tr_ddl_event *event, struct tr_error *err);

static enum tr_code no_memory(struct ddl_plan *plan, struct tr_error *err)
{
    ddl_plan_free(plan);
    return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                   "no memory for what a DDL statement leaves behind: add memory");
}

static struct tr_span trimmed(struct tr_span text)
{
    while (text.bytes > 0 && text.data[0] <= ' ') {
        text.data++;
        text.bytes--;
    }
    while (text.bytes > 0 && text.data[text.bytes - 1] <= ' ') {
        text.bytes--;
    }
    return text;
}

enum tr_code ddl_plan_make(struct ddl_plan *plan, const struct tr_ddl_publisher *publisher,
                           const struct tr_ddl_event *event, const struct tr_ddl_result *result,
                           struct tr_error *err)
{
    *plan = (struct ddl_plan){0};
    plan->entries = calloc(result->change_count + 1, sizeof(*plan->entries));
    plan->arena = tr_table_open((struct tr_span){0}, (struct tr_span){0}, 0, err);
    if (plan->entries == NULL || plan->arena == NULL) {
        return no_memory(plan, err);
    }
    if (result->effect != TR_DDL_UNKNOWN_EFFECT) {
        add_events(plan, publisher, event, result);
    }
    if (plan->entry_count > 0) {
        name_tables(plan);
    } else if (result->change_count != 1 || result->changes[0].type != TR_DDL_TRUNCATE) {
        plan->entries[plan->entry_count++] = (struct ddl_entry){.type = DDL_ENTRY_DATABASE,
                                                                .database = event->database,
                                                                .text = trimmed(event->sql),
                                                                .source_tables = tr_span_of("", 0)};
    }
    if (!tr_table_is_whole(plan->arena)) {
        return no_memory(plan, err);
    }
    const enum tr_code code = decide(plan, publisher, event, err);
    if (code != TR_OK) {
        ddl_plan_free(plan);
    }
    return code;
}

void ddl_plan_free(struct ddl_plan *plan)
{
    free(plan->entries);
    tr_table_close(plan->arena);
    *plan = (struct ddl_plan){0};
}

/* --- events --- */

static bool begins_with_rename(struct tr_span text)
{
    static const char word[] = "RENAME";
    if (text.bytes < sizeof(word) - 1) {
        return false;
    }
    for (size_t i = 0; i < sizeof(word) - 1; i++) {
        if ((text.data[i] & 0xDF) != (uint8_t)word[i]) {
            return false;
        }
    }
    return true;
}

static bool is_rename(const struct tr_ddl_change *change)
{
    return change->type == TR_DDL_ALTER && change->previous_name.bytes > 0 &&
           begins_with_rename(change->text);
}

/* Bytes of the quoted text, name or comment at the start; 1 where none stands there. */
static size_t unit_bytes(struct tr_span text, bool escapes)
{
    const uint8_t c = text.data[0];
    const uint8_t next = text.bytes > 1 ? text.data[1] : 0;
    const bool is_line =
        c == '#' || (c == '-' && next == '-' && text.bytes > 2 && text.data[2] <= ' ');
    const bool is_block = c == '/' && next == '*' && !(text.bytes > 2 && text.data[2] == '!');

    if (is_line) {
        const uint8_t *end = memchr(text.data, '\n', text.bytes);
        return end == NULL ? text.bytes : (size_t)(end - text.data);
    }
    if (is_block) {
        const uint8_t *end = text.bytes < 4 ? NULL : memmem(text.data + 2, text.bytes - 2, "*/", 2);
        return end == NULL ? text.bytes : (size_t)(end - text.data) + 2;
    }
    if (c != '\'' && c != '"' && c != '`') {
        return 1;
    }
    for (size_t i = 1; i < text.bytes; i++) {
        if (text.data[i] == '\\' && escapes && c != '`') {
            i++;
        } else if (text.data[i] == c && i + 1 < text.bytes && text.data[i + 1] == c) {
            i++;
        } else if (text.data[i] == c) {
            return i + 1;
        }
    }
    return text.bytes;
}

/* The statement as Debezium hands it to its MySQL grammar: "…" became '…', apostrophes in it doubled.
 * Not in names, comments and strings of the other kind (where Debezium does it, too, and fails). */
static struct tr_span single_quoted(struct ddl_plan *plan, struct tr_span text, uint64_t sql_mode)
{
    const bool escapes = (sql_mode & TR_SQL_MODE_NO_BACKSLASH_ESCAPES) == 0;

    if ((sql_mode & TR_SQL_MODE_ANSI_QUOTES) != 0 || text.bytes == 0 ||
        memchr(text.data, '"', text.bytes) == NULL) {
        return text;
    }
    uint8_t *out = tr_table_array(plan->arena, 2 * text.bytes);
    size_t bytes = 0;
    for (size_t i = 0; out != NULL && i < text.bytes;) {
        const size_t unit = unit_bytes(tr_span_of(text.data + i, text.bytes - i), escapes);
        const size_t from = bytes;
        const bool is_double = text.data[i] == '"' && unit > 1 && text.data[i + unit - 1] == '"';
        for (size_t k = 0; k < unit; k++, i++) {
            out[bytes++] = text.data[i];
            if (is_double && text.data[i] == '\'') {
                out[bytes++] = '\'';
            }
        }
        if (is_double) {
            out[from] = '\'';
            out[bytes - 1] = '\'';
        }
    }
    return tr_span_of(out, out == NULL ? 0 : bytes);
}

/* Whether Debezium's parser makes an event of it; what it does not know it passes over. */
static bool is_event(const struct tr_ddl_change *change)
{
    if (change->is_temporary || change->is_unknown) {
        return false; /* temporary tables are nobody else's: kept as text */
    }
    switch (change->type) {
    case TR_DDL_CREATE:
        return change->table != NULL && !change->has_no_effect;
    case TR_DDL_ALTER:
        if (change->is_index && !change->changes_key) {
            return false;
        }
        return is_rename(change) || (change->table != NULL && !change->has_no_effect);
    case TR_DDL_DROP:
    case TR_DDL_CREATE_DATABASE:
    case TR_DDL_DROP_DATABASE:
    case TR_DDL_USE:
    case TR_DDL_SET:
        return true;
    default:
        return false;
    }
}

/* The table of that change as it is after the whole statement: a list may rename it once more. */
static const struct tr_table *final_table(const struct tr_ddl_result *result, uint32_t at)
{
    const struct tr_ddl_change *change = &result->changes[at];
    const struct tr_table *table = NULL;

    for (uint32_t i = 0; i < result->change_count; i++) {
        const struct tr_ddl_change *each = &result->changes[i];
        if (each->previous_name.bytes > 0 && tr_span_equals(each->previous_name, change->name) &&
            tr_span_equals(each->previous_database, change->database)) {
            table = NULL;
        }
        if (tr_span_equals(each->name, change->name) &&
            tr_span_equals(each->database, change->database)) {
            table = each->table;
        }
    }
    return table;
}

static void add_events(struct ddl_plan *plan, const struct tr_ddl_publisher *publisher,
                       const struct tr_ddl_event *event, const struct tr_ddl_result *result)
{
    for (uint32_t i = 0; i < result->change_count; i++) {
        const struct tr_ddl_change *change = &result->changes[i];
        if (!is_event(change)) {
            continue;
        }
        struct ddl_entry *entry = &plan->entries[plan->entry_count++];
        *entry = (struct ddl_entry){.change = change,
                                    .database = change->database,
                                    .text = publisher->flavor == TR_FLAVOR_MYSQL
                                                ? single_quoted(plan, change->text, event->sql_mode)
                                                : change->text,
                                    .is_rename = is_rename(change)};
        entry->type = change->type == TR_DDL_CREATE  ? DDL_ENTRY_CREATE
                      : change->type == TR_DDL_ALTER ? DDL_ENTRY_ALTER
                      : change->type == TR_DDL_DROP  ? DDL_ENTRY_DROP
                                                     : DDL_ENTRY_DATABASE;
        if (entry->type == DDL_ENTRY_CREATE || entry->type == DDL_ENTRY_ALTER) {
            entry->table = final_table(result, i);
        } else if (change->type == TR_DDL_SET) {
            entry->database = event->database;
        }
    }
}

/* --- source.table --- */

static bool is_same_table(const struct ddl_entry *a, const struct ddl_entry *b)
{
    return tr_span_equals(a->change->name, b->change->name);
}

/* The names of the tables of a run, joined in the order of Java's set of "database.table". */
static struct tr_span join_names(struct ddl_plan *plan, struct ddl_entry *run, uint32_t run_count)
{
    struct ddl_entry **distinct = tr_table_array(plan->arena, run_count * sizeof(*distinct));
    uint32_t *numbers = tr_table_array(plan->arena, 3 * run_count * sizeof(*numbers));
    uint32_t count = 0;
    size_t bytes = 0;

    if (distinct == NULL || numbers == NULL) {
        return (struct tr_span){0};
    }
    for (uint32_t i = 0; i < run_count; i++) {
        uint32_t same = 0;
        while (same < count && !is_same_table(distinct[same], &run[i])) {
            same++;
        }
        if (same == count && run[i].change->name.bytes > 0) {
            uint32_t hash = tr_java_string_hash(0, run[i].database);
            hash = tr_java_string_hash(hash, tr_span_of(".", run[i].database.bytes > 0 ? 1 : 0));
            numbers[count] = tr_java_string_hash(hash, run[i].change->name);
            bytes += run[i].change->name.bytes + 1;
            distinct[count++] = &run[i];
        }
    }
    uint8_t *joined = tr_table_array(plan->arena, bytes);
    if (count == 0 || joined == NULL) {
        return (struct tr_span){0};
    }
    uint32_t *order = numbers + run_count;
    tr_java_set_order(numbers, count, order, order + run_count);
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct tr_span name = distinct[order[i]]->change->name;
        memcpy(joined + at, name.data, name.bytes);
        at += name.bytes;
        joined[at++] = ',';
    }
    return tr_span_of(joined, at - 1);
}

static void name_tables(struct ddl_plan *plan)
{
    for (uint32_t from = 0, to; from < plan->entry_count; from = to) {
        struct ddl_entry *run = &plan->entries[from];
        for (to = from + 1;
             to < plan->entry_count && tr_span_equals(plan->entries[to].database, run->database);
             to++) {
        }
        const struct tr_span names = join_names(plan, run, to - from);
        for (uint32_t i = from; i < to; i++) {
            plan->entries[i].source_tables = names;
        }
    }
}

/* --- what is kept --- */

static bool is_table_entry(const struct ddl_entry *entry)
{
    return entry->change != NULL && entry->type != DDL_ENTRY_DATABASE;
}

static bool is_global_set(struct tr_span database, struct tr_span text)
{
    return database.bytes == 0 && text.bytes >= 4 && (text.data[0] & 0xDF) == 'S' &&
           (text.data[1] & 0xDF) == 'E' && (text.data[2] & 0xDF) == 'T' && text.data[3] == ' ';
}

/* What the entry's database and table are to the filter. */
static enum tr_code look_up(const struct tr_ddl_publisher *publisher, const struct ddl_entry *entry,
                            bool *database_passes, bool *table_passes, struct tr_error *err)
{
    enum tr_code code =
        tr_filter_match_database(publisher->filter, entry->database, database_passes, err);
    *table_passes = false;
    if (code == TR_OK && is_table_entry(entry)) {
        code = tr_filter_match(publisher->filter, entry->database, entry->change->name,
                               table_passes, err);
    }
    return code;
}

static enum tr_code decide(struct ddl_plan *plan, const struct tr_ddl_publisher *publisher,
                           const struct tr_ddl_event *event, struct tr_error *err)
{
    const bool is_set = is_global_set(event->database, trimmed(event->sql));
    bool concerns_us = !publisher->only_captured_tables || is_set;

    for (uint32_t i = 0; i < plan->entry_count; i++) {
        struct ddl_entry *entry = &plan->entries[i];
        bool database_passes = true;
        bool table_passes = true;
        if (publisher->only_captured_tables || publisher->only_captured_databases) {
            const enum tr_code code =
                look_up(publisher, entry, &database_passes, &table_passes, err);
            if (code != TR_OK) {
                return code;
            }
        }
        const bool has_table = entry->table != NULL || entry->type == DDL_ENTRY_DROP;
        const bool is_global = is_global_set(entry->database, entry->text);
        const bool is_foreign = entry->database.bytes > 0 && !database_passes;
        concerns_us |=
            is_table_entry(entry) ? table_passes : entry->change != NULL && database_passes;
        entry->is_sent = !(publisher->only_captured_databases && is_foreign);
        if (publisher->only_captured_tables) {
            entry->is_sent &= !is_foreign && (!has_table || table_passes);
            entry->is_stored = entry->is_sent && (is_global || (has_table && table_passes));
        } else {
            entry->is_stored = entry->is_sent;
        }
    }
    for (uint32_t i = 0; i < plan->entry_count; i++) {
        struct ddl_entry *entry = &plan->entries[i];
        entry->is_stored &= concerns_us && publisher->wants_documents;
        entry->is_sent &= concerns_us && publisher->stream != NULL;
    }
    return TR_OK;
}
