// SPDX-License-Identifier: Apache-2.0
/*
 * Collations by number and name, and the character set that each belongs to.
 *
 * A collation's name begins with its character set's: nothing else has to be known to tell the set.
 * Numbers come from status variables of QUERY events.
 */
#ifndef TR_STAGES_DDL_COLLATION_H
#define TR_STAGES_DDL_COLLATION_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "offsets/gtid.h"

#define TR_COLLATION_BYTES_MAX 64 /* of a name, with NUL; the longest has 42 */

/*
 * Writes the name of a collation number to `out`; an empty span when it is not known. MariaDB's
 * NOPAD variants (1024 and up) and UCA-1400 blocks (2048 and up) are computed. Source: both
 * servers' information_schema.collations (mysql-binlog.md §6.1).
 */
struct tr_span tr_collation_name(enum tr_flavor flavor, uint32_t number,
                                 char out[TR_COLLATION_BYTES_MAX]);

/* The character set of a collation of that name: a part of `collation`, or a static name. */
struct tr_span tr_collation_charset(struct tr_span collation);

/* A character set's default collation as compiled into the server; empty when it is not known.
 * Static. */
struct tr_span tr_collation_default(enum tr_flavor flavor, struct tr_span charset);

/* MariaDB's uca1400_…: belongs to whichever Unicode character set it stands beside. */
bool tr_collation_is_contextual(struct tr_span name);

/* Whether two names are equal, ASCII letters in any case. */
bool tr_collation_is(struct tr_span a, const char *b);

#endif
