// SPDX-License-Identifier: Apache-2.0
#include "stages/source/idle_source.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/clock.h"

static enum tr_code open_nothing(void *self, const struct tr_resume *resume, struct tr_error *err)
{
    (void)self;
    (void)resume;
    (void)err;
    return TR_OK;
}

static enum tr_read wait_only(void *self, void *out, size_t room_bytes, int64_t wait_ns,
                              size_t *bytes, struct tr_error *err)
{
    struct tr_idle_source *source = self;
    struct pollfd wanted = {.fd = source->wake_fd, .events = POLLIN};
    uint64_t count;

    (void)out;
    (void)room_bytes;
    (void)err;
    *bytes = 0;
    if (poll(&wanted, 1, (int)(wait_ns / TR_NS_PER_MS)) > 0) {
        (void)!read(source->wake_fd, &count, sizeof(count));
    }
    return TR_READ_WOULD_BLOCK;
}

static void close_nothing(void *self)
{
    (void)self;
}

static void wake(void *self)
{
    const struct tr_idle_source *source = self;
    const uint64_t one = 1;

    (void)!write(source->wake_fd, &one, sizeof(one));
}

enum tr_code tr_idle_source_init(struct tr_idle_source *source, struct tr_error *err)
{
    const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    if (fd == -1) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "eventfd: refused (errno %d)", errno);
    }
    *source = (struct tr_idle_source){.wake_fd = fd};
    source->port = (struct tr_source_port){.self = source,
                                           .framing = TR_FRAMING_PACKETS,
                                           .open = open_nothing,
                                           .read = wait_only,
                                           .close = close_nothing,
                                           .wake = wake};
    return TR_OK;
}

void tr_idle_source_deinit(struct tr_idle_source *source)
{
    if (source->port.self != NULL) {
        (void)close(source->wake_fd);
        *source = (struct tr_idle_source){0};
    }
}
