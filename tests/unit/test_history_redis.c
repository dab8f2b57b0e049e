// SPDX-License-Identifier: Apache-2.0
/* The schema history in a real redis-server that is killed, frozen, filled up and misused. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/reactor.h"
#include "offsets/history_redis.h"
#include "tests/check.h"
#include "tests/unit/redis_server.h"

#define KEY "metadata:debezium:schema_history"
#define A "{\"ddl\":\"CREATE TABLE a (id INT)\"}"
#define B "{\"ddl\":\"DROP TABLE a\"}"
#define C "{\"ddl\":\"TRUNCATE b\"}"
#define DOCUMENTS_MAX 2000

static struct redis_server server;
static struct tr_reactor *reactor;
static struct tr_history_store store;
static struct tr_error err;
static char address[64];
static bool is_installed;
static int next_port;

/* What loads gave. */
static char *loaded[DOCUMENTS_MAX]; /* owns */
static uint32_t loaded_count;
static uint32_t freeze_at; /* the server stops answering when that document is given; UINT32_MAX */

static struct tr_store_redis_options options(void)
{
    return (struct tr_store_redis_options){
        .address = address,
        .key = KEY,
        .connect_timeout_ns = 2 * TR_NS_PER_S,
        .socket_timeout_ns = 2 * TR_NS_PER_S,
        .retry_delay_ns_min = 20 * TR_NS_PER_MS,
        .retry_delay_ns_max = 200 * TR_NS_PER_MS,
        .retry_attempts_max = 40, /* the server of the test needs a moment to start */
        .reactor = reactor,
    };
}

static void start_server(const char *const *arguments)
{
    redis_server_start(&server, next_port, arguments);
    (void)snprintf(address, sizeof(address), "127.0.0.1:%d", next_port);
}

static int open_fixture(void **state)
{
    (void)state;
    next_port++;
    freeze_at = UINT32_MAX;
    return tr_reactor_open(&reactor, TR_REACTOR_AUTO, 16, 16, &err) == TR_OK ? 0 : -1;
}

static void forget_loaded(void)
{
    for (uint32_t i = 0; i < loaded_count; i++) {
        free(loaded[i]);
    }
    loaded_count = 0;
}

static void close_store(void)
{
    if (store.self != NULL) {
        store.close(store.self);
        store = (struct tr_history_store){0};
    }
}

static int close_fixture(void **state)
{
    (void)state;
    close_store();
    forget_loaded();
    redis_server_kill(&server);
    tr_reactor_close(reactor);
    return 0;
}

static void open_store_with(const struct tr_store_redis_options *given)
{
    assert_int_equal(tr_history_redis_open(&store, given, &err), TR_OK);
}

static void open_store(void)
{
    const struct tr_store_redis_options given = options();

    open_store_with(&given);
}

static enum tr_store_state finish(void)
{
    const int64_t until_ns = tr_clock_monotonic_ns(tr_clock_system()) + 20 * TR_NS_PER_S;

    for (;;) {
        const int64_t now_ns = tr_clock_monotonic_ns(tr_clock_system());
        const enum tr_store_state state = store.poll(store.self, now_ns, &err);

        if (state != TR_STORE_PENDING || now_ns > until_ns) {
            return state;
        }
        (void)tr_reactor_poll(reactor, now_ns, 10 * TR_NS_PER_MS);
    }
}

static enum tr_code on_document(void *self, struct tr_span document, struct tr_error *error)
{
    (void)self;
    assert_true(loaded_count < DOCUMENTS_MAX);
    loaded[loaded_count++] = strndup((const char *)document.data, document.bytes);
    if (loaded_count == freeze_at) {
        redis_server_freeze(&server, true);
    }
    return document.bytes == 5 && memcmp(document.data, "wrong", 5) == 0
               ? TR_FAIL(error, TR_ERR_STATE, TR_STOP, "no position")
               : TR_OK;
}

/* Goes on where a load was broken off, as far as the test is concerned. */
static enum tr_store_state load(void)
{
    store.start_load(store.self, on_document, NULL, tr_clock_monotonic_ns(tr_clock_system()));
    return finish();
}

