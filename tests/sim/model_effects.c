// SPDX-License-Identifier: Apache-2.0
/* What the record of a schema change must be. Source: contract §4.9, §9.4. */
#include <stdarg.h>
#include <stdio.h>

#include "engine/assert.h"
#include "tests/sim/model_log_parts.h"

static void print(struct tr_buffer *out, const char *format, ...) TR_PRINTF(2, 3);

static void print(struct tr_buffer *out, const char *format, ...)
{
    char text[TR_MODEL_STATEMENT_BYTES + 100];
    va_list args;
    va_start(args, format);
    const int bytes = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    TR_ASSERT(bytes >= 0 && (size_t)bytes < sizeof(text));
    tr_buffer_append(out, text, (size_t)bytes);
}

static void write_column(const struct tr_model_columns *columns, uint32_t at, struct tr_buffer *out)
{
    char name[TR_MODEL_NAME_BYTES];
    const uint32_t number = columns->list[at];
    const bool is_id_text = number == TR_MODEL_ID && columns->has_long_id;
    const bool is_text = number == TR_MODEL_S || is_id_text;
    const char *type = !is_text ? "INT" : is_id_text ? "VARCHAR" : "LONGTEXT";
    const bool has_default = number >= TR_MODEL_COLUMNS_MIN && !model_log_is_nullable(number);

    tr_model_write_name(number, name);
    print(out,
          "%s{\"name\":\"%s\",\"jdbcType\":%d,\"nativeType\":null,\"typeName\":\"%s\","
          "\"typeExpression\":\"%s\",\"charsetName\":%s,\"length\":%s,\"scale\":null,",
          at == 0 ? "" : ",", name, is_text ? 12 : 4, type, type, is_text ? "\"utf8mb4\"" : "null",
          is_id_text ? "400" : "null");
    print(out,
          "\"position\":%u,\"optional\":%s,\"autoIncremented\":false,\"generated\":false,"
          "\"comment\":null,\"defaultValueExpression\":%s,\"enumValues\":null}",
          at + 1, model_log_is_nullable(number) ? "true" : "false",
          has_default ? "\"" MODEL_LOG_DEFAULT "\"" : "null");
}

void tr_model_write_effect(const struct tr_model_effect *effect, struct tr_buffer *out)
{
    char key[TR_MODEL_NAME_BYTES];
    const struct tr_model_columns *columns = &effect->columns;

    print(out, ",\"databaseName\":\"%s\",\"schemaName\":null,\"ddl\":\"", effect->database);
    print(out, "%s\",\"tableChanges\":[", effect->ddl);
    if (effect->type != NULL) {
        print(out, "{\"type\":\"%s\",\"id\":\"\\\"%s\\\".\\\"%s\\\"\",\"table\":", effect->type,
              effect->database, effect->table);
    }
    if (effect->type != NULL && effect->has_columns) {
        print(out, "{\"defaultCharsetName\":\"utf8mb4\",\"primaryKeyColumnNames\":[");
        if (columns->key != TR_MODEL_NO_KEY) {
            tr_model_write_name(columns->key, key);
            print(out, "\"%s\"", key);
        }
        print(out, "],\"columns\":[");
        for (uint32_t i = 0; i < columns->count; i++) {
            write_column(columns, i, out);
        }
        print(out, "],\"comment\":null}");
    }
    print(out, "%s]}", effect->type == NULL ? "" : effect->has_columns ? "}" : "null}");
}
