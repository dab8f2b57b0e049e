// SPDX-License-Identifier: Apache-2.0
#include "stages/ddl/recover_document.h"

#include <string.h>

#define FIRST_ROOM 4

static void read_change(struct tr_json_reader *reader, struct tr_table *arena,
                        struct recover_change *change);
static void read_table(struct tr_json_reader *reader, struct tr_table *arena,
                       struct recover_change *change);
static void read_column(struct tr_json_reader *reader, struct tr_table *arena,
                        struct recover_column *column);

static bool is_named(struct tr_span name, const char *wanted)
{
    return tr_span_equals(name, tr_span_of_text(wanted));
}

/* --- the document --- */

static void read_source(struct tr_json_reader *reader, struct recover_document *document)
{
    struct tr_span name;
    if (!tr_json_enter_object(reader)) {
        return;
    }
    while (tr_json_next_member(reader, &name)) {
        if (is_named(name, "server")) {
            document->server = tr_json_get_text(reader);
        }
    }
}

enum tr_code recover_read_document(struct tr_json_reader *reader, struct tr_span text,
                                   struct recover_document *document, struct tr_error *err)
{
    struct tr_span name;

    *document = (struct recover_document){0};
    tr_json_begin(reader, text);
    if (tr_json_enter_object(reader)) {
        while (tr_json_next_member(reader, &name)) {
            if (is_named(name, "source")) {
                read_source(reader, document);
            } else if (is_named(name, "position")) {
                document->position = tr_json_get_raw(reader);
            } else if (is_named(name, "databaseName")) {
                document->database = tr_json_get_text_or_null(reader);
            } else if (is_named(name, "ddl")) {
                document->ddl = tr_json_get_text_or_null(reader);
            } else if (is_named(name, "tableChanges") &&
                       tr_json_type(reader) != TR_JSON_TYPE_NULL) {
                document->table_changes = tr_json_get_raw(reader);
            }
        }
    }
    return tr_json_finish(reader, err);
}

/* --- tableChanges --- */

/* Room for one more element at the end of an array in the arena; NULL when memory is refused. */
static void *add_element(struct tr_table *arena, void **array, uint32_t *count, size_t bytes)
{
    const uint32_t used = *count;
    const bool is_full = used == 0 || (used >= FIRST_ROOM && (used & (used - 1)) == 0);
    if (is_full) { /* it holds a power of two */
        const size_t room = used < FIRST_ROOM ? FIRST_ROOM : 2 * (size_t)used;
        void *longer = tr_table_array(arena, room * bytes);
        if (longer == NULL) {
            return NULL;
        }
        if (used > 0) {
            memcpy(longer, *array, used * bytes);
        }
        *array = longer;
    }
    *count = used + 1;
    return (uint8_t *)*array + used * bytes;
}

static struct tr_span read_text(struct tr_json_reader *reader, struct tr_table *arena)
{
    return tr_table_text_or_none(arena, tr_json_get_text_or_null(reader));
}

enum tr_code recover_read_changes(struct tr_json_reader *reader, struct tr_span text,
                                  struct tr_table *arena, struct recover_change **changes,
                                  uint32_t *count, struct tr_error *err)
{
    void *array = NULL;

    *count = 0;
    tr_json_begin(reader, text);
    if (tr_json_enter_array(reader)) {
        while (tr_json_next_element(reader)) {
            struct recover_change *change = add_element(arena, &array, count, sizeof(*change));
            if (change == NULL) {
                break;
            }
            read_change(reader, arena, change);
        }
    }
    *changes = array;
    return tr_json_finish(reader, err);
}

/* The next part of an id: "…" with doubled quotes inside, or bare up to a dot. */
static struct tr_span take_id_part(struct tr_table *arena, struct tr_span *id)
{
    uint8_t *part = tr_table_array(arena, id->bytes);
    size_t bytes = 0;
    size_t at = 0;
    const bool is_quoted = id->bytes > 0 && id->data[0] == '"';

    if (part == NULL) {
        *id = (struct tr_span){0};
        return *id;
    }
    for (at = is_quoted ? 1 : 0; at < id->bytes; at++) {
        if (is_quoted && id->data[at] == '"') {
            if (at + 1 == id->bytes || id->data[at + 1] != '"') {
                at++;
                break;
            }
            at++;
        } else if (!is_quoted && id->data[at] == '.') {
            break;
        }
        part[bytes++] = id->data[at];
    }
    at += at < id->bytes && id->data[at] == '.' ? 1 : 0;
    *id = tr_span_of(id->data + at, id->bytes - at);
    return tr_span_of(part, bytes);
}

static void read_id(struct tr_json_reader *reader, struct tr_table *arena, struct tr_span *database,
                    struct tr_span *name)
{
    struct tr_span id = tr_json_get_text_or_null(reader);
    if (id.data == NULL) {
        return;
    }
    *database = take_id_part(arena, &id);
    *name = take_id_part(arena, &id);
    if (name->bytes == 0 || id.bytes > 0) {
        tr_json_fail(reader, "an id is not \"database\".\"table\"");
    }
}

