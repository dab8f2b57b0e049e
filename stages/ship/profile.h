// SPDX-License-Identifier: Apache-2.0
/*
 * One profile out of the shared AWS files (~/.aws/credentials and ~/.aws/config).
 *
 * Both are INI: `[name]` in the credentials file, `[profile name]` or `[default]` in the config
 * file; `key = value`; lines that begin with # or ; are comments; indented lines are nested
 * settings and ignored. A key present in both files counts from the credentials file: parse that
 * one first, a value once set stays.
 *
 * Source: AWS SDKs and Tools Reference Guide, "Shared config and credentials files".
 */
#ifndef TR_STAGES_SHIP_PROFILE_H
#define TR_STAGES_SHIP_PROFILE_H

#include <stdbool.h>

#include "engine/bytes.h"
#include "stages/ship/credentials.h"

#define TR_PROFILE_NAME_BYTES_MAX 128

enum tr_profile_file { TR_PROFILE_CREDENTIALS, TR_PROFILE_CONFIG };

/* What one profile says; empty text = not said. Holds secrets: wipe it after use. */
struct tr_profile {
    bool found; /* a section of that name exists */
    char key_id[TR_AWS_KEY_ID_BYTES_MAX + 1];
    char secret[TR_AWS_SECRET_BYTES_MAX + 1];
    char token[TR_AWS_TOKEN_BYTES_MAX + 1];
    char region[64];
    char endpoint_url[300];
    /* Kinds of credentials that are recognised in order to be refused by name. */
    bool has_role;
    bool has_web_identity;
    bool has_process;
    bool has_sso;
    const char *too_long; /* name of a key whose value does not fit, static; NULL = none */
};

/*
 * Adds to `profile` what `text`, a whole file of that kind, says about the profile `name`. Total:
 * any bytes are a file, lines that are not understood are skipped. `profile` is zeroed before the
 * first file.
 */
void tr_profile_parse(struct tr_span text, enum tr_profile_file file, const char *name,
                      struct tr_profile *profile);

#endif
