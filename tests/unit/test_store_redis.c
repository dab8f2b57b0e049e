// SPDX-License-Identifier: Apache-2.0
/* The Redis store against a real redis-server that is killed, frozen, filled up and misused. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/reactor.h"
#include "offsets/redis_link.h"
#include "offsets/store_redis.h"
#include "offsets/store_wait.h"
#include "tests/check.h"
#include "tests/unit/redis_server.h"

#define KEY "[\"kinesis\",{\"server\":\"p\"}]"
#define HASH "metadata:debezium:offsets"
#define LOCK_KEY HASH ":tailrace:lock:p"
#define VALUE_1 "{\"file\":\"b.1\",\"pos\":4}"
#define VALUE_2 "{\"file\":\"b.1\",\"pos\":5}"
#define VALUE_3 "{\"file\":\"b.1\",\"pos\":6}"
#define IDENTITY_1 "{\"server\":\"one\"}"
#define IDENTITY_2 "{\"server\":\"two\"}"

/* The system's clock, and how far the test has turned it. */
static int64_t turned_ns;

static int64_t test_monotonic_ns(void *self)
{
    (void)self;
    return tr_clock_monotonic_ns(tr_clock_system()) + turned_ns;
}

static const struct tr_clock test_clock = {.monotonic_ns = test_monotonic_ns};

static struct redis_server server;
static struct tr_reactor *reactor;
static struct tr_store store;
static struct tr_store second;
static struct tr_store_content content;
static struct tr_fault fault;
static struct tr_error err;
static char address[64];
static bool is_installed;
static int next_port;

static struct tr_store_redis_options options(void)
{
    return (struct tr_store_redis_options){
        .address = address,
        .key = HASH,
        .offset_key = tr_span_of_text(KEY),
        .topic_prefix = tr_span_of_text("p"),
        .connect_timeout_ns = 2 * TR_NS_PER_S,
        .socket_timeout_ns = 2 * TR_NS_PER_S,
        .retry_delay_ns_min = 20 * TR_NS_PER_MS,
        .retry_delay_ns_max = 200 * TR_NS_PER_MS,
        .retry_attempts_max = 40, /* the server of the test needs a moment to start */
        .reactor = reactor,
        .fault = &fault,
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
    turned_ns = 0;
    memset(&fault, 0, sizeof(fault));
    return tr_reactor_open(&reactor, TR_REACTOR_AUTO, 16, 16, &err) == TR_OK ? 0 : -1;
}

static int close_fixture(void **state)
{
    (void)state;
    if (store.self != NULL) {
        store.close(store.self);
        store = (struct tr_store){0};
    }
    if (second.self != NULL) {
        second.close(second.self);
        second = (struct tr_store){0};
    }
    redis_server_kill(&server);
    tr_reactor_close(reactor);
    return 0;
}

static void open_store(void)
{
    const struct tr_store_redis_options given = options();

    assert_int_equal(tr_store_redis_open(&store, &given, &err), TR_OK);
}

static void close_store(void)
{
    store.close(store.self);
    store = (struct tr_store){0};
}

static enum tr_store_state finish(struct tr_store *of)
{
    const int64_t until_ns = test_monotonic_ns(NULL) + 20 * TR_NS_PER_S;

