// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/app/start_history.h"
#include "engine/clock.h"
#include "tests/check.h"

#define HISTORY "debezium.source.schema.history.internal"
#define DOCUMENT "{\"ddl\":\"CREATE TABLE a (id INT)\"}"

static struct tr_config *config;
static struct tr_signals signals;
static struct tr_start start;
static struct tr_error err;
static char folder[64];
static uint32_t given_count;

static int open_fixture(void **state)
{
    (void)state;
    memset(&signals, 0, sizeof(signals));
    memset(&start, 0, sizeof(start));
    given_count = 0;
    (void)snprintf(folder, sizeof(folder), "/tmp/tailrace-start-XXXXXX");
    if (mkdtemp(folder) == NULL ||
        tr_reactor_open(&start.reactor, TR_REACTOR_AUTO, 16, 16, &err) != TR_OK ||
        tr_reactor_open(&start.service_reactor, TR_REACTOR_AUTO, 16, 16, &err) != TR_OK) {
        return -1;
    }
    start.signals = &signals;
    return 0;
}

static int close_fixture(void **state)
{
    char path[128];

    (void)state;
    tr_start_close_history(&start);
    tr_reactor_close(start.reactor);
    tr_reactor_close(start.service_reactor);
    tr_config_close(config);
    config = NULL;
    (void)snprintf(path, sizeof(path), "%s/h.dat", folder);
    (void)unlink(path);
    return rmdir(folder);
}

static void configure(const char *storage, const char *more, const char *value)
{
    char path[128];
    char *const environment[] = {NULL};
    const struct tr_config_request request = {
        .file_path = path, .environment = environment, .purpose = TR_CONFIG_FOR_NOTHING};

    (void)snprintf(path, sizeof(path), "%s/a.properties", folder);
    FILE *const file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fprintf(file, HISTORY "=%s\n" HISTORY "%s=%s\n", storage, more, value) > 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(tr_config_load(&config, &request, &err), TR_OK);
    assert_int_equal(unlink(path), 0);
    start.config = config;
}

static enum tr_code on_document(void *self, struct tr_span document, struct tr_error *error)
{
    (void)self;
    (void)error;
    assert_true(tr_span_equals(document, tr_span_of_text(DOCUMENT)));
    given_count++;
    return TR_OK;
}

static void no_history_is_none(void **state)
{
    (void)state;
    configure("", ".name", "h");
    assert_int_equal(tr_start_open_history(&start, &err), TR_OK);
    assert_null(start.history.self);
    tr_start_close_history(&start);
}

static void file_is_created_counted_and_read_again(void **state)
{
    const struct tr_span documents[2] = {tr_span_of_text(DOCUMENT), tr_span_of_text(DOCUMENT)};
    char path[128];
    uint64_t count = 9;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/h.dat", folder);
    configure("io.debezium.storage.file.history.FileSchemaHistory", ".file.filename", path);
    assert_int_equal(tr_start_open_history(&start, &err), TR_OK);
    assert_string_equal(start.history.name, "file");
    assert_int_equal(tr_start_load_history(&start, on_document, NULL, &count, &err), TR_OK);
    assert_int_equal(count, 0);
    start.history.start_append(start.history.self, documents, 2, 0);
    assert_int_equal(start.history.poll(start.history.self, 0, &err), TR_STORE_DONE);
    tr_start_close_history(&start);
    start.read_only = true;
    assert_int_equal(tr_start_open_history(&start, &err), TR_OK);
    assert_int_equal(tr_start_load_history(&start, on_document, NULL, &count, &err), TR_OK);
    assert_int_equal(count, 2);
    assert_int_equal(given_count, 2);
}

