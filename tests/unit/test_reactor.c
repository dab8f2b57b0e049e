// SPDX-License-Identifier: Apache-2.0
/* Every case runs under both engines; io_uring's are skipped, with the reason, where the kernel refuses it. */


#include "tests/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/reactor.h"

#define FDS_MAX 40
#define TIMERS_MAX 300
#define WAIT_NS (INT64_C(2) * TR_NS_PER_S) /* for what must come; what must not come is asked for without a wait */

static enum tr_reactor_engine engine_under_test;

struct watch {
    struct tr_reactor *reactor;
    int pair[2]; /* [0] is watched */
    uint32_t called_count;
    uint32_t last_ready;
    struct watch *victim; /* removed by the handler */
    bool is_reading;
    bool removes_itself;
};

static struct tr_reactor *open_reactor(void)
{
    struct tr_reactor *reactor = NULL;
    struct tr_error err = {0};

    if (tr_reactor_open(&reactor, engine_under_test, FDS_MAX, TIMERS_MAX, &err) != TR_OK) {
        assert_int_equal(engine_under_test, TR_REACTOR_IO_URING);
        assert_int_equal(err.code, TR_ERR_CONFIG);
        assert_non_null(strstr(err.text, "epoll"));
        printf("skipped: %s\n", err.text);
        skip();
    }
    assert_string_equal(tr_reactor_engine_name(reactor),
                        engine_under_test == TR_REACTOR_EPOLL ? "epoll" : "io_uring");
    return reactor;
}

static void on_ready(void *self, int fd, uint32_t ready)
{
    struct watch *watch = self;
    char bytes[64];

    assert_int_equal(fd, watch->pair[0]);
    watch->called_count++;
    watch->last_ready = ready;
    if (watch->is_reading) {
        const ssize_t count = read(fd, bytes, sizeof(bytes)); /* how much does not matter */
        (void)count;
    }
    if (watch->victim != NULL) {
        tr_reactor_remove(watch->reactor, watch->victim->pair[0]);
    }
    if (watch->removes_itself) {
        tr_reactor_remove(watch->reactor, fd);
    }
}

static void watch_open(struct watch *watch, struct tr_reactor *reactor, uint32_t interest)
{
    struct tr_error err;

    *watch = (struct watch){.reactor = reactor};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, watch->pair), 0);
    assert_int_equal(tr_reactor_set(reactor, watch->pair[0], interest, on_ready, watch, &err), TR_OK);
}

static void watch_set(struct watch *watch, uint32_t interest)
{
    struct tr_error err;

    assert_int_equal(tr_reactor_set(watch->reactor, watch->pair[0], interest, on_ready, watch, &err), TR_OK);
}

static void watch_close(struct watch *watch)
{
    tr_reactor_remove(watch->reactor, watch->pair[0]);
    assert_int_equal(close(watch->pair[0]), 0);
    assert_int_equal(close(watch->pair[1]), 0);
}

static void send_byte(struct watch *watch)
{
    assert_int_equal(write(watch->pair[1], "x", 1), 1);
}

/* Polls without waiting, often enough for what is ready to be reported. */
static uint32_t poll_some(struct tr_reactor *reactor)
{
    uint32_t called_count = 0;

    for (int i = 0; i < 3; i++) {
        called_count += tr_reactor_poll(reactor, 0, 0);
    }
    return called_count;
}

static void fill(int fd)
{
    static const char bytes[4096];

    while (write(fd, bytes, sizeof(bytes)) > 0) {
    }
}

static void readiness_is_level_triggered(void **state)
{
    (void)state;
    struct tr_reactor *reactor = open_reactor();
    struct watch watch;
    char byte;

    watch_open(&watch, reactor, TR_REACTOR_READ);
    assert_int_equal(poll_some(reactor), 0);
    send_byte(&watch);
    for (uint32_t i = 1; i <= 5; i++) {
        assert_int_equal(tr_reactor_poll(reactor, 0, WAIT_NS), 1);
        assert_int_equal(watch.called_count, i);
        assert_int_equal(watch.last_ready, TR_REACTOR_READ);
    }
    assert_int_equal(read(watch.pair[0], &byte, 1), 1);
    (void)poll_some(reactor); /* one report may have been on its way */
    const uint32_t called_count = watch.called_count;
    assert_in_range(called_count, 5, 6);
    assert_int_equal(poll_some(reactor), 0);
    assert_int_equal(watch.called_count, called_count);
    watch_close(&watch);
    tr_reactor_close(reactor);
}

