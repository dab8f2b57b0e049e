// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "stages/ddl/collation.h"
#include "stages/ddl/parse.h"
#include "stages/schema/charset.h"
#include "stages/source/column_text.h"

#define VARCHAR_BYTES_MAX 65535 /* longer ones become TEXT where sql_mode is not strict */

/* Character types, what each is under the character set binary, and their capacity. */
static const struct text_base {
    const char *base;
    const char *binary_base;
    bool is_sized; /* TEXT(n): the server picks the type by n */
} text_bases[] = {
    {"char", "binary", false},
    {"varchar", "varbinary", false},
    {"tinytext", "tinyblob", false},
    {"text", "blob", true},
    {"mediumtext", "mediumblob", false},
    {"longtext", "longblob", false},
    {"enum", NULL, false},
    {"set", NULL, false},
};

static const char *const blob_bases[] = {"tinyblob", "blob", "mediumblob", "longblob"};
static const char *const sized_text_bases[] = {"tinytext", "text", "mediumtext", "longtext"};

static const struct text_base *find_text_base(const char *base);
static const char *sized_base(uint64_t bytes, bool is_text);
static const char *resolve_text(struct ddl_parser *parser, const struct ddl_draft *draft,
                                struct ddl_column *column, const struct text_base *text_base);
static const char *size_by_old_column(const struct ddl_draft *draft,
                                      const struct ddl_column *column, const char *base);
static uint64_t option_characters(const struct tr_column *column);
static void set_charset(struct ddl_parser *parser, struct tr_column *column, struct tr_span charset,
                        struct tr_span collation);
static void strip_options(struct tr_column *column);
static void resolve_default(struct ddl_parser *parser, struct ddl_column *column);
static void write_declared(struct ddl_parser *parser, struct ddl_column *column);
static void parse_type_text(struct ddl_parser *parser, struct ddl_column *column);

static uint32_t character_bytes(struct tr_span charset)
{
    return tr_charset_of_name(charset)->character_bytes_max;
}

void ddl_resolve_charset(const struct ddl_parser *parser, struct tr_span *charset,
                         struct tr_span *collation, struct tr_span context_charset)
{
    static const char old_utf8[] = "utf8_";

    if (tr_collation_is(*charset, "utf8")) {
        *charset = tr_span_of_text("utf8mb3");
    }
    if (tr_collation_is(*collation, "default")) {
        *collation = (struct tr_span){0};
        *charset = charset->bytes == 0 ? context_charset : *charset;
    }
    struct tr_span tail = *collation;
    const char *middle = "";
    if (tr_collation_is_contextual(*collation)) {
        *charset = charset->bytes == 0 ? context_charset : *charset;
        middle = "_";
    } else if (collation->bytes > sizeof(old_utf8) &&
               memcmp(collation->data, old_utf8, sizeof(old_utf8) - 1) == 0) {
        *charset = tr_span_of_text("utf8mb3");
        tail = tr_span_of(tail.data + 4, tail.bytes - 4);
    } else {
        tail.bytes = 0;
    }
    if (tail.bytes > 0) {
        char name[2 * TR_COLLATION_BYTES_MAX];
        (void)snprintf(
            name, sizeof(name), "%.*s%s%.*s", (int)charset->bytes, (const char *)charset->data,
            middle,
            (int)(tail.bytes < TR_COLLATION_BYTES_MAX ? tail.bytes : TR_COLLATION_BYTES_MAX),
            (const char *)tail.data);
        *collation = tr_table_text(parser->scratch, tr_span_of_text(name));
    }
    if (charset->bytes == 0) {
        *charset = tr_collation_charset(*collation);
    }
    if (collation->bytes == 0 && charset->bytes > 0) {
        *collation = ddl_default_collation(parser, *charset);
    }
}

struct tr_span ddl_default_collation(const struct ddl_parser *parser, struct tr_span charset)
{
    const enum tr_flavor flavor = ddl_model_options(parser->model)->flavor;
    const struct tr_ddl_event *event = parser->event;
    char name[TR_COLLATION_BYTES_MAX];

