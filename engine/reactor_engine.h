// SPDX-License-Identifier: Apache-2.0
/*
 * Between the reactor's common half (handles, timers) and its two engines. Included by reactor*.c only.
 *
 * A handle lives in a slot; an engine reports readiness by a token that holds the slot and a generation. Whatever makes
 * a pending report meaningless (the handle was removed, its slot reused, its poll replaced) gives the handle a new
 * generation, so a late report finds no match and is dropped.
 */
#ifndef TR_ENGINE_REACTOR_ENGINE_H
#define TR_ENGINE_REACTOR_ENGINE_H

#include <stddef.h>

#include "engine/reactor.h"

#define TR_REACTOR_SLOT_BITS 20 /* Linux's default fs.nr_open: no process has more descriptors */
#define TR_REACTOR_FD_LIMIT (1 << TR_REACTOR_SLOT_BITS)

struct tr_reactor_handle {
    int fd; /* -1 = free slot */
    uint32_t interest;
    uint64_t generation;
    tr_reactor_on_ready *on_ready;
    void *self;
    uint32_t armed_interest; /* io_uring: what the poll in flight waits for */
    bool is_armed;           /* io_uring: a poll is in flight under `generation` */
    bool is_edge;            /* io_uring: it is a repeating poll, see reactor_uring.c */
    bool wants_edge;         /* io_uring: the next one shall be */
    bool is_dirty;           /* io_uring: listed for a look before the next wait */
};

struct tr_reactor;

struct tr_reactor_engine_ops {
    const char *name;
    /* All errors leave `reactor` without engine state. */
    enum tr_code (*open)(struct tr_reactor *reactor, struct tr_error *err);
    void (*close)(struct tr_reactor *reactor);
    /* The slot is filled; begins to watch. */
    enum tr_code (*add)(struct tr_reactor *reactor, uint32_t slot, struct tr_error *err);
    /* The slot's interest changed. */
    enum tr_code (*change)(struct tr_reactor *reactor, uint32_t slot, struct tr_error *err);
    /* The slot is about to be freed. */
    void (*remove)(struct tr_reactor *reactor, uint32_t slot);
    /* Waits at most `timeout_ns` and calls tr_reactor_dispatch for what is ready; handlers called. */
    uint32_t (*wait)(struct tr_reactor *reactor, int64_t timeout_ns);
};

struct tr_reactor {
    const struct tr_reactor_engine_ops *ops;
    void *engine_state; /* owns; the engine's */
    uint64_t last_generation;
    uint32_t slot_count;
    uint32_t free_count;
    struct tr_reactor_handle *handles; /* owns; slot_count */
    uint32_t *free_slots;              /* owns; stack */
    uint32_t *slot_of_fd; /* owns; mapped, TR_REACTOR_FD_LIMIT; slot + 1, 0 = not watched */
    uint32_t timers_max;
    uint32_t timer_count;
    struct tr_reactor_timer **heap; /* owns; 1-based, earliest first */
};

extern const struct tr_reactor_engine_ops tr_reactor_engine_uring;
extern const struct tr_reactor_engine_ops tr_reactor_engine_epoll;

/* The token of a slot's handle as it is now. */
static inline uint64_t tr_reactor_token(const struct tr_reactor *reactor, uint32_t slot)
{
    return reactor->handles[slot].generation << TR_REACTOR_SLOT_BITS | slot;
}

/* The handle that a token means, or NULL when the token is out of date. */
static inline struct tr_reactor_handle *tr_reactor_handle_of(struct tr_reactor *reactor,
                                                             uint64_t token)
{
    const uint32_t slot = (uint32_t)(token & (TR_REACTOR_FD_LIMIT - 1));

    if (slot >= reactor->slot_count) {
        return NULL;
    }
    struct tr_reactor_handle *handle = &reactor->handles[slot];
    return handle->fd != -1 && handle->generation == token >> TR_REACTOR_SLOT_BITS ? handle : NULL;
}

/* Makes every token of the handle so far out of date. */
static inline void tr_reactor_renew(struct tr_reactor *reactor, struct tr_reactor_handle *handle)
{
    reactor->last_generation++;
    handle->generation = reactor->last_generation;
}

/* Calls the handler with what it asked for (and errors); returns 1, or 0 when nothing of `ready` is wanted. */
uint32_t tr_reactor_dispatch(struct tr_reactor_handle *handle, uint32_t ready);

#endif