static void interest_can_change_while_a_report_is_pending(void **state)
{
    (void)state;
    struct tr_reactor *reactor = open_reactor();
    struct watch watch;

    watch_open(&watch, reactor, TR_REACTOR_READ);
    assert_int_equal(poll_some(reactor), 0);
    send_byte(&watch); /* readable from here on */
    watch_set(&watch, 0);
    assert_int_equal(poll_some(reactor), 0);
    watch_set(&watch, TR_REACTOR_WRITE);
    assert_int_equal(tr_reactor_poll(reactor, 0, WAIT_NS), 1);
    assert_int_equal(watch.last_ready, TR_REACTOR_WRITE);
    fill(watch.pair[0]);
    (void)poll_some(reactor);
    watch.called_count = 0;
    assert_int_equal(poll_some(reactor), 0);
    watch_set(&watch, TR_REACTOR_READ | TR_REACTOR_WRITE);
    assert_int_equal(tr_reactor_poll(reactor, 0, WAIT_NS), 1);
    assert_int_equal(watch.last_ready, TR_REACTOR_READ);
    watch_close(&watch);
    tr_reactor_close(reactor);
}

static void on_other(void *self, int fd, uint32_t ready)
{
    (void)fd;
    (void)ready;
    (*(uint32_t *)self)++;
}

static void handler_can_be_replaced(void **state)
{
    (void)state;
    struct tr_reactor *reactor = open_reactor();
    struct watch watch;
    struct tr_error err;
    uint32_t other_count = 0;

    watch_open(&watch, reactor, TR_REACTOR_READ);
    send_byte(&watch);
    assert_int_equal(tr_reactor_poll(reactor, 0, WAIT_NS), 1);
    assert_int_equal(
        tr_reactor_set(reactor, watch.pair[0], TR_REACTOR_READ, on_other, &other_count, &err), TR_OK);
    assert_int_equal(tr_reactor_poll(reactor, 0, WAIT_NS), 1);
    assert_int_equal(watch.called_count, 1);
    assert_int_equal(other_count, 1);
    watch_close(&watch);
    tr_reactor_close(reactor);
}

static void handler_may_remove_any_handle(void **state)
{
    (void)state;
    struct tr_reactor *reactor = open_reactor();
    struct watch watches[2];

    for (int i = 0; i < 2; i++) {
        watch_open(&watches[i], reactor, TR_REACTOR_READ);
    }
    watches[0].victim = &watches[1];
    watches[1].victim = &watches[0];
    send_byte(&watches[0]);
    send_byte(&watches[1]);
    /* Both are ready; whoever is called first removes the other, whose report may be in the same batch. */
    assert_int_equal(tr_reactor_poll(reactor, 0, WAIT_NS), 1);
    const struct watch *survivor = watches[0].called_count == 1 ? &watches[0] : &watches[1];
    assert_int_equal(tr_reactor_poll(reactor, 0, WAIT_NS), 1);
    assert_int_equal(survivor->called_count, 2);
    assert_int_equal(watches[0].called_count + watches[1].called_count, 2);
    watch_close(&watches[0]);
    watch_close(&watches[1]);
    tr_reactor_close(reactor);
}

static void handler_may_remove_itself(void **state)
{
    (void)state;
    struct tr_reactor *reactor = open_reactor();
    struct watch watch;

    watch_open(&watch, reactor, TR_REACTOR_READ);
    watch.removes_itself = true;
    send_byte(&watch);
    assert_int_equal(tr_reactor_poll(reactor, 0, WAIT_NS), 1);
    assert_int_equal(poll_some(reactor), 0);
    assert_int_equal(watch.called_count, 1);
    watch_close(&watch);
    tr_reactor_close(reactor);
}

