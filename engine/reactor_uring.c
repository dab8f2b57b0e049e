// SPDX-License-Identifier: Apache-2.0
/*
 * The io_uring engine: one poll request per watched descriptor.
 *
 * Level-triggered: a one-shot poll that is armed again before the next wait completes at once while the descriptor
 * is still ready. Requests are only prepared here when something changed (the dirty list) and go to the kernel with
 * the wait itself: one system call, like epoll's.
 *
 * One trap: the kernel always adds POLLRDHUP to what a poll request waits for. Nobody asked for it (a half-closed
 * peer still takes our bytes), and a one-shot poll would then complete for ever without a handler to call. Such a
 * handle is watched by a repeating (edge-triggered) poll until something wanted happens.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/reactor_engine.h"

#define ENTRIES_MIN 16u
#define ENTRIES_MAX 1024u
#define TOKEN_IGNORED UINT64_MAX /* completions of poll removals */

struct uring_state {
    struct io_uring ring; /* owns */
    uint32_t dirty_count;
    uint32_t dirty_slots[]; /* slot_count places; each slot at most once */
};

static bool poll_works(struct io_uring *ring);
static void mark_dirty(struct tr_reactor *reactor, uint32_t slot);
static struct io_uring_sqe *next_sqe(struct uring_state *state);
static bool bring_in_line(struct tr_reactor *reactor, uint32_t slot);
static uint32_t complete(struct tr_reactor *reactor, uint64_t token, int result, uint32_t flags);

static enum tr_code refuse(struct tr_error *err, const char *what, int error_number)
{
    return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                   "tailrace.reactor = io_uring: the kernel refuses it (%s, error %d): set auto or "
                   "epoll, or allow "
                   "io_uring (sysctl kernel.io_uring_disabled, the container's seccomp profile)",
                   what, error_number);
}

static enum tr_code uring_open(struct tr_reactor *reactor, struct tr_error *err)
{
    struct uring_state *state =
        calloc(1, sizeof(*state) + reactor->slot_count * sizeof(state->dirty_slots[0]));
    unsigned entries = ENTRIES_MIN;

    if (state == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "reactor: the system refused the memory");
    }
    while (entries < reactor->slot_count && entries < ENTRIES_MAX) {
        entries *= 2;
    }
    const int result = io_uring_queue_init(entries, &state->ring, 0);
    if (result < 0) {
        free(state);
        return refuse(err, "io_uring_setup", -result);
    }
    /* EXT_ARG: a wait with a timeout (Linux 5.11). Older kernels lack other things that we rely on, too. */
    if ((state->ring.features & IORING_FEAT_EXT_ARG) == 0 || !poll_works(&state->ring)) {
        io_uring_queue_exit(&state->ring);
        free(state);
        return refuse(err, "Linux 5.11 or later is needed", ENOSYS);
    }
    reactor->engine_state = state;
    return TR_OK;
}

/* A poll that is ready at once: some sandboxes let the ring be set up and nothing be done with it. */
static bool poll_works(struct io_uring *ring)
{
    struct __kernel_timespec timeout = {.tv_sec = 1};
    struct io_uring_cqe *cqe = NULL;
    bool works = false;
    const int event_fd = eventfd(1, EFD_CLOEXEC);

    if (event_fd == -1) {
        return false;
    }
    io_uring_prep_poll_add(io_uring_get_sqe(ring), event_fd, POLLIN);
    if (io_uring_submit_and_wait_timeout(ring, &cqe, 1, &timeout, NULL) >= 0 && cqe != NULL) {
        works = cqe->res > 0 && (cqe->res & POLLIN) != 0;
        io_uring_cqe_seen(ring, cqe);
    }
    (void)close(event_fd);
    return works;
}

static void uring_close(struct tr_reactor *reactor)
{
    struct uring_state *state = reactor->engine_state;

    io_uring_queue_exit(&state->ring);
    free(state);
    reactor->engine_state = NULL;
}

static enum tr_code uring_add(struct tr_reactor *reactor, uint32_t slot, struct tr_error *err)
{
    struct tr_reactor_handle *handle = &reactor->handles[slot];

    if (fcntl(handle->fd, F_GETFD) == -1) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_RECONNECT, "io_uring: descriptor %d: error %d",
                       handle->fd, errno);
    }
    handle->is_armed = false;
    handle->wants_edge = false;
    mark_dirty(reactor, slot);
    return TR_OK;
}

static enum tr_code uring_change(struct tr_reactor *reactor, uint32_t slot, struct tr_error *err)
{
    (void)err;
    reactor->handles[slot].wants_edge = false;
    mark_dirty(reactor, slot);
    return TR_OK;
}

static void uring_remove(struct tr_reactor *reactor, uint32_t slot)
{
    struct uring_state *state = reactor->engine_state;
    struct tr_reactor_handle *handle = &reactor->handles[slot];

    if (!handle->is_armed) {
        return;
    }
    handle->is_armed = false;
    /* At once: the poll holds the file, and the caller is about to close its descriptor for the peer to see. */
    struct io_uring_sqe *sqe = next_sqe(state);
    if (sqe == NULL) {
        return; /* thousands removed between two waits: the poll ends with the peer, and its report finds nobody */
    }
    io_uring_prep_poll_remove(sqe, tr_reactor_token(reactor, slot));
    io_uring_sqe_set_data64(sqe, TOKEN_IGNORED);
    (void)io_uring_submit(&state->ring); /* what it did not take goes with the next wait */
}

static void mark_dirty(struct tr_reactor *reactor, uint32_t slot)
{
    struct uring_state *state = reactor->engine_state;

    if (!reactor->handles[slot].is_dirty) {
        reactor->handles[slot].is_dirty = true;
        state->dirty_slots[state->dirty_count] = slot;
        state->dirty_count++;
    }
}

