// SPDX-License-Identifier: Apache-2.0
/*
 * The watermark protocol (I1, I4) as a model, under every interleaving: a collector that publishes
 * buckets and then routed_seq, shippers that load it, drain in parts, are acknowledged in any order
 * and publish acked_seq. Every reachable state of every small routing is visited; in none may
 * min(acked_seq) pass a record that was not acknowledged, and when nothing can move any more it
 * must have reached the end. Each of the rules left out must break one of the two.
 *
 * The real code: collector.c (complete_unit), shipper.c (tr_shipper_step, publish_acked).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "engine/assert.h"

#include <cmocka.h>

#define UNITS 3
#define SHIPPERS 2
#define STATES_MAX (1u << 18)

enum rule {
    RULE_ALL = 0,
    RULE_LATE_LOAD,
    RULE_RING_FORGOTTEN,
    RULE_ROUTED_FIRST,
    RULE_HELD_FORGOTTEN
};

enum { AT_LOAD = 0, AT_DRAIN, AT_PUBLISH };

struct shipper {
    uint8_t ring;   /* bit u: unit u+1's bucket waits in the ring */
    uint8_t held;   /* bit u: taken, not acknowledged */
    uint8_t acked;  /* published */
    uint8_t loaded; /* routed_seq as last loaded */
    uint8_t looked; /* the ring as it was after the last drain */
    uint8_t at;
};

struct state {
    uint8_t unit;   /* the collector's: units routed to their end */
    uint8_t pushed; /* shippers that have the unit under way's bucket, a bit each */
    uint8_t stored; /* routed_seq */
    struct shipper shippers[SHIPPERS];
};

struct search {
    enum rule rule;
    uint8_t routing[UNITS]; /* shippers that each unit has records for, a bit each */
    struct state *queue;
    uint32_t queued;
    uint32_t *slots; /* open hash: index into queue + 1 */
    const char *failure;
};

static struct state queue_memory[STATES_MAX];
static uint32_t slot_memory[STATES_MAX * 2];

static void add(struct search *search, const struct state *state)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < sizeof(*state); i++) {
        hash = (hash ^ ((const uint8_t *)state)[i]) * 16777619u;
    }
    uint32_t slot = hash & (STATES_MAX * 2 - 1);
    while (search->slots[slot] != 0) { /* bounded: at most half full */
        if (memcmp(&search->queue[search->slots[slot] - 1], state, sizeof(*state)) == 0) {
            return;
        }
        slot = (slot + 1) & (STATES_MAX * 2 - 1);
    }
    TR_ASSERT(search->queued < STATES_MAX);
    search->queue[search->queued] = *state;
    search->slots[slot] = ++search->queued;
}

static uint8_t lowest(uint8_t bits)
{
    return (uint8_t)__builtin_ctz(bits);
}

/* The collector's next step: a bucket of the unit under way, or its end. */
static void step_collector(struct search *search, struct state state)
{
    if (state.unit == UNITS) {
        return;
    }
    const uint8_t missing = (uint8_t)(search->routing[state.unit] & ~state.pushed);
    if (search->rule == RULE_ROUTED_FIRST && state.stored == state.unit) {
        state.stored++;
    } else if (missing != 0) {
        const uint8_t s = lowest(missing);
        state.shippers[s].ring = (uint8_t)(state.shippers[s].ring | 1u << state.unit);
        state.pushed = (uint8_t)(state.pushed | 1u << s);
    } else {
        state.unit++;
        state.pushed = 0;
        state.stored = state.stored < state.unit ? state.unit : state.stored;
    }
    add(search, &state);
}

static uint8_t watermark(enum rule rule, const struct shipper *shipper)
{
    uint8_t acked = shipper->loaded;
    const uint8_t ring = rule == RULE_LATE_LOAD ? shipper->looked : shipper->ring;
    if (shipper->held != 0 && rule != RULE_HELD_FORGOTTEN) {
        acked = lowest(shipper->held);
    } else if (ring != 0 && rule != RULE_RING_FORGOTTEN) {
        acked = lowest(ring);
    }
    return acked < shipper->loaded ? acked : shipper->loaded;
}

/* Loads, drains at most one bucket, publishes; in that order, or with the load after the last look
 * at the ring. */
