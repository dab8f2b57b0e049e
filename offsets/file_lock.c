// SPDX-License-Identifier: Apache-2.0
#include "offsets/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "engine/cover.h"

#define LOCK_TRIES 5
#define LOCK_PAUSE_MS 10

/* The number that the lock's holder left in the lock file; "unknown" when there is none. */
static void read_holder(int fd, char *out, size_t room_bytes)
{
    const ssize_t bytes = pread(fd, out, room_bytes - 1, 0);

    out[bytes < 0 ? 0 : bytes] = '\0';
    out[strspn(out, "0123456789")] = '\0';
    if (out[0] == '\0') {
        (void)snprintf(out, room_bytes, "unknown");
    }
}

/* Cuts the last part off "a/b/": "a/", then "." or "/"; false when nothing is left to cut. */
static bool cut_folder(char *folder)
{
    size_t bytes = strlen(folder);
    const bool is_absolute = folder[0] == '/';

    while (bytes > 0 && folder[bytes - 1] == '/') {
        bytes--;
    }
    while (bytes > 0 && folder[bytes - 1] != '/') {
        bytes--;
    }
    if (bytes == 0 && strcmp(folder, ".") == 0) {
        return false;
    }
    folder[bytes] = '\0';
    if (bytes == 0) {
        (void)strncpy(folder, is_absolute ? "/" : ".", 2);
    }
    return true;
}

/* FILE is replaced by renaming, so its folder is what must be writable, or, where a start would make that, the last one
 * on the way that is there; the lock file is opened. */
static enum tr_code check_writable(const char *path, const char *lock_path, struct tr_error *err)
{
    char folder[PATH_MAX];
    const char *const slash = strrchr(path, '/');

    (void)snprintf(folder, sizeof(folder), "%.*s", slash == NULL ? 1 : (int)(slash - path) + 1,
                   slash == NULL ? "." : path);
    while (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == -1) {
        if (errno != ENOENT || !cut_folder(folder)) {
            return TR_FAIL(
                err, TR_ERR_STATE, TR_STOP,
                "offset file \"%s\": the folder \"%s\": %s; it must be writable for this "
                "user",
                path, folder, strerrordesc_np(errno));
        }
    }
    if (faccessat(AT_FDCWD, lock_path, R_OK | W_OK, AT_EACCESS) == -1 && errno != ENOENT) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "lock file \"%s\": %s; this user must be able to read and write it",
                       lock_path, strerrordesc_np(errno));
    }
    return TR_OK;
}

enum tr_code tr_file_lock_look(const char *path, const char *lock_path, char *holder,
                               size_t room_bytes, struct tr_error *err)
{
    holder[0] = '\0';
    if (check_writable(path, lock_path, err) != TR_OK) {
        return err->code;
    }
    const int fd = open(lock_path, O_RDONLY | O_CLOEXEC);

    if (fd == -1) {
        return TR_OK; /* never locked */
    }
    /* Shared and for a moment only: tr_file_lock_take() has the patience for it. */
    if (flock(fd, LOCK_SH | LOCK_NB) == -1 && errno == EWOULDBLOCK) {
        char number[32];

        read_holder(fd, number, sizeof(number));
        (void)snprintf(holder, room_bytes, "process %s", number);
    }
    (void)close(fd);
    return TR_OK;
}

static enum tr_code fail_locked(const char *path, const char *lock_path, int fd,
                                struct tr_error *err)
{
    char holder[32];

    read_holder(fd, holder, sizeof(holder));
    return TR_FAIL(
        err, TR_ERR_LOCKED, TR_STOP,
        "offset file \"%s\" is in use by process %s (lock file \"%s\"): stop that "
        "instance, or give this one a debezium.source.offset.storage.file.filename of its own",
        path, holder, lock_path);
}

/* Whoever only looks holds it for a moment, and so does a predecessor that is just ending. */
static bool lock_patiently(int fd)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            return true;
        }
        if (errno != EWOULDBLOCK) {
            return false;
        }
        (void)poll(NULL, 0, LOCK_PAUSE_MS); /* at start only */
    }
    errno = EWOULDBLOCK;
    return false;
}

enum tr_code tr_file_lock_take(const char *path, const char *lock_path, int *fd_out,
                               struct tr_error *err)
{
    char holder[32];
    const int fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    if (fd == -1) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "lock file \"%s\": %s; the offset file's folder must exist and be writable",
                       lock_path, strerrordesc_np(errno));
    }
    if (!lock_patiently(fd)) {
        const int error = errno;
        const enum tr_code code =
            error == EWOULDBLOCK
                ? fail_locked(path, lock_path, fd, err)
                : TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                          "lock file \"%s\": %s; the file system must support flock()", lock_path,
                          strerrordesc_np(error));

        (void)close(fd);
        return code;
    }
    *fd_out = fd;
    (void)snprintf(holder, sizeof(holder), "%ld\n", (long)getpid());
    /* Best effort: the lock is what counts, the number is for the message of whoever meets it. */
    if (ftruncate(fd, 0) == 0 && pwrite(fd, holder, strlen(holder), 0) == -1) {
        TR_COVER("file_lock.without_pid");
    }
    return TR_OK;
}