static void assert_loads(const char *const *documents)
{
    forget_loaded();
    if (load() != TR_STORE_DONE) {
        fail_msg("%s", err.text);
    }
    for (uint32_t i = 0; i < loaded_count; i++) {
        assert_non_null(documents[i]);
        assert_string_equal(loaded[i], documents[i]);
    }
    assert_null(documents[loaded_count]);
}

static enum tr_store_state append(const char *const *documents)
{
    struct tr_span spans[TR_HISTORY_BATCH_MAX];
    uint32_t count = 0;

    for (; documents[count] != NULL; count++) {
        spans[count] = tr_span_of_text(documents[count]);
    }
    store.start_append(store.self, spans, count, tr_clock_monotonic_ns(tr_clock_system()));
    return finish();
}

static void assert_appends(const char *const *documents)
{
    if (append(documents) != TR_STORE_DONE) {
        fail_msg("%s", err.text);
    }
}

/* Again and again, as the historian does. */
static void assert_appends_in_the_end(const char *const *documents)
{
    enum tr_store_state state = TR_STORE_FAILED;

    for (int i = 0; i < 50 && state == TR_STORE_FAILED && err.remedy != TR_STOP; i++) {
        state = append(documents);
    }
    if (state != TR_STORE_DONE) {
        fail_msg("%s", err.text);
    }
}

static void assert_fails(enum tr_store_state state, enum tr_remedy remedy, const char *named)
{
    assert_int_equal(state, TR_STORE_FAILED);
    if (err.code != TR_ERR_STATE || (remedy == TR_STOP) != (err.remedy == TR_STOP) ||
        strstr(err.text, named) == NULL || strstr(err.text, address) == NULL) {
        fail_msg("%s %d: \"%s\" does not name %s", tr_code_name(err.code), err.remedy, err.text,
                 named);
    }
}

#define LIST(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})
#define CLI(...) redis_server_ask(&server, LIST(__VA_ARGS__))
#define SKIP_WITHOUT_SERVER()                                                                      \
    if (!is_installed) {                                                                           \
        skip();                                                                                    \
    }

static void documents_are_debeziums_entries_and_come_back_in_order(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    open_store();
    assert_loads(LIST());
    assert_string_equal(CLI("EXISTS", KEY), "0"); /* a look leaves nothing */
    assert_appends(LIST(A, B));
    assert_appends(LIST(C));
    assert_string_equal(CLI("XLEN", KEY), "3");
    assert_string_equal(
        CLI("EVAL",
            "local e=redis.call('XRANGE',KEYS[1],'-','+')[1] return #e[2]..e[2][1]..e[2][2]", "1",
            KEY),
        "2schema" A);
    close_store();
    open_store();
    assert_loads(LIST(A, B, C));
    assert_appends(LIST(A));
    assert_loads(LIST(A, B, C, A));
}

static void stream_of_debezium_is_continued(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    (void)CLI("XADD", KEY, "*", "schema", A);
    (void)CLI("XADD", KEY, "*", "more", "x", "schema", B);
    open_store();
    assert_loads(LIST(A, B));
    assert_appends(LIST(C));
    assert_loads(LIST(A, B, C));
}

static void last_id_of_all_is_continued(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    (void)CLI("XADD", KEY, "5-18446744073709551615", "schema", A);
    open_store();
    assert_loads(LIST(A));
    assert_appends(LIST(B));
    assert_loads(LIST(A, B));
}

static void fill(int count, size_t bytes)
{
    char count_text[16];
    char bytes_text[16];

    (void)snprintf(count_text, sizeof(count_text), "%d", count);
    (void)snprintf(bytes_text, sizeof(bytes_text), "%zu", bytes);
    (void)CLI("EVAL",
              "for i=1,tonumber(ARGV[1]) do redis.call('XADD',KEYS[1],'*','schema',"
              "'{\"n\":'..i..',\"x\":\"'..string.rep('x',tonumber(ARGV[2]))..'\"}') end return 1",
              "1", KEY, count_text, bytes_text);
}

static void assert_loaded_are(uint32_t count)
{
    assert_int_equal(loaded_count, count);
    for (uint32_t i = 0; i < count; i++) {
        char wanted[32];
        const int bytes = snprintf(wanted, sizeof(wanted), "{\"n\":%u,", i + 1);

        assert_memory_equal(loaded[i], wanted, (size_t)bytes);
    }
}

