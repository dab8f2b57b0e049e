// SPDX-License-Identifier: Apache-2.0
/*
 * Where the shared AWS files lie, and reading one profile out of both.
 * Source: AWS SDKs and Tools Reference Guide, "Location of the shared config and credentials
 * files".
 */
#ifndef TR_STAGES_SHIP_PROFILE_FILES_H
#define TR_STAGES_SHIP_PROFILE_FILES_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"
#include "stages/ship/profile.h"

/* Identity of a file as it was read: a rotated file differs in one of these. Zero = not there. */
struct tr_profile_file_mark {
    uint64_t inode;
    int64_t modified_ns;
    int64_t size_bytes;
};

struct tr_profile_files {
    char name[TR_PROFILE_NAME_BYTES_MAX + 1]; /* of the profile */
    bool name_is_explicit;                    /* by a setting or AWS_PROFILE: it must exist then */
    char paths[2][PATH_MAX];              /* by enum tr_profile_file; empty = no home directory */
    struct tr_profile_file_mark marks[2]; /* as of the last read */
};

/*
 * Finds the profile's name (`profile`, else AWS_PROFILE, else AWS_DEFAULT_PROFILE, else "default")
 * and the two paths (AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE, else under $HOME/.aws).
 * Errors: TR_ERR_CONFIG (too long).
 */
TR_NODISCARD enum tr_code tr_profile_files_find(struct tr_profile_files *files, const char *profile,
                                                tr_environment_get *environment,
                                                void *environment_self, struct tr_error *err);

/* Whether one of the files is not the one that was read last. */
bool tr_profile_files_have_changed(const struct tr_profile_files *files);

/*
 * Reads the profile; `profile->found` says whether it exists. A file that is not there is empty.
 * Errors: TR_ERR_CONFIG (explicit profile that is in neither file, value too long), TR_ERR_SYSTEM
 * (unreadable file).
 */
TR_NODISCARD enum tr_code tr_profile_files_read(struct tr_profile_files *files,
                                                struct tr_profile *profile, struct tr_error *err);

#endif
