// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/clock.h"
#include "offsets/historian.h"
#include "tests/check.h"

/* A store that does what the test says. */
struct fake_store {
    struct tr_history_store store;
    enum tr_store_state next; /* what polls report */
    enum tr_remedy remedy;
    bool is_busy;
    uint32_t append_count;
    const struct tr_span *documents; /* of the append under way */
    uint32_t count;
    uint32_t stored_count; /* documents, in their order 0, 1, 2 ... */
};

struct fixture {
    struct tr_ring entries;
    struct tr_historian historian;
    struct fake_store fake;
    struct tr_fault fault;
    struct tr_error err;
    _Atomic uint64_t sequenced_seq;
    _Atomic uint64_t history_seq;
    _Atomic uint64_t history_bytes;
    int64_t now_ns;
    uint32_t pushed_count;
};

static struct fixture *f;

static void fake_start_append(void *self, const struct tr_span *documents, uint32_t count,
                              int64_t now_ns)
{
    struct fake_store *fake = self;

    (void)now_ns;
    assert_false(fake->is_busy);
    assert_in_range(count, 1, TR_HISTORY_BATCH_MAX);
    fake->is_busy = true;
    fake->append_count++;
    fake->documents = documents;
    fake->count = count;
}

static enum tr_store_state fake_poll(void *self, int64_t now_ns, struct tr_error *err)
{
    struct fake_store *fake = self;
    const enum tr_store_state state = fake->next;

    (void)now_ns;
    assert_true(fake->is_busy);
    fake->is_busy = state == TR_STORE_PENDING;
    if (state == TR_STORE_FAILED) {
        (void)TR_FAIL(err, TR_ERR_STATE, fake->remedy, "the fake history was told to fail");
    }
    for (uint32_t i = 0; state == TR_STORE_DONE && i < fake->count; i++) {
        char wanted[32];

        (void)snprintf(wanted, sizeof(wanted), "document %u", fake->stored_count++);
        assert_true(tr_span_equals(fake->documents[i], tr_span_of_text(wanted)));
    }
    return state;
}

static int open_fixture(void **state)
{
    (void)state;
    f = aligned_alloc(TR_NO_SHARE_BYTES,
                      (sizeof(*f) + TR_NO_SHARE_BYTES - 1) / TR_NO_SHARE_BYTES * TR_NO_SHARE_BYTES);
    if (f == NULL) {
        return -1;
    }
    memset(f, 0, sizeof(*f));
    f->now_ns = 1000 * TR_NS_PER_S;
    f->fake.next = TR_STORE_DONE;
    f->fake.store = (struct tr_history_store){
        .self = &f->fake, .name = "fake", .start_append = fake_start_append, .poll = fake_poll};
    return tr_ring_init(&f->entries, TR_HISTORY_RING_SLOTS, sizeof(struct tr_history_entry),
                        &f->err) == TR_OK
               ? 0
               : -1;
}

static int close_fixture(void **state)
{
    (void)state;
    tr_historian_deinit(&f->historian);
    tr_ring_deinit(&f->entries);
    free(f);
    return 0;
}

static void start(int64_t failing_ns_max)
{
    tr_historian_init(&f->historian,
                      &(struct tr_historian_options){.store = &f->fake.store,
                                                     .entries = &f->entries,
                                                     .sequenced_seq = &f->sequenced_seq,
                                                     .history_seq = &f->history_seq,
                                                     .history_bytes = &f->history_bytes,
                                                     .failing_ns_max = failing_ns_max,
                                                     .fault = &f->fault});
}

static void push(uint64_t seq)
{
    struct tr_history_entry *entry = tr_ring_claim_one(&f->entries);
    char text[32];

    (void)snprintf(text, sizeof(text), "document %u", f->pushed_count++);
    *entry = (struct tr_history_entry){.seq = seq, .text = strdup(text), .bytes = strlen(text)};
    tr_ring_publish(&f->entries, 1);
}

static void sequence(uint64_t seq)
{
    atomic_store_explicit(&f->sequenced_seq, seq, memory_order_release);
}

static uint32_t step(void)
{
    return f->historian.actor.step(f->historian.actor.self, f->now_ns);
}

static void settle(void)
{
    for (int i = 0; i < 100; i++) {
        if (step() == 0) {
            return;
        }
    }
    fail_msg("the historian does not come to rest");
}

static void assert_history_is_at(uint64_t seq)
{
    assert_int_equal(atomic_load_explicit(&f->history_seq, memory_order_acquire), seq);
}

static void nothing_to_store_follows_the_sequencer(void **state)
{
    (void)state;
    start(0);
    settle();
    assert_history_is_at(0);
    sequence(7);
    settle();
    assert_history_is_at(7);
    assert_int_equal(f->fake.append_count, 0);
}