    if (tr_collation_is(charset, "utf8mb4") && event->utf8mb4_collation != 0) {
        const struct tr_span told = tr_collation_name(flavor, event->utf8mb4_collation, name);
        if (told.bytes > 0) {
            return tr_table_text(parser->scratch, told);
        }
    }
    for (size_t i = 0; i + 4 <= event->charset_collations.bytes; i += 4) {
        const uint8_t *pair = event->charset_collations.data + i;
        const struct tr_span of = tr_collation_name(flavor, tr_load_u16(pair), name);
        const struct tr_span own = tr_collation_charset(of);
        if (own.bytes == charset.bytes && own.bytes > 0 &&
            memcmp(own.data, charset.data, own.bytes) == 0) {
            return tr_table_text(parser->scratch,
                                 tr_collation_name(flavor, tr_load_u16(pair + 2), name));
        }
    }
    return tr_collation_default(flavor, charset);
}

void ddl_resolve_column(struct ddl_parser *parser, const struct ddl_draft *draft,
                        struct ddl_column *column)
{
    const enum tr_flavor flavor = ddl_model_options(parser->model)->flavor;
    struct ddl_type *type = &column->type;
    const char *base = type->entry == NULL ? NULL : type->entry->base;

    column->column.is_nullable = !column->is_not_null;
    column->column.lacks_not_null = !column->is_required;
    write_declared(parser, column);
    if (base != NULL && strcmp(base, "json") == 0 && flavor == TR_FLAVOR_MARIADB) {
        base = "longtext"; /* an alias with a check */
        if (type->charset.bytes == 0 && type->collation.bytes == 0) {
            type->collation = tr_span_of_text("utf8mb4_bin");
        }
    }
    if (base != NULL && strcmp(base, "float") == 0 && type->has_length && !type->has_scale) {
        base = type->length > 24 ? "double" : "float"; /* FLOAT(p) */
        type->has_length = false;
    }
    if (base != NULL && strcmp(base, "timestamp") == 0 && parser->event->timestamps_are_implicit &&
        !column->is_null) {
        column->column.is_nullable = false;
    }
    const struct text_base *text_base = base == NULL ? NULL : find_text_base(base);
    if (text_base != NULL) {
        base = resolve_text(parser, draft, column, text_base);
    } else if (base != NULL && strcmp(base, "blob") == 0 && type->has_length && type->length > 0) {
        base = sized_base(type->length, false);
    } else if (base != NULL && strcmp(base, "varbinary") == 0 && type->length > VARCHAR_BYTES_MAX) {
        base = sized_base(type->length, false);
    }
    if (draft->converts && flavor == TR_FLAVOR_MYSQL && base != NULL) {
        base = size_by_old_column(draft, column, base);
    }
    ddl_write_type_text(parser, column, base);
    parse_type_text(parser, column);
    resolve_default(parser, column);
}

/* MySQL (seen on 9.7): MODIFY and CHANGE to a TEXT or BLOB type without a length beside CONVERT TO
 * size it by the display width of the column before, by characters of its own set twice. */
static const char *size_by_old_column(const struct ddl_draft *draft,
                                      const struct ddl_column *column, const char *base)
{
    const struct tr_column *before = column->before;
    bool is_text = false;
    bool is_blob = false;

    for (size_t i = 0; i < 3; i++) { /* the longest of each keep their size */
        is_text = is_text || strcmp(base, sized_text_bases[i]) == 0;
        is_blob = is_blob || strcmp(base, blob_bases[i]) == 0;
    }
    if (before == NULL || (!is_text && !is_blob) ||
        (column->type.has_length && column->type.length > 0)) {
        return base;
    }
    uint64_t width = before->length;
    switch (before->type) {
    case TR_COLUMN_DECIMAL:
        width = before->precision + (before->scale > 0 ? 1U : 0U) + (before->is_unsigned ? 0U : 1U);
        break;
    case TR_COLUMN_VECTOR:
        width *= 4;
        break;
    case TR_COLUMN_JSON:
    case TR_COLUMN_GEOMETRY:
        width = UINT32_MAX;
        break;
    case TR_COLUMN_ENUM:
    case TR_COLUMN_SET:
        width = option_characters(before);
        break;
    default: /* numbers and times: less than a tiny one holds */
        break;
    }
    if (before->charset_name.bytes > 0) {
        width /= character_bytes(before->charset_name);
    }
    return sized_base(width * (is_text ? character_bytes(draft->convert_charset) : 1), is_text);
}