    for (;;) {
        const int64_t now_ns = test_monotonic_ns(NULL);
        const enum tr_store_state state = of->poll(of->self, now_ns, &content, &err);

        if (state != TR_STORE_PENDING || now_ns > until_ns) {
            return state;
        }
        (void)tr_reactor_poll(reactor, now_ns, 10 * TR_NS_PER_MS);
    }
}

static enum tr_store_state load(struct tr_store *of)
{
    content = (struct tr_store_content){0};
    of->start_load(of->self, test_monotonic_ns(NULL));
    return finish(of);
}

static enum tr_store_state save(struct tr_store *of, const char *value, const char *identity)
{
    of->start_save(of->self, tr_span_of_text(value), tr_span_of_text(identity),
                   test_monotonic_ns(NULL));
    return finish(of);
}

static void assert_saved(const char *value, const char *identity)
{
    if (save(&store, value, identity) != TR_STORE_DONE) {
        fail_msg("%s", err.text);
    }
}

static void assert_loads(const char *value, const char *identity)
{
    if (load(&store) != TR_STORE_DONE) {
        fail_msg("%s", err.text);
    }
    assert_true(tr_span_equals(content.offset_value, tr_span_of_text(value)));
    assert_true(tr_span_equals(content.identity, tr_span_of_text(identity)));
}

static void assert_fails(enum tr_store_state state, enum tr_code code, enum tr_remedy remedy,
                         const char *named)
{
    assert_int_equal(state, TR_STORE_FAILED);
    if (err.code != code || err.remedy != remedy || strstr(err.text, named) == NULL) {
        fail_msg("%s %d: \"%s\" does not name %s", tr_code_name(err.code), err.remedy, err.text,
                 named);
    }
}

/* One command of a second client; the answer's text or number in `answer`. */
static void on_change_ignored(void *self)
{
    (void)self;
}

static const char *redis_cli(const char *const *words)
{
    static char answer[512];
    char port[8];
    const struct tr_redis_link_options link_options = {
        .host = "127.0.0.1", .port = port, .reactor = reactor, .on_change = on_change_ignored};
    struct tr_redis_link *link;
    struct tr_redis_reply reply = {0};
    struct tr_span spans[16];
    uint32_t count = 0;

    (void)snprintf(port, sizeof(port), "%d", server.port);
    for (; words[count] != NULL; count++) {
        spans[count] = tr_span_of_text(words[count]);
    }
    assert_int_equal(tr_redis_link_open(&link, &link_options, &err), TR_OK);
    for (int i = 0; i < 500 && tr_redis_link_state(link) != TR_REDIS_READY; i++) {
        if (tr_redis_link_state(link) == TR_REDIS_DOWN) {
            /* Nothing of the link is watched now: this lets the server have a moment to start. */
            (void)tr_reactor_poll(reactor, test_monotonic_ns(NULL), 10 * TR_NS_PER_MS);
            tr_redis_link_connect(link);
        }
        (void)tr_reactor_poll(reactor, test_monotonic_ns(NULL), 20 * TR_NS_PER_MS);
    }
    assert_int_equal(tr_redis_link_state(link), TR_REDIS_READY);
    assert_int_equal(tr_redis_link_command(link, spans, count, &err), TR_OK);
    bool answered = false;
    for (int i = 0; i < 100 && !answered; i++) {
        (void)tr_reactor_poll(reactor, test_monotonic_ns(NULL), 20 * TR_NS_PER_MS);
        answered = tr_redis_link_take_reply(link, &reply);
    }
    assert_true(answered);
    if (reply.kind == TR_REDIS_INTEGER) {
        (void)snprintf(answer, sizeof(answer), "%lld", (long long)reply.integer);
    } else {
        (void)snprintf(answer, sizeof(answer), "%.*s", (int)reply.text.bytes,
                       reply.text.bytes == 0 ? "" : (const char *)reply.text.data);
    }
    tr_redis_link_close(link);
    return answer;
}

#define CLI(...) redis_cli((const char *const[]){__VA_ARGS__, NULL})
#define SKIP_WITHOUT_SERVER()                                                                      \
    if (!is_installed) {                                                                           \
        skip();                                                                                    \
    }

static void saved_texts_are_debeziums_and_loaded_by_the_next_instance(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    open_store();
    assert_loads("", "");
    assert_saved(VALUE_1, IDENTITY_1);
    assert_saved(VALUE_2, IDENTITY_2);
    assert_string_equal(CLI("HGET", HASH, KEY), VALUE_2);
    assert_string_equal(CLI("HLEN", HASH), "1"); /* nothing of ours in Debezium's hash */
    close_store();
    assert_string_equal(CLI("EXISTS", LOCK_KEY), "0");
    open_store();
    assert_loads(VALUE_2, IDENTITY_2);
    assert_saved(VALUE_3, IDENTITY_1);
}

static void offset_of_debezium_is_taken_over(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    (void)CLI("HSET", HASH, KEY, VALUE_1);
    (void)CLI("HSET", HASH, "other", "x");
    open_store();
    assert_loads(VALUE_1, "");
    assert_saved(VALUE_2, IDENTITY_1);
    assert_string_equal(CLI("HGET", HASH, "other"), "x");
}

static void record_says_nothing_about_an_offset_that_debezium_moved(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    open_store();
    assert_loads("", "");
    assert_saved(VALUE_1, IDENTITY_1);
    close_store();
    (void)CLI("HSET", HASH, KEY, VALUE_2);
    open_store();
    assert_loads(VALUE_2, "");
    assert_saved(VALUE_3, IDENTITY_2);
}

static void database_is_selected_and_password_given(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server((const char *const[]){"--requirepass", "s3cret", NULL});
    struct tr_store_redis_options given = options();
    given.db_index = 3;
    given.password = "s3cret";
    assert_int_equal(tr_store_redis_open(&store, &given, &err), TR_OK);
    assert_loads("", "");
    assert_saved(VALUE_1, IDENTITY_1);
    close_store();
    given.db_index = 4;
    given.user = "default";
    assert_int_equal(tr_store_redis_open(&store, &given, &err), TR_OK);
    assert_loads("", ""); /* another database */
    close_store();
    given.db_index = 99;
    assert_int_equal(tr_store_redis_open(&store, &given, &err), TR_OK);
    assert_fails(load(&store), TR_ERR_STATE, TR_STOP, "db.index");
}

static void wrong_or_missing_password_is_named_without_showing_it(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server((const char *const[]){"--requirepass", "s3cret", NULL});
    struct tr_store_redis_options given = options();
    given.password = "guessed";
    assert_int_equal(tr_store_redis_open(&store, &given, &err), TR_OK);
    assert_fails(load(&store), TR_ERR_STATE, TR_STOP, "offset.storage.redis.user and .password");
    assert_null(strstr(err.text, "guessed"));
    assert_non_null(strstr(err.text, address));
    close_store();
    open_store();
    assert_fails(load(&store), TR_ERR_STATE, TR_STOP, "wants a password");
}

static void unreachable_server_stops_the_start_after_the_attempts(void **state)
{
    (void)state;
    (void)snprintf(address, sizeof(address), "127.0.0.1:1");
    struct tr_store_redis_options given = options();
    given.retry_attempts_max = 3;
    assert_int_equal(tr_store_redis_open(&store, &given, &err), TR_OK);
    assert_fails(load(&store), TR_ERR_STATE, TR_STOP, "given up after 3 attempts");
    assert_non_null(strstr(err.text, "127.0.0.1:1"));
    assert_non_null(strstr(err.text, "offset.storage.redis.address"));
}

static void unreachable_server_is_asked_again_until_the_startup_wait_is_over(void **state)
{
    (void)state;
    const int64_t start_ns = tr_clock_monotonic_ns(tr_clock_system());
    (void)snprintf(address, sizeof(address), "127.0.0.1:1");
    struct tr_store_redis_options given = options();
    given.retry_attempts_max = 1;
    given.retry_until_ns = start_ns + 300 * TR_NS_PER_MS;
    assert_int_equal(tr_store_redis_open(&store, &given, &err), TR_OK);
    assert_fails(load(&store), TR_ERR_STATE, TR_STOP, "given up after");
    assert_null(strstr(err.text, "given up after 1 attempts"));
    assert_true(tr_clock_monotonic_ns(tr_clock_system()) >= given.retry_until_ns);
}

static void unknown_name_stops_the_start_after_the_attempts(void **state)
{
    (void)state;
    (void)snprintf(address, sizeof(address), "no-such-host.invalid:6379");
    struct tr_store_redis_options given = options();
    given.retry_attempts_max = 1;
    assert_int_equal(tr_store_redis_open(&store, &given, &err), TR_OK);
    assert_fails(load(&store), TR_ERR_STATE, TR_STOP, "no-such-host.invalid");
}

static void malformed_address_is_refused_at_open(void **state)
{
    (void)state;
    static const char *const cases[] = {"",     ":6379", "host:", "host:port", "host:1234567",
                                        "[::1", "[::1]x"};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tr_store_redis_options given = options();
        given.address = cases[i];
        assert_int_equal(tr_store_redis_open(&store, &given, &err), TR_ERR_CONFIG);
    }
}

