// SPDX-License-Identifier: Apache-2.0
/* The tables' part of the start: what is known of them before the first row, and from where. */
#include <string.h>

#include "engine/app/settings.h"
#include "engine/app/start_history.h"
#include "engine/app/start_parts.h"
#include "engine/log.h"
#include "stages/ddl/recover.h"
#include "stages/schema/topic.h"
#include "stages/source/schema_query.h"

#define VERSION_INT_WIDTH_HIDDEN 80019 /* MySQL: type texts without display width from here on */

static bool metadata_is_full(const struct tr_start *start)
{
    return strcmp(start->facts.binlog_row_metadata, "FULL") == 0;
}

enum tr_code tr_start_open_catalog(struct tr_start *start, struct tr_error *err)
{
    const bool is_mysql = start->facts.flavor == TR_FLAVOR_MYSQL;

    tr_catalog_close(start->catalog);
    start->catalog = NULL;
    tr_ddl_model_close(start->model);
    start->model = NULL;
    start->encode = tr_settings_encode(start->config, &start->facts);
    const struct tr_catalog_options options = {.flavor = start->facts.flavor,
                                               .filter = start->filter,
                                               .streams = start->streams,
                                               .topic = tr_settings_topic(start->config),
                                               .encode = &start->encode,
                                               .plans = {.open = tr_plan_open,
                                                         .close = tr_plan_close,
                                                         .memory_bytes = tr_plan_memory_bytes},
                                               .bytes_max = start->config->catalog_max_bytes / 2,
                                               .metadata_is_full = metadata_is_full(start),
                                               .fold_names =
                                                   start->facts.lower_case_table_names != 0};
    const struct tr_ddl_options ddl = {.flavor = start->facts.flavor,
                                       .fold_names = start->facts.lower_case_table_names != 0,
                                       .stores_lower = start->facts.lower_case_table_names == 1,
                                       .hides_int_width = is_mysql && start->facts.version_number >=
                                                                          VERSION_INT_WIDTH_HIDDEN,
                                       .bytes_max = start->config->catalog_max_bytes / 2};
    return tr_catalog_open(&start->catalog, &options, err) == TR_OK
               ? tr_ddl_model_open(&start->model, &ddl, err)
               : err->code;
}

enum tr_code tr_start_add_stream(struct tr_start *start, struct tr_span database,
                                 struct tr_span table, struct tr_error *err)
{
    char topic[TR_STREAM_NAME_BYTES_MAX + 1];
    const struct tr_topic_options options = tr_settings_topic(start->config);
    const size_t bytes = tr_topic_write_name(&options, database, table, topic);

    return tr_streams_intern(start->streams, tr_span_of(topic, bytes), err) == NULL ? err->code
                                                                                    : TR_OK;
}

/* --- the server's tables as they are now --- */

struct reading {
    struct tr_start *start;
    struct tr_start_tables *tables;
    bool into_model;
};

static enum tr_code is_captured(void *self, struct tr_span database, struct tr_span table,
                                bool *captured, struct tr_error *err)
{
    const struct reading *reading = self;
    return tr_filter_match(reading->start->filter, database, table, captured, err);
}

static enum tr_code take_table(void *self, struct tr_table *table, struct tr_error *err)
{
    const struct reading *reading = self;
    struct tr_start_tables *tables = reading->tables;

    tables->fingerprint =
        tables->fingerprint * UINT64_C(0x100000001B3) ^ tr_table_fingerprint(table);
    tables->count++;
    if (tr_start_add_stream(reading->start, table->database, table->name, err) != TR_OK) {
        tr_table_close(table);
        return err->code;
    }
    if (!reading->into_model) {
        tr_table_close(table);
        return TR_OK;
    }
    return tr_ddl_put(reading->start->model, table, err);
}

