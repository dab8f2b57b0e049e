// SPDX-License-Identifier: Apache-2.0
/*
 * AWS credentials: where they come from, and the snapshot that a signer works with.
 *
 * Sources, in this order; the first one that is configured decides, and one that is configured but
 * does not work is an error, never a reason to fall through:
 *   1. explicit settings: a key pair, or a named profile
 *   2. environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN)
 *   3. the profile of AWS_PROFILE, else "default", in the shared files
 * Roles, web identity, SSO, credential_process, containers and instances are refused by name where
 * they are configured.
 *
 * The files are read at open and again by refresh(), which is called after the service refused a
 * signature. A snapshot is a value: each signer keeps its own copy and takes a new one when the
 * generation has risen.
 */
#ifndef TR_STAGES_SHIP_CREDENTIALS_H
#define TR_STAGES_SHIP_CREDENTIALS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"

#define TR_AWS_KEY_ID_BYTES_MAX 128
#define TR_AWS_SECRET_BYTES_MAX 256
#define TR_AWS_TOKEN_BYTES_MAX 8192 /* AWS states no limit; 4 KiB is the largest one seen */

/* One set of keys. Never logged, never printed; wiped by tr_credentials_wipe. */
struct tr_credentials {
    uint64_t generation; /* 1 for the first; rises with every change */
    char key_id[TR_AWS_KEY_ID_BYTES_MAX + 1];
    char secret[TR_AWS_SECRET_BYTES_MAX + 1];
    char token[TR_AWS_TOKEN_BYTES_MAX + 1]; /* session token; empty = none */
};

/* Looks a variable of the environment up; NULL when it is not set. A seam for tests. */
typedef const char *tr_environment_get(void *self, const char *name);

/* The process's own environment; `self` is not used. @thread before threads start */
const char *tr_environment_of_process(void *self, const char *name);

struct tr_credentials_options {
    const char *access_key_id;     /* explicit key pair; NULL or empty = not set */
    const char *secret_access_key; /* both or neither */
    const char *session_token;     /* only with the pair */
    const char
        *profile; /* explicit profile (sink.kinesis.credentials.profile); NULL or empty = not set */
    tr_environment_get *environment; /* read at open only */
    void *environment_self;
};

struct tr_credentials_source; /* opaque; shared by all signers of the process */

/*
 * Finds the source and reads it. Options are copied.
 * Errors: TR_ERR_CONFIG (half a key pair, a profile that does not exist, a kind of source that is
 * not supported: the text names it and what to set instead), TR_ERR_SINK_AUTH (no source at all),
 * TR_ERR_SYSTEM; all TR_STOP.
 */
TR_NODISCARD enum tr_code tr_credentials_open(struct tr_credentials_source **source,
                                              const struct tr_credentials_options *options,
                                              struct tr_error *err);

/* Wipes and frees; accepts NULL. No signer may use the source any more. */
void tr_credentials_close(struct tr_credentials_source *source);

/* Where the keys come from, for logs and `config`: "settings", "environment" or "profile NAME". */
const char *tr_credentials_origin(const struct tr_credentials_source *source);

/* The newest generation: one atomic load. @thread any */
uint64_t tr_credentials_generation(const struct tr_credentials_source *source);

/* Copies the newest snapshot. Takes a mutex: call it when the generation has risen. @thread any */
void tr_credentials_copy(struct tr_credentials_source *source, struct tr_credentials *out);

/*
 * To be called when the service refused keys of `generation`: reads the shared files again if they
 * have changed since (modification time, inode, size), at most once a second. Returns true when a
 * newer generation than the given one is there, so that the request should be signed and sent
 * again; false means that the keys are still the refused ones. A file that cannot be read leaves
 * the old keys in place and logs why.
 * @thread any; reads two small local files under the mutex, and only after the service refused a
 * signature
 */
bool tr_credentials_refresh(struct tr_credentials_source *source, uint64_t generation,
                            int64_t now_ns);

/* Overwrites the keys with zeros. */
void tr_credentials_wipe(struct tr_credentials *credentials);

#endif
