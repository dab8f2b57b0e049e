// SPDX-License-Identifier: Apache-2.0
/*
 * The reactor: waits for descriptors and timers; one per runner that has sockets.
 *
 * Two engines behind one interface, chosen at run time (`tailrace.reactor` = auto | io_uring | epoll): io_uring polls
 * where the kernel allows them, epoll where it does not (containers). Level-triggered semantics with both.
 * A handler is called from tr_reactor_poll only, never from a setter, and may add, change or remove any handle,
 * itself included.
 *
 * @thread everything: the runner that owns the reactor.
 */
#ifndef TR_ENGINE_REACTOR_H
#define TR_ENGINE_REACTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"

#define TR_REACTOR_READ 1u
#define TR_REACTOR_WRITE 2u
#define TR_REACTOR_ERROR 4u /* reported only: error or hang-up, always watched */

enum tr_reactor_engine { TR_REACTOR_AUTO = 0, TR_REACTOR_IO_URING, TR_REACTOR_EPOLL };

struct tr_reactor; /* opaque */

/* Called when `fd` is ready; `ready` is a set of TR_REACTOR_*. */
typedef void tr_reactor_on_ready(void *self, int fd, uint32_t ready);
/* Called once when a timer's deadline passed. */
typedef void tr_reactor_on_timer(void *self, int64_t now_ns);

/* Embedded in its owner; zero it before first use. */
struct tr_reactor_timer {
    int64_t deadline_ns; /* monotonic; valid while armed */
    tr_reactor_on_timer *on_timer;
    void *self;
    uint32_t heap_index; /* 1-based place in the reactor's heap; 0 = not armed */
};

/*
 * Opens a reactor for at most `fds_max` descriptors, the runner's doorbell not counted, and `timers_max` timers (all
 * memory is taken here).
 * Errors: TR_ERR_CONFIG when io_uring is demanded and the kernel refuses it (text says how to choose epoll);
 * TR_ERR_SYSTEM.
 */
TR_NODISCARD enum tr_code tr_reactor_open(struct tr_reactor **reactor,
                                          enum tr_reactor_engine engine, uint32_t fds_max,
                                          uint32_t timers_max, struct tr_error *err);

/* Accepts NULL. Handles and timers are forgotten, descriptors are not closed. */
void tr_reactor_close(struct tr_reactor *reactor);

/* "io_uring" or "epoll": which engine runs. */
const char *tr_reactor_engine_name(const struct tr_reactor *reactor);

/*
 * Watches `fd` for `interest` (TR_REACTOR_READ | TR_REACTOR_WRITE), or changes what is watched and who is called;
 * interest 0 keeps the handle but asks for nothing but errors.
 * Errors: TR_ERR_SYSTEM (bad descriptor), TR_ERR_MEMORY_LIMIT (more than fds_max).
 */
TR_NODISCARD enum tr_code tr_reactor_set(struct tr_reactor *reactor, int fd, uint32_t interest,
                                         tr_reactor_on_ready *on_ready, void *self,
                                         struct tr_error *err);

/* Forgets `fd`; call it before closing the descriptor. An unknown one is ignored. */
void tr_reactor_remove(struct tr_reactor *reactor, int fd);

/* Arms (or moves) a timer. Asserts room. */
void tr_reactor_timer_set(struct tr_reactor *reactor, struct tr_reactor_timer *timer,
                          int64_t deadline_ns);

/* Disarms; a timer that is not armed is ignored. */
void tr_reactor_timer_cancel(struct tr_reactor *reactor, struct tr_reactor_timer *timer);

/* The earliest deadline, or INT64_MAX. */
int64_t tr_reactor_next_deadline_ns(const struct tr_reactor *reactor);

/*
 * Calls the handlers of what is ready and of timers due at `now_ns`; waits at most `timeout_ns` (0 = no wait) for a
 * descriptor when nothing is ready. Returns the number of handlers called.
 */
uint32_t tr_reactor_poll(struct tr_reactor *reactor, int64_t now_ns, int64_t timeout_ns);

#endif
