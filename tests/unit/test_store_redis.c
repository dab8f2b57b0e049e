// SPDX-License-Identifier: Apache-2.0
/* The Redis store against a real redis-server that is killed, frozen, filled up and misused. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/store_rig.h"

static void saved_texts_are_debeziums_and_loaded_by_the_next_instance(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    store_rig_start_server(NULL);
    store_rig_open_store();
    store_rig_assert_loads("", "");
    store_rig_assert_saved(VALUE_1, IDENTITY_1);
    store_rig_assert_saved(VALUE_2, IDENTITY_2);
    assert_string_equal(CLI("HGET", HASH, KEY), VALUE_2);
    assert_string_equal(CLI("HLEN", HASH), "1"); /* nothing of ours in Debezium's hash */
    store_rig_close_store();
    assert_string_equal(CLI("EXISTS", LOCK_KEY), "0");
    store_rig_open_store();
    store_rig_assert_loads(VALUE_2, IDENTITY_2);
    store_rig_assert_saved(VALUE_3, IDENTITY_1);
}

static void offset_of_debezium_is_taken_over(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    store_rig_start_server(NULL);
    (void)CLI("HSET", HASH, KEY, VALUE_1);
    (void)CLI("HSET", HASH, "other", "x");
    store_rig_open_store();
    store_rig_assert_loads(VALUE_1, "");
    store_rig_assert_saved(VALUE_2, IDENTITY_1);
    assert_string_equal(CLI("HGET", HASH, "other"), "x");
}

static void record_says_nothing_about_an_offset_that_debezium_moved(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    store_rig_start_server(NULL);
    store_rig_open_store();
    store_rig_assert_loads("", "");
    store_rig_assert_saved(VALUE_1, IDENTITY_1);
    store_rig_close_store();
    (void)CLI("HSET", HASH, KEY, VALUE_2);
    store_rig_open_store();
    store_rig_assert_loads(VALUE_2, "");
    store_rig_assert_saved(VALUE_3, IDENTITY_2);
}

static void database_is_selected_and_password_given(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    store_rig_start_server((const char *const[]){"--requirepass", "s3cret", NULL});
    struct tr_store_redis_options given = store_rig_options();
    given.db_index = 3;
    given.password = "s3cret";
    assert_int_equal(tr_store_redis_open(&store_rig.store, &given, &store_rig.err), TR_OK);
    store_rig_assert_loads("", "");
    store_rig_assert_saved(VALUE_1, IDENTITY_1);
    store_rig_close_store();
    given.db_index = 4;
    given.user = "default";
    assert_int_equal(tr_store_redis_open(&store_rig.store, &given, &store_rig.err), TR_OK);
    store_rig_assert_loads("", ""); /* another database */
    store_rig_close_store();
    given.db_index = 99;
    assert_int_equal(tr_store_redis_open(&store_rig.store, &given, &store_rig.err), TR_OK);
    store_rig_assert_fails(store_rig_load(&store_rig.store), TR_ERR_STATE, TR_STOP, "db.index");
}

static void wrong_or_missing_password_is_named_without_showing_it(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    store_rig_start_server((const char *const[]){"--requirepass", "s3cret", NULL});
    struct tr_store_redis_options given = store_rig_options();
    given.password = "guessed";
    assert_int_equal(tr_store_redis_open(&store_rig.store, &given, &store_rig.err), TR_OK);
    store_rig_assert_fails(store_rig_load(&store_rig.store), TR_ERR_STATE, TR_STOP,
                           "offset.storage.redis.user and .password");
    assert_null(strstr(store_rig.err.text, "guessed"));
    assert_non_null(strstr(store_rig.err.text, store_rig.address));
    store_rig_close_store();
    store_rig_open_store();
    store_rig_assert_fails(store_rig_load(&store_rig.store), TR_ERR_STATE, TR_STOP,
                           "wants a password");
}

static void unreachable_server_stops_the_start_after_the_attempts(void **state)
{
    (void)state;
    (void)snprintf(store_rig.address, sizeof(store_rig.address), "127.0.0.1:1");
    struct tr_store_redis_options given = store_rig_options();
    given.retry_attempts_max = 3;
    assert_int_equal(tr_store_redis_open(&store_rig.store, &given, &store_rig.err), TR_OK);
    store_rig_assert_fails(store_rig_load(&store_rig.store), TR_ERR_STATE, TR_STOP,
                           "given up after 3 attempts");
    assert_non_null(strstr(store_rig.err.text, "127.0.0.1:1"));
    assert_non_null(strstr(store_rig.err.text, "offset.storage.redis.address"));
}