/* Of ENUM's longest member, of all of a SET's with commas. */
static uint64_t option_characters(const struct tr_column *column)
{
    uint64_t sum = column->option_count == 0 ? 0 : column->option_count - 1;
    uint64_t longest = 0;
    for (uint32_t i = 0; i < column->option_count; i++) {
        uint64_t count = 0;
        for (size_t k = 0; k < column->options[i].bytes; k++) {
            count += (column->options[i].data[k] & 0xC0) == 0x80 ? 0 : 1;
        }
        sum += count;
        longest = count > longest ? count : longest;
    }
    return column->type == TR_COLUMN_SET ? sum : longest;
}

static const struct text_base *find_text_base(const char *base)
{
    for (size_t i = 0; i < sizeof(text_bases) / sizeof(text_bases[0]); i++) {
        if (strcmp(text_bases[i].base, base) == 0) {
            return &text_bases[i];
        }
    }
    return NULL;
}

/* The smallest TEXT or BLOB that holds so many bytes. */
static const char *sized_base(uint64_t bytes, bool is_text)
{
    const size_t size = bytes < 256 ? 0 : bytes < 65536 ? 1 : bytes < 16777216 ? 2 : 3;
    return is_text ? sized_text_bases[size] : blob_bases[size];
}

/* Contract §9.5: the column's own, that of its collation, the table's. */
static const char *resolve_text(struct ddl_parser *parser, const struct ddl_draft *draft,
                                struct ddl_column *column, const struct text_base *text_base)
{
    struct ddl_type *type = &column->type;
    struct tr_span charset = type->charset;
    struct tr_span collation = type->collation;

    if (type->is_byte) {
        charset = tr_span_of_text("binary");
    } else if (type->is_ascii) {
        charset = tr_span_of_text("latin1");
    } else if (type->is_unicode) {
        charset = tr_span_of_text("ucs2");
    } else if (type->entry->jdbc_type == -9 || type->entry->jdbc_type == -15) {
        charset = tr_span_of_text("utf8mb3");
    }
    const bool has_own = charset.bytes > 0;
    const bool is_bin = type->is_binary && collation.bytes == 0;
    if (!has_own && collation.bytes == 0) {
        charset = draft->charset;
        collation = draft->collation;
    }
    ddl_resolve_charset(parser, &charset, &collation, draft->charset);
    const bool is_converted = draft->converts && !tr_collation_is(charset, "binary");
    if (is_converted) { /* whatever the definition says, but for a collation of any character set */
        const bool stays = !has_own && tr_collation_is_contextual(type->collation);
        charset = draft->convert_charset;
        collation = stays ? type->collation : draft->convert_collation;
        ddl_resolve_charset(parser, &charset, &collation, charset);
    }
    if (is_bin && !(is_converted && has_own) && !tr_collation_is(charset, "binary")) {
        char name[TR_COLLATION_BYTES_MAX];
        (void)snprintf(name, sizeof(name), "%.*s_bin",
                       (int)(charset.bytes < 32 ? charset.bytes : 32), (const char *)charset.data);
        collation = tr_table_text(parser->scratch, tr_span_of_text(name));
    }
    if (tr_collation_is(charset, "binary") && text_base->binary_base != NULL) {
        column->column.is_binary_text =
            !type->is_byte && (type->charset.bytes > 0 || type->collation.bytes == 0);
        if (text_base->is_sized && type->has_length && type->length > 0) {
            return sized_base(type->length, false);
        }
        return text_base->binary_base;
    }
    set_charset(parser, &column->column, charset, collation);
    strip_options(&column->column);
    const uint64_t bytes = (uint64_t)type->length * character_bytes(charset);
    if (text_base->is_sized && type->has_length && type->length > 0) {
        return sized_base(bytes, true);
    }
    if (strcmp(text_base->base, "varchar") == 0 && bytes > VARCHAR_BYTES_MAX) {
        return sized_base(bytes, true);
    }
    return text_base->base;
}

static void set_charset(struct ddl_parser *parser, struct tr_column *column, struct tr_span charset,
                        struct tr_span collation)
{
    const bool is_shown = !tr_collation_is(charset, "binary") ||
                          ddl_model_options(parser->model)->flavor == TR_FLAVOR_MARIADB;
    column->charset_name = tr_table_text(parser->scratch, is_shown ? charset : (struct tr_span){0});
    column->collation_name =
        tr_table_text(parser->scratch, is_shown ? collation : (struct tr_span){0});
    column->charset = tr_column_charset(charset);
}

/* Blanks at the end of ENUM and SET members are not kept. */
static void strip_options(struct tr_column *column)
{
    if (column->charset == TR_CHARSET_BINARY) {
        return;
    }
    for (uint32_t i = 0; i < column->option_count; i++) {
        struct tr_span *option = &column->options[i];
        while (option->bytes > 0 && option->data[option->bytes - 1] == ' ') {
            option->bytes--;
        }
    }
}