static void history_stands_before_a_change_until_it_is_stored(void **state)
{
    (void)state;
    start(0);
    f->fake.next = TR_STORE_PENDING;
    push(5);
    push(5);
    sequence(9);
    settle();
    assert_history_is_at(4);
    sequence(12);
    settle();
    assert_history_is_at(4);
    assert_int_equal(atomic_load(&f->history_bytes), 0);
    f->fake.next = TR_STORE_DONE;
    settle();
    assert_history_is_at(12);
    assert_int_equal(atomic_load(&f->history_bytes), 2 * strlen("document 0"));
    assert_int_equal(f->fake.stored_count, 2);
    assert_int_equal(f->fake.append_count, 1);
}

static void entries_that_came_before_their_number_hold_it_back_all_the_same(void **state)
{
    (void)state;
    start(0);
    f->fake.next = TR_STORE_PENDING;
    sequence(3);
    push(4); /* pushed, its unit not yet numbered for others */
    settle();
    assert_history_is_at(3);
    sequence(4);
    settle();
    assert_history_is_at(3);
    f->fake.next = TR_STORE_DONE;
    settle();
    assert_history_is_at(4);
}

static void many_changes_go_in_batches_and_in_order(void **state)
{
    (void)state;
    start(0);
    for (uint64_t seq = 1; seq <= 1000; seq++) {
        push((seq + 2) / 3); /* a batch ends inside a unit */
    }
    sequence(334);
    (void)step();
    assert_int_equal(f->fake.count, TR_HISTORY_BATCH_MAX);
    assert_history_is_at(0);
    (void)step();
    assert_history_is_at(85); /* the 257th document is of unit 86 */
    settle();
    assert_history_is_at(334);
    assert_int_equal(f->fake.stored_count, 1000);
    assert_int_equal(f->fake.append_count, 4);
}

static void ring_that_wraps_around_is_drained_whole(void **state)
{
    (void)state;
    start(0);
    for (uint64_t round = 0; round < 20; round++) {
        for (uint64_t i = 0; i < 300; i++) {
            push(round + 1);
        }
        sequence(round + 1);
        settle();
        assert_history_is_at(round + 1);
    }
    assert_int_equal(f->fake.stored_count, 20 * 300);
}

static void failed_append_is_repeated_with_backoff_and_the_same_documents(void **state)
{
    int64_t delay_ns = 300 * TR_NS_PER_MS;

    (void)state;
    start(0);
    f->fake.next = TR_STORE_FAILED;
    f->fake.remedy = TR_RETRY;
    push(1);
    sequence(1);
    settle();
    assert_int_equal(f->fake.append_count, 1);
    push(2); /* the next one waits behind it */
    sequence(2);
    for (uint32_t tries = 2; tries < 12; tries++) {
        f->now_ns += delay_ns - 1;
        settle();
        assert_int_equal(f->fake.append_count, tries - 1);
        f->now_ns += 1;
        settle();
        assert_int_equal(f->fake.append_count, tries);
        assert_int_equal(f->fake.count, 1);
        assert_history_is_at(0);
        delay_ns = delay_ns * 2 < 10 * TR_NS_PER_S ? delay_ns * 2 : 10 * TR_NS_PER_S;
    }
    assert_null(tr_fault_seen(&f->fault));
    f->fake.next = TR_STORE_DONE;
    f->now_ns += delay_ns;
    settle();
    assert_history_is_at(2);
    assert_int_equal(f->fake.stored_count, 2);
}

static void failure_for_an_operator_raises_the_fault_and_stores_no_more(void **state)
{
    (void)state;
    start(0);
    f->fake.next = TR_STORE_FAILED;
    f->fake.remedy = TR_STOP;
    push(3);
    sequence(5);
    settle();
    assert_non_null(tr_fault_seen(&f->fault));
    f->fake.next = TR_STORE_DONE;
    f->now_ns += 100 * TR_NS_PER_S;
    push(6);
    settle();
    assert_int_equal(f->fake.append_count, 1);
    assert_history_is_at(2); /* what is not stored is never passed */
}

static void failure_that_lasts_too_long_raises_the_fault(void **state)
{
    (void)state;
    start(20 * TR_NS_PER_S);
    f->fake.next = TR_STORE_FAILED;
    f->fake.remedy = TR_RETRY;
    push(1);
    for (int i = 0; i < 19; i++) {
        settle();
        assert_null(tr_fault_seen(&f->fault));
        f->now_ns += TR_NS_PER_S;
    }
    f->now_ns += 10 * TR_NS_PER_S;
    settle();
    assert_non_null(tr_fault_seen(&f->fault));
}

