// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "stages/decode/plan_layout.h"

/* A column's Connect type: contract §2.2. */
struct connect_type {
    const char *type;
    const char *name;     /* semantic name, version 1; NULL = none */
    const char *fallback; /* contract §2.8 */
};

static struct connect_type integer_type(const struct tr_column *column)
{
    static const struct connect_type int16 = {"int16", NULL, "0"};
    static const struct connect_type int32 = {"int32", NULL, "0"};
    static const struct connect_type int64 = {"int64", NULL, "0"};

    if (column->type == TR_COLUMN_TINYINT) {
        return int16;
    }
    if (column->type == TR_COLUMN_SMALLINT) {
        return column->is_unsigned ? int32 : int16;
    }
    if (column->type == TR_COLUMN_MEDIUMINT) {
        return int32;
    }
    if (column->type == TR_COLUMN_INT) {
        return column->is_unsigned ? int64 : int32;
    }
    return int64;
}

/* Whether the statement's first word is this one. */
static bool is_declared_as(const struct tr_column *column, const char *word)
{
    const struct tr_span type = column->declared_type;
    const size_t bytes = strlen(word);

    return type.bytes >= bytes && memcmp(type.data, word, bytes) == 0 &&
           (type.bytes == bytes || type.data[bytes] == ' ');
}

bool tr_plan_real_is_float(const struct tr_column *column)
{
    return column->type == TR_COLUMN_FLOAT ? !tr_plan_float_is_double(column)
                                           : is_declared_as(column, "REAL");
}

static struct connect_type connect_type_of(const struct tr_column *column)
{
    static const struct connect_type types[TR_COLUMN_TYPE_COUNT] = {
        [TR_COLUMN_FLOAT] = {"float", NULL, "0.0"},
        [TR_COLUMN_DOUBLE] = {"double", NULL, "0.0"},
        [TR_COLUMN_DECIMAL] = {"bytes", "org.apache.kafka.connect.data.Decimal", "\"AA==\""},
        [TR_COLUMN_YEAR] = {"int32", "io.debezium.time.Year", "0"},
        [TR_COLUMN_DATE] = {"int32", "io.debezium.time.Date", "0"},
        [TR_COLUMN_TIME] = {"int64", "io.debezium.time.MicroTime", "0"},
        [TR_COLUMN_TIMESTAMP] = {"string", "io.debezium.time.ZonedTimestamp",
                                 "\"1970-01-01T00:00:00Z\""},
        [TR_COLUMN_CHAR] = {"string", NULL, "\"\""},
        [TR_COLUMN_VARCHAR] = {"string", NULL, "\"\""},
        [TR_COLUMN_TEXT] = {"string", NULL, "\"\""},
        [TR_COLUMN_BINARY] = {"bytes", NULL, "\"\""},
        [TR_COLUMN_VARBINARY] = {"bytes", NULL, "\"\""},
        [TR_COLUMN_BLOB] = {"bytes", NULL, "\"\""},
        [TR_COLUMN_ENUM] = {"string", "io.debezium.data.Enum", "\"\""},
        [TR_COLUMN_SET] = {"string", "io.debezium.data.EnumSet", "\"\""},
        [TR_COLUMN_JSON] = {"string", "io.debezium.data.Json", "\"{}\""},
        [TR_COLUMN_VECTOR] = {"array", "io.debezium.data.FloatVector", "null"},
        [TR_COLUMN_UUID] = {"string", "io.debezium.data.Uuid", "\"\""},
        [TR_COLUMN_INET4] = {"string", NULL, "\"\""},
        [TR_COLUMN_INET6] = {"string", NULL, "\"\""},
        [TR_COLUMN_GEOMETRY] = {"struct", "io.debezium.data.geometry.Geometry", "null"},
    };

    static const struct connect_type boolean = {"boolean", NULL, "false"};

    switch (column->type) {
    case TR_COLUMN_TINYINT:
        return tr_plan_tinyint_is_boolean(column) ? boolean : integer_type(column);
    case TR_COLUMN_SMALLINT:
    case TR_COLUMN_MEDIUMINT:
    case TR_COLUMN_INT:
    case TR_COLUMN_BIGINT:
        return integer_type(column);
    case TR_COLUMN_FLOAT:
    case TR_COLUMN_DOUBLE:
        return types[tr_plan_real_is_float(column) ? TR_COLUMN_FLOAT : TR_COLUMN_DOUBLE];
    case TR_COLUMN_BIT:
        return tr_plan_bit_is_boolean(column)
                   ? boolean
                   : (struct connect_type){"bytes", "io.debezium.data.Bits", "\"\""};
    case TR_COLUMN_DATETIME:
        return (struct connect_type){"int64",
                                     column->scale > 3 ? "io.debezium.time.MicroTimestamp"
                                                       : "io.debezium.time.Timestamp",
                                     "0"};
    case TR_COLUMN_BINARY:
    case TR_COLUMN_VARBINARY:
    case TR_COLUMN_BLOB:
        return types[column->is_binary_text ? TR_COLUMN_TEXT : TR_COLUMN_BLOB];
    case TR_COLUMN_TEXT: /* MariaDB's JSON */
        return types[tr_span_equals(column->declared_type, tr_span_of_text("JSON"))
                         ? TR_COLUMN_JSON
                         : TR_COLUMN_TEXT];
    default:
        return types[column->type];
    }
}