static void server_lost_later_is_a_retry_and_the_store_recovers(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    open_store();
    assert_loads("", "");
    assert_saved(VALUE_1, IDENTITY_1);
    redis_server_kill(&server);
    assert_fails(save(&store, VALUE_2, IDENTITY_1), TR_ERR_STATE, TR_RETRY, address);
    assert_fails(save(&store, VALUE_2, IDENTITY_1), TR_ERR_STATE, TR_RETRY, address);
    start_server(NULL); /* empty: it has forgotten lock and offset */
    enum tr_store_state state_now = TR_STORE_FAILED;
    for (int i = 0; i < 50 && state_now == TR_STORE_FAILED; i++) {
        state_now = save(&store, VALUE_3, IDENTITY_2);
    }
    assert_int_equal(state_now, TR_STORE_DONE);
    assert_string_equal(CLI("HGET", HASH, KEY), VALUE_3);
    assert_string_equal(CLI("EXISTS", LOCK_KEY), "1");
}

static void
server_that_does_not_answer_is_a_timeout_and_its_late_write_is_no_foreign_one(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    struct tr_store_redis_options given = options();
    given.socket_timeout_ns = 200 * TR_NS_PER_MS;
    assert_int_equal(tr_store_redis_open(&store, &given, &err), TR_OK);
    assert_loads("", "");
    assert_saved(VALUE_1, IDENTITY_1);
    redis_server_freeze(&server, true);
    assert_fails(save(&store, VALUE_2, IDENTITY_1), TR_ERR_STATE, TR_RETRY, "no answer within");
    redis_server_freeze(&server, false); /* it runs what we sent: VALUE_2 arrives, unseen by us */
    enum tr_store_state state_now = TR_STORE_FAILED;
    for (int i = 0; i < 50 && state_now == TR_STORE_FAILED && err.remedy == TR_RETRY; i++) {
        state_now = save(&store, VALUE_3, IDENTITY_2);
    }
    if (state_now != TR_STORE_DONE) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(CLI("HGET", HASH, KEY), VALUE_3);
}