static void long_streams_are_read_in_pages(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    fill(1713, 10);
    open_store();
    assert_int_equal(load(), TR_STORE_DONE);
    assert_loaded_are(1713);
}

static void long_documents_are_read_in_smaller_pages(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    fill(300, 100 * 1000);
    open_store();
    assert_int_equal(load(), TR_STORE_DONE);
    assert_loaded_are(300);
}

static void load_that_is_broken_off_goes_on_behind_what_was_given(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    struct tr_store_redis_options given = (start_server(NULL), options());
    fill(700, 10);
    given.socket_timeout_ns = 200 * TR_NS_PER_MS;
    open_store_with(&given);
    freeze_at = 100;
    assert_fails(load(), TR_RETRY, "no answer within");
    redis_server_freeze(&server, false);
    assert_true(loaded_count < 700);
    assert_int_equal(load(), TR_STORE_DONE);
    assert_loaded_are(700);
    forget_loaded();
    freeze_at = UINT32_MAX;
    assert_int_equal(load(), TR_STORE_DONE); /* a new one begins at the beginning */
    assert_loaded_are(700);
}

static void large_batches_are_added_in_order(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    open_store();
    assert_loads(LIST());
    struct tr_span spans[TR_HISTORY_BATCH_MAX];
    static char texts[TR_HISTORY_BATCH_MAX][30 * 1000];
    for (uint32_t i = 0; i < TR_HISTORY_BATCH_MAX; i++) {
        const int bytes = snprintf(texts[i], sizeof(texts[i]), "{\"n\":%u,\"x\":\"%0*d\"}", i + 1,
                                   i < 100 ? 10 : 29000, 0);

        spans[i] = tr_span_of(texts[i], (size_t)bytes);
    }
    store.start_append(store.self, spans, TR_HISTORY_BATCH_MAX,
                       tr_clock_monotonic_ns(tr_clock_system()));
    assert_int_equal(finish(), TR_STORE_DONE);
    assert_int_equal(load(), TR_STORE_DONE);
    assert_loaded_are(TR_HISTORY_BATCH_MAX);
}

static void append_whose_answer_is_lost_is_not_repeated(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    struct tr_store_redis_options given = (start_server(NULL), options());
    given.socket_timeout_ns = 200 * TR_NS_PER_MS;
    open_store_with(&given);
    assert_loads(LIST());
    assert_appends(LIST(A));
    redis_server_freeze(&server, true);
    assert_fails(append(LIST(B, C)), TR_RETRY, "no answer within");
    assert_fails(append(LIST(B, C)), TR_RETRY, "no");
    redis_server_freeze(&server, false); /* it runs what it was sent, once or twice */
    assert_appends_in_the_end(LIST(B, C));
    assert_loads(LIST(A, B, C));
    assert_appends(LIST(A));
    assert_loads(LIST(A, B, C, A));
}

static void append_that_never_arrived_is_repeated(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    open_store();
    assert_loads(LIST());
    redis_server_kill(&server);
    assert_fails(append(LIST(A, B)), TR_RETRY, "");
    start_server(NULL); /* empty, as the history was */
    assert_appends_in_the_end(LIST(A, B));
    assert_loads(LIST(A, B));
}

#define OTHER "{\"source\":{\"server\":\"q\"},\"ddl\":\"\"}"

static void entries_of_other_engines_are_passed(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    struct tr_store_redis_options given = (start_server(NULL), options());
    given.topic_prefix = tr_span_of_text("p");
    given.socket_timeout_ns = 200 * TR_NS_PER_MS;
    open_store_with(&given);
    assert_loads(LIST());
    (void)CLI("XADD", KEY, "*", "schema", OTHER); /* before our first */
    assert_appends(LIST(A));
    for (int i = 0; i < 5; i++) { /* more than one page of the comparison */
        (void)CLI("XADD", KEY, "*", "schema", OTHER);
    }
    assert_appends(LIST(B));
    assert_loads(LIST(OTHER, A, OTHER, OTHER, OTHER, OTHER, OTHER, B));
    (void)CLI("XADD", KEY, "*", "schema", OTHER);
    redis_server_freeze(&server, true);
    assert_fails(append(LIST(C, A)), TR_RETRY, "no answer within");
    redis_server_freeze(&server, false);
    (void)CLI("XADD", KEY, "*", "schema", OTHER);
    assert_appends_in_the_end(LIST(C, A));
    (void)CLI("XADD", KEY, "*", "schema", "{\"source\":{\"server\":\"p\"}}");
    assert_fails(append(LIST(B)), TR_STOP, "another program");
}

