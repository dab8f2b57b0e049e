// SPDX-License-Identifier: Apache-2.0
/*
 * The destination's name of a table (contract §0.4, default strategy): prefix, database and table
 * joined by the delimiter; every character outside [A-Za-z0-9._-] becomes `_`, and what is left
 * after 249 characters is cut.
 */
#ifndef TR_STAGES_SCHEMA_TOPIC_H
#define TR_STAGES_SCHEMA_TOPIC_H

#include "engine/bytes.h"
#include "stages/stream.h"

/* Borrowed from the configuration for as long as names are written. */
struct tr_topic_options {
    struct tr_span prefix;    /* topic.prefix */
    struct tr_span delimiter; /* topic.delimiter; empty = "." */
};

/*
 * Writes the name and a NUL; returns its bytes. Blank parts are dropped. A character above U+FFFF
 * counts as two, as in Java; a byte that is no valid UTF-8 counts as one.
 */
size_t tr_topic_write_name(const struct tr_topic_options *options, struct tr_span database,
                           struct tr_span table, char out[TR_STREAM_NAME_BYTES_MAX + 1]);

#endif
