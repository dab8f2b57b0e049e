// SPDX-License-Identifier: Apache-2.0
#include "stages/ship/credentials.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/assert.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "stages/ship/profile_files.h"

#define REFRESH_INTERVAL_NS TR_NS_PER_S /* of file reads after refusals, over all signers */

struct tr_credentials_source {
    _Atomic uint64_t generation; /* of `current`; stored under the mutex */
    char origin[TR_PROFILE_NAME_BYTES_MAX + 16];
    bool has_files;                /* keys come from the shared files; constant after open */
    pthread_mutex_t mutex;         /* guards the fields below */
    struct tr_credentials current; /* newest snapshot */
    struct tr_profile_files files;
    int64_t refresh_after_ns; /* no look at the files before */
};

static enum tr_code find_keys(struct tr_credentials_source *source,
                              const struct tr_credentials_options *options, struct tr_error *err);
static enum tr_code take_pair(struct tr_credentials_source *source, const char *const pair[3],
                              const char *origin, struct tr_error *err);
static enum tr_code refuse_environment(const struct tr_credentials_options *options,
                                       struct tr_error *err);
static enum tr_code read_profile(struct tr_credentials_source *source, struct tr_credentials *out,
                                 bool *found, struct tr_error *err);

static bool is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static const char *variable(const struct tr_credentials_options *options, const char *name)
{
    return options->environment(options->environment_self, name);
}

const char *tr_environment_of_process(void *self, const char *name)
{
    (void)self;
    return getenv(name); /* NOLINT(concurrency-mt-unsafe): before threads start */
}

enum tr_code tr_credentials_open(struct tr_credentials_source **out,
                                 const struct tr_credentials_options *options, struct tr_error *err)
{
    TR_ASSERT(options->environment != NULL);
    struct tr_credentials_source *source = calloc(1, sizeof(*source)); /* at start */
    *out = source;
    if (source == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "credentials: no memory for %zu bytes: add memory", sizeof(*source));
    }
    (void)pthread_mutex_init(&source->mutex, NULL); /* cannot fail without attributes on Linux */
    const enum tr_code code = find_keys(source, options, err);
    if (code != TR_OK) {
        tr_credentials_close(source);
        *out = NULL;
        return code;
    }
    source->current.generation = 1;
    /* Relaxed: nobody else knows the source yet. */
    atomic_store_explicit(&source->generation, 1, memory_order_relaxed);
    return TR_OK;
}

void tr_credentials_close(struct tr_credentials_source *source)
{
    if (source == NULL) {
        return;
    }
    (void)pthread_mutex_destroy(&source->mutex);
    tr_credentials_wipe(&source->current);
    free(source);
}

const char *tr_credentials_origin(const struct tr_credentials_source *source)
{
    return source->origin;
}

uint64_t tr_credentials_generation(const struct tr_credentials_source *source)
{
    /* Relaxed: only says that a copy is worth while; the copy itself is taken under the mutex. */
    return atomic_load_explicit(&source->generation, memory_order_relaxed);
}

void tr_credentials_copy(struct tr_credentials_source *source, struct tr_credentials *out)
{
    (void)pthread_mutex_lock(&source->mutex);
    *out = source->current;
    (void)pthread_mutex_unlock(&source->mutex);
}

void tr_credentials_wipe(struct tr_credentials *credentials)
{
    explicit_bzero(credentials, sizeof(*credentials));
}

bool tr_credentials_refresh(struct tr_credentials_source *source, uint64_t generation,
                            int64_t now_ns)
{
    if (!source->has_files) {
        return false;
    }
    struct tr_credentials fresh = {0};
    struct tr_error err;
    bool found = false;
    (void)pthread_mutex_lock(&source->mutex);
    if (source->current.generation == generation && now_ns >= source->refresh_after_ns) {
        source->refresh_after_ns = now_ns + REFRESH_INTERVAL_NS;
        if (tr_profile_files_have_changed(&source->files)) {
            if (read_profile(source, &fresh, &found, &err) != TR_OK) {
                tr_log_error(TR_LOG_WARN, "credentials.refresh_failed", &err);
            } else if (found && (strcmp(fresh.key_id, source->current.key_id) != 0 ||
                                 strcmp(fresh.secret, source->current.secret) != 0 ||
                                 strcmp(fresh.token, source->current.token) != 0)) {
                fresh.generation = generation + 1;
                source->current = fresh;
                /* Relaxed: see tr_credentials_generation(). */
                atomic_store_explicit(&source->generation, fresh.generation, memory_order_relaxed);
                TR_LOG(TR_LOG_INFO, "credentials.refreshed", TR_TEXT("origin", source->origin),
                       TR_UINT("generation", fresh.generation));
            }
        }
    }
    const bool newer = source->current.generation > generation;
    (void)pthread_mutex_unlock(&source->mutex);
    tr_credentials_wipe(&fresh);
    return newer;
}

