// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/assert.h"
#include "offsets/position.h"
#include "stages/decode/digits.h"
#include "stages/decode/plan_layout.h"
#include "stages/stream.h"

/* The version whose records ours equal; Debezium's `source.version`. */
#define DEBEZIUM_VERSION "3.6.0.Final"

/* The fields behind after: contract §1.2, §1.3. */
static const char source_fields_head[] =
    "{\"type\":\"struct\",\"fields\":["
    "{\"type\":\"string\",\"optional\":false,\"field\":\"version\"},"
    "{\"type\":\"string\",\"optional\":false,\"field\":\"connector\"},"
    "{\"type\":\"string\",\"optional\":false,\"field\":\"name\"},"
    "{\"type\":\"int64\",\"optional\":false,\"field\":\"ts_ms\"},"
    "{\"type\":\"string\",\"optional\":true,\"name\":\"io.debezium.data.Enum\",\"version\":1,"
    "\"parameters\":{\"allowed\":"
    "\"true,first,first_in_data_collection,last_in_data_collection,last,false,incremental\"},"
    "\"default\":\"false\","
    "\"field\":\"snapshot\"},"
    "{\"type\":\"string\",\"optional\":false,\"field\":\"db\"},"
    "{\"type\":\"string\",\"optional\":true,\"field\":\"sequence\"},"
    "{\"type\":\"int64\",\"optional\":true,\"field\":\"ts_us\"},"
    "{\"type\":\"int64\",\"optional\":true,\"field\":\"ts_ns\"},"
    "{\"type\":\"string\",\"optional\":true,\"field\":\"table\"},"
    "{\"type\":\"int64\",\"optional\":false,\"field\":\"server_id\"},"
    "{\"type\":\"string\",\"optional\":true,\"field\":\"gtid\"},"
    "{\"type\":\"string\",\"optional\":false,\"field\":\"file\"},"
    "{\"type\":\"int64\",\"optional\":false,\"field\":\"pos\"},"
    "{\"type\":\"int32\",\"optional\":false,\"field\":\"row\"},"
    "{\"type\":\"int64\",\"optional\":true,\"field\":\"thread\"},"
    "{\"type\":\"string\",\"optional\":true,\"field\":\"query\"}],"
    "\"optional\":false,\"name\":\"io.debezium.connector.";
static const char source_fields_tail[] =
    ".Source\",\"version\":1,\"field\":\"source\"},"
    "{\"type\":\"struct\",\"fields\":[{\"type\":\"string\",\"optional\":false,\"field\":\"id\"},"
    "{\"type\":\"int64\",\"optional\":false,\"field\":\"total_order\"},"
    "{\"type\":\"int64\",\"optional\":false,\"field\":\"data_collection_order\"}],"
    "\"optional\":true,\"name\":\"event.block\",\"version\":1,\"field\":\"transaction\"},"
    "{\"type\":\"string\",\"optional\":false,\"field\":\"op\"},"
    "{\"type\":\"int64\",\"optional\":true,\"field\":\"ts_ms\"},"
    "{\"type\":\"int64\",\"optional\":true,\"field\":\"ts_us\"},"
    "{\"type\":\"int64\",\"optional\":true,\"field\":\"ts_ns\"}],\"optional\":false,\"name\":\"";

static const char *connector_name(const struct tr_plan *plan)
{
    return plan->options.flavor == TR_FLAVOR_MARIADB ? "mariadb" : "mysql";
}

static struct tr_plan_literal literal_since(const struct tr_plan *plan, size_t at)
{
    return (struct tr_plan_literal){(uint32_t)at, (uint32_t)(plan->text.used - at)};
}

/* One of the two images in the value schema. */
static void add_image_schema(struct tr_plan *plan, const char *field)
{
    struct tr_plan_text *text = &plan->text;
    const struct tr_table *table = plan->schema->table;

    tr_plan_text_add(text, "{\"type\":\"struct\",\"fields\":[");
    for (uint32_t i = 0; i < table->column_count; i++) {
        tr_plan_text_add(text, i == 0 ? "" : ",");
        tr_plan_add_field(text, &table->columns[i], &plan->options);
    }
    tr_plan_text_add(text, "],\"optional\":true,\"name\":\"");
    tr_plan_text_add_json(text, tr_span_of_text(plan->schema->stream->name));
    tr_plan_text_add(text, ".Value\",\"field\":\"");
    tr_plan_text_add(text, field);
    tr_plan_text_add(text, "\"},");
}

