// SPDX-License-Identifier: Apache-2.0
#include "stages/ship/profile_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/pool.h"

#define FILE_BYTES_MAX (1024 * 1024) /* a shared file with hundreds of profiles has some 100 KB */

static struct tr_profile_file_mark mark_of(const char *path);
static enum tr_code read_one(struct tr_profile_files *files, enum tr_profile_file file,
                             struct tr_profile *profile, struct tr_error *err);

static const char *variable(tr_environment_get *environment, void *self, const char *name)
{
    const char *value = environment(self, name);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

enum tr_code tr_profile_files_find(struct tr_profile_files *files, const char *profile,
                                   tr_environment_get *environment, void *environment_self,
                                   struct tr_error *err)
{
    static const char *const variables[2] = {"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"};
    static const char *const names[2] = {"credentials", "config"};
    const char *name = profile != NULL && profile[0] != '\0' ? profile : NULL;

    *files = (struct tr_profile_files){0};
    if (name == NULL) {
        name = variable(environment, environment_self, "AWS_PROFILE");
    }
    if (name == NULL) {
        name = variable(environment, environment_self, "AWS_DEFAULT_PROFILE");
    }
    files->name_is_explicit = name != NULL;
    name = name == NULL ? "default" : name;
    if (strlen(name) > TR_PROFILE_NAME_BYTES_MAX) {
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP, "AWS profile = \"%.40s...\": at most %d bytes",
                       name, TR_PROFILE_NAME_BYTES_MAX);
    }
    (void)snprintf(files->name, sizeof(files->name), "%s", name);
    const char *home = variable(environment, environment_self, "HOME");
    for (size_t i = 0; i < 2; i++) {
        const char *path = variable(environment, environment_self, variables[i]);
        int bytes = 0;
        if (path != NULL) {
            bytes = snprintf(files->paths[i], sizeof(files->paths[i]), "%s", path);
        } else if (home != NULL) {
            bytes =
                snprintf(files->paths[i], sizeof(files->paths[i]), "%s/.aws/%s", home, names[i]);
        }
        if (bytes < 0 || (size_t)bytes >= sizeof(files->paths[i])) {
            return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP, "%s: path of %d bytes is too long",
                           variables[i], bytes);
        }
    }
    return TR_OK;
}

bool tr_profile_files_have_changed(const struct tr_profile_files *files)
{
    for (size_t i = 0; i < 2; i++) {
        const struct tr_profile_file_mark now = mark_of(files->paths[i]);
        const struct tr_profile_file_mark then = files->marks[i];
        if (now.inode != then.inode || now.modified_ns != then.modified_ns ||
            now.size_bytes != then.size_bytes) {
            return true;
        }
    }
    return false;
}

enum tr_code tr_profile_files_read(struct tr_profile_files *files, struct tr_profile *profile,
                                   struct tr_error *err)
{
    *profile = (struct tr_profile){0};
    /* The credentials file first: what it says wins. */
    if (read_one(files, TR_PROFILE_CREDENTIALS, profile, err) != TR_OK ||
        read_one(files, TR_PROFILE_CONFIG, profile, err) != TR_OK) {
        return err->code;
    }
    if (!profile->found && files->name_is_explicit) {
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                       "AWS profile = \"%s\": neither in \"%.300s\" nor in \"%.300s\": add it "
                       "there, or change "
                       "debezium.sink.kinesis.credentials.profile or AWS_PROFILE",
                       files->name, files->paths[0], files->paths[1]);
    }
    if (profile->too_long != NULL) {
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP, "AWS profile \"%s\": value of %s is too long",
                       files->name, profile->too_long);
    }
    return TR_OK;
}

static struct tr_profile_file_mark mark_of(const char *path)
{
    struct stat info;
    if (path[0] == '\0' || stat(path, &info) != 0) {
        return (struct tr_profile_file_mark){0};
    }
    return (struct tr_profile_file_mark){
        .inode = (uint64_t)info.st_ino,
        .modified_ns = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec,
        .size_bytes = (int64_t)info.st_size,
    };
}

static enum tr_code read_one(struct tr_profile_files *files, enum tr_profile_file file,
                             struct tr_profile *profile, struct tr_error *err)
{
    const char *path = files->paths[file];
    if (path[0] == '\0') {
        return TR_OK;
    }
    /* Marked before it is read: a change in between is seen as one by the next look. */
    files->marks[file] = mark_of(path);
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd == -1) {
        if (errno == ENOENT || errno == ENOTDIR) {
            return TR_OK;
        }
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "\"%.300s\": cannot be opened (%s): make it readable for "
                       "this user",
                       path, strerrordesc_np(errno));
    }
    uint8_t *text = tr_memory_map(FILE_BYTES_MAX, err);
    if (text == NULL) {
        (void)close(fd);
        return err->code;
    }
    size_t bytes = 0;
    ssize_t got = 1;
    while (got > 0 && bytes < FILE_BYTES_MAX) {
        got = read(fd, text + bytes, FILE_BYTES_MAX - bytes);
        bytes += got > 0 ? (size_t)got : 0;
    }
    const int read_errno = got > 0 ? EFBIG : errno;
    (void)close(fd);
    if (got == 0) {
        tr_profile_parse(tr_span_of(text, bytes), file, files->name, profile);
    }
    explicit_bzero(text, bytes);
    tr_memory_unmap(text, FILE_BYTES_MAX);
    if (got != 0) {
        return TR_FAIL(
            err, TR_ERR_SYSTEM, TR_STOP,
            "\"%.300s\": cannot be read (errno %d, %zu bytes so far, at most %d): check the file",
            path, read_errno, bytes, FILE_BYTES_MAX - 1);
    }
    return TR_OK;
}