static void read_type(struct tr_json_reader *reader, struct recover_change *change)
{
    const struct tr_span type = tr_json_get_text(reader);
    if (is_named(type, "CREATE")) {
        change->type = RECOVER_CREATE;
    } else if (is_named(type, "ALTER")) {
        change->type = RECOVER_ALTER;
    } else if (is_named(type, "DROP")) {
        change->type = RECOVER_DROP;
    } else {
        tr_json_fail(reader, "a change's type is not CREATE, ALTER or DROP");
    }
}

static void read_change(struct tr_json_reader *reader, struct tr_table *arena,
                        struct recover_change *change)
{
    struct tr_span name;

    if (!tr_json_enter_object(reader)) {
        return;
    }
    while (tr_json_next_member(reader, &name)) {
        if (is_named(name, "type")) {
            read_type(reader, change);
        } else if (is_named(name, "id")) {
            read_id(reader, arena, &change->database, &change->name);
        } else if (is_named(name, "previousId")) {
            read_id(reader, arena, &change->previous_database, &change->previous_name);
        } else if (is_named(name, "comment")) {
            change->comment = read_text(reader, arena);
        } else if (is_named(name, "table") && tr_json_type(reader) != TR_JSON_TYPE_NULL) {
            change->has_table = true;
            read_table(reader, arena, change);
        }
    }
    if (change->name.bytes == 0) {
        tr_json_fail(reader, "a change has no id");
    } else if (change->type != RECOVER_DROP && !change->has_table) {
        tr_json_fail(reader, "a CREATE or ALTER has no table");
    }
}

static void read_texts(struct tr_json_reader *reader, struct tr_table *arena,
                       struct tr_span **texts, uint32_t *count)
{
    void *array = NULL;
    if (tr_json_type(reader) == TR_JSON_TYPE_NULL || !tr_json_enter_array(reader)) {
        return;
    }
    *count = 0;
    while (tr_json_next_element(reader)) {
        struct tr_span *text = add_element(arena, &array, count, sizeof(*text));
        if (text == NULL) {
            break;
        }
        *text = tr_table_text(arena, tr_json_get_text(reader));
    }
    *texts = array;
}

static void read_table(struct tr_json_reader *reader, struct tr_table *arena,
                       struct recover_change *change)
{
    struct tr_span name;
    void *columns = NULL;

    if (!tr_json_enter_object(reader)) {
        return;
    }
    while (tr_json_next_member(reader, &name)) {
        if (is_named(name, "defaultCharsetName")) {
            change->charset = read_text(reader, arena);
        } else if (is_named(name, "primaryKeyColumnNames")) {
            read_texts(reader, arena, &change->keys, &change->key_count);
        } else if (is_named(name, "columns") && tr_json_enter_array(reader)) {
            change->column_count = 0;
            while (tr_json_next_element(reader)) {
                struct recover_column *column =
                    add_element(arena, &columns, &change->column_count, sizeof(*column));
                if (column == NULL) {
                    break;
                }
                *column = (struct recover_column){0};
                read_column(reader, arena, column);
            }
            change->columns = columns;
        }
    }
}

/* A whole number that may be null. */
static bool read_size(struct tr_json_reader *reader, uint32_t *number)
{
    if (tr_json_type(reader) == TR_JSON_TYPE_NULL) {
        return false;
    }
    const int64_t value = tr_json_get_int64(reader);
    if (value < 0 || value > UINT32_MAX) { /* Java's -1 of a LONGTEXT's length */
        return false;
    }
    *number = (uint32_t)value;
    return true;
}

static void read_column(struct tr_json_reader *reader, struct tr_table *arena,
                        struct recover_column *column)
{
    struct tr_span name;

    if (!tr_json_enter_object(reader)) {
        return;
    }
    while (tr_json_next_member(reader, &name)) {
        if (is_named(name, "name")) {
            column->name = read_text(reader, arena);
        } else if (is_named(name, "typeName")) {
            column->type_name = read_text(reader, arena);
        } else if (is_named(name, "charsetName")) {
            column->charset = read_text(reader, arena);
        } else if (is_named(name, "comment")) {
            column->comment = read_text(reader, arena);
        } else if (is_named(name, "length")) {
            column->has_length = read_size(reader, &column->length);
        } else if (is_named(name, "scale")) {
            column->has_scale = read_size(reader, &column->scale);
        } else if (is_named(name, "optional")) {
            column->is_optional = tr_json_get_bool(reader);
        } else if (is_named(name, "autoIncremented")) {
            column->is_auto_incremented = tr_json_get_bool(reader);
        } else if (is_named(name, "defaultValueExpression")) {
            const struct tr_span text = tr_json_get_text_or_null(reader);
            column->has_default_text = text.data != NULL;
            column->default_text = tr_table_text(arena, text);
        } else if (is_named(name, "enumValues")) {
            read_texts(reader, arena, &column->options, &column->option_count);
        }
    }
    if (column->name.bytes == 0 || column->type_name.bytes == 0) {
        tr_json_fail(reader, "a column has no name or no typeName");
    }
}
