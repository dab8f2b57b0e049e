// SPDX-License-Identifier: Apache-2.0
/*
 * Ring and doorbell under every interleaving.
 *
 * The ring: each of its four calls makes one access to shared state, so all interleavings of the accesses are all
 * orders of the calls. Every state that a producer and a consumer with any batch sizes can reach is visited on the real
 * ring, its counters starting just below their wrap, and compared with a plain queue.
 *
 * The doorbell: a call makes several accesses, so its protocol is a model here, one access a step, with the producer's
 * store buffer (what a processor may delay past a plain load, but not past a read-modify-write). Each part of the
 * protocol is also left out once: then the search must find a lost wake-up, or it would prove nothing.
 */
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ring.h"

/* --- the ring ---------------------------------------------------------------------------------------------------- */

#define SLOTS_MAX 4
#define ITEM_COUNT 9
#define STATES_MAX (1u << 20) /* places of the visited set; a power of two */

struct ring_state {
    uint64_t slots[SLOTS_MAX];
    uint8_t tail; /* all counted from the start counter */
    uint8_t head;
    uint8_t head_seen;
    uint8_t tail_seen;
    uint8_t claimed_count;
    uint8_t peeked_count;
    uint8_t is_used;
    uint8_t unused;
};

struct ring_search {
    struct tr_ring ring;
    uint64_t start; /* counter of the first item */
    struct ring_state *visited;
    struct ring_state *open; /* a stack */
    size_t open_count;
    size_t visited_count;
};

static void load_state(struct ring_search *search, const struct ring_state *at)
{
    struct tr_ring *ring = &search->ring;

    memcpy(ring->slots, at->slots, ring->slot_count * ring->slot_bytes);
    /* Relaxed: one thread. */
    atomic_store_explicit(&ring->tail, search->start + at->tail, memory_order_relaxed);
    atomic_store_explicit(&ring->head, search->start + at->head, memory_order_relaxed);
    ring->head_seen = search->start + at->head_seen;
    ring->tail_seen = search->start + at->tail_seen;
}

static struct ring_state save_state(const struct ring_search *search, uint64_t claimed_count, uint64_t peeked_count)
{
    const struct tr_ring *ring = &search->ring;
    struct ring_state now = {.is_used = 1};

    memcpy(now.slots, ring->slots, ring->slot_count * ring->slot_bytes);
    now.tail = (uint8_t)(atomic_load_explicit(&ring->tail, memory_order_relaxed) - search->start);
    now.head = (uint8_t)(atomic_load_explicit(&ring->head, memory_order_relaxed) - search->start);
    now.head_seen = (uint8_t)(ring->head_seen - search->start);
    now.tail_seen = (uint8_t)(ring->tail_seen - search->start);
    now.claimed_count = (uint8_t)claimed_count;
    now.peeked_count = (uint8_t)peeked_count;
    return now;
}

/* Puts a state on the stack unless it was met before. */
static void meet(struct ring_search *search, const struct ring_state *state)
{
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < sizeof(*state); i++) {
        hash = (hash ^ ((const uint8_t *)state)[i]) * 1099511628211u;
    }
    for (size_t at = hash >> 20 & (STATES_MAX - 1);; at = (at + 1) & (STATES_MAX - 1)) {
        if (search->visited[at].is_used == 0) {
            search->visited[at] = *state;
            search->visited_count++;
            assert_true(search->visited_count < STATES_MAX / 2);
            search->open[search->open_count++] = *state;
            return;
        }
        if (memcmp(&search->visited[at], state, sizeof(*state)) == 0) {
            return;
        }
    }
}

static void step_producer(struct ring_search *search, const struct ring_state *at)
{
    struct tr_ring *ring = &search->ring;
    const uint64_t truly_free = ring->slot_count - (uint64_t)(at->tail - at->head);
    void *slots;

    for (uint64_t wanted = 1; wanted <= SLOTS_MAX && at->tail + wanted <= ITEM_COUNT; wanted++) {
        load_state(search, at);
        const uint64_t count = tr_ring_claim(ring, wanted, &slots);
        assert_true(count <= wanted);
        assert_true(count <= truly_free);
        assert_int_equal(count == 0, truly_free == 0);
        for (uint64_t i = 0; i < count; i++) {
            const uint64_t number = at->tail + i;
            /* Written at once, before publishing: an unread slot that came here would be seen below as a wrong number. */
            memcpy((unsigned char *)slots + i * sizeof(number), &number, sizeof(number));
        }
        const struct ring_state next = save_state(search, count, at->peeked_count);
        meet(search, &next);
    }
    for (uint64_t count = 1; count <= at->claimed_count; count++) { /* publishing fewer than claimed is allowed */
        load_state(search, at);
        tr_ring_publish(ring, count);
        const struct ring_state next = save_state(search, 0, at->peeked_count);
        assert_int_equal(tr_ring_depth(ring), next.tail - next.head);
        meet(search, &next);
    }
}