enum tr_code tr_start_read_tables(struct tr_start *start, struct tr_start_tables *tables,
                                  bool into_model, struct tr_error *err)
{
    struct reading reading = {.start = start, .tables = tables, .into_model = into_model};
    const struct tr_schema_query query = {.port = &start->query.port,
                                          .flavor = start->facts.flavor,
                                          .filter = is_captured,
                                          .filter_self = &reading,
                                          .on_table = take_table,
                                          .on_table_self = &reading};
    *tables = (struct tr_start_tables){0};
    return tr_schema_query_tables(&query, err);
}

/* --- the tables as they were: from the history --- */

enum tr_code tr_start_recover_tables(struct tr_start *start, uint64_t *count, struct tr_error *err)
{
    const struct tr_recover_options options = {
        .flavor = start->facts.flavor,
        .topic_prefix = tr_span_of_text(start->config->topic_prefix),
        .sources = start->gtid_sources,
        .until = &start->position,
        .skip_unparseable = start->config->ddl_on_error == TR_CONFIG_DDL_SKIP,
        .model = start->model,
        .filter = start->filter,
        .log_describes = metadata_is_full(start)};
    struct tr_recover recover = {0};

    enum tr_code code = tr_recover_open(&recover, &options, err);
    if (code == TR_OK) {
        code = tr_start_load_history(start, tr_recover_document, &recover, count, err);
    }
    if (code == TR_OK) {
        TR_LOG(TR_LOG_INFO, "start.history", TR_TEXT("store", start->history.name),
               TR_UINT("documents", *count), TR_UINT("applied", recover.applied_count),
               TR_UINT("behind_position", recover.skipped_count),
               TR_UINT("of_others", recover.others_count));
    }
    tr_recover_close(&recover);
    return code;
}

struct using
{
    struct tr_start *start;
    struct tr_error *err;
    bool has_failed;
};

static bool use_table(void *self, struct tr_table *table)
{
    struct using *using = self;
    struct tr_start *start = using->start;
    bool captured;

    if (tr_filter_match(start->filter, table->database, table->name, &captured, using->err) !=
        TR_OK) {
        using->has_failed = true;
    } else if (captured) {
        start->table_count++;
        using->has_failed =
            tr_start_add_stream(start, table->database, table->name, using->err) != TR_OK ||
            tr_catalog_set_model(start->catalog, table->database, table->name, table, using->err) !=
                TR_OK;
    }
    return !using->has_failed;
}

enum tr_code tr_start_use_model(struct tr_start *start, struct tr_error *err)
{
    struct using using = {.start = start, .err = err};

    start->table_count = 0;
    tr_ddl_each(start->model, use_table, &using);
    return using.has_failed ? err->code : TR_OK;
}

/* --- what statements leave behind --- */

enum tr_code tr_start_open_publisher(struct tr_start *start, struct tr_error *err)
{
    const struct tr_config *config = start->config;
    const struct tr_span prefix = tr_span_of_text(config->topic_prefix);
    char topic[TR_STREAM_NAME_BYTES_MAX + 1];

    start->publisher = (struct tr_ddl_publisher){
        .flavor = start->facts.flavor,
        .topic_prefix = prefix,
        .filter = start->filter,
        .key_schemas = start->encode.key_schemas,
        .value_schemas = start->encode.value_schemas,
        .comments = start->encode.comments,
        .wants_documents = start->history.self != NULL,
        .only_captured_tables = config->history_only_captured_tables,
        .only_captured_databases = config->history_only_captured_databases,
        .envelope_ts_is_source = start->encode.envelope_ts_is_source};
    if (!config->include_schema_changes) {
        return TR_OK;
    }
    const struct tr_topic_options options = tr_settings_topic(config);
    const size_t bytes =
        tr_topic_write_name(&options, (struct tr_span){0}, (struct tr_span){0}, topic);
    start->publisher.stream = tr_streams_intern(start->streams, tr_span_of(topic, bytes), err);
    return start->publisher.stream == NULL ? err->code : TR_OK;
}
