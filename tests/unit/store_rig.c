// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/store_rig.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct store_rig store_rig;

int64_t store_rig_monotonic_ns(void *self)
{
    (void)self;
    return tr_clock_monotonic_ns(tr_clock_system()) + store_rig.turned_ns;
}

const struct tr_clock store_rig_clock = {.monotonic_ns = store_rig_monotonic_ns};

struct tr_store_redis_options store_rig_options(void)
{
    return (struct tr_store_redis_options){
        .address = store_rig.address,
        .key = HASH,
        .offset_key = tr_span_of_text(KEY),
        .topic_prefix = tr_span_of_text("p"),
        .connect_timeout_ns = 2 * TR_NS_PER_S,
        .socket_timeout_ns = 2 * TR_NS_PER_S,
        .retry_delay_ns_min = 20 * TR_NS_PER_MS,
        .retry_delay_ns_max = 200 * TR_NS_PER_MS,
        .retry_attempts_max = 40, /* the server of the test needs a moment to start */
        .reactor = store_rig.reactor,
        .fault = &store_rig.fault,
    };
}

void store_rig_start_server(const char *const *arguments)
{
    redis_server_start(&store_rig.server, store_rig.next_port, arguments);
    (void)snprintf(store_rig.address, sizeof(store_rig.address), "127.0.0.1:%d",
                   store_rig.next_port);
}

int store_rig_open_fixture(void **state)
{
    (void)state;
    store_rig.next_port++;
    store_rig.turned_ns = 0;
    memset(&store_rig.fault, 0, sizeof(store_rig.fault));
    return tr_reactor_open(&store_rig.reactor, TR_REACTOR_AUTO, 16, 16, &store_rig.err) == TR_OK
               ? 0
               : -1;
}

int store_rig_close_fixture(void **state)
{
    (void)state;
    if (store_rig.store.self != NULL) {
        store_rig.store.close(store_rig.store.self);
        store_rig.store = (struct tr_store){0};
    }
    if (store_rig.second.self != NULL) {
        store_rig.second.close(store_rig.second.self);
        store_rig.second = (struct tr_store){0};
    }
    redis_server_kill(&store_rig.server);
    tr_reactor_close(store_rig.reactor);
    return 0;
}

void store_rig_open_store(void)
{
    const struct tr_store_redis_options given = store_rig_options();

    assert_int_equal(tr_store_redis_open(&store_rig.store, &given, &store_rig.err), TR_OK);
}

void store_rig_close_store(void)
{
    store_rig.store.close(store_rig.store.self);
    store_rig.store = (struct tr_store){0};
}

enum tr_store_state store_rig_finish(struct tr_store *of)
{
    const int64_t until_ns = store_rig_monotonic_ns(NULL) + 20 * TR_NS_PER_S;

    for (;;) {
        const int64_t now_ns = store_rig_monotonic_ns(NULL);
        const enum tr_store_state state =
            of->poll(of->self, now_ns, &store_rig.content, &store_rig.err);

        if (state != TR_STORE_PENDING || now_ns > until_ns) {
            return state;
        }
        (void)tr_reactor_poll(store_rig.reactor, now_ns, 10 * TR_NS_PER_MS);
    }
}

enum tr_store_state store_rig_load(struct tr_store *of)
{
    store_rig.content = (struct tr_store_content){0};
    of->start_load(of->self, store_rig_monotonic_ns(NULL));
    return store_rig_finish(of);
}

enum tr_store_state store_rig_save(struct tr_store *of, const char *value, const char *identity)
{
    of->start_save(of->self, tr_span_of_text(value), tr_span_of_text(identity),
                   store_rig_monotonic_ns(NULL));
    return store_rig_finish(of);
}

void store_rig_assert_saved(const char *value, const char *identity)
{
    if (store_rig_save(&store_rig.store, value, identity) != TR_STORE_DONE) {
        fail_msg("%s", store_rig.err.text);
    }
}

void store_rig_assert_loads(const char *value, const char *identity)
{
    if (store_rig_load(&store_rig.store) != TR_STORE_DONE) {
        fail_msg("%s", store_rig.err.text);
    }
    assert_true(tr_span_equals(store_rig.content.offset_value, tr_span_of_text(value)));
    assert_true(tr_span_equals(store_rig.content.identity, tr_span_of_text(identity)));
}

void store_rig_assert_fails(enum tr_store_state state, enum tr_code code, enum tr_remedy remedy,
                            const char *named)
{
    assert_int_equal(state, TR_STORE_FAILED);
    if (store_rig.err.code != code || store_rig.err.remedy != remedy ||
        strstr(store_rig.err.text, named) == NULL) {
        fail_msg("%s %d: \"%s\" does not name %s", tr_code_name(store_rig.err.code),
                 store_rig.err.remedy, store_rig.err.text, named);
    }
}

void store_rig_init(int port_min)
{
    store_rig.is_installed = redis_server_is_installed();
    store_rig.next_port = port_min + (int)(getpid() % 10) * 40;
}

void store_rig_deinit(void)
{
    if (store_rig.server.folder[0] != '\0') {
        (void)run_program((const char *const[]){"rm", "-rf", store_rig.server.folder, NULL});
    }
}
