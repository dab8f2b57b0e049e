// SPDX-License-Identifier: Apache-2.0
#include "engine/reactor.h"

#include <stdlib.h>

#include "engine/assert.h"
#include "engine/clock.h"
#include "engine/pool.h"
#include "engine/reactor_engine.h"

/* One wait is never longer: keeps deadline arithmetic and the kernel's timeouts within range. */
#define WAIT_NS_MAX (INT64_C(3600) * TR_NS_PER_S)

static enum tr_code open_engine(struct tr_reactor *reactor, enum tr_reactor_engine engine,
                                struct tr_error *err);
static void heap_place(struct tr_reactor *reactor, struct tr_reactor_timer *timer, uint32_t index);
static void heap_sift(struct tr_reactor *reactor, struct tr_reactor_timer *timer, uint32_t index);
static uint32_t fire_timers(struct tr_reactor *reactor, int64_t now_ns);

enum tr_code tr_reactor_open(struct tr_reactor **reactor, enum tr_reactor_engine engine,
                             uint32_t fds_max, uint32_t timers_max, struct tr_error *err)
{
    TR_ASSERT(fds_max < TR_REACTOR_FD_LIMIT);
    TR_ASSERT(timers_max < UINT32_MAX);
    *reactor = NULL;
    struct tr_reactor *opened = calloc(1, sizeof(*opened));
    if (opened == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "reactor: the system refused the memory");
    }
    opened->slot_count = fds_max + 1; /* one more for the doorbell of the runner that steps it */
    opened->free_count = opened->slot_count;
    opened->timers_max = timers_max;
    opened->handles = calloc(opened->slot_count, sizeof(*opened->handles));
    opened->free_slots = calloc(opened->slot_count, sizeof(*opened->free_slots));
    opened->heap = calloc((size_t)timers_max + 1, sizeof(*opened->heap));
    opened->slot_of_fd = tr_memory_map(sizeof(*opened->slot_of_fd) * TR_REACTOR_FD_LIMIT, err);
    if (opened->handles == NULL || opened->free_slots == NULL || opened->heap == NULL ||
        opened->slot_of_fd == NULL) {
        tr_reactor_close(opened);
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "reactor of %u descriptors: the system refused the memory", fds_max);
    }
    for (uint32_t i = 0; i < opened->slot_count; i++) {
        opened->handles[i].fd = -1;
        opened->free_slots[i] = opened->slot_count - 1 - i;
    }
    const enum tr_code code = open_engine(opened, engine, err);
    if (code != TR_OK) {
        tr_reactor_close(opened);
        return code;
    }
    *reactor = opened;
    return TR_OK;
}

static enum tr_code open_engine(struct tr_reactor *reactor, enum tr_reactor_engine engine,
                                struct tr_error *err)
{
    if (engine != TR_REACTOR_EPOLL) {
        reactor->ops = &tr_reactor_engine_uring;
        const enum tr_code code = reactor->ops->open(reactor, err);
        if (code == TR_OK || engine == TR_REACTOR_IO_URING) {
            reactor->ops = code == TR_OK ? reactor->ops : NULL;
            return code;
        }
    }
    reactor->ops = &tr_reactor_engine_epoll;
    const enum tr_code code = reactor->ops->open(reactor, err);
    reactor->ops = code == TR_OK ? reactor->ops : NULL;
    return code;
}

void tr_reactor_close(struct tr_reactor *reactor)
{
    if (reactor == NULL) {
        return;
    }
    for (uint32_t i = 1; i <= reactor->timer_count; i++) {
        reactor->heap[i]->heap_index = 0;
    }
    if (reactor->ops != NULL) {
        reactor->ops->close(reactor);
    }
    tr_memory_unmap(reactor->slot_of_fd, sizeof(*reactor->slot_of_fd) * TR_REACTOR_FD_LIMIT);
    free(reactor->heap);
    free(reactor->free_slots);
    free(reactor->handles);
    free(reactor);
}

const char *tr_reactor_engine_name(const struct tr_reactor *reactor)
{
    return reactor->ops->name;
}

enum tr_code tr_reactor_set(struct tr_reactor *reactor, int fd, uint32_t interest,
                            tr_reactor_on_ready *on_ready, void *self, struct tr_error *err)
{
    TR_ASSERT((interest & ~(TR_REACTOR_READ | TR_REACTOR_WRITE)) == 0);
    TR_ASSERT(on_ready != NULL);
    if (fd < 0 || fd >= TR_REACTOR_FD_LIMIT) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "reactor: descriptor = %d: want 0..%d", fd,
                       TR_REACTOR_FD_LIMIT - 1);
    }
    const bool is_known = reactor->slot_of_fd[fd] != 0;
    if (!is_known && reactor->free_count == 0) {
        return TR_FAIL(err, TR_ERR_MEMORY_LIMIT, TR_RETRY,
                       "reactor: all %u places for descriptors are taken", reactor->slot_count);
    }
    const uint32_t slot =
        is_known ? reactor->slot_of_fd[fd] - 1 : reactor->free_slots[reactor->free_count - 1];
    struct tr_reactor_handle *handle = &reactor->handles[slot];
    const bool is_changed = is_known && handle->interest != interest;

    handle->interest = interest;
    handle->on_ready = on_ready;
    handle->self = self;
    if (is_known) {
        return is_changed ? reactor->ops->change(reactor, slot, err) : TR_OK;
    }
    tr_reactor_renew(reactor, handle);
    handle->fd = fd;
    const enum tr_code code = reactor->ops->add(reactor, slot, err);
    if (code != TR_OK) {
        handle->fd = -1;
        return code;
    }
    reactor->free_count--;
    reactor->slot_of_fd[fd] = slot + 1;
    return TR_OK;
}