struct swap {
    struct watch old;
    struct watch fresh;
};

/* Closes a ready neighbour and takes its number for a new, silent one. */
static void on_ready_swap(void *self, int fd, uint32_t ready)
{
    struct swap *swap = self;
    struct tr_error err;
    char byte;

    (void)ready;
    assert_int_equal(read(fd, &byte, 1), 1);
    const int number = swap->old.pair[0];
    watch_close(&swap->old);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, swap->fresh.pair), 0);
    if (swap->fresh.pair[0] != number) {
        assert_int_equal(dup2(swap->fresh.pair[0], number), number);
        if (swap->fresh.pair[1] != number) {
            assert_int_equal(close(swap->fresh.pair[0]), 0);
        } else {
            swap->fresh.pair[1] = swap->fresh.pair[0];
        }
        swap->fresh.pair[0] = number;
    }
    assert_int_equal(tr_reactor_set(swap->old.reactor, number, TR_REACTOR_READ, on_ready, &swap->fresh, &err), TR_OK);
}

static void reused_descriptor_gets_no_report_of_the_old_one(void **state)
{
    (void)state;
    struct tr_reactor *reactor = open_reactor();
    struct watch first;
    struct swap swap = {0};
    struct tr_error err;

    watch_open(&first, reactor, TR_REACTOR_READ);
    watch_open(&swap.old, reactor, TR_REACTOR_READ);
    assert_int_equal(tr_reactor_set(reactor, first.pair[0], TR_REACTOR_READ, on_ready_swap, &swap, &err), TR_OK);
    swap.fresh.reactor = reactor;
    send_byte(&first);
    send_byte(&swap.old);
    (void)tr_reactor_poll(reactor, 0, WAIT_NS);
    assert_int_equal(poll_some(reactor), 0);
    assert_int_equal(swap.fresh.called_count, 0);
    send_byte(&swap.fresh);
    assert_int_equal(tr_reactor_poll(reactor, 0, WAIT_NS), 1);
    assert_int_equal(swap.fresh.called_count, 1);
    watch_close(&first);
    watch_close(&swap.fresh);
    tr_reactor_close(reactor);
}

static void removed_descriptor_is_really_closed_by_close(void **state)
{
    (void)state;
    struct tr_reactor *reactor = open_reactor();
    struct watch watch;
    char byte;

    watch_open(&watch, reactor, TR_REACTOR_READ);
    assert_int_equal(poll_some(reactor), 0); /* a poll is in flight and holds the file */
    tr_reactor_remove(reactor, watch.pair[0]);
    assert_int_equal(close(watch.pair[0]), 0);
    const int flags = fcntl(watch.pair[1], F_GETFL);
    assert_int_equal(fcntl(watch.pair[1], F_SETFL, flags & ~O_NONBLOCK), 0);
    assert_int_equal(read(watch.pair[1], &byte, 1), 0); /* waits for the end of file, without another poll */
    assert_int_equal(close(watch.pair[1]), 0);
    tr_reactor_close(reactor);
}

static void hang_up_is_reported_without_interest(void **state)
{
    (void)state;
    struct tr_reactor *reactor = open_reactor();
    struct watch watch;

    watch_open(&watch, reactor, 0);
    assert_int_equal(poll_some(reactor), 0);
    assert_int_equal(close(watch.pair[1]), 0);
    assert_int_equal(tr_reactor_poll(reactor, 0, WAIT_NS), 1);
    assert_int_equal(watch.last_ready, TR_REACTOR_ERROR);
    tr_reactor_remove(reactor, watch.pair[0]);
    assert_int_equal(close(watch.pair[0]), 0);
    tr_reactor_close(reactor);
}

