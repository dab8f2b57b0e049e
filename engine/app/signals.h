// SPDX-License-Identifier: Apache-2.0
/*
 * SIGTERM and SIGINT as a descriptor on the main thread's reactor: the first one asks for an
 * orderly stop, the second ends the process at once (exit code of TR_ERR_INTERRUPTED). SIGPIPE is
 * ignored.
 * @thread main
 */
#ifndef TR_ENGINE_APP_SIGNALS_H
#define TR_ENGINE_APP_SIGNALS_H

#include <stdbool.h>

#include "engine/error.h"
#include "engine/reactor.h"

struct tr_signals {
    int fd; /* owns; -1 = closed */
    struct tr_reactor *reactor;
    bool stop_asked;
};

/* Blocks both signals for this thread and those it starts later, and watches them. Errors:
 * TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_signals_open(struct tr_signals *signals, struct tr_reactor *reactor,
                                          struct tr_error *err);

/* Accepts a zeroed one. */
void tr_signals_close(struct tr_signals *signals);

/* For waits that ask whether to go on: `self` is the struct. */
bool tr_signals_is_stopping(void *self);

#endif
