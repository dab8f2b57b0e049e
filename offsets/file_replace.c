// SPDX-License-Identifier: Apache-2.0
#include "offsets/file_replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum tr_code write_whole(int fd, const char *path, struct tr_span content,
                                struct tr_error *err);

void tr_file_text_deinit(struct tr_file_text *text)
{
    free(text->data);
    *text = (struct tr_file_text){0};
}

enum tr_code tr_file_text_reserve(struct tr_file_text *text, size_t bytes, struct tr_error *err)
{
    if (bytes <= text->room_bytes) {
        return TR_OK;
    }
    uint8_t *grown = realloc(text->data, bytes);

    if (grown == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "memory for a file's text = %zu bytes: refused by the system", bytes);
    }
    text->data = grown;
    text->room_bytes = bytes;
    return TR_OK;
}

enum tr_code tr_file_text_set(struct tr_file_text *text, struct tr_span bytes, struct tr_error *err)
{
    if (tr_file_text_reserve(text, bytes.bytes, err) != TR_OK) {
        return err->code;
    }
    if (bytes.bytes != 0) {
        memcpy(text->data, bytes.data, bytes.bytes);
    }
    text->bytes = bytes.bytes;
    return TR_OK;
}

enum tr_code tr_file_fail(const char *verb, const char *path, int error, struct tr_error *err)
{
    const char *why = strerrordesc_np(error);

    if (error == ENOSPC || error == EDQUOT || error == EIO) {
        return TR_FAIL(err, TR_ERR_STATE, TR_RETRY, "%s \"%s\": %s; make room on that disk", verb,
                       path, why);
    }
    return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                   "%s \"%s\": %s; the file and its folder must be readable and writable", verb,
                   path, why == NULL ? "unknown error" : why);
}

static enum tr_code read_open(int fd, const char *path, struct tr_file_text *text,
                              struct tr_error *err)
{
    struct stat status;

    if (fstat(fd, &status) == -1) {
        return tr_file_fail("reading", path, errno, err);
    }
    if (!S_ISREG(status.st_mode) || status.st_size > TR_SMALL_FILE_BYTES_MAX) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "\"%s\" = %s of %lld bytes: wanted a file of at most %d bytes", path,
                       S_ISREG(status.st_mode) ? "a file" : "no regular file",
                       (long long)status.st_size, TR_SMALL_FILE_BYTES_MAX);
    }
    if (tr_file_text_reserve(text, (size_t)status.st_size, err) != TR_OK) {
        return err->code;
    }
    while (text->bytes < (size_t)status.st_size) {
        const ssize_t got =
            read(fd, text->data + text->bytes, (size_t)status.st_size - text->bytes);

        if (got == -1 && errno == EINTR) {
            continue;
        }
        if (got == -1) {
            return tr_file_fail("reading", path, errno, err);
        }
        if (got == 0) {
            break; /* shorter than it was: the parser will say so */
        }
        text->bytes += (size_t)got;
    }
    return TR_OK;
}

enum tr_code tr_file_read(const char *path, struct tr_file_text *text, struct tr_error *err)
{
    text->bytes = 0;
    text->exists = false;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd == -1) {
        return errno == ENOENT ? TR_OK : tr_file_fail("opening", path, errno, err);
    }
    text->exists = true;
    const enum tr_code code = read_open(fd, path, text, err);

    (void)close(fd);
    return code;
}

static enum tr_code write_whole(int fd, const char *path, struct tr_span content,
                                struct tr_error *err)
{
    size_t done = 0;

    while (done < content.bytes) {
        const ssize_t put = write(fd, content.data + done, content.bytes - done);

        if (put == -1 && errno == EINTR) {
            continue;
        }
        if (put == -1) {
            return tr_file_fail("writing", path, errno, err);
        }
        done += (size_t)put;
    }
    return fsync(fd) == -1 ? tr_file_fail("writing", path, errno, err) : TR_OK;
}

enum tr_code tr_file_replace(const char *path, struct tr_span content, struct tr_error *err)
{
    char new_path[PATH_MAX + 8];
    struct stat old;

    (void)snprintf(new_path, sizeof(new_path), "%s.tmp", path);
    const int fd = open(new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd == -1) {
        return tr_file_fail("writing", new_path, errno, err);
    }
    if (stat(path, &old) == 0) {
        /* Best effort: the content matters more than who may read it. */
        (void)fchmod(fd, old.st_mode & 07777);
        if (fchown(fd, old.st_uid, old.st_gid) == -1) {
            (void)errno;
        }
    }
    enum tr_code code = write_whole(fd, new_path, content, err);

    if (close(fd) == -1 && code == TR_OK) {
        code = tr_file_fail("writing", new_path, errno, err);
    }
    if (code == TR_OK && rename(new_path, path) == -1) {
        code = tr_file_fail("replacing", path, errno, err);
    }
    if (code != TR_OK) {
        (void)unlink(new_path);
        return code;
    }
    return tr_file_sync_folder(path, err);
}

enum tr_code tr_file_sync_folder(const char *path, struct tr_error *err)
{
    char folder[PATH_MAX + 8];
    const char *const slash = strrchr(path, '/');

    (void)snprintf(folder, sizeof(folder), "%.*s", slash == NULL ? 1 : (int)(slash - path) + 1,
                   slash == NULL ? "." : path);
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd == -1) {
        return tr_file_fail("opening", folder, errno, err);
    }
    /* EINVAL: a file system without it. */
    const int error = fsync(fd) == -1 && errno != EINVAL ? errno : 0;

    (void)close(fd);
    return error == 0 ? TR_OK : tr_file_fail("syncing", folder, error, err);
}

enum tr_code tr_file_make_folders(const char *path, struct tr_error *err)
{
    char folder[PATH_MAX];

    for (size_t i = 1; path[i] != '\0'; i++) {
        if (path[i] != '/') {
            continue;
        }
        (void)snprintf(folder, sizeof(folder), "%.*s", (int)i, path);
        if (mkdir(folder, 0755) == 0) {
            if (tr_file_sync_folder(folder, err) != TR_OK) {
                return err->code;
            }
        } else if (errno != EEXIST && access(folder, F_OK) != 0) {
            return tr_file_fail("making the folder", folder, errno, err);
        }
    }
    return TR_OK;
}
