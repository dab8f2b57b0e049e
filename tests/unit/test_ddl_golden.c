// SPDX-License-Identifier: Apache-2.0
/* The DDL model against what Debezium stored for the same statements: tests/data/ddl. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/ddl/model.h"
#include "tests/support/ddl_print.h"

#include <cmocka.h>

static struct tr_ddl_model *model;
static enum tr_flavor flavor;

static void reset(void)
{
    struct tr_error err;
    const struct tr_ddl_options options = {.flavor = flavor,
                                           .hides_int_width = flavor == TR_FLAVOR_MYSQL};
    tr_ddl_model_close(model);
    assert_int_equal(tr_ddl_model_open(&model, &options, &err), TR_OK);
}

/* \n, \r and \\ of the data file, in place. */
static size_t unescape(char *text)
{
    size_t bytes = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\\' && at[1] != '\0') {
            at++;
            text[bytes++] = (char)(*at == 'n' ? '\n' : *at == 'r' ? '\r' : *at);
        } else {
            text[bytes++] = *at;
        }
    }
    text[bytes] = '\0';
    return bytes;
}

/* "DATABASE STATEMENT": applies it and returns what changed as text, to be freed. */
static char *apply(char *line)
{
    struct tr_ddl_result result;
    struct tr_error err;
    char *text = NULL;
    size_t bytes = 0;
    char *sql = strchr(line, ' ');

    assert_non_null(sql);
    *sql++ = '\0';
    for (char *at = line; *at != '\0'; at++) {
        *at = (char)(*at == '~' ? ' ' : *at);
    }
    const struct tr_ddl_event event = {.sql = tr_span_of(sql, unescape(sql)),
                                       .database = tr_span_of_text(line)};
    assert_int_equal(tr_ddl_apply(model, &event, &result, &err), TR_OK);
    FILE *out = open_memstream(&text, &bytes);
    ddl_print_changes(out, &result, flavor);
    (void)fclose(out);
    return text;
}

static uint32_t check(const char *sql, const char *expected, const char *actual)
{
    if (strcmp(expected, actual) == 0) {
        return 0;
    }
    (void)fprintf(stderr, "%s\nwant:\n%sgot:\n%s\n", sql, expected, actual);
    return 1;
}

static void run_file(const char *path)
{
    static char line[1 << 16];
    static char sql[1 << 16];
    static char expected[1 << 16];
    char *actual = NULL;
    uint32_t failed = 0;
    uint32_t count = 0;
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        const bool is_command = line[0] == '#' || strncmp(line, "sql ", 4) == 0 ||
                                strcmp(line, "reset") == 0 || strncmp(line, "server ", 7) == 0;
        if (!is_command) {
            if (line[0] != '-') {
                const char *from = line + (line[0] == '+' ? 1 : 0);
                const size_t used = strlen(expected);
                assert_true(used + strlen(from) + 2 < sizeof(expected));
                memcpy(expected + used, from, strlen(from));
                memcpy(expected + used + strlen(from), "\n", 2);
            }
            continue;
        }
        if (actual != NULL) {
            failed += check(sql, expected, actual);
            free(actual);
            actual = NULL;
        }
        if (strcmp(line, "reset") == 0) {
            reset();
        } else if (line[0] == 's' && line[1] == 'q') {
            (void)snprintf(sql, sizeof(sql), "%s", line);
            expected[0] = '\0';
            actual = apply(line + 4);
            count++;
        }
    }
    assert_non_null(actual);
    failed += check(sql, expected, actual);
    free(actual);
    (void)fclose(file);
    tr_ddl_model_close(model);
    model = NULL;
    assert_true(count > 20);
    assert_int_equal(failed, 0);
}

static void model_is_debeziums_for_mysql_statements(void **state)
{
    (void)state;
    flavor = TR_FLAVOR_MYSQL;
    run_file(TR_TEST_DATA "/ddl/mysql.txt");
}

static void model_is_debeziums_for_mariadb_statements(void **state)
{
    (void)state;
    flavor = TR_FLAVOR_MARIADB;
    run_file(TR_TEST_DATA "/ddl/mariadb.txt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_is_debeziums_for_mysql_statements),
        cmocka_unit_test(model_is_debeziums_for_mariadb_statements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