static void key_of_another_type_is_named(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    (void)CLI("SET", HASH, "text");
    open_store();
    assert_fails(load(&store), TR_ERR_STATE, TR_STOP, "not a hash");
}

static void key_that_becomes_another_type_stops_the_save(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    open_store();
    assert_loads("", "");
    (void)CLI("SET", HASH, "text");
    assert_fails(save(&store, VALUE_1, IDENTITY_1), TR_ERR_STATE, TR_STOP, "not a hash");
}

static void full_memory_is_a_retry_until_there_is_room(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    open_store();
    assert_loads("", "");
    (void)CLI("CONFIG", "SET", "maxmemory", "1");
    assert_fails(save(&store, VALUE_1, IDENTITY_1), TR_ERR_STATE, TR_RETRY, "maxmemory");
    (void)CLI("CONFIG", "SET", "maxmemory", "0");
    assert_saved(VALUE_1, IDENTITY_1);
}

static void replica_is_not_written_to(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    open_store();
    assert_loads("", "");
    (void)CLI("REPLICAOF", "127.0.0.1", "1");
    assert_fails(save(&store, VALUE_1, IDENTITY_1), TR_ERR_STATE, TR_RETRY, "replica");
    (void)CLI("REPLICAOF", "NO", "ONE");
    enum tr_store_state state_now = TR_STORE_FAILED;
    for (int i = 0; i < 50 && state_now == TR_STORE_FAILED && err.remedy == TR_RETRY; i++) {
        state_now = save(&store, VALUE_1, IDENTITY_1);
    }
    assert_int_equal(state_now, TR_STORE_DONE);
}

