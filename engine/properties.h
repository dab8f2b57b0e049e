// SPDX-License-Identifier: Apache-2.0
/*
 * Java property files.
 *
 * Source: java.util.Properties.load (Java SE API documentation), read as UTF-8 as Quarkus does: comments (# and !),
 * separators (= : blank), continuation lines, escapes \t \n \r \f and \uXXXX. The parser is total.
 */
#ifndef TR_ENGINE_PROPERTIES_H
#define TR_ENGINE_PROPERTIES_H

#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"

struct tr_property {
    const char *key;   /* borrows from the set */
    const char *value; /* borrows from the set; trailing blanks kept, as in Java */
    uint32_t line;     /* 1-based: where the key begins */
};

struct tr_properties {
    struct tr_property *items; /* owns; in file order, a repeated key as often as it stands there */
    uint32_t count;
    char *text; /* owns: keys and values */
};

/*
 * Reads `text` (borrowed for the call).
 * Errors: TR_ERR_CONFIG naming the line: bytes that are not UTF-8, a malformed \u escape, a NUL; TR_ERR_SYSTEM.
 */
TR_NODISCARD enum tr_code tr_properties_parse(struct tr_properties *properties, struct tr_span text,
                                              struct tr_error *err);

/* Accepts a zeroed set. */
void tr_properties_deinit(struct tr_properties *properties);

/* The last property of that key (it wins, as in Java), or NULL. */
const struct tr_property *tr_properties_find(const struct tr_properties *properties,
                                             const char *key);

#endif
