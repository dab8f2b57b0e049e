// SPDX-License-Identifier: Apache-2.0
/*
 * Prints what the DDL parser makes of binary log files: a line of JSON per QUERY event.
 *
 *   ddl_probe LOWER_CASE_TABLE_NAMES FILE... [--show STATEMENTS]
 *
 * Files are plain (no compressed transactions, no encryption), read whole; the model lasts over
 * all. STATEMENTS holds "database NUL statement NUL" over and over: what a snapshot reads. They go
 * into a model of their own; a line per table says whether rows are read the same by both.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/ddl/model.h"
#include "stages/sequence/events.h"
#include "tests/support/ddl_print.h"

#define MAGIC_BYTES 4

static struct tr_ddl_model *model;
static struct tr_event_format format;
static struct tr_ddl_options options;
static int file_index; /* of the one being read, among the arguments */

static bool is_at_least(const char *version, unsigned major, unsigned minor, unsigned patch)
{
    unsigned own[3] = {0, 0, 0};
    (void)sscanf(version, "%u.%u.%u", &own[0], &own[1], &own[2]);
    return own[0] != major ? own[0] > major : own[1] != minor ? own[1] > minor : own[2] >= patch;
}

static void print_result(const struct tr_ddl_event *event, const struct tr_ddl_result *result,
                         uint32_t end_pos)
{
    static const char *const types[] = {
        "CREATE",         "ALTER",         "DROP", "TRUNCATE", "CREATE_DATABASE",
        "ALTER_DATABASE", "DROP_DATABASE", "USE",  "SET",      "OTHER"};
    static const char *const effects[] = {"none", "applied", "unknown"};

    (void)printf("{\"file\":%d,\"pos\":%u,\"sql\":", file_index, end_pos);
    ddl_print_string(stdout, event->sql);
    (void)printf(",\"implicit_timestamps\":%s", event->timestamps_are_implicit ? "true" : "false");
    (void)printf(",\"effect\":\"%s\",\"what\":\"%s\",\"at\":", effects[result->effect],
                 result->unknown_what == NULL ? "" : result->unknown_what);
    ddl_print_string(stdout, result->unknown_at);
    (void)printf(",\"changes\":[");
    for (uint32_t i = 0; i < result->change_count; i++) {
        const struct tr_ddl_change *change = &result->changes[i];
        (void)printf("%s{\"type\":\"%s\",\"database\":", i == 0 ? "" : ",", types[change->type]);
        ddl_print_string(stdout, change->database);
        (void)printf(",\"name\":");
        ddl_print_string(stdout, change->name);
        (void)printf(",\"previous_database\":");
        ddl_print_string(stdout, change->previous_database);
        (void)printf(",\"previous_name\":");
        ddl_print_string(stdout, change->previous_name);
        (void)printf(",\"text\":");
        ddl_print_string(stdout, change->text);
        (void)printf(",\"temporary\":%s,\"table\":", change->is_temporary ? "true" : "false");
        const struct tr_table *table =
            change->name.bytes == 0 ? NULL : tr_ddl_find(model, change->database, change->name);
        if (table == NULL) {
            (void)printf("null");
        } else {
            ddl_print_table(stdout, table);
        }
        (void)printf("}");
    }
    (void)printf("]}\n");
}

static int apply(struct tr_span body, uint32_t end_pos)
{
    struct tr_error err;
    struct tr_event_query query;
    struct tr_ddl_result result;

    if (tr_event_query_parse(&query, body, false, &err) != TR_OK) {
        (void)fprintf(stderr, "ddl_probe: %s\n", err.text);
        return 1;
    }
    if ((query.mariadb_gtid_flags &
         (TR_MARIADB_GTID_EXTRA_START_ALTER | TR_MARIADB_GTID_EXTRA_ROLLBACK_ALTER)) != 0) {
        return 0; /* its commit follows */
    }
    const bool tells_flags =
        format.flavor == TR_FLAVOR_MARIADB && is_at_least(format.server_version, 10, 10, 0);
    const struct tr_ddl_event event = {
        .sql = query.sql,
        .database = query.database,
        .sql_mode = query.sql_mode,
        .server_collation = query.server_collation,
        .database_collation = query.database_collation,
        .utf8mb4_collation = query.utf8mb4_collation,
        .charset_collations = query.charset_collations,
        .timestamps_are_implicit =
            query.tells_timestamps
                ? !query.timestamps_are_explicit
                : tells_flags && (query.flags2 & TR_QUERY_FLAG2_EXPLICIT_TIMESTAMPS) == 0,
    };
    if (tr_ddl_apply(model, &event, &result, &err) != TR_OK) {
        (void)fprintf(stderr, "ddl_probe: %s\n", err.text);
        return 1;
    }
    print_result(&event, &result, end_pos);
    return 0;
}

/* Of what decides how rows are read: Debezium's key is kept by rules that look at the past. */
static uint64_t fingerprint(struct tr_table *table)
{
    static uint16_t ordinals[TR_COLUMNS_MAX];
    for (uint32_t i = 0; i < table->column_count; i++) {
        ordinals[i] = table->columns[i].key_ordinal;
        table->columns[i].key_ordinal = 0;
    }
    const uint64_t digest = tr_table_fingerprint(table);
    for (uint32_t i = 0; i < table->column_count; i++) {
        table->columns[i].key_ordinal = ordinals[i];
    }
    return digest;
}

