// SPDX-License-Identifier: Apache-2.0
#include "engine/app/signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "engine/log.h"

static void on_ready(void *self, int fd, uint32_t ready)
{
    struct tr_signals *signals = self;
    struct signalfd_siginfo seen;
    (void)ready;
    while (read(fd, &seen, sizeof(seen)) == (ssize_t)sizeof(seen)) {
        if (signals->stop_asked) {
            TR_LOG(TR_LOG_WARN, "run.interrupted", TR_UINT("signal", seen.ssi_signo));
            _exit(tr_error_exit_code(TR_ERR_INTERRUPTED));
        }
        TR_LOG(TR_LOG_INFO, "run.stop_asked", TR_UINT("signal", seen.ssi_signo));
        signals->stop_asked = true;
    }
}

enum tr_code tr_signals_open(struct tr_signals *signals, struct tr_reactor *reactor,
                             struct tr_error *err)
{
    sigset_t both;
    *signals = (struct tr_signals){.fd = -1, .reactor = reactor};
    (void)sigemptyset(&both);
    (void)sigaddset(&both, SIGTERM);
    (void)sigaddset(&both, SIGINT);
    (void)signal(SIGPIPE, SIG_IGN);
    const int masked = pthread_sigmask(SIG_BLOCK, &both, NULL);
    signals->fd = masked == 0 ? signalfd(-1, &both, SFD_NONBLOCK | SFD_CLOEXEC) : -1;
    if (signals->fd < 0) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "signals: cannot be watched (errno %d): raise the limit of open files",
                       errno);
    }
    return tr_reactor_set(reactor, signals->fd, TR_REACTOR_READ, on_ready, signals, err);
}

void tr_signals_close(struct tr_signals *signals)
{
    if (signals->reactor != NULL && signals->fd >= 0) {
        tr_reactor_remove(signals->reactor, signals->fd);
        (void)close(signals->fd);
    }
    *signals = (struct tr_signals){.fd = -1};
}

bool tr_signals_is_stopping(void *self)
{
    return ((const struct tr_signals *)self)->stop_asked;
}
