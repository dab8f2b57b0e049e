// SPDX-License-Identifier: Apache-2.0
#include "tests/support/ddl_print.h"

#include <stdlib.h>

#include "stages/ddl/debezium_view.h"

#define SPAN(span) (int)(span).bytes, (const char *)(span).data

static void print_text(FILE *out, struct tr_span text)
{
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.data[i] < ' ') {
            (void)fprintf(out, "\\x%02x", text.data[i]);
        } else {
            (void)fputc(text.data[i], out);
        }
    }
}

static void print_column(FILE *out, const struct tr_column *column, enum tr_flavor flavor)
{
    struct tr_debezium_column view;
    tr_debezium_view(&view, column, flavor);
    (void)fprintf(out, "  %.*s %d %s", SPAN(column->name), view.jdbc_type, view.type_name);
    if (view.has_length) {
        (void)fprintf(out, " length=%u", view.length);
    }
    if (view.has_scale) {
        (void)fprintf(out, " scale=%u", view.scale);
    }
    if (view.charset_name.bytes > 0) {
        (void)fprintf(out, " charset=%.*s", SPAN(view.charset_name));
    }
    (void)fprintf(out, "%s%s%s%s", view.is_optional ? " optional" : "",
                  view.is_auto_incremented ? " auto" : "", view.is_generated ? " generated" : "",
                  view.has_default ? " default" : "");
    if (view.has_default_expression) {
        (void)fputc('=', out);
        print_text(out, view.default_expression);
    }
    for (uint32_t i = 0; i < column->option_count; i++) {
        (void)fprintf(out, "%s'", i == 0 ? " options=" : ",");
        print_text(out,
                   tr_span_of(column->option_texts[i].data + 1, column->option_texts[i].bytes - 2));
        (void)fputc('\'', out);
    }
    (void)fputc('\n', out);
}

void ddl_print_changes(FILE *out, const struct tr_ddl_result *result, enum tr_flavor flavor)
{
    for (uint32_t i = 0; i < result->change_count; i++) {
        const struct tr_ddl_change *change = &result->changes[i];
        const struct tr_table *table = change->table;
        const bool is_index_only = change->is_index && !change->changes_key;
        if (change->is_unknown) {
            (void)fprintf(out, "UNKNOWN %s\n", result->unknown_what);
            continue;
        }
        if (change->type > TR_DDL_DROP || is_index_only ||
            (change->has_no_effect && change->type != TR_DDL_DROP)) {
            continue;
        }
        (void)fprintf(out, "%s %.*s.%.*s",
                      change->type == TR_DDL_CREATE  ? "CREATE"
                      : change->type == TR_DDL_ALTER ? "ALTER"
                                                     : "DROP",
                      SPAN(change->database), SPAN(change->name));
        if (table != NULL) {
            (void)fprintf(out, " charset=%.*s key=", SPAN(table->charset_name));
            for (uint32_t k = 0; k < table->key_count; k++) {
                (void)fprintf(out, "%s%.*s", k == 0 ? "" : ",",
                              SPAN(table->columns[table->key_columns[k]].name));
            }
        }
        (void)fputc('\n', out);
        for (uint32_t k = 0; table != NULL && k < table->column_count; k++) {
            print_column(out, &table->columns[k], flavor);
        }
    }
}

void ddl_print_string(FILE *out, struct tr_span text)
{
    (void)fputc('"', out);
    for (size_t i = 0; i < text.bytes; i++) {
        const uint8_t c = text.data[i];
        if (c < ' ' || c == '"' || c == '\\') {
            (void)fprintf(out, "\\u%04x", c);
        } else {
            (void)fputc(c, out);
        }
    }
    (void)fputc('"', out);
}

static void print_member(FILE *out, const char *name, struct tr_span text)
{
    (void)fprintf(out, ",\"%s\":", name);
    ddl_print_string(out, text);
}

static void print_flag(FILE *out, const char *name, bool flag)
{
    (void)fprintf(out, ",\"%s\":%s", name, flag ? "true" : "false");
}

static void print_json_column(FILE *out, const struct tr_column *column)
{
    (void)fprintf(out, "{\"name\":");
    ddl_print_string(out, column->name);
    print_member(out, "type", column->type_text);
    print_member(out, "charset", column->charset_name);
    print_member(out, "collation", column->collation_name);
    print_member(out, "comment", column->comment);
    print_flag(out, "nullable", column->is_nullable);
    print_flag(out, "auto_increment", column->is_auto_increment);
    print_flag(out, "generated", column->is_generated);
    print_flag(out, "stored", column->is_stored);
    print_flag(out, "invisible", column->is_invisible);
    print_flag(out, "updates_now", column->updates_now);
    print_flag(out, "known", column->type != TR_COLUMN_UNKNOWN);
    print_flag(out, "has_default", column->has_default);
    if (column->has_default) {
        print_flag(out, "expression", column->default_is_expression);
        (void)fprintf(out, ",\"form\":%d", column->default_form);
        print_member(out, "default", column->default_text);
    }
    (void)fputc('}', out);
}

void ddl_print_table(FILE *out, const struct tr_table *table)
{
    (void)fprintf(out, "{\"name\":");
    ddl_print_string(out, table->name);
    print_member(out, "database", table->database);
    print_member(out, "charset", table->charset_name);
    print_member(out, "collation", table->collation_name);
    print_member(out, "comment", table->comment);
    (void)fprintf(out, ",\"columns\":[");
    for (uint32_t i = 0; i < table->column_count; i++) {
        (void)fputs(i == 0 ? "" : ",", out);
        print_json_column(out, &table->columns[i]);
    }
    (void)fprintf(out, "],\"indexes\":[");
    for (uint32_t i = 0; i < table->index_count; i++) {
        const struct tr_index *index = &table->indexes[i];
        (void)fprintf(out, "%s{\"name\":", i == 0 ? "" : ",");
        ddl_print_string(out, index->name);
        print_flag(out, "unique", index->is_unique);
        (void)fprintf(out, ",\"columns\":[");
        for (uint32_t k = 0; k < index->column_count; k++) {
            (void)fputs(k == 0 ? "" : ",", out);
            if (index->columns[k] == TR_INDEX_EXPRESSION) {
                (void)fputs("null", out);
            } else {
                ddl_print_string(out, table->columns[index->columns[k]].name);
            }
        }
        (void)fprintf(out, "]}");
    }
    (void)fprintf(out, "]}");
}
