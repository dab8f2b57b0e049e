// SPDX-License-Identifier: Apache-2.0
/*
 * SIGTERM, SIGINT and SIGHUP (but under nohup): the first one asks for an orderly stop, by a descriptor on the main thread's
 * reactor; the second (of the first two) ends the process at once (exit code of TR_ERR_INTERRUPTED), and so does the
 * time that an orderly stop may take: whatever a thread is blocked in. SIGPIPE is ignored.
 * @thread main
 */
#ifndef TR_ENGINE_APP_SIGNALS_H
#define TR_ENGINE_APP_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/reactor.h"

struct tr_signals {
    int fd; /* owns; -1 = closed */
    struct tr_reactor *reactor;
    bool stop_asked;
};

/*
 * Watches them; one at a time per process. `stop_ms_max`: an orderly stop that takes this
 * long and some seconds more has failed. Errors: TR_ERR_SYSTEM.
 */
TR_NODISCARD enum tr_code tr_signals_open(struct tr_signals *signals, struct tr_reactor *reactor,
                                          uint64_t stop_ms_max, struct tr_error *err);

/* The signals have their usual effect again. Accepts a zeroed one. */
void tr_signals_close(struct tr_signals *signals);

/* For waits that ask whether to go on: `self` is the struct. */
bool tr_signals_is_stopping(void *self);

#endif