static void seal_takes_in_what_is_stored_and_nothing_else(void **state)
{
    struct tr_history_seal wanted = {0};

    (void)state;
    tr_history_seal_add(&wanted, tr_span_of_text("before"));
    tr_historian_init(&f->historian,
                      &(struct tr_historian_options){.store = &f->fake.store,
                                                     .entries = &f->entries,
                                                     .sequenced_seq = &f->sequenced_seq,
                                                     .history_seq = &f->history_seq,
                                                     .seal = wanted,
                                                     .fault = &f->fault});
    f->fake.next = TR_STORE_FAILED;
    f->fake.remedy = TR_RETRY;
    push(1);
    settle();
    assert_int_equal(tr_historian_seal(&f->historian).document_count, 1);
    assert_true(tr_historian_seal(&f->historian).chain == wanted.chain);
    f->fake.next = TR_STORE_DONE;
    f->now_ns += TR_NS_PER_S;
    push(2);
    settle();
    tr_history_seal_add(&wanted, tr_span_of_text("document 0"));
    tr_history_seal_add(&wanted, tr_span_of_text("document 1"));
    assert_int_equal(tr_historian_seal(&f->historian).document_count, 3);
    assert_true(tr_historian_seal(&f->historian).chain == wanted.chain);
}

static void seal_tells_documents_their_order_and_their_ends_apart(void **state)
{
    static const char *const histories[][3] = {{"ab", "c", NULL},
                                               {"a", "bc", NULL},
                                               {"abc", NULL, NULL},
                                               {"c", "ab", NULL},
                                               {"ab", "d", NULL}};
    struct tr_history_seal seals[5] = {0};

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        for (size_t j = 0; histories[i][j] != NULL; j++) {
            tr_history_seal_add(&seals[i], tr_span_of_text(histories[i][j]));
        }
        for (size_t j = 0; j < i; j++) {
            assert_true(seals[i].chain != seals[j].chain);
        }
    }
}

static void what_was_not_stored_is_freed(void **state)
{
    (void)state;
    start(0);
    f->fake.next = TR_STORE_PENDING;
    for (uint64_t i = 0; i < 600; i++) {
        push(1);
    }
    (void)step(); /* 256 in the batch, the rest in the ring: the leak checker sees the end */
}

/* --- two threads --- */

#define UNITS 20000u

static void *be_sequencer(void *self)
{
    (void)self;
    for (uint64_t seq = 1; seq <= UNITS; seq++) {
        void *slot;

        if (seq % 3 == 0) {
            while (tr_ring_claim(&f->entries, 1, &slot) == 0) {
            }
            char text[32];

            (void)snprintf(text, sizeof(text), "document %u", f->pushed_count++);
            *(struct tr_history_entry *)slot =
                (struct tr_history_entry){.seq = seq, .text = strdup(text), .bytes = strlen(text)};
            tr_ring_publish(&f->entries, 1);
        }
        sequence(seq);
    }
    return NULL;
}

static void no_number_is_published_before_its_documents_are_stored(void **state)
{
    pthread_t sequencer;

    (void)state;
    start(0);
    assert_int_equal(pthread_create(&sequencer, NULL, be_sequencer, NULL), 0);
    while (atomic_load_explicit(&f->history_seq, memory_order_relaxed) < UNITS) {
        (void)step();
        const uint64_t seq = atomic_load_explicit(&f->history_seq, memory_order_relaxed);

        if (f->fake.stored_count < seq / 3) {
            fail_msg("history_seq = %llu with %u documents stored", (unsigned long long)seq,
                     f->fake.stored_count);
        }
    }
    assert_int_equal(pthread_join(sequencer, NULL), 0);
    assert_int_equal(f->fake.stored_count, UNITS / 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_to_store_follows_the_sequencer),
        TEST(history_stands_before_a_change_until_it_is_stored),
        TEST(entries_that_came_before_their_number_hold_it_back_all_the_same),
        TEST(many_changes_go_in_batches_and_in_order),
        TEST(ring_that_wraps_around_is_drained_whole),
        TEST(failed_append_is_repeated_with_backoff_and_the_same_documents),
        TEST(failure_for_an_operator_raises_the_fault_and_stores_no_more),
        TEST(failure_that_lasts_too_long_raises_the_fault),
        TEST(seal_takes_in_what_is_stored_and_nothing_else),
        TEST(seal_tells_documents_their_order_and_their_ends_apart),
        TEST(what_was_not_stored_is_freed),
        TEST(no_number_is_published_before_its_documents_are_stored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