static void add_value_open(struct tr_plan *plan)
{
    struct tr_plan_text *text = &plan->text;
    const size_t at = text->used;

    if (plan->options.value_schemas) {
        tr_plan_text_add(text, "{\"schema\":{\"type\":\"struct\",\"fields\":[");
        add_image_schema(plan, "before");
        add_image_schema(plan, "after");
        tr_plan_text_add(text, source_fields_head);
        tr_plan_text_add(text, connector_name(plan));
        tr_plan_text_add(text, source_fields_tail);
        tr_plan_text_add_json(text, tr_span_of_text(plan->schema->stream->name));
        tr_plan_text_add(text, ".Envelope\",\"version\":2},\"payload\":");
    }
    tr_plan_text_add(text, "{\"before\":");
    plan->open = literal_since(plan, at);
    tr_plan_text_add(text, "null,\"after\":");
    plan->open_create = literal_since(plan, at);
}

static void add_key_open(struct tr_plan *plan)
{
    struct tr_plan_text *text = &plan->text;
    const struct tr_table *table = plan->schema->table;
    const size_t at = text->used;

    if (plan->options.key_schemas) {
        tr_plan_text_add(text, "{\"schema\":{\"type\":\"struct\",\"fields\":[");
        for (uint32_t i = 0; i < plan->key_count; i++) {
            tr_plan_text_add(text, i == 0 ? "" : ",");
            tr_plan_add_field(text, &table->columns[table->key_columns[i]], &plan->options);
        }
        tr_plan_text_add(text, "],\"optional\":false,\"name\":\"");
        tr_plan_text_add_json(text, tr_span_of_text(plan->schema->stream->name));
        tr_plan_text_add(text, ".Key\"},\"payload\":");
    }
    tr_plan_text_add(text, "{");
    plan->key_open = literal_since(plan, at);
}

/* The constant parts of `source`, in the order of contract §1.3. */
static void add_source(struct tr_plan *plan)
{
    struct tr_plan_text *text = &plan->text;
    size_t at = text->used;

    tr_plan_text_add(text, ",\"source\":{\"version\":\"" DEBEZIUM_VERSION "\",\"connector\":\"");
    tr_plan_text_add(text, connector_name(plan));
    tr_plan_text_add(text, "\",\"name\":");
    tr_plan_text_add_quoted(text, plan->options.topic_prefix);
    tr_plan_text_add(text, ",\"ts_ms\":");
    plan->source[0] = literal_since(plan, at);
    at = text->used;
    tr_plan_text_add(text, "\",\"db\":");
    tr_plan_text_add_quoted(text, plan->schema->table->database);
    tr_plan_text_add(text, ",\"sequence\":null,\"ts_us\":");
    plan->source[1] = literal_since(plan, at);
    at = text->used;
    tr_plan_text_add(text, ",\"table\":");
    tr_plan_text_add_quoted(text, plan->schema->table->name);
    tr_plan_text_add(text, ",\"server_id\":");
    plan->source[2] = literal_since(plan, at);
}

static enum tr_code build_key(struct tr_plan *plan, struct tr_error *err)
{
    const struct tr_table *table = plan->schema->table;
    uint32_t literal_bytes = 0;