static uint8_t *read_whole(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        (void)fprintf(stderr, "ddl_probe: %s cannot be read\n", path);
        return NULL;
    }
    *bytes = (size_t)ftell(file);
    uint8_t *whole = calloc(1, *bytes + 1);
    rewind(file);
    if (whole == NULL || fread(whole, 1, *bytes, file) != *bytes) {
        (void)fprintf(stderr, "ddl_probe: %s cannot be read\n", path);
        free(whole);
        whole = NULL;
    }
    (void)fclose(file);
    return whole;
}

static int show_statement(struct tr_ddl_model *shown, const char *database, const char *sql)
{
    struct tr_error err;
    struct tr_ddl_result result;
    const struct tr_ddl_event event = {.sql = tr_span_of_text(sql),
                                       .database = tr_span_of_text(database)};

    if (tr_ddl_apply(shown, &event, &result, &err) != TR_OK) {
        (void)fprintf(stderr, "ddl_probe: %s\n", err.text);
        return 1;
    }
    for (uint32_t i = 0; i < result.change_count; i++) {
        const struct tr_ddl_change *change = &result.changes[i];
        if (change->type != TR_DDL_CREATE) {
            continue;
        }
        struct tr_table *logged = tr_ddl_find(model, change->database, change->name);
        const bool is_same = logged != NULL && change->table != NULL &&
                             fingerprint(logged) == fingerprint(change->table);
        (void)printf(
            "{\"shown\":true,\"same\":%s,\"what\":\"%s\",\"database\":", is_same ? "true" : "false",
            result.unknown_what == NULL ? "" : result.unknown_what);
        ddl_print_string(stdout, change->database);
        (void)printf(",\"name\":");
        ddl_print_string(stdout, change->name);
        (void)printf(",\"table\":");
        if (change->table == NULL) {
            (void)printf("null");
        } else {
            ddl_print_table(stdout, change->table);
        }
        (void)printf("}\n");
    }
    return 0;
}

static int show(const char *path)
{
    struct tr_ddl_model *shown;
    struct tr_error err;
    size_t bytes = 0;
    uint8_t *whole = read_whole(path, &bytes);
    int failed = whole == NULL || tr_ddl_model_open(&shown, &options, &err) != TR_OK;

    for (size_t at = 0; failed == 0 && at < bytes;) {
        const char *database = (const char *)whole + at;
        const char *sql = database + strlen(database) + 1;
        failed = show_statement(shown, database, sql);
        at = (size_t)(sql + strlen(sql) + 1 - (const char *)whole);
    }
    if (whole != NULL) {
        tr_ddl_model_close(shown);
    }
    free(whole);
    return failed;
}

static int read_file(const char *path, int lower_case_table_names)
{
    size_t bytes = 0;
    uint8_t *whole = read_whole(path, &bytes);
    if (whole == NULL) {
        return 1;
    }
    size_t at = MAGIC_BYTES;
    int failed = 0;
    while (failed == 0 && at + TR_EVENT_HEADER_BYTES <= bytes) {
        const struct tr_event_header header = tr_event_header_read(whole + at);
        struct tr_error err;
        if (header.event_bytes < TR_EVENT_HEADER_BYTES || header.event_bytes > bytes - at) {
            break; /* being written */
        }
        if (header.type == TR_EVENT_FORMAT_DESCRIPTION) {
            failed = tr_event_format_parse(&format, tr_span_of(whole + at, header.event_bytes),
                                           &err) != TR_OK;
            const bool is_mysql = format.flavor == TR_FLAVOR_MYSQL;
            options = (struct tr_ddl_options){
                .flavor = format.flavor,
                .fold_names = lower_case_table_names != 0,
                .stores_lower = lower_case_table_names == 1,
                .hides_int_width = is_mysql && is_at_least(format.server_version, 8, 0, 19)};
            if (model == NULL && tr_ddl_model_open(&model, &options, &err) != TR_OK) {
                failed = 1;
            }
        } else if (header.type == TR_EVENT_QUERY && model != NULL) {
            const size_t trailer =
                format.checksum == TR_CHECKSUM_CRC32 ? TR_EVENT_TRAILER_BYTES : 0;
            failed = apply(tr_span_of(whole + at + TR_EVENT_HEADER_BYTES,
                                      header.event_bytes - TR_EVENT_HEADER_BYTES - trailer),
                           (uint32_t)(at + header.event_bytes)); /* MariaDB 11.4 can say 0 */
        }
        at += header.event_bytes;
    }
    free(whole);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = argc < 3;
    for (int i = 2; i < argc && failed == 0; i++) {
        if (strcmp(argv[i], "--show") == 0 && i + 1 < argc) {
            failed = show(argv[++i]);
            continue;
        }
        file_index = i - 2;
        failed = read_file(argv[i], (int)strtol(argv[1], NULL, 10));
    }
    tr_ddl_model_close(model);
    return failed;
}
