// SPDX-License-Identifier: Apache-2.0
#include "engine/doorbell.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum tr_code tr_doorbell_open(struct tr_doorbell *bell, struct tr_error *err)
{
    /* Relaxed: nobody else knows the bell yet. */
    atomic_store_explicit(&bell->parked, 0, memory_order_relaxed);
    bell->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (bell->event_fd == -1) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "eventfd: error %d; raise the limit of open files (ulimit -n)", errno);
    }
    return TR_OK;
}

void tr_doorbell_close(struct tr_doorbell *bell)
{
    if (bell->event_fd > 0) { /* 0: a zeroed bell */
        (void)close(bell->event_fd);
    }
    bell->event_fd = -1;
}

void tr_doorbell_park(struct tr_doorbell *bell, bool (*has_work)(void *self), void *self,
                      int timeout_ms)
{
    struct pollfd poll_fd = {.fd = bell->event_fd, .events = POLLIN};
    eventfd_t ignored;

    tr_doorbell_park_begin(bell);
    if (!has_work(self) && poll(&poll_fd, 1, timeout_ms) > 0) {
        (void)eventfd_read(bell->event_fd, &ignored);
    }
    tr_doorbell_park_end(bell);
}