static void cluster_is_refused_by_name(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server((const char *const[]){"--cluster-enabled", "yes", NULL});
    open_store();
    assert_fails(load(&store), TR_ERR_STATE, TR_STOP, "Redis Cluster");
}

static void missing_replica_is_a_warning_or_waited_for(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    struct tr_store_redis_options given = options();
    given.wait_enabled = true;
    given.wait_timeout_ns = 10 * TR_NS_PER_MS;
    assert_int_equal(tr_store_redis_open(&store, &given, &err), TR_OK);
    assert_loads("", "");
    assert_saved(VALUE_1, IDENTITY_1);
    close_store();
    given.wait_retry_enabled = true;
    given.wait_retry_delay_ns = 10 * TR_NS_PER_MS;
    assert_int_equal(tr_store_redis_open(&store, &given, &err), TR_OK);
    assert_loads(VALUE_1, IDENTITY_1);
    store.start_save(store.self, tr_span_of_text(VALUE_2), tr_span_of_text(IDENTITY_1),
                     test_monotonic_ns(NULL));
    for (int i = 0; i < 20; i++) {
        const int64_t now_ns = test_monotonic_ns(NULL);

        assert_int_equal(store.poll(store.self, now_ns, &content, &err), TR_STORE_PENDING);
        (void)tr_reactor_poll(reactor, now_ns, 20 * TR_NS_PER_MS);
    }
    assert_string_equal(CLI("HGET", HASH, KEY), VALUE_2); /* written, but not on a replica */
}

static void entry_changed_by_another_program_stops_the_save(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    open_store();
    assert_loads("", "");
    assert_saved(VALUE_1, IDENTITY_1);
    (void)CLI("HSET", HASH, KEY, VALUE_3);
    assert_fails(save(&store, VALUE_2, IDENTITY_1), TR_ERR_STATE, TR_STOP,
                 "changed by another program");
    assert_string_equal(CLI("HGET", HASH, KEY), VALUE_3);
}

static void second_instance_waits_one_lock_time_and_is_refused(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    const struct tr_store_redis_options given = (start_server(NULL), options());
    open_store();
    assert_loads("", "");
    assert_int_equal(tr_store_redis_open(&second, &given, &err), TR_OK);
    second.start_load(second.self, test_monotonic_ns(NULL));
    for (int i = 0; i < 10; i++) {
        const int64_t now_ns = test_monotonic_ns(NULL);

        assert_int_equal(second.poll(second.self, now_ns, &content, &err), TR_STORE_PENDING);
        (void)tr_reactor_poll(reactor, now_ns, 10 * TR_NS_PER_MS);
    }
    turned_ns += 32 * TR_NS_PER_S;
    assert_fails(finish(&second), TR_ERR_LOCKED, TR_STOP, LOCK_KEY);
    char pid[32];
    (void)snprintf(pid, sizeof(pid), ":%ld", (long)getpid());
    assert_non_null(strstr(err.text, pid));
    assert_non_null(strstr(err.text, "DEL"));
    assert_saved(VALUE_1, IDENTITY_1); /* the first one goes on */
}

