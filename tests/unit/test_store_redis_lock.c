// SPDX-License-Identifier: Apache-2.0
/* One instance on a Redis store: its lock, who may look beside it, and who waits for it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "offsets/store_wait.h"
#include "tests/unit/store_rig.h"

static void second_instance_waits_one_lock_time_and_is_refused(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    const struct tr_store_redis_options given = (store_rig_start_server(NULL), store_rig_options());
    store_rig_open_store();
    store_rig_assert_loads("", "");
    assert_int_equal(tr_store_redis_open(&store_rig.second, &given, &store_rig.err), TR_OK);
    store_rig.second.start_load(store_rig.second.self, store_rig_monotonic_ns(NULL));
    for (int i = 0; i < 10; i++) {
        const int64_t now_ns = store_rig_monotonic_ns(NULL);

        assert_int_equal(store_rig.second.poll(store_rig.second.self, now_ns, &store_rig.content,
                                               &store_rig.err),
                         TR_STORE_PENDING);
        (void)tr_reactor_poll(store_rig.reactor, now_ns, 10 * TR_NS_PER_MS);
    }
    store_rig.turned_ns += 32 * TR_NS_PER_S;
    store_rig_assert_fails(store_rig_finish(&store_rig.second), TR_ERR_LOCKED, TR_STOP, LOCK_KEY);
    char pid[32];
    (void)snprintf(pid, sizeof(pid), ":%ld", (long)getpid());
    assert_non_null(strstr(store_rig.err.text, pid));
    assert_non_null(strstr(store_rig.err.text, "DEL"));
    store_rig_assert_saved(VALUE_1, IDENTITY_1); /* the first one goes on */
}

static void other_prefixes_share_the_hash(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    store_rig_start_server(NULL);
    struct tr_store_redis_options given = store_rig_options();
    store_rig_open_store();
    store_rig_assert_loads("", "");
    given.topic_prefix = tr_span_of_text("q");
    given.offset_key = tr_span_of_text("[\"kinesis\",{\"server\":\"q\"}]");
    assert_int_equal(tr_store_redis_open(&store_rig.second, &given, &store_rig.err), TR_OK);
    assert_int_equal(store_rig_load(&store_rig.second), TR_STORE_DONE);
    assert_int_equal(store_rig_save(&store_rig.second, VALUE_2, IDENTITY_2), TR_STORE_DONE);
    store_rig_assert_saved(VALUE_1, IDENTITY_1);
    assert_string_equal(CLI("HLEN", HASH), "2");
}

static void lock_of_a_dead_predecessor_is_taken_when_it_expires(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    store_rig_start_server(NULL);
    (void)CLI("SET", LOCK_KEY, "0000 gone:1", "PX", "300");
    store_rig_open_store();
    store_rig.store.start_load(store_rig.store.self, store_rig_monotonic_ns(NULL));
    assert_int_equal(store_rig_finish(&store_rig.store), TR_STORE_DONE);
}

static void lock_is_renewed_while_idle_and_taken_again_when_lost(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    store_rig_start_server(NULL);
    store_rig_open_store();
    store_rig_assert_loads("", "");
    (void)CLI("PEXPIRE", LOCK_KEY, "5000");
    store_rig.turned_ns += 11 * TR_NS_PER_S;
    for (int i = 0; i < 20; i++) {
        (void)tr_reactor_poll(store_rig.reactor, store_rig_monotonic_ns(NULL), 10 * TR_NS_PER_MS);
    }
    assert_true(strtol(CLI("PTTL", LOCK_KEY), NULL, 10) > 20000);
    (void)CLI("DEL", LOCK_KEY);
    store_rig_assert_saved(VALUE_1, IDENTITY_1); /* found gone, taken again */
    assert_string_equal(CLI("EXISTS", LOCK_KEY), "1");
}

static void lock_lost_to_another_instance_raises_the_fault(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    store_rig_start_server(NULL);
    store_rig_open_store();
    store_rig_assert_loads("", "");
    (void)CLI("SET", LOCK_KEY, "1111 thief:2");
    store_rig.turned_ns += 11 * TR_NS_PER_S;
    for (int i = 0; i < 50 && tr_fault_seen(&store_rig.fault) == NULL; i++) {
        (void)tr_reactor_poll(store_rig.reactor, store_rig_monotonic_ns(NULL), 10 * TR_NS_PER_MS);
    }
    assert_non_null(tr_fault_seen(&store_rig.fault));
    assert_int_equal(tr_fault_seen(&store_rig.fault)->code, TR_ERR_LOCKED);
    assert_non_null(strstr(tr_fault_seen(&store_rig.fault)->text, "thief:2"));
    store_rig_assert_fails(store_rig_save(&store_rig.store, VALUE_1, IDENTITY_1), TR_ERR_LOCKED,
                           TR_STOP, "thief:2");
    store_rig_close_store();
    assert_string_equal(CLI("GET", LOCK_KEY), "1111 thief:2"); /* not ours to give back */
}