    if (table->key_count > TR_PLAN_KEY_COLUMNS_MAX) {
        return TR_FAIL(
            err, TR_ERR_UNSUPPORTED, TR_STOP,
            "table %.*s.%.*s: its key has %" PRIu32 " columns: want at most %d; exclude the table",
            (int)table->database.bytes, (const char *)table->database.data, (int)table->name.bytes,
            (const char *)table->name.data, table->key_count, TR_PLAN_KEY_COLUMNS_MAX);
    }
    plan->key_count = table->key_count;
    plan->key_columns = calloc((size_t)plan->key_count + 1, sizeof(*plan->key_columns));
    if (plan->key_columns == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "encoder plan: no memory for a key: add memory");
    }
    for (uint32_t i = 0; i < plan->key_count; i++) {
        const uint32_t column = table->key_columns[i];
        const size_t at = plan->text.used;
        TR_ASSERT(column < table->column_count);
        plan->columns[column].key_slot = (uint8_t)(i + 1);
        tr_plan_text_add(&plan->text, i == 0 ? "\"" : ",\"");
        tr_plan_text_add_json(&plan->text, table->columns[column].name);
        tr_plan_text_add(&plan->text, "\":");
        plan->key_columns[i].name = literal_since(plan, at);
        literal_bytes += plan->key_columns[i].name.bytes + TR_PLAN_VALUE_BYTES_MAX;
    }
    add_key_open(plan);
    plan->fixed_bytes_max = literal_bytes + plan->key_open.bytes + 2;
    return TR_OK;
}

static enum tr_code build(struct tr_plan *plan, struct tr_error *err)
{
    const struct tr_table *table = plan->schema->table;

    if (tr_plan_build_columns(plan, err) != TR_OK || build_key(plan, err) != TR_OK) {
        return err->code;
    }
    add_value_open(plan);
    add_source(plan);
    if (plan->text.refused) {
        return TR_FAIL(err, TR_ERR_MEMORY_LIMIT, TR_STOP,
                       "table %.*s.%.*s: names, defaults and schema take more than %u bytes: "
                       "exclude the table",
                       (int)table->database.bytes, (const char *)table->database.data,
                       (int)table->name.bytes, (const char *)table->name.data,
                       TR_PLAN_TEXT_BYTES_MAX);
    }
    tr_plan_text_shrink(&plan->text);
    const uint32_t source_bytes =
        plan->source[0].bytes + plan->source[1].bytes + plan->source[2].bytes;
    if (source_bytes > TR_PLAN_SOURCE_BYTES_MAX / 2) {
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                       "debezium.source.topic.prefix is %zu bytes long: want a prefix that leaves "
                       "room for a stream's name",
                       plan->options.topic_prefix.bytes);
    }
    plan->fixed_bytes_max +=
        plan->open_create.bytes + 2 * plan->image_bytes_max + TR_PLAN_SOURCE_BYTES_MAX;
    return TR_OK;
}

enum tr_code tr_plan_open(struct tr_plan **plan, const struct tr_schema *schema,
                          const struct tr_encode_options *options, struct tr_error *err)
{
    TR_ASSERT(schema->table != NULL);
    TR_ASSERT(schema->wire != NULL);
    TR_ASSERT(schema->stream != NULL);
    TR_ASSERT(schema->table->column_count > 0);
    *plan = calloc(1, sizeof(**plan));
    if (*plan == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "encoder plan: no memory for %zu bytes: add memory", sizeof(**plan));
    }
    (*plan)->schema = schema;
    (*plan)->options = *options;
    if (build(*plan, err) != TR_OK) {
        tr_plan_close(*plan);
        *plan = NULL;
        return err->code;
    }
    return TR_OK;
}

void tr_plan_close(struct tr_plan *plan)
{
    if (plan == NULL) {
        return;
    }
    tr_plan_text_deinit(&plan->text);
    free(plan->columns);
    free(plan->column_options);
    free(plan->unavailable);
    free(plan->key_columns);
    free(plan);
}

size_t tr_plan_memory_bytes(const struct tr_plan *plan)
{
    const struct tr_table *table = plan->schema->table;
    size_t bytes =
        sizeof(*plan) + plan->text.room +
        plan->image_column_count * (sizeof(*plan->columns) + sizeof(*plan->unavailable)) +
        (plan->key_count + 1) * sizeof(*plan->key_columns) + sizeof(*plan->column_options);

    for (uint32_t i = 0; i < table->column_count; i++) {
        bytes += table->columns[i].option_count * sizeof(*plan->column_options);
    }
    return bytes;
}