static void other_prefixes_share_the_hash(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    struct tr_store_redis_options given = options();
    open_store();
    assert_loads("", "");
    given.topic_prefix = tr_span_of_text("q");
    given.offset_key = tr_span_of_text("[\"kinesis\",{\"server\":\"q\"}]");
    assert_int_equal(tr_store_redis_open(&second, &given, &err), TR_OK);
    assert_int_equal(load(&second), TR_STORE_DONE);
    assert_int_equal(save(&second, VALUE_2, IDENTITY_2), TR_STORE_DONE);
    assert_saved(VALUE_1, IDENTITY_1);
    assert_string_equal(CLI("HLEN", HASH), "2");
}

static void lock_of_a_dead_predecessor_is_taken_when_it_expires(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    (void)CLI("SET", LOCK_KEY, "0000 gone:1", "PX", "300");
    open_store();
    store.start_load(store.self, test_monotonic_ns(NULL));
    assert_int_equal(finish(&store), TR_STORE_DONE);
}

static void lock_is_renewed_while_idle_and_taken_again_when_lost(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    open_store();
    assert_loads("", "");
    (void)CLI("PEXPIRE", LOCK_KEY, "5000");
    turned_ns += 11 * TR_NS_PER_S;
    for (int i = 0; i < 20; i++) {
        (void)tr_reactor_poll(reactor, test_monotonic_ns(NULL), 10 * TR_NS_PER_MS);
    }
    assert_true(strtol(CLI("PTTL", LOCK_KEY), NULL, 10) > 20000);
    (void)CLI("DEL", LOCK_KEY);
    assert_saved(VALUE_1, IDENTITY_1); /* found gone, taken again */
    assert_string_equal(CLI("EXISTS", LOCK_KEY), "1");
}

static void lock_lost_to_another_instance_raises_the_fault(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    open_store();
    assert_loads("", "");
    (void)CLI("SET", LOCK_KEY, "1111 thief:2");
    turned_ns += 11 * TR_NS_PER_S;
    for (int i = 0; i < 50 && tr_fault_seen(&fault) == NULL; i++) {
        (void)tr_reactor_poll(reactor, test_monotonic_ns(NULL), 10 * TR_NS_PER_MS);
    }
    assert_non_null(tr_fault_seen(&fault));
    assert_int_equal(tr_fault_seen(&fault)->code, TR_ERR_LOCKED);
    assert_non_null(strstr(tr_fault_seen(&fault)->text, "thief:2"));
    assert_fails(save(&store, VALUE_1, IDENTITY_1), TR_ERR_LOCKED, TR_STOP, "thief:2");
    close_store();
    assert_string_equal(CLI("GET", LOCK_KEY), "1111 thief:2"); /* not ours to give back */
}

static void reader_needs_no_lock_and_shows_what_is_stored(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    struct tr_store_redis_options given = options();
    char text[512] = "";
    open_store();
    assert_loads("", "");
    assert_saved(VALUE_1, IDENTITY_1);
    given.read_only = true;
    assert_int_equal(tr_store_redis_open(&second, &given, &err), TR_OK);
    FILE *out = fmemopen(text, sizeof(text), "w");
    const struct tr_store_wait wait = {.store = &second, .reactor = reactor, .clock = &test_clock};
    assert_non_null(out);
    assert_int_equal(tr_offsets_show(&wait, tr_span_of_text(KEY), out, &err), TR_OK);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "key " KEY "\nvalue " VALUE_1 "\ntailrace " IDENTITY_1 "\n");
}

static enum tr_store_state look_at(struct tr_store *of)
{
    content = (struct tr_store_content){0};
    of->start_look(of->self, test_monotonic_ns(NULL));
    return finish(of);
}