static void unreachable_server_is_asked_again_until_the_startup_wait_is_over(void **state)
{
    (void)state;
    const int64_t start_ns = tr_clock_monotonic_ns(tr_clock_system());
    (void)snprintf(store_rig.address, sizeof(store_rig.address), "127.0.0.1:1");
    struct tr_store_redis_options given = store_rig_options();
    given.retry_attempts_max = 1;
    given.retry_until_ns = start_ns + 300 * TR_NS_PER_MS;
    assert_int_equal(tr_store_redis_open(&store_rig.store, &given, &store_rig.err), TR_OK);
    store_rig_assert_fails(store_rig_load(&store_rig.store), TR_ERR_STATE, TR_STOP,
                           "given up after");
    assert_null(strstr(store_rig.err.text, "given up after 1 attempts"));
    assert_true(tr_clock_monotonic_ns(tr_clock_system()) >= given.retry_until_ns);
}

static void unknown_name_stops_the_start_after_the_attempts(void **state)
{
    (void)state;
    (void)snprintf(store_rig.address, sizeof(store_rig.address), "no-such-host.invalid:6379");
    struct tr_store_redis_options given = store_rig_options();
    given.retry_attempts_max = 1;
    assert_int_equal(tr_store_redis_open(&store_rig.store, &given, &store_rig.err), TR_OK);
    store_rig_assert_fails(store_rig_load(&store_rig.store), TR_ERR_STATE, TR_STOP,
                           "no-such-host.invalid");
}

static void malformed_address_is_refused_at_open(void **state)
{
    (void)state;
    static const char *const cases[] = {"",     ":6379", "host:", "host:port", "host:1234567",
                                        "[::1", "[::1]x"};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tr_store_redis_options given = store_rig_options();
        given.address = cases[i];
        assert_int_equal(tr_store_redis_open(&store_rig.store, &given, &store_rig.err),
                         TR_ERR_CONFIG);
    }
}

