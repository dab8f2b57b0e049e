// SPDX-License-Identifier: Apache-2.0
/*
 * The order in which a Java HashSet of strings is walked: `source.table` of a statement on several
 * tables lists them so (contract §1.3).
 * Source: OpenJDK 17, java.util.HashMap (spread, resize), java.lang.String.hashCode.
 * @thread any
 */
#ifndef TR_STAGES_DDL_JAVA_SET_H
#define TR_STAGES_DDL_JAVA_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"

/* String.hashCode of a text in UTF-8; continues `hash` (0 to begin). */
uint32_t tr_java_string_hash(uint32_t hash, struct tr_span utf8);

/*
 * Puts `count` distinct elements, given by their hash codes in order of insertion, into the order of
 * new HashSet<>(set): order[i] is the index of the i-th one. `order` and `spare` have `count` places.
 */
void tr_java_set_order(const uint32_t *hashes, uint32_t count, uint32_t *order, uint32_t *spare);

#endif