static void history_that_is_not_the_sealed_one_is_refused(void **state)
{
    const struct tr_span documents[3] = {tr_span_of_text(DOCUMENT), tr_span_of_text(DOCUMENT),
                                         tr_span_of_text(DOCUMENT)};
    char path[128];
    uint64_t count;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/h.dat", folder);
    configure("io.debezium.storage.file.history.FileSchemaHistory", ".file.filename", path);
    assert_int_equal(tr_start_open_history(&start, &err), TR_OK);
    assert_int_equal(tr_start_load_history(&start, NULL, NULL, &count, &err), TR_OK);
    start.history.start_append(start.history.self, documents, 2, 0);
    assert_int_equal(start.history.poll(start.history.self, 0, &err), TR_STORE_DONE);
    assert_int_equal(tr_start_load_history(&start, NULL, NULL, &count, &err), TR_OK);
    start.history_wanted = start.history_seal;
    assert_int_equal(start.history_wanted.document_count, 2);
    start.history.start_append(start.history.self, documents, 1, 0); /* more than wanted: fine */
    assert_int_equal(start.history.poll(start.history.self, 0, &err), TR_STORE_DONE);
    assert_int_equal(tr_start_load_history(&start, NULL, NULL, &count, &err), TR_OK);
    assert_int_equal(count, 3);
    start.history_wanted.chain++;
    assert_int_equal(tr_start_load_history(&start, NULL, NULL, &count, &err), TR_ERR_STATE);
    assert_non_null(strstr(err.text, "edited"));
    assert_non_null(strstr(err.text, path));
    start.history_wanted.document_count = 4;
    assert_int_equal(tr_start_load_history(&start, NULL, NULL, &count, &err), TR_ERR_STATE);
    assert_non_null(strstr(err.text, "= 3 documents: 4 were stored"));
    assert_non_null(strstr(err.text, path));
}

static void documents_of_other_engines_are_not_sealed(void **state)
{
    const struct tr_span other = tr_span_of_text("{\"source\":{\"server\":\"q\"}}");
    const struct tr_span mine = tr_span_of_text("{\"source\":{\"server\":\"p\"}}");
    char path[128];
    uint64_t count;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/h.dat", folder);
    configure("io.debezium.storage.file.history.FileSchemaHistory", ".file.filename", path);
    config->topic_prefix = "p";
    assert_int_equal(tr_start_open_history(&start, &err), TR_OK);
    assert_int_equal(tr_start_load_history(&start, NULL, NULL, &count, &err), TR_OK);
    start.history.start_append(start.history.self, &mine, 1, 0);
    assert_int_equal(start.history.poll(start.history.self, 0, &err), TR_STORE_DONE);
    assert_int_equal(tr_start_load_history(&start, NULL, NULL, &count, &err), TR_OK);
    start.history_wanted = start.history_seal;
    start.history.start_append(start.history.self, &other, 1, 0);
    assert_int_equal(start.history.poll(start.history.self, 0, &err), TR_STORE_DONE);
    start.history.start_append(start.history.self, &mine, 1, 0);
    assert_int_equal(start.history.poll(start.history.self, 0, &err), TR_STORE_DONE);
    assert_int_equal(tr_start_load_history(&start, NULL, NULL, &count, &err), TR_OK);
    assert_int_equal(count, 2);
    config->topic_prefix = "q"; /* the other one's view: nothing of it was sealed */
    assert_int_equal(tr_start_load_history(&start, NULL, NULL, &count, &err), TR_ERR_STATE);
}

static void memory_is_empty_at_every_start(void **state)
{
    uint64_t count = 9;

    (void)state;
    configure("io.debezium.relational.history.MemorySchemaHistory", ".name", "h");
    assert_int_equal(tr_start_open_history(&start, &err), TR_OK);
    assert_int_equal(tr_start_load_history(&start, on_document, NULL, &count, &err), TR_OK);
    assert_int_equal(count, 0);
}

static void redis_that_does_not_answer_is_named_after_the_attempts(void **state)
{
    uint64_t count;

    (void)state;
    configure("io.debezium.storage.redis.history.RedisSchemaHistory", ".redis.address",
              "127.0.0.1:1");
    start.is_command = true; /* three attempts */
    assert_int_equal(tr_start_open_history(&start, &err), TR_OK);
    assert_int_equal(tr_start_load_history(&start, on_document, NULL, &count, &err), TR_ERR_STATE);
    assert_non_null(strstr(err.text, "127.0.0.1:1"));
    assert_non_null(strstr(err.text, HISTORY ".redis.address"));
}

static void waiting_for_redis_ends_by_a_signal(void **state)
{
    uint64_t count;

    (void)state;
    configure("io.debezium.storage.redis.history.RedisSchemaHistory", ".redis.address",
              "127.0.0.1:1");
    signals.stop_asked = true;
    assert_int_equal(tr_start_open_history(&start, &err), TR_OK);
    assert_int_equal(tr_start_load_history(&start, on_document, NULL, &count, &err),
                     TR_ERR_INTERRUPTED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_history_is_none),
        TEST(file_is_created_counted_and_read_again),
        TEST(history_that_is_not_the_sealed_one_is_refused),
        TEST(documents_of_other_engines_are_not_sealed),
        TEST(memory_is_empty_at_every_start),
        TEST(redis_that_does_not_answer_is_named_after_the_attempts),
        TEST(waiting_for_redis_ends_by_a_signal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
