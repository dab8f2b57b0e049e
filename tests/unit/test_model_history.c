// SPDX-License-Identifier: Apache-2.0
/* The historian on the simulated history, over many seeds: with kills, nothing is lost, nothing is
 * out of order, and only what a killed instance had stored comes twice. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/clock.h"
#include "offsets/historian.h"
#include "tests/check.h"
#include "tests/sim/model_history.h"

#define SEEDS 300
#define UNITS 400

struct world {
    struct tr_ring entries;
    _Atomic uint64_t sequenced_seq;
    _Atomic uint64_t history_seq;
    struct tr_fault fault;
    struct tr_historian historian;
    struct tr_model_history history;
    struct tr_random random;
    struct tr_error err;
    int64_t now_ns;
    uint64_t next_unit;
    uint64_t safe_unit; /* newest history_seq seen: what a restart begins behind */
};

static struct world *w;
static uint32_t kill_count;
static uint32_t repeat_count;
static uint32_t broken_load_count;

static bool has_document(uint64_t unit)
{
    return unit % 5 == 2;
}

static uint32_t loaded_count;

static enum tr_code on_document(void *self, struct tr_span document, struct tr_error *err)
{
    (void)self;
    (void)err;
    assert_true(document.bytes > 0);
    loaded_count++;
    return TR_OK;
}

static void start_instance(void)
{
    struct tr_history_store *store = &w->history.port;
    enum tr_store_state state = TR_STORE_FAILED;

    loaded_count = 0;
    while (state != TR_STORE_DONE) {
        store->start_load(store->self, on_document, NULL, w->now_ns);
        w->now_ns = store->next_deadline_ns(store->self);
        state = store->poll(store->self, w->now_ns, &w->err);
        broken_load_count += state == TR_STORE_FAILED;
    }
    assert_int_equal(loaded_count, w->history.document_count);
    assert_int_equal(
        tr_ring_init(&w->entries, TR_HISTORY_RING_SLOTS, sizeof(struct tr_history_entry), &w->err),
        TR_OK);
    atomic_store_explicit(&w->sequenced_seq, w->safe_unit, memory_order_release);
    atomic_store_explicit(&w->history_seq, w->safe_unit, memory_order_release);
    w->next_unit = w->safe_unit + 1;
    tr_historian_init(&w->historian,
                      &(struct tr_historian_options){.store = store,
                                                     .entries = &w->entries,
                                                     .sequenced_seq = &w->sequenced_seq,
                                                     .history_seq = &w->history_seq,
                                                     .fault = &w->fault});
}

static void end_instance(void)
{
    tr_historian_deinit(&w->historian);
    tr_ring_deinit(&w->entries);
}

static void sequence_one(void)
{
    const uint64_t unit = w->next_unit++;

    if (has_document(unit)) {
        struct tr_history_entry *entry = tr_ring_claim_one(&w->entries);
        char text[32];

        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)unit);
        *entry =
            (struct tr_history_entry){.seq = unit, .text = strdup(text), .bytes = strlen(text)};
        tr_ring_publish(&w->entries, 1);
    }
    atomic_store_explicit(&w->sequenced_seq, unit, memory_order_release);
}

/* Every document of units up to `seq` is stored, in order; a restart may repeat some. */
static void check_stored(uint64_t seq)
{
    const char *at = (const char *)w->history.text.bytes;
    const char *const end = at + w->history.text.used;
    uint64_t newest = 0;

    while (at < end) {
        char *rest;
        const uint64_t unit = strtoull(at, &rest, 10);

        at = rest + 1;
        assert_true(has_document(unit));
        if (unit <= newest) {
            repeat_count++; /* of a killed instance: a contiguous replay */
            newest = unit;
            continue;
        }
        assert_int_equal(unit, newest == 0 ? 2 : newest + 5);
        newest = unit;
    }
    assert_true(newest + 5 > seq || newest >= seq);
}

static void run_seed(uint64_t seed)
{
    w->random = (struct tr_random){seed};
    tr_model_history_init(&w->history, seed, (uint32_t)(seed % 4) * 100);
    w->now_ns = 1000 * TR_NS_PER_S;
    w->safe_unit = 0;
    start_instance();
    while (w->safe_unit < UNITS) {
        if (w->next_unit <= UNITS && tr_ring_depth(&w->entries) < 500 &&
            tr_random_chance(&w->random, 600)) {
            sequence_one();
        }
        (void)w->historian.actor.step(w->historian.actor.self, w->now_ns);
        w->now_ns += tr_random_below(&w->random, 100) * TR_NS_PER_MS;
        w->safe_unit = atomic_load_explicit(&w->history_seq, memory_order_acquire);
        if (tr_random_chance(&w->random, 3)) {
            kill_count++;
            tr_model_history_kill(&w->history);
            end_instance();
            check_stored(w->safe_unit);
            start_instance();
        }
    }
    check_stored(UNITS);
    assert_null(tr_fault_seen(&w->fault));
    end_instance();
    tr_model_history_deinit(&w->history);
}

static void history_survives_faults_and_kills_over_many_seeds(void **state)
{
    (void)state;
    w = aligned_alloc(TR_NO_SHARE_BYTES,
                      (sizeof(*w) + TR_NO_SHARE_BYTES - 1) / TR_NO_SHARE_BYTES * TR_NO_SHARE_BYTES);
    assert_non_null(w);
    memset(w, 0, sizeof(*w));
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run_seed(seed);
    }
    free(w);
    /* The faults did happen. */
    assert_true(kill_count > SEEDS);
    assert_true(repeat_count > 0);
    assert_true(broken_load_count > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(history_survives_faults_and_kills_over_many_seeds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
