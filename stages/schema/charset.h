// SPDX-License-Identifier: Apache-2.0
/*
 * Character sets by collation number and by name (mysql-binlog.md §6.1), and ENUM / SET labels in
 * UTF-8.
 */
#ifndef TR_STAGES_SCHEMA_CHARSET_H
#define TR_STAGES_SCHEMA_CHARSET_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "offsets/gtid.h"
#include "stages/schema/table.h"

struct tr_charset_entry {
    enum tr_charset charset;
    const char *name;            /* static, e.g. "utf8mb4" */
    uint8_t character_bytes_max; /* 4 for utf8mb4, 3 for utf8mb3, 1 for latin1 */
};

/*
 * The character set of a collation number; never NULL: numbers that are not known give
 * TR_CHARSET_OTHER with the name "unknown". MariaDB's numbers above 1023 are computed (NOPAD
 * variants, UCA-1400 blocks of 256).
 */
const struct tr_charset_entry *tr_charset_of_collation(enum tr_flavor flavor, uint64_t collation);

/* The character set of that name as information_schema writes it (any case); never NULL: others as
 * above. */
const struct tr_charset_entry *tr_charset_of_name(struct tr_span name);

/*
 * Writes `text` as the server reads it (charset_text.h) in UTF-8 to `out`, which has room for 3
 * bytes per byte; returns bytes. UTF-8 and character sets that are not known are copied.
 */
size_t tr_charset_write_utf8(enum tr_charset charset, struct tr_span text, uint8_t *out);

#endif
