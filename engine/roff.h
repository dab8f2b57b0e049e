// SPDX-License-Identifier: Apache-2.0
/*
 * Text for manual pages: what the tables say, with roff's own characters made harmless.
 * @thread any
 */
#ifndef TR_ENGINE_ROFF_H
#define TR_ENGINE_ROFF_H

#include <stddef.h>

/*
 * Writes `text` (UTF-8) for a line of running text into `out`: backslashes, hyphens, quotes and what is not ASCII as roff
 * names them, `...` in bold. Always NUL-ended; a text that does not fit is cut between two characters. Returns `out`.
 * Source: groff_char(7), groff_man_style(7).
 */
const char *tr_roff_escape(const char *text, char *out, size_t room_bytes);

#endif