static void history_that_became_another_engines_stops_the_store(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    struct tr_store_redis_options given = (start_server(NULL), options());
    given.topic_prefix = tr_span_of_text("p");
    open_store_with(&given);
    assert_loads(LIST());
    assert_appends(LIST(A));
    (void)CLI("DEL", KEY);
    (void)CLI("XADD", KEY, "9999999999999-0", "schema", OTHER);
    assert_fails(append(LIST(B)), TR_STOP, "as we left it");
    assert_string_equal(CLI("XLEN", KEY), "1");
}

static void foreign_entry_stops_the_store(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    open_store();
    assert_loads(LIST());
    assert_appends(LIST(A));
    (void)CLI("XADD", KEY, "*", "schema", B);
    assert_fails(append(LIST(C)), TR_STOP, "another program");
    assert_non_null(strstr(err.text, KEY));
    assert_string_equal(CLI("XLEN", KEY), "2");
}

static void foreign_entry_behind_a_lost_answer_stops_the_store(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    struct tr_store_redis_options given = (start_server(NULL), options());
    given.socket_timeout_ns = 200 * TR_NS_PER_MS;
    open_store_with(&given);
    assert_loads(LIST());
    redis_server_freeze(&server, true);
    assert_fails(append(LIST(A)), TR_RETRY, "no answer within");
    redis_server_freeze(&server, false);
    while (strcmp(CLI("XLEN", KEY), "1") != 0) {
    }
    (void)CLI("XADD", KEY, "*", "schema", B);
    assert_fails(append(LIST(A)), TR_STOP, "another program");
    assert_string_equal(CLI("XLEN", KEY), "2");
}

static void history_that_was_deleted_stops_the_store(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    open_store();
    assert_loads(LIST());
    assert_appends(LIST(A));
    (void)CLI("DEL", KEY);
    assert_fails(append(LIST(B)), TR_STOP, "as we left it");
    assert_string_equal(CLI("EXISTS", KEY), "0");
}

static void history_that_the_server_forgot_stops_the_store(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    open_store();
    assert_loads(LIST());
    assert_appends(LIST(A));
    redis_server_kill(&server);
    start_server(NULL);
    enum tr_store_state state_now = TR_STORE_FAILED;
    err.remedy = TR_RETRY;
    for (int i = 0; i < 50 && state_now == TR_STORE_FAILED && err.remedy != TR_STOP; i++) {
        state_now = append(LIST(B));
    }
    assert_fails(state_now, TR_STOP, "as we left it");
}

static void full_memory_is_a_retry_until_there_is_room(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    open_store();
    assert_loads(LIST());
    (void)CLI("CONFIG", "SET", "maxmemory", "1");
    assert_fails(append(LIST(A)), TR_RETRY, "maxmemory");
    (void)CLI("CONFIG", "SET", "maxmemory", "0");
    assert_appends(LIST(A));
    assert_loads(LIST(A));
}

static void replica_is_not_written_to(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    open_store();
    assert_loads(LIST());
    (void)CLI("REPLICAOF", "127.0.0.1", "1");
    assert_fails(append(LIST(A)), TR_RETRY, "replica");
    (void)CLI("REPLICAOF", "NO", "ONE");
    assert_appends_in_the_end(LIST(A));
    assert_loads(LIST(A));
}

static void missing_replica_is_a_warning_or_waited_for(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    struct tr_store_redis_options given = (start_server(NULL), options());
    given.wait_enabled = true;
    given.wait_timeout_ns = 10 * TR_NS_PER_MS;
    open_store_with(&given);
    assert_loads(LIST());
    assert_appends(LIST(A));
    close_store();
    given.wait_retry_enabled = true;
    given.wait_retry_delay_ns = 10 * TR_NS_PER_MS;
    open_store_with(&given);
    assert_loads(LIST(A));
    const struct tr_span document = tr_span_of_text(B);
    store.start_append(store.self, &document, 1, tr_clock_monotonic_ns(tr_clock_system()));
    for (int i = 0; i < 20; i++) {
        const int64_t now_ns = tr_clock_monotonic_ns(tr_clock_system());

        assert_int_equal(store.poll(store.self, now_ns, &err), TR_STORE_PENDING);
        (void)tr_reactor_poll(reactor, now_ns, 20 * TR_NS_PER_MS);
    }
    assert_string_equal(CLI("XLEN", KEY), "2"); /* written, but not on a replica */
}

