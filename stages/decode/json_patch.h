// SPDX-License-Identifier: Apache-2.0
/*
 * Partial JSON updates (mysql-binlog.md §3.13): a list of differences applied to a document of
 * MySQL's binary JSON.
 *
 * Each difference makes a new document: what lies on its path is written anew, in the large format,
 * everything else is copied as it is. Two halves of one buffer take turns; nothing is allocated.
 * @thread any: pure functions
 */
#ifndef TR_STAGES_DECODE_JSON_PATCH_H
#define TR_STAGES_DECODE_JSON_PATCH_H

#include <stddef.h>
#include <stdint.h>

#include "engine/bytes.h"

/*
 * Applies `diffs` to `document` (type byte and payload); the result lies in `scratch`, or is the
 * document itself where there is no difference. NULL, or what is wrong: damaged differences, a path
 * that the document does not have, or a scratch that is too small (the reason names the remedy).
 */
const char *tr_json_patch(struct tr_span document, struct tr_span diffs, uint8_t *scratch,
                          size_t scratch_bytes, struct tr_span *result);

#endif
