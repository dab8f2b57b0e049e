// SPDX-License-Identifier: Apache-2.0
/*
 * Prints what the DDL parser makes of binary log files: a line of JSON per QUERY event.
 *
 *   ddl_probe LOWER_CASE_TABLE_NAMES FILE...
 *
 * Files are plain (no compressed transactions, no encryption), read whole; the model lasts over
 * all.
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

static int read_file(const char *path, int lower_case_table_names)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        (void)fprintf(stderr, "ddl_probe: %s cannot be read\n", path);
        return 1;
    }
    const size_t bytes = (size_t)ftell(file);
    uint8_t *whole = calloc(1, bytes + 1);
    rewind(file);
    if (whole == NULL || fread(whole, 1, bytes, file) != bytes) {
        (void)fprintf(stderr, "ddl_probe: %s cannot be read\n", path);
        return 1;
    }
    (void)fclose(file);
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
            const struct tr_ddl_options options = {
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
                           header.end_pos);
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
        file_index = i - 2;
        failed = read_file(argv[i], (int)strtol(argv[1], NULL, 10));
    }
    tr_ddl_model_close(model);
    return failed;
}