static void step_consumer(struct ring_search *search, const struct ring_state *at)
{
    struct tr_ring *ring = &search->ring;
    const uint64_t truly_full = (uint64_t)(at->tail - at->head);
    void *slots;

    for (uint64_t wanted = 1; wanted <= SLOTS_MAX; wanted++) {
        load_state(search, at);
        const uint64_t count = tr_ring_peek(ring, wanted, &slots);
        assert_true(count <= wanted);
        assert_true(count <= truly_full);
        assert_int_equal(count == 0, truly_full == 0);
        for (uint64_t i = 0; i < count; i++) {
            uint64_t number;
            memcpy(&number, (unsigned char *)slots + i * sizeof(number), sizeof(number));
            assert_int_equal(number, at->head + i);
        }
        const struct ring_state next = save_state(search, at->claimed_count, count);
        meet(search, &next);
    }
    for (uint64_t count = 1; count <= at->peeked_count; count++) {
        load_state(search, at);
        tr_ring_release(ring, count);
        const struct ring_state next = save_state(search, at->claimed_count, 0);
        meet(search, &next);
    }
}

static void ring_is_a_queue_under_every_interleaving(void **state)
{
    (void)state;
    struct ring_search search = {0};
    struct tr_error err;

    search.visited = calloc(STATES_MAX, sizeof(*search.visited));
    search.open = calloc(STATES_MAX, sizeof(*search.open));
    assert_non_null(search.visited);
    assert_non_null(search.open);
    for (uint64_t slots = 1; slots <= SLOTS_MAX; slots *= 2) {
        for (uint64_t before_wrap = 1; before_wrap <= ITEM_COUNT + 1; before_wrap += 4) {
            bool has_ended = false;
            assert_int_equal(tr_ring_init(&search.ring, slots, sizeof(uint64_t), &err), TR_OK);
            memset(search.visited, 0, STATES_MAX * sizeof(*search.visited));
            search.visited_count = 0;
            search.start = 0 - before_wrap;
            struct ring_state first = {.is_used = 1};
            meet(&search, &first);
            while (search.open_count > 0) {
                const struct ring_state at = search.open[--search.open_count];
                has_ended = has_ended || (at.tail == ITEM_COUNT && at.head == ITEM_COUNT);
                step_producer(&search, &at);
                step_consumer(&search, &at);
            }
            assert_true(has_ended);
            printf("%u slots, start %u below the wrap: %zu states\n", (unsigned)slots, (unsigned)before_wrap,
                   search.visited_count);
            tr_ring_deinit(&search.ring);
        }
    }
    free(search.visited);
    free(search.open);
}

/* --- the doorbell ------------------------------------------------------------------------------------------------ */

#define PUBLISH_COUNT 3

enum flaw {
    FLAW_NONE = 0,
    FLAW_NO_SECOND_LOOK, /* the consumer waits right after saying "parked" */
    FLAW_LOOK_THEN_PARK, /* it looks before it says so */
    FLAW_PLAIN_LOAD,     /* the producer reads "parked" without a read-modify-write: the store may come later */
    FLAW_RING_FIRST,     /* the producer rings before it publishes */
};

enum producer_at { PRODUCER_PUBLISH = 0, PRODUCER_CHECK, PRODUCER_WRITE, PRODUCER_AT_COUNT };

enum consumer_at {
    CONSUMER_CYCLE = 0,
    CONSUMER_PARK_BEGIN,
    CONSUMER_LOOK,
    CONSUMER_WAIT,
    CONSUMER_READ,
    CONSUMER_PARK_END,
    CONSUMER_AT_COUNT
};

struct bell_state {
    uint8_t published_count; /* visible to the consumer */
    uint8_t buffered_count;  /* stored by the producer, not visible yet */
    uint8_t rounds_done;     /* publish + ring pairs finished by the producer */
    uint8_t consumed_count;
    uint8_t producer;
    uint8_t consumer;
    uint8_t parked;
    uint8_t event; /* the eventfd is readable */
};

struct bell_search {
    enum flaw flaw;
    uint8_t visited[1u << 18];
    struct bell_state open[1u << 16];
    size_t open_count;
    size_t visited_count;
    size_t lost_count; /* states in which the consumer sleeps for ever on published work */
};

static void meet_bell(struct bell_search *search, const struct bell_state *state)
{
    size_t index = state->published_count;

    index = index * 4 + state->buffered_count;
    index = index * 4 + state->rounds_done;
    index = index * 4 + state->consumed_count;
    index = index * 4 + state->producer;
    index = index * 8 + state->consumer;
    index = index * 2 + state->parked;
    index = index * 2 + state->event;
    assert_true(index < sizeof(search->visited));
    if (search->visited[index] == 0) {
        search->visited[index] = 1;
        search->visited_count++;
        assert_true(search->open_count < sizeof(search->open) / sizeof(search->open[0]));
        search->open[search->open_count++] = *state;
    }
}

