// SPDX-License-Identifier: Apache-2.0
/*
 * The header lines of an answer that the shipper wants: Date, x-amzn-ErrorType, x-amzn-RequestId,
 * and how long to wait. Total: any bytes are a header, the ones that are not understood are
 * skipped.
 */
#ifndef TR_STAGES_SHIP_TRANSPORT_ANSWER_H
#define TR_STAGES_SHIP_TRANSPORT_ANSWER_H

#include <stdint.h>

#include "engine/bytes.h"
#include "stages/ship/transport.h"

/*
 * Takes one header line (with or without CR LF) into `done`. A status line begins a new answer and
 * forgets the fields of the one before it (100 Continue).
 */
void tr_answer_take_header(struct tr_span line, struct tr_call_done *done);

/*
 * Seconds since 1970 of an HTTP date ("Thu, 15 Jan 2026 12:00:00 GMT"), or 0 when it is none.
 * Source: RFC 9110, 5.6.7, IMF-fixdate.
 */
int64_t tr_answer_date_unix_s(struct tr_span text);

#endif