static void database_password_and_key_are_used(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(LIST("--requirepass", "s3cret"));
    struct tr_store_redis_options given = options();
    given.db_index = 3;
    given.password = "s3cret";
    given.key = "other";
    open_store_with(&given);
    assert_loads(LIST());
    assert_appends(LIST(A));
    close_store();
    given.db_index = 4;
    open_store_with(&given);
    assert_loads(LIST());
    close_store();
    given.password = "guessed";
    open_store_with(&given);
    assert_fails(load(), TR_STOP, "schema.history.internal.redis.user and .password");
    assert_null(strstr(err.text, "guessed"));
}

static void what_is_no_history_is_named(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    (void)CLI("SET", KEY, "text");
    open_store();
    assert_fails(load(), TR_STOP, "not a stream");
    assert_non_null(strstr(err.text, "schema.history.internal.redis.key"));
    close_store();
    (void)CLI("DEL", KEY);
    (void)CLI("XADD", KEY, "1-1", "schema", A);
    (void)CLI("XADD", KEY, "2-7", "record", A);
    open_store();
    assert_fails(load(), TR_STOP, "entry 2-7 has no field \"schema\"");
    (void)CLI("XDEL", KEY, "2-7");
    (void)CLI("XADD", KEY, "3-1", "schema", "wrong");
    forget_loaded();
    assert_fails(load(), TR_STOP, "entry 3-1: no position");
    assert_int_equal(loaded_count, 2); /* from the beginning again */
}

static void unreachable_server_stops_the_start_after_the_attempts(void **state)
{
    (void)state;
    (void)snprintf(address, sizeof(address), "127.0.0.1:1");
    struct tr_store_redis_options given = options();
    given.retry_attempts_max = 3;
    open_store_with(&given);
    assert_fails(load(), TR_STOP, "given up after 3 attempts");
    assert_non_null(strstr(err.text, "schema.history.internal.redis.address"));
}

static void malformed_address_is_refused_at_open(void **state)
{
    (void)state;
    struct tr_store_redis_options given = options();
    given.address = "host:port";
    assert_int_equal(tr_history_redis_open(&store, &given, &err), TR_ERR_CONFIG);
    assert_non_null(strstr(err.text, "schema.history.internal.redis.address"));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        CASE(documents_are_debeziums_entries_and_come_back_in_order),
        CASE(stream_of_debezium_is_continued),
        CASE(last_id_of_all_is_continued),
        CASE(long_streams_are_read_in_pages),
        CASE(long_documents_are_read_in_smaller_pages),
        CASE(load_that_is_broken_off_goes_on_behind_what_was_given),
        CASE(large_batches_are_added_in_order),
        CASE(append_whose_answer_is_lost_is_not_repeated),
        CASE(append_that_never_arrived_is_repeated),
        CASE(entries_of_other_engines_are_passed),
        CASE(history_that_became_another_engines_stops_the_store),
        CASE(foreign_entry_stops_the_store),
        CASE(foreign_entry_behind_a_lost_answer_stops_the_store),
        CASE(history_that_was_deleted_stops_the_store),
        CASE(history_that_the_server_forgot_stops_the_store),
        CASE(full_memory_is_a_retry_until_there_is_room),
        CASE(replica_is_not_written_to),
        CASE(missing_replica_is_a_warning_or_waited_for),
        CASE(database_password_and_key_are_used),
        CASE(what_is_no_history_is_named),
        CASE(unreachable_server_stops_the_start_after_the_attempts),
        CASE(malformed_address_is_refused_at_open),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    is_installed = redis_server_is_installed();
    next_port = 21500 + (int)(getpid() % 10) * 40; /* runs beside another build's */
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (server.folder[0] != '\0') {
        (void)run_program((const char *const[]){"rm", "-rf", server.folder, NULL});
    }
    return failed;
}