static void half_closed_peer_is_no_error_and_still_takes_bytes(void **state)
{
    (void)state;
    struct tr_reactor *reactor = open_reactor();
    struct watch watch;
    char bytes[4096];

    watch_open(&watch, reactor, TR_REACTOR_WRITE);
    fill(watch.pair[0]);
    (void)poll_some(reactor);
    assert_int_equal(shutdown(watch.pair[1], SHUT_WR), 0);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(tr_reactor_poll(reactor, 0, 0), 0);
    }
    while (read(watch.pair[1], bytes, sizeof(bytes)) > 0) {
    }
    for (int i = 0; i < 3; i++) { /* writable again: still level-triggered */
        watch.last_ready = 0;
        uint32_t called_count = 0;
        for (int tries = 0; tries < 4 && called_count == 0; tries++) {
            called_count = tr_reactor_poll(reactor, 0, WAIT_NS);
        }
        assert_int_equal(called_count, 1);
        assert_int_equal(watch.last_ready, TR_REACTOR_WRITE);
    }
    watch_set(&watch, TR_REACTOR_READ);
    assert_int_equal(tr_reactor_poll(reactor, 0, WAIT_NS), 1);
    assert_int_equal(watch.last_ready, TR_REACTOR_READ); /* the end of file */
    watch_close(&watch);
    tr_reactor_close(reactor);
}

static void more_descriptors_than_places_is_refused(void **state)
{
    (void)state;
    struct tr_reactor *reactor = open_reactor();
    struct watch watches[FDS_MAX + 1];
    struct tr_error err;

    for (int i = 0; i <= FDS_MAX; i++) { /* one more: the doorbell's place */
        watch_open(&watches[i], reactor, TR_REACTOR_READ);
    }
    const int extra = eventfd(0, EFD_CLOEXEC);
    assert_int_equal(tr_reactor_set(reactor, extra, TR_REACTOR_READ, on_ready, NULL, &err), TR_ERR_MEMORY_LIMIT);
    for (int i = 0; i <= FDS_MAX; i++) {
        send_byte(&watches[i]);
        watches[i].is_reading = true;
    }
    uint32_t called_count = 0;
    for (int i = 0; i < 10 && called_count < FDS_MAX + 1; i++) {
        called_count += tr_reactor_poll(reactor, 0, WAIT_NS);
    }
    for (int i = 0; i <= FDS_MAX; i++) {
        assert_int_equal(watches[i].called_count, 1);
    }
    watch_close(&watches[7]);
    assert_int_equal(tr_reactor_set(reactor, extra, TR_REACTOR_READ, on_ready, NULL, &err), TR_OK);
    tr_reactor_remove(reactor, extra);
    assert_int_equal(close(extra), 0);
    for (int i = 0; i <= FDS_MAX; i++) {
        if (i != 7) {
            watch_close(&watches[i]);
        }
    }
    tr_reactor_close(reactor);
}

static void bad_descriptors_are_refused(void **state)
{
    (void)state;
    struct tr_reactor *reactor = open_reactor();
    struct tr_error err;
    const int closed = eventfd(0, EFD_CLOEXEC);

    assert_int_equal(close(closed), 0);
    assert_int_equal(tr_reactor_set(reactor, -1, TR_REACTOR_READ, on_ready, NULL, &err), TR_ERR_SYSTEM);
    assert_int_equal(tr_reactor_set(reactor, closed, TR_REACTOR_READ, on_ready, NULL, &err), TR_ERR_SYSTEM);
    assert_int_equal(tr_reactor_set(reactor, 1 << 20, TR_REACTOR_READ, on_ready, NULL, &err), TR_ERR_SYSTEM);
    tr_reactor_remove(reactor, -1);
    tr_reactor_remove(reactor, closed);
    tr_reactor_remove(reactor, 1 << 20);
    tr_reactor_close(reactor);
}

