// SPDX-License-Identifier: Apache-2.0
/*
 * Whose document is it? Several engines may keep their histories in one file or one Redis stream, as
 * Debezium's may: each document names its own by `source.server`, the topic.prefix, and what is
 * another's is passed over.
 * @thread any
 */
#ifndef TR_OFFSETS_HISTORY_SOURCE_H
#define TR_OFFSETS_HISTORY_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"

/*
 * Whether `document` names a server, and another one than `server`. A document that names none, or is
 * no JSON, is not another's: whoever reads it says what is wrong. An empty `server` has no others.
 */
bool tr_history_is_of_another(struct tr_span document, struct tr_span server);

/*
 * Whether the bytes from `from` to `to` of a history file are whole lines of other servers' documents.
 * Errors: TR_ERR_STATE | TR_RETRY where the last line has no end yet (it is being written), or the disk's;
 * TR_ERR_SYSTEM. `path` is for messages.
 */
TR_NODISCARD enum tr_code tr_history_lines_are_of_others(int fd, const char *path, uint64_t from,
                                                         uint64_t to, struct tr_span server,
                                                         bool *are_of_others, struct tr_error *err);

#endif
