// SPDX-License-Identifier: Apache-2.0
#include "engine/app/signals.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/log.h"

#define AFTER_STOP_S 3 /* for closing what was saved and drained in time */

/*
 * Rule zero: a handler is given nothing but the signal's number. A descriptor of the signals
 * (signalfd) would need no handler, but nobody reads it while the main thread waits in a library.
 */
static struct {
    int event_fd;
    unsigned stop_s_max;
    _Atomic int seen_count;
} handled = {.event_fd = -1};

/* Only what signal-safety(7) allows. */
static void on_signal(int number)
{
    static const char text[] = "tailrace: interrupted: ended at once, what is saved is true\n";
    const int error = errno;

    /* A terminal that closes may say so twice, by its shell and by the kernel. */
    if (number == SIGHUP && atomic_load_explicit(&handled.seen_count, memory_order_relaxed) > 0) {
        return;
    }
    /* Relaxed: the descriptor orders the rest. */
    if (number == SIGALRM ||
        atomic_fetch_add_explicit(&handled.seen_count, 1, memory_order_relaxed) > 0) {
        const ssize_t written = write(STDERR_FILENO, text, sizeof(text) - 1);
        (void)written; /* nowhere to report it */
        _exit(tr_error_exit_code(TR_ERR_INTERRUPTED));
    }
    (void)alarm(handled.stop_s_max);
    const uint64_t one = 1;
    const ssize_t written = write(handled.event_fd, &one, sizeof(one));
    (void)written; /* full: it is readable already */
    errno = error;
}

static void on_ready(void *self, int fd, uint32_t ready)
{
    struct tr_signals *signals = self;
    eventfd_t ignored;
    (void)ready;
    (void)eventfd_read(fd, &ignored);
    if (!signals->stop_asked) {
        TR_LOG(TR_LOG_INFO, "run.stop_asked", TR_UINT("seconds_max", handled.stop_s_max));
        signals->stop_asked = true;
    }
}

static void handle(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGTERM, &action, NULL); /* these cannot fail with these arguments */
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGALRM, &action, NULL);
    struct sigaction hangup;
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) { /* nohup */
        (void)sigaction(SIGHUP, &action, NULL);
    }
}

enum tr_code tr_signals_open(struct tr_signals *signals, struct tr_reactor *reactor,
                             uint64_t stop_ms_max, struct tr_error *err)
{
    const uint64_t stop_s_max = (stop_ms_max + 999) / 1000 + AFTER_STOP_S;

    *signals =
        (struct tr_signals){.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .reactor = reactor};
    if (signals->fd < 0) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "signals: cannot be watched (%s): raise the limit of open files",
                       strerrordesc_np(errno));
    }
    (void)signal(SIGPIPE, SIG_IGN);
    handled.event_fd = signals->fd;
    handled.stop_s_max = stop_s_max < UINT_MAX ? (unsigned)stop_s_max : UINT_MAX;
    handle(on_signal);
    return tr_reactor_set(reactor, signals->fd, TR_REACTOR_READ, on_ready, signals, err);
}

void tr_signals_close(struct tr_signals *signals)
{
    if (signals->reactor != NULL && signals->fd >= 0) {
        handle(SIG_DFL);
        (void)alarm(0);
        tr_reactor_remove(signals->reactor, signals->fd);
        (void)close(signals->fd);
        handled.event_fd = -1;
    }
    *signals = (struct tr_signals){.fd = -1};
}

bool tr_signals_is_stopping(void *self)
{
    return ((const struct tr_signals *)self)->stop_asked;
}