static void step_one(enum rule rule, struct state *state, uint32_t s)
{
    struct shipper *shipper = &state->shippers[s];
    const uint8_t at = rule == RULE_LATE_LOAD && shipper->at != AT_PUBLISH
                           ? (uint8_t)(1 - shipper->at)
                           : shipper->at;
    switch (at) {
    case AT_LOAD:
        shipper->loaded = state->stored;
        break;
    case AT_DRAIN:
        if (shipper->ring != 0) {
            const uint8_t bit = (uint8_t)(1u << lowest(shipper->ring));
            shipper->ring = (uint8_t)(shipper->ring & ~bit);
            shipper->held = (uint8_t)(shipper->held | bit);
        }
        shipper->looked = shipper->ring;
        break;
    default: {
        const uint8_t acked = watermark(rule, shipper);
        shipper->acked = acked > shipper->acked ? acked : shipper->acked;
        break;
    }
    }
    shipper->at = (uint8_t)((shipper->at + 1) % 3);
}

/* Kinesis acknowledges any record that is out. */
static void acknowledge(struct search *search, const struct state *state, uint32_t s)
{
    for (uint32_t u = 0; u < UNITS; u++) {
        if ((state->shippers[s].held >> u & 1) != 0) {
            struct state next = *state;
            next.shippers[s].held = (uint8_t)(next.shippers[s].held & ~(1u << u));
            add(search, &next);
        }
    }
}

static uint8_t safe_of(const struct state *state)
{
    uint8_t safe = UNITS;
    for (uint32_t s = 0; s < SHIPPERS; s++) {
        safe = state->shippers[s].acked < safe ? state->shippers[s].acked : safe;
    }
    return safe;
}

/* A unit up to the safe sequence must have no record that waits in a ring, is held, or was not even
 * pushed. */
static void check_safe(struct search *search, const struct state *state)
{
    const uint8_t safe = safe_of(state);
    for (uint32_t u = 0; u < safe; u++) {
        for (uint32_t s = 0; s < SHIPPERS; s++) {
            const bool wanted = (search->routing[u] >> s & 1) != 0;
            const bool pushed =
                u < state->unit || (u == state->unit && (state->pushed >> s & 1) != 0);
            const bool waits = ((state->shippers[s].ring | state->shippers[s].held) >> u & 1) != 0;
            if (wanted && (!pushed || waits)) {
                search->failure = "the safe sequence passed a record that was not acknowledged";
            }
        }
    }
}

/* When everything is routed and acknowledged, two further cycles of each shipper must bring the
 * safe sequence to the end. */
static void check_end(struct search *search, struct state state)
{
    for (uint32_t s = 0; s < SHIPPERS; s++) {
        if (state.unit < UNITS || state.shippers[s].ring != 0 || state.shippers[s].held != 0) {
            return;
        }
    }
    for (uint32_t s = 0; s < SHIPPERS; s++) {
        for (int i = 0; i < 6; i++) {
            step_one(search->rule, &state, s);
        }
    }
    if (safe_of(&state) != UNITS) {
        search->failure = "everything was acknowledged, and the safe sequence does not say so";
    }
}

/* Visits every reachable state of one routing; NULL, or what went wrong. */
static const char *visit_all(enum rule rule, uint32_t routing)
{
    struct search search = {.rule = rule, .queue = queue_memory, .slots = slot_memory};
    memset(slot_memory, 0, sizeof(slot_memory));
    for (uint32_t u = 0; u < UNITS; u++) {
        search.routing[u] = (uint8_t)(routing >> u * SHIPPERS & ((1u << SHIPPERS) - 1));
    }
    add(&search, &(struct state){0});
    for (uint32_t i = 0; i < search.queued && search.failure == NULL; i++) {
        const struct state state = search.queue[i];
        check_safe(&search, &state);
        check_end(&search, state);
        step_collector(&search, state);
        for (uint32_t s = 0; s < SHIPPERS; s++) {
            struct state next = state;
            step_one(rule, &next, s);
            add(&search, &next);
            acknowledge(&search, &state, s);
        }
    }
    return search.failure;
}

static const char *visit_every_routing(enum rule rule)
{
    const char *failure = NULL;
    for (uint32_t routing = 0; routing < 1u << UNITS * SHIPPERS && failure == NULL; routing++) {
        failure = visit_all(rule, routing);
    }
    return failure;
}

static void no_interleaving_lets_the_position_pass_or_stand_still(void **state)
{
    (void)state;
    const char *failure = visit_every_routing(RULE_ALL);
    if (failure != NULL) {
        fail_msg("%s", failure);
    }
}

static void each_rule_left_out_is_noticed(void **state)
{
    (void)state;
    assert_non_null(visit_every_routing(RULE_LATE_LOAD));
    assert_non_null(visit_every_routing(RULE_RING_FORGOTTEN));
    assert_non_null(visit_every_routing(RULE_ROUTED_FIRST));
    assert_non_null(visit_every_routing(RULE_HELD_FORGOTTEN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_interleaving_lets_the_position_pass_or_stand_still),
        cmocka_unit_test(each_rule_left_out_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
