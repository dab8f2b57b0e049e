// SPDX-License-Identifier: Apache-2.0
/*
 * A redis-server, a store (or two) on it and a clock that the test turns: what the tests of the Redis store share.
 */
#ifndef TR_TESTS_STORE_RIG_H
#define TR_TESTS_STORE_RIG_H

#include "engine/clock.h"
#include "engine/reactor.h"
#include "offsets/store_redis.h"
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

struct store_rig {
    struct redis_server server;
    struct tr_reactor *reactor;
    struct tr_store store;
    struct tr_store second;          /* another instance's */
    struct tr_store_content content; /* of the last load or look */
    struct tr_fault fault;
    struct tr_error err;
    int64_t turned_ns; /* how far the test has turned the clock */
    char address[64];
    bool is_installed;
    int next_port; /* the server's: each test has its own */
};

extern struct store_rig store_rig;
/* The system's clock, turned. */
extern const struct tr_clock store_rig_clock;

#define CLI(...) redis_server_ask(&store_rig.server, (const char *const[]){__VA_ARGS__, NULL})
#define SKIP_WITHOUT_SERVER()                                                                      \
    if (!store_rig.is_installed) {                                                                 \
        skip();                                                                                    \
    }
#define STORE_RIG_CASE(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, store_rig_open_fixture, store_rig_close_fixture)

/* Looks for the program, and begins at a port that runs beside another build's. */
void store_rig_init(int port_min);
/* Removes the servers' folder. */
void store_rig_deinit(void);
/* Before and after each test. */
int store_rig_open_fixture(void **state);
int store_rig_close_fixture(void **state);

/* Of a store on the rig's server, in a hurry. */
struct tr_store_redis_options store_rig_options(void);
/* With further arguments; NULL: none. */
void store_rig_start_server(const char *const *arguments);
void store_rig_open_store(void);
void store_rig_close_store(void);

int64_t store_rig_monotonic_ns(void *self);
/* Polls until the started operation has ended. */
enum tr_store_state store_rig_finish(struct tr_store *of);
enum tr_store_state store_rig_load(struct tr_store *of);
enum tr_store_state store_rig_save(struct tr_store *of, const char *value, const char *identity);
/* The same with the rig's store; a failure fails the test. */
void store_rig_assert_saved(const char *value, const char *identity);
void store_rig_assert_loads(const char *value, const char *identity);
/* The last error is this one, and names that. */
void store_rig_assert_fails(enum tr_store_state state, enum tr_code code, enum tr_remedy remedy,
                            const char *named);

#endif