static struct io_uring_sqe *next_sqe(struct uring_state *state)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&state->ring);

    if (sqe == NULL) {
        (void)io_uring_submit(&state->ring);
        sqe = io_uring_get_sqe(&state->ring);
    }
    return sqe;
}

/* Prepares what makes the slot's poll match its interest; false when the queue is full: try before the next wait. */
static bool bring_in_line(struct tr_reactor *reactor, uint32_t slot)
{
    struct uring_state *state = reactor->engine_state;
    struct tr_reactor_handle *handle = &reactor->handles[slot];

    if (handle->fd == -1) {
        return true;
    }
    if (handle->is_armed && handle->armed_interest == handle->interest &&
        handle->is_edge == handle->wants_edge) {
        return true;
    }
    if (handle->is_armed) {
        struct io_uring_sqe *sqe = next_sqe(state);
        if (sqe == NULL) {
            return false;
        }
        io_uring_prep_poll_remove(sqe, tr_reactor_token(reactor, slot));
        io_uring_sqe_set_data64(sqe, TOKEN_IGNORED);
        handle->is_armed = false;
    }
    struct io_uring_sqe *sqe = next_sqe(state);
    if (sqe == NULL) {
        return false;
    }
    tr_reactor_renew(reactor, handle);
    const unsigned mask = ((handle->interest & TR_REACTOR_READ) != 0 ? (unsigned)POLLIN : 0u) |
                          ((handle->interest & TR_REACTOR_WRITE) != 0 ? (unsigned)POLLOUT : 0u);
    if (handle->wants_edge) {
        io_uring_prep_poll_multishot(sqe, handle->fd, mask);
    } else {
        io_uring_prep_poll_add(sqe, handle->fd, mask);
    }
    io_uring_sqe_set_data64(sqe, tr_reactor_token(reactor, slot));
    handle->is_armed = true;
    handle->is_edge = handle->wants_edge;
    handle->armed_interest = handle->interest;
    return true;
}

static void bring_all_in_line(struct tr_reactor *reactor)
{
    struct uring_state *state = reactor->engine_state;
    uint32_t done_count = 0;

    while (done_count < state->dirty_count &&
           bring_in_line(reactor, state->dirty_slots[done_count])) {
        reactor->handles[state->dirty_slots[done_count]].is_dirty = false;
        done_count++;
    }
    state->dirty_count -= done_count;
    memmove(state->dirty_slots, state->dirty_slots + done_count,
            state->dirty_count * sizeof(state->dirty_slots[0]));
}

static uint32_t uring_wait_and_dispatch(struct tr_reactor *reactor, int64_t timeout_ns)
{
    struct uring_state *state = reactor->engine_state;
    struct io_uring_cqe *cqe = NULL;
    uint32_t called_count = 0;

    bring_all_in_line(reactor);
    if (timeout_ns > 0 && state->dirty_count == 0) {
        struct __kernel_timespec timeout = {.tv_sec = timeout_ns / TR_NS_PER_S,
                                            .tv_nsec = timeout_ns % TR_NS_PER_S};
        /* Timed out and interrupted are both "nothing ready"; what was not submitted goes next time. */
        (void)io_uring_submit_and_wait_timeout(&state->ring, &cqe, 1, &timeout, NULL);
    } else if (io_uring_sq_ready(&state->ring) > 0) {
        (void)io_uring_submit(&state->ring);
    }
    /* A poll is armed again before the next wait only, so each handle is called at most once; the bound is for
     * removals and repeating polls. */
    for (uint32_t i = 0; i < 4 * ENTRIES_MAX && io_uring_peek_cqe(&state->ring, &cqe) == 0; i++) {
        const uint64_t token = io_uring_cqe_get_data64(cqe);
        const int result = cqe->res;
        const uint32_t flags = cqe->flags;
        io_uring_cqe_seen(&state->ring, cqe);
        called_count += complete(reactor, token, result, flags);
    }
    return called_count;
}

/* One completion: 1 when a handler was called. */
static uint32_t complete(struct tr_reactor *reactor, uint64_t token, int result, uint32_t flags)
{
    struct tr_reactor_handle *handle =
        token == TOKEN_IGNORED ? NULL : tr_reactor_handle_of(reactor, token);
    uint32_t ready = 0;

    if (handle == NULL) {
        return 0;
    }
    handle->is_armed = (flags & IORING_CQE_F_MORE) != 0;
    if (handle->is_edge && !handle->wants_edge) {
        return 0; /* a repeating poll that is about to be replaced: the one-shot poll will tell */
    }
    if (result == -ECANCELED) {
        mark_dirty(
            reactor,
            (uint32_t)(handle - reactor->handles)); /* the thread that submitted it has ended */
        return 0;
    }
    if (result < 0 || (result & (POLLERR | POLLHUP | POLLNVAL)) != 0) {
        ready |= TR_REACTOR_ERROR;
    }
    if (result > 0) {
        ready |= (result & POLLIN) != 0 ? TR_REACTOR_READ : 0;
        ready |= (result & POLLOUT) != 0 ? TR_REACTOR_WRITE : 0;
    }
    handle->wants_edge = (ready & (handle->interest | TR_REACTOR_ERROR)) == 0;
    mark_dirty(reactor, (uint32_t)(handle - reactor->handles));
    return tr_reactor_dispatch(handle, ready);
}

const struct tr_reactor_engine_ops tr_reactor_engine_uring = {
    .name = "io_uring",
    .open = uring_open,
    .close = uring_close,
    .add = uring_add,
    .change = uring_change,
    .remove = uring_remove,
    .wait = uring_wait_and_dispatch,
};
