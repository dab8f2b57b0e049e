// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/reactor_engine.h"

#define EVENTS_PER_WAIT 256

struct epoll_state {
    int epoll_fd; /* owns */
    struct epoll_event events[EVENTS_PER_WAIT];
};

static enum tr_code epoll_open(struct tr_reactor *reactor, struct tr_error *err)
{
    struct epoll_state *state = calloc(1, sizeof(*state));

    if (state == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "reactor: the system refused the memory");
    }
    state->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (state->epoll_fd == -1) {
        free(state);
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "epoll_create1: error %d; raise the limit of open files (ulimit -n)", errno);
    }
    reactor->engine_state = state;
    return TR_OK;
}

static void epoll_close(struct tr_reactor *reactor)
{
    struct epoll_state *state = reactor->engine_state;

    (void)close(state->epoll_fd);
    free(state);
    reactor->engine_state = NULL;
}

static enum tr_code epoll_control(struct tr_reactor *reactor, uint32_t slot, int operation,
                                  struct tr_error *err)
{
    const struct epoll_state *state = reactor->engine_state;
    const struct tr_reactor_handle *handle = &reactor->handles[slot];
    struct epoll_event event = {.data.u64 = tr_reactor_token(reactor, slot)};

    if ((handle->interest & TR_REACTOR_READ) != 0) {
        event.events |= EPOLLIN;
    }
    if ((handle->interest & TR_REACTOR_WRITE) != 0) {
        event.events |= EPOLLOUT;
    }
    if (epoll_ctl(state->epoll_fd, operation, handle->fd, &event) == -1) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_RECONNECT, "epoll_ctl: descriptor %d: error %d",
                       handle->fd, errno);
    }
    return TR_OK;
}

static enum tr_code epoll_add(struct tr_reactor *reactor, uint32_t slot, struct tr_error *err)
{
    return epoll_control(reactor, slot, EPOLL_CTL_ADD, err);
}

static enum tr_code epoll_change(struct tr_reactor *reactor, uint32_t slot, struct tr_error *err)
{
    return epoll_control(reactor, slot, EPOLL_CTL_MOD, err);
}

static void epoll_remove(struct tr_reactor *reactor, uint32_t slot)
{
    /* Fails only for a descriptor that was closed too early, which the kernel has forgotten by then. */
    (void)epoll_control(reactor, slot, EPOLL_CTL_DEL, NULL);
}

static uint32_t epoll_wait_and_dispatch(struct tr_reactor *reactor, int64_t timeout_ns)
{
    struct epoll_state *state = reactor->engine_state;
    const int64_t timeout_ms = (timeout_ns + TR_NS_PER_MS - 1) / TR_NS_PER_MS; /* up: never early */
    uint32_t called_count = 0;

    /* -1: interrupted by a signal, which the caller's next cycle sees as nothing ready. */
    const int ready_count = epoll_wait(state->epoll_fd, state->events, EVENTS_PER_WAIT,
                                       timeout_ms < INT_MAX ? (int)timeout_ms : INT_MAX);
    for (int i = 0; i < ready_count; i++) {
        const uint32_t events = state->events[i].events;
        struct tr_reactor_handle *handle = tr_reactor_handle_of(reactor, state->events[i].data.u64);
        if (handle != NULL) {
            called_count += tr_reactor_dispatch(
                handle, ((events & EPOLLIN) != 0 ? TR_REACTOR_READ : 0) |
                            ((events & EPOLLOUT) != 0 ? TR_REACTOR_WRITE : 0) |
                            ((events & (EPOLLERR | EPOLLHUP)) != 0 ? TR_REACTOR_ERROR : 0));
        }
    }
    return called_count;
}

const struct tr_reactor_engine_ops tr_reactor_engine_epoll = {
    .name = "epoll",
    .open = epoll_open,
    .close = epoll_close,
    .add = epoll_add,
    .change = epoll_change,
    .remove = epoll_remove,
    .wait = epoll_wait_and_dispatch,
};
