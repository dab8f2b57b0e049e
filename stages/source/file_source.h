// SPDX-License-Identifier: Apache-2.0
/*
 * The source port over one binary log file: `tailrace decode`. The magic is checked and consumed by
 * open; reading always begins at the first event.
 */
#ifndef TR_STAGES_SOURCE_FILE_SOURCE_H
#define TR_STAGES_SOURCE_FILE_SOURCE_H

#include "engine/error.h"
#include "stages/source/source_port.h"

struct tr_file_source {
    struct tr_source_port port; /* self is this object: it must not move */
    const char *path;           /* borrowed for the source's life */
    int fd;                     /* owns; -1 = closed */
};

/* Prepares the port; opens nothing yet. */
void tr_file_source_init(struct tr_file_source *source, const char *path);

/* Accepts a zeroed source. */
void tr_file_source_deinit(struct tr_file_source *source);

#endif