/* Walks the chain; leaves keys and origin in `source`. */
static enum tr_code find_keys(struct tr_credentials_source *source,
                              const struct tr_credentials_options *options, struct tr_error *err)
{
    const char *const settings[3] = {options->access_key_id, options->secret_access_key,
                                     options->session_token};
    if (is_set(settings[0]) || is_set(settings[1]) || is_set(settings[2])) {
        if (!is_set(settings[0]) || !is_set(settings[1])) {
            return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                           "AWS access key id and secret access key belong together, %s is "
                           "missing: set both or none",
                           is_set(settings[0]) ? "the secret access key" : "the access key id");
        }
        return take_pair(source, settings, "settings", err);
    }
    const bool profile_is_set = is_set(options->profile);
    if (!profile_is_set) { /* a profile given explicitly outranks the environment */
        const char *token = variable(options, "AWS_SESSION_TOKEN");
        token = is_set(token) ? token : variable(options, "AWS_SECURITY_TOKEN");
        const char *const pair[3] = {variable(options, "AWS_ACCESS_KEY_ID"),
                                     variable(options, "AWS_SECRET_ACCESS_KEY"), token};
        if (is_set(pair[0]) && is_set(pair[1])) {
            return take_pair(source, pair, "environment", err);
        }
        if (is_set(variable(options, "AWS_WEB_IDENTITY_TOKEN_FILE"))) {
            return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                           "AWS_WEB_IDENTITY_TOKEN_FILE: web identity is not supported yet: set "
                           "AWS_ACCESS_KEY_ID and "
                           "AWS_SECRET_ACCESS_KEY, or a profile with static keys");
        }
    }
    if (tr_profile_files_find(&source->files, options->profile, options->environment,
                              options->environment_self, err) != TR_OK) {
        return err->code;
    }
    bool found = false;
    if (read_profile(source, &source->current, &found, err) != TR_OK) {
        return err->code;
    }
    if (found) {
        source->has_files = true;
        (void)snprintf(source->origin, sizeof(source->origin), "profile %s", source->files.name);
        return TR_OK;
    }
    return refuse_environment(options, err);
}

/* The end of the chain: nothing usable. Names the sources that are configured but not supported. */
static enum tr_code refuse_environment(const struct tr_credentials_options *options,
                                       struct tr_error *err)
{
    static const char *const containers[] = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                             "AWS_CONTAINER_CREDENTIALS_FULL_URI"};
    for (size_t i = 0; i < sizeof(containers) / sizeof(containers[0]); i++) {
        if (is_set(variable(options, containers[i]))) {
            return TR_FAIL(
                err, TR_ERR_CONFIG, TR_STOP,
                "%s: container credentials are not supported yet: set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or a profile with static keys",
                containers[i]);
        }
    }
    return TR_FAIL(
        err, TR_ERR_SINK_AUTH, TR_STOP,
        "AWS credentials: none in the settings, the environment or the profile: set "
        "AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, or debezium.sink.kinesis.credentials.profile (instance roles are "
        "not supported yet)");
}

static bool fits(char *out, size_t room_bytes, const char *text)
{
    const size_t bytes = strlen(text);
    if (bytes >= room_bytes || strpbrk(text, "\r\n") != NULL) {
        return false;
    }
    memcpy(out, text, bytes + 1);
    return true;
}

/* key id, secret, token (may be unset) */
static enum tr_code take_pair(struct tr_credentials_source *source, const char *const pair[3],
                              const char *origin, struct tr_error *err)
{
    struct tr_credentials *keys = &source->current;
    if (!fits(keys->key_id, sizeof(keys->key_id), pair[0]) ||
        !fits(keys->secret, sizeof(keys->secret), pair[1]) ||
        !fits(keys->token, sizeof(keys->token), is_set(pair[2]) ? pair[2] : "")) {
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                       "AWS keys of the %s: too long, or with a line break: want at most %d, %d "
                       "and %d bytes of key id, "
                       "secret and session token",
                       origin, TR_AWS_KEY_ID_BYTES_MAX, TR_AWS_SECRET_BYTES_MAX,
                       TR_AWS_TOKEN_BYTES_MAX);
    }
    (void)snprintf(source->origin, sizeof(source->origin), "%s", origin);
    return TR_OK;
}

static enum tr_code refuse_profile(const struct tr_profile_files *files, const char *what,
                                   struct tr_error *err)
{
    return TR_FAIL(
        err, TR_ERR_CONFIG, TR_STOP,
        "AWS profile \"%s\": %s is not supported yet: give the profile aws_access_key_id and "
        "aws_secret_access_key, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        files->name, what);
}

/* Order inside a profile: role, web identity, static keys, process, SSO. */
static enum tr_code read_profile(struct tr_credentials_source *source, struct tr_credentials *out,
                                 bool *found, struct tr_error *err)
{
    struct tr_profile profile;
    struct tr_profile_files *files = &source->files;
    enum tr_code code = tr_profile_files_read(files, &profile, err);
    *found = false;
    if (code == TR_OK && profile.has_role) {
        code = refuse_profile(files, "role_arn", err);
    } else if (code == TR_OK && profile.has_web_identity) {
        code = refuse_profile(files, "web_identity_token_file", err);
    } else if (code == TR_OK && (profile.key_id[0] != '\0' || profile.secret[0] != '\0')) {
        if (profile.key_id[0] == '\0' || profile.secret[0] == '\0') {
            code =
                TR_FAIL(err, TR_ERR_CONFIG, TR_STOP, "AWS profile \"%s\": %s is missing: add it",
                        files->name,
                        profile.key_id[0] == '\0' ? "aws_access_key_id" : "aws_secret_access_key");
        } else {
            memcpy(out->key_id, profile.key_id, sizeof(out->key_id));
            memcpy(out->secret, profile.secret, sizeof(out->secret));
            memcpy(out->token, profile.token, sizeof(out->token));
            *found = true;
        }
    } else if (code == TR_OK && profile.has_process) {
        code = refuse_profile(files, "credential_process", err);
    } else if (code == TR_OK && profile.has_sso) {
        code = refuse_profile(files, "SSO login", err);
    } else if (code == TR_OK && profile.found && files->name_is_explicit) {
        code = TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                       "AWS profile \"%s\": has no keys: add aws_access_key_id and "
                       "aws_secret_access_key",
                       files->name);
    }
    explicit_bzero(&profile, sizeof(profile));
    return code;
}
