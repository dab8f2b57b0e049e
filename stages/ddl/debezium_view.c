// SPDX-License-Identifier: Apache-2.0
#include "stages/ddl/debezium_view.h"

#include <stdio.h>
#include <string.h>

#include "stages/ddl/collation.h"
#include "stages/ddl/parse.h"

#define JDBC_OTHER 1111
#define DECIMAL_LENGTH 10
#define ZERO_LENGTH 10     /* MySQL's CHAR(0), BINARY(0), INT(0), DECIMAL(0) … */
#define VECTOR_LENGTH 2048 /* VECTOR without a number in the grammar for MariaDB */

static void write_type_name(struct tr_debezium_column *view, const struct tr_column *column);
static struct tr_span type_words(const struct tr_debezium_column *view);
static void view_length(struct tr_debezium_column *view, const struct tr_column *column,
                        const char *base, enum tr_flavor flavor);
static void view_default(struct tr_debezium_column *view, const struct tr_column *column);

/* Of explicit_defaults_for_timestamp=OFF, which no statement shows. */
static bool is_implicit_clock(const struct tr_column *column)
{
    return column->has_default && column->default_form == TR_LITERAL_CLOCK &&
           column->has_read_default && column->read_default.data == NULL;
}

void tr_debezium_view(struct tr_debezium_column *view, const struct tr_column *column,
                      enum tr_flavor flavor)
{
    *view = (struct tr_debezium_column){0};
    write_type_name(view, column);
    const struct ddl_type_entry *entry = ddl_type_find(type_words(view));
    const char *base = entry == NULL ? "" : entry->base;
    view->jdbc_type = entry == NULL ? JDBC_OTHER : entry->jdbc_type;
    view_length(view, column, base, flavor);
    if (view->jdbc_type == -9 || view->jdbc_type == -15) {
        view->charset_name = tr_span_of_text("utf8");
    } else if (view->jdbc_type == 1 || view->jdbc_type == 12) {
        view->charset_name =
            column->charset_name.bytes > 0 ? column->charset_name : tr_span_of_text("binary");
    }
    if (flavor == TR_FLAVOR_MYSQL && strcmp(view->type_name, "BINARY") == 0) {
        (void)snprintf(view->type_name, sizeof(view->type_name), "BINARY BINARY");
    }
    view->is_optional = tr_column_is_optional(column);
    view->is_auto_incremented =
        column->is_auto_increment || column->was_auto_increment ||
        (column->updates_now && !is_implicit_clock(column) &&
         (flavor == TR_FLAVOR_MYSQL ||
          !(column->has_default && column->default_form == TR_LITERAL_CLOCK)));
    view->is_generated = view->is_auto_incremented;
    view_default(view, column);
}

/* The statement's words; of a column from information_schema, its words there. */
static void write_type_name(struct tr_debezium_column *view, const struct tr_column *column)
{
    char *text = view->type_name;
    size_t bytes = column->declared_type.bytes;

    if (bytes > 0) {
        bytes = bytes < sizeof(view->type_name) ? bytes : sizeof(view->type_name) - 1;
        memcpy(text, column->declared_type.data, bytes);
        text[bytes] = '\0';
        return;
    }
    const struct tr_span from = column->type_text;
    while (bytes < from.bytes && bytes < 60 && from.data[bytes] != '(' && from.data[bytes] != ' ') {
        const uint8_t c = from.data[bytes];
        text[bytes++] = (char)(c >= 'a' && c <= 'z' ? c ^ 0x20 : c);
    }
    (void)snprintf(text + bytes, sizeof(view->type_name) - bytes, "%s%s",
                   column->is_unsigned ? " UNSIGNED" : "", column->is_zerofill ? " ZEROFILL" : "");
}

/* Without UNSIGNED, SIGNED, ZEROFILL and the attribute BINARY. */
static struct tr_span type_words(const struct tr_debezium_column *view)
{
    static const char *const tails[] = {" ZEROFILL", " UNSIGNED", " SIGNED", " BINARY"};
    struct tr_span words = tr_span_of_text(view->type_name);

    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        const size_t bytes = strlen(tails[i]);
        if (words.bytes > bytes && memcmp(words.data + words.bytes - bytes, tails[i], bytes) == 0) {
            words.bytes -= bytes;
        }
    }
    return words;
}

static void view_length(struct tr_debezium_column *view, const struct tr_column *column,
                        const char *base, enum tr_flavor flavor)
{
    const bool is_string = strcmp(base, "char") == 0 || strcmp(base, "varchar") == 0 ||
                           strcmp(base, "binary") == 0 || strcmp(base, "varbinary") == 0;
    const bool is_decimal = strcmp(base, "decimal") == 0;

    view->has_length = column->declares_length;
    view->length = column->declared_length;
    view->has_scale = column->declares_scale;
    view->scale = column->declared_scale;
    if (column->declared_type.bytes == 0) {
        view->has_length = is_string || is_decimal || strcmp(base, "bit") == 0;
        view->length = is_decimal ? column->precision : column->length;
        view->scale = column->scale;
    }
    if (is_decimal) {
        view->length = view->has_length ? view->length : DECIMAL_LENGTH;
        view->has_length = true;
        view->has_scale = true;
    } else if (strcmp(base, "enum") == 0 || strcmp(base, "set") == 0) {
        view->has_length = true;
        view->length =
            base[0] == 'e' || column->option_count == 0 ? 1 : 2 * column->option_count - 1;
    } else if (!view->has_length && (strcmp(base, "bit") == 0 || view->jdbc_type == -15)) {
        view->has_length = true;
        view->length = 1;
    } else if (!view->has_length && strcmp(base, "vector") == 0 && flavor == TR_FLAVOR_MARIADB) {
        view->has_length = true;
        view->length = VECTOR_LENGTH;
    }
    const bool is_clock = view->jdbc_type >= 92; /* TIME, DATETIME, TIMESTAMP: digits */
    if (view->has_length && view->length == 0 && flavor == TR_FLAVOR_MYSQL && !is_clock) {
        view->length = ZERO_LENGTH;
    }
}

static void view_default(struct tr_debezium_column *view, const struct tr_column *column)
{
    struct tr_span text;

    view->has_default = tr_column_is_optional(column);
    if (!tr_column_read_default(column, &text)) {
        return;
    }
    if (!column->has_read_default) {
        if (column->default_form == TR_LITERAL_CLOCK) {
            text = tr_span_of_text("1970-01-01 00:00:00");
        } else if (column->default_is_expression) {
            view->has_default = true;
            return;
        }
    }
    view->has_default = true;
    view->has_default_expression = true;
    view->default_expression = text;
}
