// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/app/signals.h"
#include "engine/clock.h"
#include "tests/check.h"

#define MINUTE_NS (60 * TR_NS_PER_S)

static struct tr_reactor *reactor;
static struct tr_signals signals;
static struct tr_error err;

static void open_signals(void)
{
    assert_int_equal(tr_reactor_open(&reactor, TR_REACTOR_EPOLL, 4, 4, &err), TR_OK);
    assert_int_equal(tr_signals_open(&signals, reactor, 3600000, &err), TR_OK);
}

static void close_signals(void)
{
    tr_signals_close(&signals);
    tr_reactor_close(reactor);
}

static void the_first_signal_asks_for_a_stop(void **state)
{
    (void)state;
    open_signals();
    assert_false(tr_signals_is_stopping(&signals));
    assert_int_equal(raise(SIGTERM), 0);
    (void)tr_reactor_poll(reactor, 0, MINUTE_NS);
    assert_true(tr_signals_is_stopping(&signals));
    close_signals();
}

/*
 * The child never looks at its reactor, as one that waits in a library. It waits in short turns: the
 * thread sanitizer keeps a signal that comes after a handler's own write until the call that it
 * interrupted is over (GCC 12: that write's end counts as the outer call's).
 */
static pid_t fork_blocked(int never[2])
{
    assert_int_equal(pipe(never), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(never[1]); /* the parent's end alone: the child ends with it */
        struct pollfd parent_is_gone = {.fd = never[0], .events = POLLIN};
        while (poll(&parent_is_gone, 1, 10) <= 0) {
        }
        _exit(1);
    }
    return child;
}

static void the_second_signal_ends_a_process_that_is_blocked(void **state)
{
    struct pollfd first_is_seen = {.events = POLLIN};
    int never[2];
    int status = 0;

    (void)state;
    open_signals();
    const pid_t child = fork_blocked(never);
    assert_int_equal(kill(child, SIGTERM), 0);
    first_is_seen.fd = signals.fd; /* shared by the fork */
    assert_int_equal(poll(&first_is_seen, 1, -1), 1);
    assert_int_equal(kill(child, SIGTERM), 0); /* two that are pending would count as one */
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), tr_error_exit_code(TR_ERR_INTERRUPTED));
    (void)close(never[0]);
    (void)close(never[1]);
    close_signals();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_signal_ends_a_process_that_is_blocked),
        cmocka_unit_test(the_first_signal_asks_for_a_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