static void random_changes_match_a_model(void **state)
{
    (void)state;
    struct tr_reactor *reactor = open_reactor();
    struct watch watches[8];
    bool is_set[8] = {false};
    bool is_readable[8] = {false};
    uint64_t seed = 88172645463325252u;
    char byte;

    for (int i = 0; i < 8; i++) {
        watch_open(&watches[i], reactor, 0);
        watch_set(&watches[i], TR_REACTOR_READ);
        is_set[i] = true;
    }
    for (int step = 0; step < 20000; step++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        const int i = (int)(seed % 8);
        switch (seed / 8 % 5) {
        case 0:
            tr_reactor_remove(reactor, watches[i].pair[0]);
            is_set[i] = false;
            break;
        case 1:
            watch_set(&watches[i], TR_REACTOR_READ);
            is_set[i] = true;
            break;
        case 2:
            if (!is_readable[i]) {
                send_byte(&watches[i]);
                is_readable[i] = true;
            }
            break;
        case 3:
            if (is_readable[i]) {
                assert_int_equal(read(watches[i].pair[0], &byte, 1), 1);
                is_readable[i] = false;
            }
            break;
        default:
            for (int k = 0; k < 8; k++) {
                watches[k].called_count = 0;
            }
            (void)poll_some(reactor); /* what was on its way */
            for (int k = 0; k < 8; k++) {
                /* Only those that are watched and readable now, or were when a report set out. */
                assert_true(watches[k].called_count == 0 || is_set[k]);
                watches[k].called_count = 0;
            }
            (void)tr_reactor_poll(reactor, 0, 0);
            for (int k = 0; k < 8; k++) {
                assert_int_equal(watches[k].called_count, is_set[k] && is_readable[k] ? 1 : 0);
            }
            break;
        }
    }
    for (int i = 0; i < 8; i++) {
        watch_close(&watches[i]);
    }
    tr_reactor_close(reactor);
}

struct alarm {
    struct tr_reactor *reactor;
    struct tr_reactor_timer timer;
    int64_t rearm_ns; /* 0 = no */
    uint32_t fired_count;
    int64_t *last_deadline_ns; /* shared: the order of firing */
};

static void on_timer(void *self, int64_t now_ns)
{
    struct alarm *alarm = self;

    assert_true(alarm->timer.deadline_ns <= now_ns);
    assert_int_equal(alarm->timer.heap_index, 0);
    alarm->fired_count++;
    if (alarm->last_deadline_ns != NULL) {
        assert_true(*alarm->last_deadline_ns <= alarm->timer.deadline_ns);
        *alarm->last_deadline_ns = alarm->timer.deadline_ns;
    }
    if (alarm->rearm_ns != 0) {
        tr_reactor_timer_set(alarm->reactor, &alarm->timer, alarm->rearm_ns);
    }
}

static void timers_fire_once_in_order(void **state)
{
    (void)state;
    struct tr_reactor *reactor = open_reactor();
    struct alarm alarms[TIMERS_MAX] = {0};
    int64_t last_deadline_ns = 0;
    uint64_t seed = 12345;

    assert_int_equal(tr_reactor_next_deadline_ns(reactor), INT64_MAX);
    for (int round = 0; round < 20; round++) {
        int64_t earliest_ns = INT64_MAX;
        for (int i = 0; i < TIMERS_MAX; i++) {
            alarms[i] = (struct alarm){.reactor = reactor, .timer = alarms[i].timer};
            alarms[i].last_deadline_ns = &last_deadline_ns;
            alarms[i].timer.on_timer = on_timer;
            alarms[i].timer.self = &alarms[i];
            for (int moves = 0; moves < 3; moves++) { /* armed, then moved twice */
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                tr_reactor_timer_set(reactor, &alarms[i].timer, 1 + (int64_t)(seed >> 40) % 1000);
            }
        }
        for (int i = 0; i < TIMERS_MAX; i++) {
            if (i % 3 == 0) {
                tr_reactor_timer_cancel(reactor, &alarms[i].timer);
                tr_reactor_timer_cancel(reactor, &alarms[i].timer);
            } else if (alarms[i].timer.deadline_ns < earliest_ns) {
                earliest_ns = alarms[i].timer.deadline_ns;
            }
        }
        assert_int_equal(tr_reactor_next_deadline_ns(reactor), earliest_ns);
        last_deadline_ns = 0;
        assert_int_equal(tr_reactor_poll(reactor, earliest_ns - 1, 0), 0);
        for (int64_t now_ns = earliest_ns; now_ns <= 1000; now_ns += 50) {
            (void)tr_reactor_poll(reactor, now_ns, 0);
        }
        (void)tr_reactor_poll(reactor, 1001, 0);
        for (int i = 0; i < TIMERS_MAX; i++) {
            assert_int_equal(alarms[i].fired_count, i % 3 == 0 ? 0 : 1);
        }
        assert_int_equal(tr_reactor_next_deadline_ns(reactor), INT64_MAX);
    }
    tr_reactor_close(reactor);
}

