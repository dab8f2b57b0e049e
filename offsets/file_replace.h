// SPDX-License-Identifier: Apache-2.0
/*
 * Small files, whole: read at once, and replaced so that a crash at any moment leaves the old or the new content.
 * @thread the coordinator (before the threads start: the main thread); both block on the disk
 */
#ifndef TR_OFFSETS_FILE_REPLACE_H
#define TR_OFFSETS_FILE_REPLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"

#define TR_SMALL_FILE_BYTES_MAX (16 * 1024 * 1024)

/* A buffer that keeps its memory from use to use. Zero it before first use. */
struct tr_file_text {
    uint8_t *data; /* owns */
    size_t bytes;
    size_t room_bytes;
    bool exists; /* of the last read: false when there was no file */
};

void tr_file_text_deinit(struct tr_file_text *text);
/* Makes room for `bytes`; contents are kept. Errors: TR_ERR_SYSTEM when memory is refused. */
TR_NODISCARD enum tr_code tr_file_text_reserve(struct tr_file_text *text, size_t bytes,
                                               struct tr_error *err);
/* Copies bytes in. Errors: TR_ERR_SYSTEM when memory is refused. */
TR_NODISCARD enum tr_code tr_file_text_set(struct tr_file_text *text, struct tr_span bytes,
                                           struct tr_error *err);
static inline struct tr_span tr_file_text_span(const struct tr_file_text *text)
{
    return tr_span_of(text->data, text->bytes);
}

/* Reads the whole file; a missing one is an empty text with `exists` false. Errors: TR_ERR_STATE, TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_file_read(const char *path, struct tr_file_text *text,
                                       struct tr_error *err);

/*
 * Writes `path`.tmp, syncs it, renames it over `path`, syncs the folder; mode and owner of an old file are kept.
 * Errors: TR_ERR_STATE; TR_RETRY when the disk is full or fails (may pass), TR_STOP when it is refused (needs an operator).
 */
TR_NODISCARD enum tr_code tr_file_replace(const char *path, struct tr_span content,
                                          struct tr_error *err);

/* Fills `err` from an errno of a failed "`verb` `path`": TR_RETRY when the disk is full or fails, else TR_STOP. */
enum tr_code tr_file_fail(const char *verb, const char *path, int error, struct tr_error *err);

/* Makes each folder on the way to `path` that is missing, as Debezium does, and its name durable. Errors: as tr_file_replace. */
TR_NODISCARD enum tr_code tr_file_make_folders(const char *path, struct tr_error *err);

/* Makes what happened to the names in `path`'s folder durable. Errors: as tr_file_replace. */
TR_NODISCARD enum tr_code tr_file_sync_folder(const char *path, struct tr_error *err);

#endif