/* What Debezium keeps of the type; see struct tr_column. */
static void write_declared(struct ddl_parser *parser, struct ddl_column *column)
{
    const struct ddl_type *type = &column->type;
    char text[160];

    (void)snprintf(text, sizeof(text), "%.*s%s%s%s%s",
                   (int)(type->words.bytes < 100 ? type->words.bytes : 100),
                   (const char *)type->words.data, type->is_binary ? " BINARY" : "",
                   type->is_signed && !type->is_unsigned ? " SIGNED" : "",
                   type->is_unsigned ? " UNSIGNED" : "", type->is_zerofill ? " ZEROFILL" : "");
    column->column.declared_type = tr_table_text(parser->scratch, tr_span_of_text(text));
    column->column.declared_length = type->length;
    column->column.declared_scale = type->scale;
    column->column.declares_length = type->has_length;
    column->column.declares_scale = type->has_scale;
    column->column.is_zerofill = type->is_zerofill;
}

static void parse_type_text(struct ddl_parser *parser, struct ddl_column *column)
{
    struct tr_error ignored;
    const struct tr_span text = column->column.type_text;
    if (text.bytes == 0) {
        ddl_unknown(parser, "column without a type");
        return;
    }
    if (tr_column_text_parse_type(parser->scratch, &column->column, text, &ignored) != TR_OK) {
        ddl_unknown(parser, "members of an ENUM or SET column");
    }
}

/* AUTO_INCREMENT columns have none; on MariaDB an expression, if it is none that it folds. */
bool ddl_default_is_kept(const struct ddl_parser *parser, const struct tr_column *column)
{
    const struct tr_span text = column->default_text;
    bool is_number = text.bytes > 2 && text.data[0] == '(';

    for (size_t i = 1; i + 1 < text.bytes; i++) {
        is_number = is_number && text.data[i] >= '0' && text.data[i] <= '9';
    }
    return !column->is_auto_increment ||
           (ddl_model_options(parser->model)->flavor == TR_FLAVOR_MARIADB &&
            column->default_is_expression && !is_number);
}

static void resolve_default(struct ddl_parser *parser, struct ddl_column *column)
{
    struct tr_column *own = &column->column;

    own->has_default &= !own->is_generated && ddl_default_is_kept(parser, own);
}

void ddl_convert_column(struct ddl_parser *parser, const struct ddl_draft *draft,
                        struct ddl_column *column)
{
    struct tr_column *own = &column->column;
    struct ddl_type *type = &column->type;
    const uint32_t old_bytes = character_bytes(own->charset_name);
    const char *base;
    uint64_t characters = own->length;

    if (own->charset_name.bytes == 0 || own->charset == TR_CHARSET_BINARY) {
        return;
    }
    switch (own->type) {
    case TR_COLUMN_CHAR:
        base = "char";
        break;
    case TR_COLUMN_VARCHAR:
        base = "varchar";
        break;
    case TR_COLUMN_TEXT:
        base = NULL;
        characters = own->length / old_bytes;
        break;
    case TR_COLUMN_ENUM:
        base = "enum";
        break;
    case TR_COLUMN_SET:
        base = "set";
        break;
    default:
        return;
    }
    *type = (struct ddl_type){.length = own->length,
                              .has_length = true,
                              .is_compressed = tr_column_text_has(own->type_text, "compressed")};
    const bool to_binary = tr_collation_is(draft->convert_charset, "binary");
    const uint64_t bytes = characters * character_bytes(draft->convert_charset);
    if (base == NULL || (own->type == TR_COLUMN_VARCHAR && bytes > VARCHAR_BYTES_MAX)) {
        base = own->length == UINT32_MAX ? "longtext" : sized_base(bytes, true);
    }
    const struct text_base *text_base = find_text_base(base);
    if (to_binary && text_base->binary_base != NULL) {
        base = text_base->binary_base;
        own->charset_name = (struct tr_span){0};
        own->collation_name = (struct tr_span){0};
        own->charset = TR_CHARSET_NONE;
        own->is_binary_text = true;
    } else {
        set_charset(parser, own, draft->convert_charset, draft->convert_collation);
    }
    ddl_write_type_text(parser, column, base);
    parse_type_text(parser, column);
}