/* One access of the producer; returns whether it could make one. */
static bool step_bell_producer(struct bell_search *search, const struct bell_state *at)
{
    struct bell_state next = *at;

    if (at->buffered_count > 0) { /* the processor makes the store visible at any time */
        next.published_count = (uint8_t)(at->published_count + at->buffered_count);
        next.buffered_count = 0;
        meet_bell(search, &next);
        next = *at;
    }
    if (at->rounds_done == PUBLISH_COUNT) {
        return at->buffered_count > 0;
    }
    const bool rings_first = search->flaw == FLAW_RING_FIRST;
    bool is_rung = false;
    switch ((enum producer_at)at->producer) {
    case PRODUCER_PUBLISH:
        next.buffered_count++;
        next.producer = PRODUCER_CHECK;
        break;
    case PRODUCER_CHECK:
        if (search->flaw != FLAW_PLAIN_LOAD) { /* a read-modify-write waits for the stores before it */
            next.published_count = (uint8_t)(at->published_count + at->buffered_count);
            next.buffered_count = 0;
        }
        next.producer = PRODUCER_WRITE;
        is_rung = at->parked == 0;
        break;
    case PRODUCER_WRITE:
        next.event = 1;
        is_rung = true;
        break;
    case PRODUCER_AT_COUNT:
        break;
    }
    if (is_rung) {
        next.producer = PRODUCER_PUBLISH;
    }
    if (rings_first ? at->producer == PRODUCER_PUBLISH : is_rung) {
        next.rounds_done++;
    }
    meet_bell(search, &next);
    return true;
}

/* One access of the consumer; returns whether it could make one. */
static bool step_bell_consumer(struct bell_search *search, const struct bell_state *at)
{
    struct bell_state next = *at;
    const bool has_work = at->published_count > at->consumed_count;

    switch ((enum consumer_at)at->consumer) {
    case CONSUMER_CYCLE:
        if (has_work) {
            next.consumed_count++;
        } else if (search->flaw == FLAW_LOOK_THEN_PARK) {
            next.consumer = CONSUMER_LOOK;
        } else {
            next.consumer = CONSUMER_PARK_BEGIN;
        }
        break;
    case CONSUMER_PARK_BEGIN:
        next.parked = 1;
        next.consumer = CONSUMER_LOOK;
        if (search->flaw == FLAW_NO_SECOND_LOOK || search->flaw == FLAW_LOOK_THEN_PARK) {
            next.consumer = CONSUMER_WAIT;
        }
        break;
    case CONSUMER_LOOK:
        if (search->flaw == FLAW_LOOK_THEN_PARK) {
            next.consumer = has_work ? CONSUMER_CYCLE : CONSUMER_PARK_BEGIN;
        } else {
            next.consumer = has_work ? CONSUMER_PARK_END : CONSUMER_WAIT;
        }
        break;
    case CONSUMER_WAIT:
        if (at->event == 0) {
            return false;
        }
        next.consumer = CONSUMER_READ;
        break;
    case CONSUMER_READ:
        next.event = 0;
        next.consumer = CONSUMER_PARK_END;
        break;
    case CONSUMER_PARK_END:
        next.parked = 0;
        next.consumer = CONSUMER_CYCLE;
        break;
    case CONSUMER_AT_COUNT:
        break;
    }
    meet_bell(search, &next);
    return true;
}

static size_t count_lost_wake_ups(enum flaw flaw)
{
    static struct bell_search search;
    const struct bell_state first = {.producer = flaw == FLAW_RING_FIRST ? PRODUCER_CHECK : PRODUCER_PUBLISH};
    bool has_ended = false;

    memset(&search, 0, sizeof(search));
    search.flaw = flaw;
    meet_bell(&search, &first);
    while (search.open_count > 0) {
        const struct bell_state at = search.open[--search.open_count];
        const bool producer_can = step_bell_producer(&search, &at);
        const bool consumer_can = step_bell_consumer(&search, &at);
        if (!producer_can && !consumer_can) {
            search.lost_count += at.consumed_count < PUBLISH_COUNT;
            has_ended = has_ended || at.consumed_count == PUBLISH_COUNT;
        }
    }
    assert_true(has_ended);
    printf("flaw %d: %zu states, %zu lost wake-ups\n", (int)flaw, search.visited_count, search.lost_count);
    return search.lost_count;
}

static void no_interleaving_loses_a_wake_up(void **state)
{
    (void)state;
    assert_int_equal(count_lost_wake_ups(FLAW_NONE), 0);
}

static void every_part_of_the_protocol_is_needed(void **state)
{
    (void)state;
    assert_true(count_lost_wake_ups(FLAW_NO_SECOND_LOOK) > 0);
    assert_true(count_lost_wake_ups(FLAW_LOOK_THEN_PARK) > 0);
    assert_true(count_lost_wake_ups(FLAW_PLAIN_LOAD) > 0);
    assert_true(count_lost_wake_ups(FLAW_RING_FIRST) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_is_a_queue_under_every_interleaving),
        cmocka_unit_test(no_interleaving_loses_a_wake_up),
        cmocka_unit_test(every_part_of_the_protocol_is_needed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