bool tr_plan_float_is_double(const struct tr_column *column)
{
    if (is_declared_as(column, "REAL")) { /* under sql_mode REAL_AS_FLOAT */
        return false;
    }
    return column->length > 24 || column->scale > 0 ||
           (column->type_text.bytes != 0 &&
            memchr(column->type_text.data, ',', column->type_text.bytes) != NULL);
}

const char *tr_plan_fallback(const struct tr_column *column)
{
    return connect_type_of(column).fallback;
}

void tr_plan_add_option(struct tr_plan_text *text, const struct tr_column *column, uint32_t index)
{
    const bool is_literal = column->option_texts != NULL;
    struct tr_span option = column->options[index];
    size_t from = 0;

    if (is_literal && column->option_texts[index].bytes >= 2) {
        option = column->option_texts[index];
        option = tr_span_of(option.data + 1, option.bytes - 2);
    }
    for (size_t at = 0; at < option.bytes; at++) {
        const uint8_t c = option.data[at];
        const uint8_t next = at + 1 < option.bytes ? option.data[at + 1] : 0;
        const bool is_quote = is_literal && (c == '\'' || c == '\\') && next == '\'';
        if (is_quote || c == ',' || (c == '\\' && !is_literal)) {
            tr_plan_text_add_json(text, tr_span_of(option.data + from, at - from));
            tr_plan_text_add(text, is_quote ? "" : "\\\\");
            from = is_quote ? ++at : at;
        } else if (c == '\\' && next == '\\') {
            at++;
        }
    }
    if (option.bytes != 0) { /* an empty member has no address */
        tr_plan_text_add_json(text, tr_span_of(option.data + from, option.bytes - from));
    }
}

static void add_allowed(struct tr_plan_text *text, const struct tr_column *column)
{
    for (uint32_t i = 0; i < column->option_count; i++) {
        tr_plan_text_add(text, i > 0 ? "," : "");
        tr_plan_add_option(text, column, i);
    }
}

static void add_parameters(struct tr_plan_text *text, const struct tr_column *column)
{
    if (column->type == TR_COLUMN_DECIMAL) {
        tr_plan_text_add(text, ",\"parameters\":{\"scale\":\"");
        tr_plan_text_add_number(text, column->scale);
        tr_plan_text_add(text, "\",\"connect.decimal.precision\":\"");
        tr_plan_text_add_number(text, column->precision);
        tr_plan_text_add(text, "\"}");
    } else if (column->type == TR_COLUMN_BIT && !tr_plan_bit_is_boolean(column)) {
        tr_plan_text_add(text, ",\"parameters\":{\"length\":\"");
        tr_plan_text_add_number(text, column->length);
        tr_plan_text_add(text, "\"}");
    } else if (column->type == TR_COLUMN_ENUM || column->type == TR_COLUMN_SET) {
        tr_plan_text_add(text, ",\"parameters\":{\"allowed\":\"");
        add_allowed(text, column);
        tr_plan_text_add(text, "\"}");
    }
}

void tr_plan_add_field(struct tr_plan_text *text, const struct tr_column *column,
                       const struct tr_encode_options *options)
{
    const struct connect_type type = connect_type_of(column);
    const bool is_geometry = column->type == TR_COLUMN_GEOMETRY;
    const bool is_point = is_geometry && column->geometry == 1;

    tr_plan_text_add(text, "{\"type\":\"");
    tr_plan_text_add(text, type.type);
    tr_plan_text_add(text, "\"");
    if (is_point) {
        tr_plan_text_add(text,
                         ",\"fields\":[{\"type\":\"double\",\"optional\":false,\"field\":\"x\"},"
                         "{\"type\":\"double\",\"optional\":false,\"field\":\"y\"},"
                         "{\"type\":\"bytes\",\"optional\":true,\"field\":\"wkb\"},"
                         "{\"type\":\"int32\",\"optional\":true,\"field\":\"srid\"}]");
    } else if (is_geometry) {
        tr_plan_text_add(text,
                         ",\"fields\":[{\"type\":\"bytes\",\"optional\":false,\"field\":\"wkb\"},"
                         "{\"type\":\"int32\",\"optional\":true,\"field\":\"srid\"}]");
    } else if (column->type == TR_COLUMN_VECTOR) {
        tr_plan_text_add(text, ",\"items\":{\"type\":\"float\",\"optional\":false}");
    }
    /* Debezium's Geometry is optional whatever the column says (contract §2.7). */
    const bool is_optional = tr_column_is_optional(column) || (is_geometry && !is_point);
    tr_plan_text_add(text, is_optional ? ",\"optional\":true" : ",\"optional\":false");
    if (type.name != NULL) {
        tr_plan_text_add(text, ",\"name\":\"");
        tr_plan_text_add(text, is_point ? "io.debezium.data.geometry.Point" : type.name);
        tr_plan_text_add(text, "\",\"version\":1");
    }
    if (is_geometry) {
        tr_plan_text_add(text,
                         is_point ? ",\"doc\":\"Geometry (POINT)\"" : ",\"doc\":\"Geometry\"");
    } else if (options->comments && column->comment_text.data != NULL) {
        tr_plan_text_add(text, ",\"doc\":\"");
        tr_plan_text_add_json(text, column->comment_text);
        tr_plan_text_add(text, "\"");
    }
    add_parameters(text, column);
    const size_t before = text->used;
    tr_plan_text_add(text, ",\"default\":");
    if (!tr_plan_add_default(text, column, options)) {
        text->used = before;
    }
    tr_plan_text_add(text, ",\"field\":\"");
    tr_plan_text_add_json(text, column->name);
    tr_plan_text_add(text, "\"}");
}
