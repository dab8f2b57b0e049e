// SPDX-License-Identifier: Apache-2.0
/* Rows of a snapshot as live servers sent them, against what Debezium made of the same rows:
 * tests/data/text_rows, made by tests/support/generate_text_rows.py. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/source/snapshot_event.h"
#include "tests/check.h"
#include "tests/support/text_rig.h"

static size_t unhex(uint8_t *out, const char *hex, size_t digits)
{
    for (size_t i = 0; i < digits; i += 2) {
        const char pair[3] = {hex[i], hex[i + 1], '\0'};
        out[i / 2] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return digits / 2;
}

/* \n and \\ in place. */
static size_t unescape(char *text)
{
    size_t bytes = 0;
    for (const char *at = text; *at != '\0'; at++) {
        at += *at == '\\' ? 1 : 0;
        text[bytes++] = (char)(at[-1] == '\\' && *at == 'n' ? '\n' : *at);
    }
    return bytes;
}

static void add_cells(const char *cells)
{
    static uint8_t bytes[1u << 20];

    for (const char *at = cells; *at != '\0';) {
        const size_t digits = strcspn(at, " ");
        if (*at == '-') {
            text_rig_add_cell(NULL, 0);
        } else {
            text_rig_add_cell(bytes, *at == '.' ? 0 : unhex(bytes, at, digits));
        }
        at += digits + (at[digits] == ' ' ? 1 : 0);
    }
}

/* Cuts the line at its next tab; returns what is behind it. */
static char *cut(char *line)
{
    char *tab = strchr(line, '\t');
    assert_non_null(tab);
    *tab = '\0';
    return tab + 1;
}

/* The schemas of the table at hand, up to the payload; empty: the records have none. */
static struct {
    char key[1u << 16];
    char value[1u << 18];
} schemas;

static void keep_text(char *to, size_t room, const char *text)
{
    const size_t bytes = strlen(text) + 1;
    assert_true(bytes <= room);
    memcpy(to, text, bytes);
}

/* "CELLS  KEY  AFTER": plays it and compares. */
static uint32_t check_row(const char *path, char *line)
{
    static char want[1u << 20];
    char *key = cut(line);
    const char *after = cut(key);

    text_rig_forget();
    text_rig_begin(TR_SNAPSHOT_TRUE, TR_SNAPSHOT_TRUE, 1);
    add_cells(line);
    if (text_rig_play() != TR_OK) {
        (void)fprintf(stderr, "%s: %s\n", path, text_rig.err.text);
        return 1;
    }
    (void)snprintf(want, sizeof(want),
                   "|%s%s%s|%s{\"before\":null,\"after\":%s,\"source\":{\"version\"", schemas.key,
                   key, schemas.key[0] != '\0' ? "}" : "", schemas.value, after);
    const char *got = strchr(text_rig.collected, '|');
    assert_non_null(got);
    const bool is_equal = strncmp(got, want, strlen(want)) == 0;
    if (!is_equal) {
        (void)fprintf(stderr, "%s\nwant: %s\ngot:  %.*s\n", path, want, (int)strlen(want) + 200,
                      got);
    }
    return is_equal ? 0 : 1;
}

/* "DATABASE  STATEMENT": the next rows are of that table. */
static void read_table(char *line)
{
    char *sql = cut(line);
    const size_t sql_bytes = unescape(sql);

    text_rig.tape->item.schema = tr_tape_add_text(
        text_rig.tape, text_rig_table(line, tr_span_of(sql, sql_bytes)), &text_rig.err);
    assert_non_null(text_rig.tape->item.schema);
}

static void read_head(const char *line)
{
    const bool has_schemas = strstr(line, "schemas=true") != NULL;
    const struct tr_encode_options options = {
        .enable_time_adjuster = strstr(line, "enable.time.adjuster=false") == NULL,
        .key_schemas = has_schemas,
        .value_schemas = has_schemas};

    text_rig_open(strncmp(line + 2, "mariadb", 7) == 0 ? TR_FLAVOR_MARIADB : TR_FLAVOR_MYSQL,
                  options, 0);
}

static uint32_t run_file(const char *path, uint32_t *row_count)
{
    static char line[1u << 21];
    FILE *file = fopen(path, "r");
    uint32_t failed = 0;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "# ", 2) == 0) {
            read_head(line);
        } else if (strncmp(line, "table\t", 6) == 0) {
            read_table(line + 6);
        } else if (strncmp(line, "schemas\t", 8) == 0) {
            const char *value = cut(line + 8);
            keep_text(schemas.key, sizeof(schemas.key), line + 8);
            keep_text(schemas.value, sizeof(schemas.value), value);
        } else if (strncmp(line, "row\t", 4) == 0) {
            failed += check_row(path, line + 4);
            (*row_count)++;
        }
    }
    (void)fclose(file);
    text_rig_close();
    return failed;
}

/* Cells as the servers sent them, records as Debezium made them of the same rows. */
static void rows_of_the_servers_give_debeziums_records(void **state)
{
    DIR *folder = opendir(TR_TEST_DATA "/text_rows");
    uint32_t failed = 0;
    uint32_t row_count = 0;
    (void)state;
    assert_non_null(folder);
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char path[512];
        if (entry->d_name[0] != '.') {
            (void)snprintf(path, sizeof(path), "%s/%s", TR_TEST_DATA "/text_rows", entry->d_name);
            failed += run_file(path, &row_count);
        }
    }
    (void)closedir(folder);
    assert_int_equal(failed, 0);
    assert_in_range(row_count, 100, 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_the_servers_give_debeziums_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
