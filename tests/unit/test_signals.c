// SPDX-License-Identifier: Apache-2.0
#include "engine/app/signals.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* The child: never looks at its reactor, as one that waits in a library. */
static void block_for_ever(int ready_fd, int never_fd)
{
    char byte = 0;
    open_signals();
    if (write(ready_fd, &byte, 1) == 1) {
        (void)!read(never_fd, &byte, 1);
    }
    _exit(1);
}

static void the_second_signal_ends_a_process_that_is_blocked(void **state)
{
    int ready[2];
    int never[2];
    int status = 0;
    char byte;
    (void)state;
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(never), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        block_for_ever(ready[1], never[0]);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    while (waitpid(child, &status, WNOHANG) == 0) { /* two that are pending count as one */
        assert_int_equal(kill(child, SIGTERM), 0);
        (void)sched_yield();
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), tr_error_exit_code(TR_ERR_INTERRUPTED));
    for (int i = 0; i < 2; i++) {
        (void)close(ready[i]);
        (void)close(never[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_signal_ends_a_process_that_is_blocked),
        cmocka_unit_test(the_first_signal_asks_for_a_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