static void reader_needs_no_lock_and_shows_what_is_stored(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    store_rig_start_server(NULL);
    struct tr_store_redis_options given = store_rig_options();
    char text[512] = "";
    store_rig_open_store();
    store_rig_assert_loads("", "");
    store_rig_assert_saved(VALUE_1, IDENTITY_1);
    given.read_only = true;
    assert_int_equal(tr_store_redis_open(&store_rig.second, &given, &store_rig.err), TR_OK);
    FILE *out = fmemopen(text, sizeof(text), "w");
    const struct tr_store_wait wait = {
        .store = &store_rig.second, .reactor = store_rig.reactor, .clock = &store_rig_clock};
    assert_non_null(out);
    assert_int_equal(tr_offsets_show(&wait, tr_span_of_text(KEY), out, &store_rig.err), TR_OK);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "key " KEY "\nvalue " VALUE_1 "\ntailrace " IDENTITY_1 "\n");
}

static enum tr_store_state look_at(struct tr_store *of)
{
    store_rig.content = (struct tr_store_content){0};
    of->start_look(of->self, store_rig_monotonic_ns(NULL));
    return store_rig_finish(of);
}

static void look_names_the_holder_and_leaves_no_trace(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    store_rig_start_server(NULL);
    struct tr_store_redis_options given = store_rig_options();
    given.read_only = true;
    assert_int_equal(tr_store_redis_open(&store_rig.second, &given, &store_rig.err), TR_OK);
    assert_int_equal(look_at(&store_rig.second), TR_STORE_DONE);
    assert_int_equal(store_rig.content.holder.bytes, 0);
    assert_string_equal(CLI("DBSIZE"), "0");
    store_rig_open_store();
    store_rig_assert_loads("", "");
    store_rig_assert_saved(VALUE_1, IDENTITY_1);
    assert_string_equal(CLI("DBSIZE"), "3");
    assert_int_equal(look_at(&store_rig.second), TR_STORE_DONE);
    char pid[32];
    (void)snprintf(pid, sizeof(pid), ":%ld", (long)getpid());
    assert_true(store_rig.content.holder.bytes > strlen(pid));
    assert_memory_equal(store_rig.content.holder.data + store_rig.content.holder.bytes -
                            strlen(pid),
                        pid, strlen(pid));
    assert_string_equal(CLI("DBSIZE"), "3");
    store_rig_assert_loads(VALUE_1, IDENTITY_1);
}

static void look_tells_what_keeps_a_save_from_being_made(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    const char *const replica[] = {"--replicaof", "127.0.0.1 1", NULL};
    store_rig_start_server(replica);
    struct tr_store_redis_options given = store_rig_options();
    given.read_only = true;
    assert_int_equal(tr_store_redis_open(&store_rig.second, &given, &store_rig.err), TR_OK);
    assert_int_equal(store_rig_load(&store_rig.second), TR_STORE_DONE);
    assert_int_equal(look_at(&store_rig.second), TR_STORE_FAILED);
    assert_int_equal(store_rig.err.code, TR_ERR_STATE);
    assert_non_null(strstr(store_rig.err.text, "address of the master"));
}

static void held_lock_is_refused_at_once_when_somebody_waits(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    store_rig_start_server(NULL);
    struct tr_store_redis_options given = store_rig_options();
    store_rig_open_store();
    store_rig_assert_loads("", "");
    given.no_lock_wait = true;
    assert_int_equal(tr_store_redis_open(&store_rig.second, &given, &store_rig.err), TR_OK);
    store_rig_assert_fails(store_rig_load(&store_rig.second), TR_ERR_LOCKED, TR_STOP, LOCK_KEY);
}

static void wait_loads_and_saves_and_ends_by_a_signal(void **state)
{
    (void)state;
    SKIP_WITHOUT_SERVER();
    store_rig_start_server(NULL);
    _Atomic int interrupted = 0;
    const struct tr_store_wait wait = {.store = &store_rig.store,
                                       .reactor = store_rig.reactor,
                                       .clock = &store_rig_clock,
                                       .interrupted = &interrupted};
    store_rig_open_store();
    assert_int_equal(tr_store_load_wait(&wait, &store_rig.content, &store_rig.err), TR_OK);
    assert_int_equal(tr_store_save_wait(&wait, tr_span_of_text(VALUE_1),
                                        tr_span_of_text(IDENTITY_1), &store_rig.err),
                     TR_OK);
    redis_server_freeze(&store_rig.server, true);
    atomic_store(&interrupted, 1);
    assert_int_equal(tr_store_save_wait(&wait, tr_span_of_text(VALUE_2),
                                        tr_span_of_text(IDENTITY_1), &store_rig.err),
                     TR_ERR_INTERRUPTED);
    redis_server_freeze(&store_rig.server, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_RIG_CASE(second_instance_waits_one_lock_time_and_is_refused),
        STORE_RIG_CASE(other_prefixes_share_the_hash),
        STORE_RIG_CASE(lock_of_a_dead_predecessor_is_taken_when_it_expires),
        STORE_RIG_CASE(lock_is_renewed_while_idle_and_taken_again_when_lost),
        STORE_RIG_CASE(lock_lost_to_another_instance_raises_the_fault),
        STORE_RIG_CASE(reader_needs_no_lock_and_shows_what_is_stored),
        STORE_RIG_CASE(look_names_the_holder_and_leaves_no_trace),
        STORE_RIG_CASE(look_tells_what_keeps_a_save_from_being_made),
        STORE_RIG_CASE(held_lock_is_refused_at_once_when_somebody_waits),
        STORE_RIG_CASE(wait_loads_and_saves_and_ends_by_a_signal),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    store_rig_init(23400);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    store_rig_deinit();
    return failed;
}