static void look_names_the_holder_and_leaves_no_trace(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    struct tr_store_redis_options given = options();
    given.read_only = true;
    assert_int_equal(tr_store_redis_open(&second, &given, &err), TR_OK);
    assert_int_equal(look_at(&second), TR_STORE_DONE);
    assert_int_equal(content.holder.bytes, 0);
    assert_string_equal(CLI("DBSIZE"), "0");
    open_store();
    assert_loads("", "");
    assert_saved(VALUE_1, IDENTITY_1);
    assert_string_equal(CLI("DBSIZE"), "3");
    assert_int_equal(look_at(&second), TR_STORE_DONE);
    char pid[32];
    (void)snprintf(pid, sizeof(pid), ":%ld", (long)getpid());
    assert_true(content.holder.bytes > strlen(pid));
    assert_memory_equal(content.holder.data + content.holder.bytes - strlen(pid), pid, strlen(pid));
    assert_string_equal(CLI("DBSIZE"), "3");
    assert_loads(VALUE_1, IDENTITY_1);
}

static void look_tells_what_keeps_a_save_from_being_made(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    const char *const replica[] = {"--replicaof", "127.0.0.1 1", NULL};
    start_server(replica);
    struct tr_store_redis_options given = options();
    given.read_only = true;
    assert_int_equal(tr_store_redis_open(&second, &given, &err), TR_OK);
    assert_int_equal(load(&second), TR_STORE_DONE);
    assert_int_equal(look_at(&second), TR_STORE_FAILED);
    assert_int_equal(err.code, TR_ERR_STATE);
    assert_non_null(strstr(err.text, "address of the master"));
}

static void held_lock_is_refused_at_once_when_somebody_waits(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    struct tr_store_redis_options given = options();
    open_store();
    assert_loads("", "");
    given.no_lock_wait = true;
    assert_int_equal(tr_store_redis_open(&second, &given, &err), TR_OK);
    assert_fails(load(&second), TR_ERR_LOCKED, TR_STOP, LOCK_KEY);
}

static void wait_loads_and_saves_and_ends_by_a_signal(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    start_server(NULL);
    _Atomic int interrupted = 0;
    const struct tr_store_wait wait = {
        .store = &store, .reactor = reactor, .clock = &test_clock, .interrupted = &interrupted};
    open_store();
    assert_int_equal(tr_store_load_wait(&wait, &content, &err), TR_OK);
    assert_int_equal(
        tr_store_save_wait(&wait, tr_span_of_text(VALUE_1), tr_span_of_text(IDENTITY_1), &err),
        TR_OK);
    redis_server_freeze(&server, true);
    atomic_store(&interrupted, 1);
    assert_int_equal(
        tr_store_save_wait(&wait, tr_span_of_text(VALUE_2), tr_span_of_text(IDENTITY_1), &err),
        TR_ERR_INTERRUPTED);
    redis_server_freeze(&server, false);
}

