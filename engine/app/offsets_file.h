// SPDX-License-Identifier: Apache-2.0
/*
 * A stored position as a file that can be carried around: `tailrace offsets export` and `import`.
 *
 *   Java    Debezium's own: a serialised map of one entry, as its file store keeps it (java_map.h)
 *   JSON    {"server":"<topic.prefix>","value":{…},"identity":{…}}: with our record of the source
 *
 * Reading tells them apart by their first bytes, and takes a bare offset ({"file":…,"pos":…}) too.
 * @thread main
 */
#ifndef TR_ENGINE_APP_OFFSETS_FILE_H
#define TR_ENGINE_APP_OFFSETS_FILE_H

#include "engine/bytes.h"
#include "engine/error.h"
#include "offsets/file_replace.h"

/* Texts are borrowed: from whoever writes, or from `file` after a read. */
struct tr_offsets_file {
    struct tr_span offset_key; /* tr_position_write_key */
    struct tr_span topic_prefix;
    struct tr_span offset_value;
    struct tr_span identity;       /* bytes == 0: none */
    struct tr_file_text file;      /* owns: what was read */
    struct tr_json_reader *reader; /* owns */
};

/* Accepts a zeroed one. */
void tr_offsets_file_deinit(struct tr_offsets_file *offsets);

/* Writes a new file. Errors: TR_ERR_USAGE when it exists already; TR_ERR_STATE, TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_offsets_file_write(const struct tr_offsets_file *offsets,
                                                const char *path, bool as_json,
                                                struct tr_error *err);

/*
 * Reads the entry of `offset_key` and `topic_prefix` (set before) into value and identity. Errors:
 * TR_ERR_STATE naming the file and what is wrong with it, or whose offsets it has instead;
 * TR_ERR_USAGE when there is no such file.
 */
TR_NODISCARD enum tr_code tr_offsets_file_read(struct tr_offsets_file *offsets, const char *path,
                                               struct tr_error *err);

#endif
