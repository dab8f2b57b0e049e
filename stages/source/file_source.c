// SPDX-License-Identifier: Apache-2.0
#include "stages/source/file_source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "engine/assert.h"

#define MAGIC_BYTES 4
static const uint8_t magic_plain[MAGIC_BYTES] = {0xfe, 'b', 'i', 'n'};
static const uint8_t magic_encrypted[MAGIC_BYTES] = {0xfd, 'b', 'i',
                                                     'n'}; /* MySQL's binlog_encryption */

static enum tr_code open_file(void *self, const struct tr_resume *resume, struct tr_error *err);
static enum tr_code check_magic(struct tr_file_source *source, struct tr_error *err);
static enum tr_read read_file(void *self, void *out, size_t room_bytes, int64_t wait_ns,
                              size_t *bytes, struct tr_error *err);
static void close_file(void *self);
static void wake(void *self);

void tr_file_source_init(struct tr_file_source *source, const char *path)
{
    *source = (struct tr_file_source){
        .port = {.self = source,
                 .framing = TR_FRAMING_EVENTS,
                 .open = open_file,
                 .read = read_file,
                 .close = close_file,
                 .wake = wake},
        .path = path,
        .fd = -1,
    };
}

void tr_file_source_deinit(struct tr_file_source *source)
{
    if (source->port.self != NULL) {
        close_file(source);
    }
    *source = (struct tr_file_source){0};
}

static enum tr_code open_file(void *self, const struct tr_resume *resume, struct tr_error *err)
{
    struct tr_file_source *source = self;

    TR_ASSERT(source->fd == -1);
    TR_ASSERT(resume->point.pos <= MAGIC_BYTES); /* a file is read from its beginning */
    source->fd = open(source->path, O_RDONLY | O_CLOEXEC);
    if (source->fd == -1) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "%s: cannot be opened (%s)", source->path,
                       strerrordesc_np(errno));
    }
    const enum tr_code code = check_magic(source, err);
    if (code != TR_OK) {
        close_file(source);
    }
    return code;
}

static enum tr_code check_magic(struct tr_file_source *source, struct tr_error *err)
{
    uint8_t magic[MAGIC_BYTES];
    const ssize_t n = read(source->fd, magic, sizeof(magic));

    if (n == -1) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "%s: cannot be read (%s)", source->path,
                       strerrordesc_np(errno));
    }
    if (n == MAGIC_BYTES && memcmp(magic, magic_encrypted, MAGIC_BYTES) == 0) {
        return TR_FAIL(err, TR_ERR_UNSUPPORTED, TR_STOP,
                       "%s: is encrypted (binlog_encryption): read it through the server",
                       source->path);
    }
    if (n != MAGIC_BYTES || memcmp(magic, magic_plain, MAGIC_BYTES) != 0) {
        return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                       "%s: is no binary log (want the first bytes fe 62 69 6e)", source->path);
    }
    return TR_OK;
}

static enum tr_read read_file(void *self, void *out, size_t room_bytes, int64_t wait_ns,
                              size_t *bytes, struct tr_error *err)
{
    const struct tr_file_source *source = self;
    const ssize_t n = read(source->fd, out, room_bytes);

    (void)wait_ns; /* a file never waits */
    if (n > 0) {
        *bytes = (size_t)n;
        return TR_READ_BYTES;
    }
    if (n == 0) {
        return TR_READ_END;
    }
    if (errno == EINTR) {
        return TR_READ_WOULD_BLOCK;
    }
    (void)TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "%s: cannot be read (%s)", source->path,
                  strerrordesc_np(errno));
    return TR_READ_ERROR;
}

static void close_file(void *self)
{
    struct tr_file_source *source = self;

    if (source->fd != -1) {
        (void)close(source->fd);
        source->fd = -1;
    }
}

static void wake(void *self)
{
    (void)self; /* reads do not wait */
}