static void server_lost_later_is_a_retry_and_the_store_recovers(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    store_rig_start_server(NULL);
    store_rig_open_store();
    store_rig_assert_loads("", "");
    store_rig_assert_saved(VALUE_1, IDENTITY_1);
    redis_server_kill(&store_rig.server);
    store_rig_assert_fails(store_rig_save(&store_rig.store, VALUE_2, IDENTITY_1), TR_ERR_STATE,
                           TR_RETRY, store_rig.address);
    store_rig_assert_fails(store_rig_save(&store_rig.store, VALUE_2, IDENTITY_1), TR_ERR_STATE,
                           TR_RETRY, store_rig.address);
    store_rig_start_server(NULL); /* empty: it has forgotten lock and offset */
    enum tr_store_state state_now = TR_STORE_FAILED;
    for (int i = 0; i < 50 && state_now == TR_STORE_FAILED; i++) {
        state_now = store_rig_save(&store_rig.store, VALUE_3, IDENTITY_2);
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
    store_rig_start_server(NULL);
    struct tr_store_redis_options given = store_rig_options();
    given.socket_timeout_ns = 200 * TR_NS_PER_MS;
    assert_int_equal(tr_store_redis_open(&store_rig.store, &given, &store_rig.err), TR_OK);
    store_rig_assert_loads("", "");
    store_rig_assert_saved(VALUE_1, IDENTITY_1);
    redis_server_freeze(&store_rig.server, true);
    store_rig_assert_fails(store_rig_save(&store_rig.store, VALUE_2, IDENTITY_1), TR_ERR_STATE,
                           TR_RETRY, "no answer within");
    redis_server_freeze(&store_rig.server,
                        false); /* it runs what we sent: VALUE_2 arrives, unseen by us */
    enum tr_store_state state_now = TR_STORE_FAILED;
    for (int i = 0; i < 50 && state_now == TR_STORE_FAILED && store_rig.err.remedy == TR_RETRY;
         i++) {
        state_now = store_rig_save(&store_rig.store, VALUE_3, IDENTITY_2);
    }
    if (state_now != TR_STORE_DONE) {
        fail_msg("%s", store_rig.err.text);
    }
    assert_string_equal(CLI("HGET", HASH, KEY), VALUE_3);
}

static void key_of_another_type_is_named(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    store_rig_start_server(NULL);
    (void)CLI("SET", HASH, "text");
    store_rig_open_store();
    store_rig_assert_fails(store_rig_load(&store_rig.store), TR_ERR_STATE, TR_STOP, "not a hash");
}

static void key_that_becomes_another_type_stops_the_save(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    store_rig_start_server(NULL);
    store_rig_open_store();
    store_rig_assert_loads("", "");
    (void)CLI("SET", HASH, "text");
    store_rig_assert_fails(store_rig_save(&store_rig.store, VALUE_1, IDENTITY_1), TR_ERR_STATE,
                           TR_STOP, "not a hash");
}

static void full_memory_is_a_retry_until_there_is_room(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    store_rig_start_server(NULL);
    store_rig_open_store();
    store_rig_assert_loads("", "");
    (void)CLI("CONFIG", "SET", "maxmemory", "1");
    store_rig_assert_fails(store_rig_save(&store_rig.store, VALUE_1, IDENTITY_1), TR_ERR_STATE,
                           TR_RETRY, "maxmemory");
    (void)CLI("CONFIG", "SET", "maxmemory", "0");
    store_rig_assert_saved(VALUE_1, IDENTITY_1);
}

static void replica_is_not_written_to(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    store_rig_start_server(NULL);
    store_rig_open_store();
    store_rig_assert_loads("", "");
    (void)CLI("REPLICAOF", "127.0.0.1", "1");
    store_rig_assert_fails(store_rig_save(&store_rig.store, VALUE_1, IDENTITY_1), TR_ERR_STATE,
                           TR_RETRY, "replica");
    (void)CLI("REPLICAOF", "NO", "ONE");
    enum tr_store_state state_now = TR_STORE_FAILED;
    for (int i = 0; i < 50 && state_now == TR_STORE_FAILED && store_rig.err.remedy == TR_RETRY;
         i++) {
        state_now = store_rig_save(&store_rig.store, VALUE_1, IDENTITY_1);
    }
    assert_int_equal(state_now, TR_STORE_DONE);
}

static void cluster_is_refused_by_name(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    store_rig_start_server((const char *const[]){"--cluster-enabled", "yes", NULL});
    store_rig_open_store();
    store_rig_assert_fails(store_rig_load(&store_rig.store), TR_ERR_STATE, TR_STOP,
                           "Redis Cluster");
}

static void missing_replica_is_a_warning_or_waited_for(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    store_rig_start_server(NULL);
    struct tr_store_redis_options given = store_rig_options();
    given.wait_enabled = true;
    given.wait_timeout_ns = 10 * TR_NS_PER_MS;
    assert_int_equal(tr_store_redis_open(&store_rig.store, &given, &store_rig.err), TR_OK);
    store_rig_assert_loads("", "");
    store_rig_assert_saved(VALUE_1, IDENTITY_1);
    store_rig_close_store();
    given.wait_retry_enabled = true;
    given.wait_retry_delay_ns = 10 * TR_NS_PER_MS;
    assert_int_equal(tr_store_redis_open(&store_rig.store, &given, &store_rig.err), TR_OK);
    store_rig_assert_loads(VALUE_1, IDENTITY_1);
    store_rig.store.start_save(store_rig.store.self, tr_span_of_text(VALUE_2),
                               tr_span_of_text(IDENTITY_1), store_rig_monotonic_ns(NULL));
    for (int i = 0; i < 20; i++) {
        const int64_t now_ns = store_rig_monotonic_ns(NULL);

        assert_int_equal(
            store_rig.store.poll(store_rig.store.self, now_ns, &store_rig.content, &store_rig.err),
            TR_STORE_PENDING);
        (void)tr_reactor_poll(store_rig.reactor, now_ns, 20 * TR_NS_PER_MS);
    }
    assert_string_equal(CLI("HGET", HASH, KEY), VALUE_2); /* written, but not on a replica */
}

static void entry_changed_by_another_program_stops_the_save(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    store_rig_start_server(NULL);
    store_rig_open_store();
    store_rig_assert_loads("", "");
    store_rig_assert_saved(VALUE_1, IDENTITY_1);
    (void)CLI("HSET", HASH, KEY, VALUE_3);
    store_rig_assert_fails(store_rig_save(&store_rig.store, VALUE_2, IDENTITY_1), TR_ERR_STATE,
                           TR_STOP, "changed by another program");
    assert_string_equal(CLI("HGET", HASH, KEY), VALUE_3);
}

/* A certificate for localhost that signs itself. */
static void make_certificate(char *cert_path, char *key_path, size_t room_bytes)
{
    (void)snprintf(cert_path, room_bytes, "/tmp/tailrace-redis-cert-%d.pem", store_rig.next_port);
    (void)snprintf(key_path, room_bytes, "/tmp/tailrace-redis-key-%d.pem", store_rig.next_port);
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
    (void)snprintf(tls_port, sizeof(tls_port), "%d", store_rig.next_port + 1000);
    store_rig_start_server((const char *const[]){
        "--tls-port", tls_port, "--tls-cert-file", cert_path, "--tls-key-file", key_path,
        "--tls-ca-cert-file", cert_path, "--tls-auth-clients", "no", NULL});
    struct tr_store_redis_options given = store_rig_options();
    char tls_address[64];
    (void)snprintf(tls_address, sizeof(tls_address), "localhost:%s", tls_port);
    given.address = tls_address;
    given.tls = true;
    given.tls_ca_path = cert_path;
    assert_int_equal(tr_store_redis_open(&store_rig.store, &given, &store_rig.err), TR_OK);
    store_rig_assert_loads("", "");
    store_rig_assert_saved(VALUE_1, IDENTITY_1);
    store_rig_close_store();
    /* An unknown authority, then a name that the certificate does not have. */
    given.tls_ca_path = NULL;
    assert_int_equal(tr_store_redis_open(&store_rig.store, &given, &store_rig.err), TR_OK);
    store_rig_assert_fails(store_rig_load(&store_rig.store), TR_ERR_STATE, TR_STOP,
                           "certificate is refused");
    store_rig_close_store();
    given.tls_no_verify = true;
    assert_int_equal(tr_store_redis_open(&store_rig.store, &given, &store_rig.err), TR_OK);
    store_rig_assert_loads(VALUE_1, IDENTITY_1);
    store_rig_close_store();
    given.tls_no_verify = false;
    given.tls_ca_path = cert_path;
    (void)snprintf(tls_address, sizeof(tls_address), "127.0.0.1:%s", tls_port);
    assert_int_equal(tr_store_redis_open(&store_rig.store, &given, &store_rig.err), TR_OK);
    store_rig_assert_fails(store_rig_load(&store_rig.store), TR_ERR_STATE, TR_STOP,
                           "certificate is refused");
    store_rig_close_store();
    given.tls_no_hostname_verify = true;
    assert_int_equal(tr_store_redis_open(&store_rig.store, &given, &store_rig.err), TR_OK);
    store_rig_assert_loads(VALUE_1, IDENTITY_1);
    store_rig_close_store();
    given.tls_ca_path = "/nonexistent.pem";
    assert_int_equal(tr_store_redis_open(&store_rig.store, &given, &store_rig.err), TR_ERR_CONFIG);
    assert_non_null(strstr(store_rig.err.text, "/nonexistent.pem"));
    (void)unlink(cert_path);
    (void)unlink(key_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_RIG_CASE(saved_texts_are_debeziums_and_loaded_by_the_next_instance),
        STORE_RIG_CASE(offset_of_debezium_is_taken_over),
        STORE_RIG_CASE(record_says_nothing_about_an_offset_that_debezium_moved),
        STORE_RIG_CASE(database_is_selected_and_password_given),
        STORE_RIG_CASE(wrong_or_missing_password_is_named_without_showing_it),
        STORE_RIG_CASE(unreachable_server_stops_the_start_after_the_attempts),
        STORE_RIG_CASE(unreachable_server_is_asked_again_until_the_startup_wait_is_over),
        STORE_RIG_CASE(unknown_name_stops_the_start_after_the_attempts),
        STORE_RIG_CASE(malformed_address_is_refused_at_open),
        STORE_RIG_CASE(server_lost_later_is_a_retry_and_the_store_recovers),
        STORE_RIG_CASE(
            server_that_does_not_answer_is_a_timeout_and_its_late_write_is_no_foreign_one),
        STORE_RIG_CASE(key_of_another_type_is_named),
        STORE_RIG_CASE(key_that_becomes_another_type_stops_the_save),
        STORE_RIG_CASE(full_memory_is_a_retry_until_there_is_room),
        STORE_RIG_CASE(replica_is_not_written_to),
        STORE_RIG_CASE(cluster_is_refused_by_name),
        STORE_RIG_CASE(missing_replica_is_a_warning_or_waited_for),
        STORE_RIG_CASE(entry_changed_by_another_program_stops_the_save),
        STORE_RIG_CASE(tls_is_verified_by_authority_and_name),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    store_rig_init(21000);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    store_rig_deinit();
    return failed;
}
