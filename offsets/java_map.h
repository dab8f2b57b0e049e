// SPDX-License-Identifier: Apache-2.0
/*
 * A Java-serialised HashMap<byte[], byte[]>: the file that Kafka Connect's FileOffsetBackingStore keeps (contract §6.2).
 *
 * Total on reading (any bytes give entries or an error), byte-compatible on writing.
 * Source: Java Object Serialization Specification, §6.4 "Grammar for the Stream Format".
 */
#ifndef TR_OFFSETS_JAVA_MAP_H
#define TR_OFFSETS_JAVA_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"

#define TR_JAVA_ENTRIES_MAX 256 /* one per connector and partition: more are refused by name */

/* data == NULL: Java's null. Spans borrowed from the file's bytes or from whoever writes. */
struct tr_java_entry {
    struct tr_span key;
    struct tr_span value;
};

/* Reads up to TR_JAVA_ENTRIES_MAX entries. Errors: TR_ERR_STATE saying where and what was wanted. */
TR_NODISCARD enum tr_code tr_java_map_parse(struct tr_span bytes, struct tr_java_entry *entries,
                                            uint32_t *entry_count, struct tr_error *err);

/* Writes the map as Java does; NULL out: size only. Returns bytes. Each key and value is shorter than 2 GiB. */
size_t tr_java_map_write(const struct tr_java_entry *entries, uint32_t entry_count, uint8_t *out);

#endif