void tr_reactor_remove(struct tr_reactor *reactor, int fd)
{
    if (fd < 0 || fd >= TR_REACTOR_FD_LIMIT || reactor->slot_of_fd[fd] == 0) {
        return;
    }
    const uint32_t slot = reactor->slot_of_fd[fd] - 1;

    TR_ASSERT(reactor->handles[slot].fd == fd);
    reactor->ops->remove(reactor, slot);
    reactor->handles[slot].fd = -1;
    reactor->slot_of_fd[fd] = 0;
    reactor->free_slots[reactor->free_count] = slot;
    reactor->free_count++;
}

uint32_t tr_reactor_dispatch(struct tr_reactor_handle *handle, uint32_t ready)
{
    const uint32_t wanted = ready & (handle->interest | TR_REACTOR_ERROR);

    if (wanted == 0) {
        return 0;
    }
    handle->on_ready(handle->self, handle->fd,
                     wanted); /* may remove the handle: no look at it from here on */
    return 1;
}

void tr_reactor_timer_set(struct tr_reactor *reactor, struct tr_reactor_timer *timer,
                          int64_t deadline_ns)
{
    timer->deadline_ns = deadline_ns;
    if (timer->heap_index == 0) {
        TR_ASSERT(reactor->timer_count < reactor->timers_max);
        reactor->timer_count++;
        heap_sift(reactor, timer, reactor->timer_count);
    } else {
        TR_ASSERT(reactor->heap[timer->heap_index] == timer);
        heap_sift(reactor, timer, timer->heap_index);
    }
}

void tr_reactor_timer_cancel(struct tr_reactor *reactor, struct tr_reactor_timer *timer)
{
    const uint32_t index = timer->heap_index;

    if (index == 0) {
        return;
    }
    TR_ASSERT(reactor->heap[index] == timer);
    struct tr_reactor_timer *last = reactor->heap[reactor->timer_count];
    reactor->timer_count--;
    timer->heap_index = 0;
    if (last != timer) {
        heap_sift(reactor, last, index);
    }
}

static void heap_place(struct tr_reactor *reactor, struct tr_reactor_timer *timer, uint32_t index)
{
    reactor->heap[index] = timer;
    timer->heap_index = index;
}

/* Puts `timer` where it belongs, starting at the hole `index`. */
static void heap_sift(struct tr_reactor *reactor, struct tr_reactor_timer *timer, uint32_t index)
{
    while (index > 1 && reactor->heap[index / 2]->deadline_ns > timer->deadline_ns) {
        heap_place(reactor, reactor->heap[index / 2], index);
        index /= 2;
    }
    for (uint32_t child = 2 * index; child <= reactor->timer_count; child = 2 * index) {
        if (child < reactor->timer_count &&
            reactor->heap[child + 1]->deadline_ns < reactor->heap[child]->deadline_ns) {
            child++;
        }
        if (reactor->heap[child]->deadline_ns >= timer->deadline_ns) {
            break;
        }
        heap_place(reactor, reactor->heap[child], index);
        index = child;
    }
    heap_place(reactor, timer, index);
}

int64_t tr_reactor_next_deadline_ns(const struct tr_reactor *reactor)
{
    return reactor->timer_count == 0 ? INT64_MAX : reactor->heap[1]->deadline_ns;
}

static uint32_t fire_timers(struct tr_reactor *reactor, int64_t now_ns)
{
    const uint32_t fired_max =
        reactor->timer_count; /* one that rearms itself in the past must not hold us here */
    uint32_t fired_count = 0;

    while (fired_count < fired_max && tr_reactor_next_deadline_ns(reactor) <= now_ns) {
        struct tr_reactor_timer *timer = reactor->heap[1];
        tr_reactor_timer_cancel(reactor, timer);
        timer->on_timer(timer->self, now_ns);
        fired_count++;
    }
    return fired_count;
}

uint32_t tr_reactor_poll(struct tr_reactor *reactor, int64_t now_ns, int64_t timeout_ns)
{
    const uint32_t fired_count = fire_timers(reactor, now_ns);
    const int64_t deadline_ns = tr_reactor_next_deadline_ns(reactor);
    int64_t wait_ns = timeout_ns < WAIT_NS_MAX ? timeout_ns : WAIT_NS_MAX;

    if (fired_count > 0 || deadline_ns <= now_ns) {
        wait_ns = 0;
    } else if (deadline_ns != INT64_MAX && deadline_ns - now_ns < wait_ns) {
        wait_ns = deadline_ns - now_ns;
    }
    return fired_count + reactor->ops->wait(reactor, wait_ns < 0 ? 0 : wait_ns);
}