static void timer_that_rearms_itself_in_the_past_does_not_hold_the_poll(void **state)
{
    (void)state;
    struct tr_reactor *reactor = open_reactor();
    struct alarm alarm = {.reactor = reactor, .rearm_ns = 5};

    alarm.timer.on_timer = on_timer;
    alarm.timer.self = &alarm;
    tr_reactor_timer_set(reactor, &alarm.timer, 5);
    assert_int_equal(tr_reactor_poll(reactor, 10, WAIT_NS), 1);
    assert_int_equal(tr_reactor_poll(reactor, 10, WAIT_NS), 1);
    tr_reactor_close(reactor);
    assert_int_equal(alarm.timer.heap_index, 0); /* forgotten, not dangling */
}

static void wait_ends_at_the_next_deadline(void **state)
{
    (void)state;
    struct tr_reactor *reactor = open_reactor();
    struct alarm alarm = {.reactor = reactor};
    const struct tr_clock *clock = tr_clock_system();
    const int64_t start_ns = tr_clock_monotonic_ns(clock);

    alarm.timer.on_timer = on_timer;
    alarm.timer.self = &alarm;
    tr_reactor_timer_set(reactor, &alarm.timer, start_ns + 20 * TR_NS_PER_MS);
    uint32_t poll_count = 0;
    while (alarm.fired_count == 0) {
        (void)tr_reactor_poll(reactor, tr_clock_monotonic_ns(clock), INT64_C(3600) * TR_NS_PER_S);
        poll_count++;
    }
    assert_true(tr_clock_monotonic_ns(clock) >= start_ns + 20 * TR_NS_PER_MS);
    /* One wait, which a loaded kernel may end early a few times, or begin past the deadline; a busy loop needs thousands. */
    assert_in_range(poll_count, 1, 50);
    assert_int_equal(alarm.fired_count, 1);
    tr_reactor_close(reactor);
}

static int use_epoll(void **state)
{
    (void)state;
    engine_under_test = TR_REACTOR_EPOLL;
    return 0;
}

static int use_io_uring(void **state)
{
    (void)state;
    engine_under_test = TR_REACTOR_IO_URING;
    return 0;
}

static void auto_gives_a_working_engine(void **state)
{
    (void)state;
    struct tr_reactor *reactor = NULL;
    struct tr_error err;

    assert_int_equal(tr_reactor_open(&reactor, TR_REACTOR_AUTO, FDS_MAX, TIMERS_MAX, &err), TR_OK);
    printf("auto chose %s\n", tr_reactor_engine_name(reactor));
    tr_reactor_close(reactor);
    tr_reactor_close(NULL);
}

#define BOTH(test)                                                                          \
    {"epoll: " #test, test, use_epoll, NULL, NULL}, {"io_uring: " #test, test, use_io_uring, NULL, NULL}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(readiness_is_level_triggered),
        BOTH(interest_can_change_while_a_report_is_pending),
        BOTH(handler_can_be_replaced),
        BOTH(handler_may_remove_any_handle),
        BOTH(handler_may_remove_itself),
        BOTH(reused_descriptor_gets_no_report_of_the_old_one),
        BOTH(removed_descriptor_is_really_closed_by_close),
        BOTH(hang_up_is_reported_without_interest),
        BOTH(half_closed_peer_is_no_error_and_still_takes_bytes),
        BOTH(more_descriptors_than_places_is_refused),
        BOTH(bad_descriptors_are_refused),
        BOTH(random_changes_match_a_model),
        BOTH(timers_fire_once_in_order),
        BOTH(timer_that_rearms_itself_in_the_past_does_not_hold_the_poll),
        BOTH(wait_ends_at_the_next_deadline),
        cmocka_unit_test(auto_gives_a_working_engine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
