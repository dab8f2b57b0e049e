// SPDX-License-Identifier: Apache-2.0
/*
 * MySQL's binary JSON as the text that Debezium prints for streamed rows (mysql-binlog.md §4.5;
 * contract §2.6).
 *
 * No blanks; members in stored order; doubles as Java prints them, in plain notation where that has
 * an exponent; DATE, TIME and DATETIME as quoted text without trailing zeros; DECIMAL as a number;
 * other opaque values as base64. Where Debezium's formatter is wrong (unsigned 32-bit numbers,
 * negative TIME: contract §12.3) the right value is printed. The document is itself the content of
 * a JSON string, so everything is escaped for that string as it is written.
 * @thread any: pure functions
 */
#ifndef TR_STAGES_DECODE_JSON_BINARY_H
#define TR_STAGES_DECODE_JSON_BINARY_H

#include <stdint.h>

#include "engine/bytes.h"
#include "stages/decode/outcome.h"

#define TR_JSON_BINARY_DEPTH_MAX 100 /* the server's own limit */

/*
 * Writes the document from `*out` on and moves `*out` to its end. Room as in text.h, but numbers
 * and brackets may go up to TR_JSON_BINARY_SLACK_BYTES past `limit`. BAD: not a document (offsets
 * outside it, unknown types, too deep).
 */
#define TR_JSON_BINARY_SLACK_BYTES 1280
enum tr_write_outcome tr_json_binary_put(uint8_t **out, const uint8_t *limit,
                                         struct tr_span document);

#endif