/* A certificate for localhost that signs itself. */
static void make_certificate(char *cert_path, char *key_path, size_t room_bytes)
{
    (void)snprintf(cert_path, room_bytes, "/tmp/tailrace-redis-cert-%d.pem", next_port);
    (void)snprintf(key_path, room_bytes, "/tmp/tailrace-redis-key-%d.pem", next_port);
    assert_true(run_program((const char *const[]){
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
        "-nodes", "-keyout", key_path, "-out", cert_path, "-days", "2", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost", NULL}));
}

static void tls_is_verified_by_authority_and_name(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    char cert_path[128];
    char key_path[128];
    char tls_port[16];

    make_certificate(cert_path, key_path, sizeof(cert_path));
    (void)snprintf(tls_port, sizeof(tls_port), "%d", next_port + 400);
    start_server((const char *const[]){"--tls-port", tls_port, "--tls-cert-file", cert_path,
                                       "--tls-key-file", key_path, "--tls-ca-cert-file", cert_path,
                                       "--tls-auth-clients", "no", NULL});
    struct tr_store_redis_options given = options();
    char tls_address[64];
    (void)snprintf(tls_address, sizeof(tls_address), "localhost:%s", tls_port);
    given.address = tls_address;
    given.tls = true;
    given.tls_ca_path = cert_path;
    assert_int_equal(tr_store_redis_open(&store, &given, &err), TR_OK);
    assert_loads("", "");
    assert_saved(VALUE_1, IDENTITY_1);
    close_store();
    /* An unknown authority, then a name that the certificate does not have. */
    given.tls_ca_path = NULL;
    assert_int_equal(tr_store_redis_open(&store, &given, &err), TR_OK);
    assert_fails(load(&store), TR_ERR_STATE, TR_STOP, "certificate is refused");
    close_store();
    given.tls_no_verify = true;
    assert_int_equal(tr_store_redis_open(&store, &given, &err), TR_OK);
    assert_loads(VALUE_1, IDENTITY_1);
    close_store();
    given.tls_no_verify = false;
    given.tls_ca_path = cert_path;
    (void)snprintf(tls_address, sizeof(tls_address), "127.0.0.1:%s", tls_port);
    assert_int_equal(tr_store_redis_open(&store, &given, &err), TR_OK);
    assert_fails(load(&store), TR_ERR_STATE, TR_STOP, "certificate is refused");
    close_store();
    given.tls_no_hostname_verify = true;
    assert_int_equal(tr_store_redis_open(&store, &given, &err), TR_OK);
    assert_loads(VALUE_1, IDENTITY_1);
    close_store();
    given.tls_ca_path = "/nonexistent.pem";
    assert_int_equal(tr_store_redis_open(&store, &given, &err), TR_ERR_CONFIG);
    assert_non_null(strstr(err.text, "/nonexistent.pem"));
    (void)unlink(cert_path);
    (void)unlink(key_path);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        CASE(saved_texts_are_debeziums_and_loaded_by_the_next_instance),
        CASE(offset_of_debezium_is_taken_over),
        CASE(record_says_nothing_about_an_offset_that_debezium_moved),
        CASE(database_is_selected_and_password_given),
        CASE(wrong_or_missing_password_is_named_without_showing_it),
        CASE(unreachable_server_stops_the_start_after_the_attempts),
        CASE(unreachable_server_is_asked_again_until_the_startup_wait_is_over),
        CASE(unknown_name_stops_the_start_after_the_attempts),
        CASE(malformed_address_is_refused_at_open),
        CASE(server_lost_later_is_a_retry_and_the_store_recovers),
        CASE(server_that_does_not_answer_is_a_timeout_and_its_late_write_is_no_foreign_one),
        CASE(key_of_another_type_is_named),
        CASE(key_that_becomes_another_type_stops_the_save),
        CASE(full_memory_is_a_retry_until_there_is_room),
        CASE(replica_is_not_written_to),
        CASE(cluster_is_refused_by_name),
        CASE(missing_replica_is_a_warning_or_waited_for),
        CASE(entry_changed_by_another_program_stops_the_save),
        CASE(second_instance_waits_one_lock_time_and_is_refused),
        CASE(other_prefixes_share_the_hash),
        CASE(lock_of_a_dead_predecessor_is_taken_when_it_expires),
        CASE(lock_is_renewed_while_idle_and_taken_again_when_lost),
        CASE(lock_lost_to_another_instance_raises_the_fault),
        CASE(reader_needs_no_lock_and_shows_what_is_stored),
        CASE(look_names_the_holder_and_leaves_no_trace),
        CASE(look_tells_what_keeps_a_save_from_being_made),
        CASE(held_lock_is_refused_at_once_when_somebody_waits),
        CASE(wait_loads_and_saves_and_ends_by_a_signal),
        CASE(tls_is_verified_by_authority_and_name),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    is_installed = redis_server_is_installed();
    next_port = 21000 + (int)(getpid() % 10) * 40; /* runs beside another build's */
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (server.folder[0] != '\0') {
        (void)run_program((const char *const[]){"rm", "-rf", server.folder, NULL});
    }
    return failed;
}
