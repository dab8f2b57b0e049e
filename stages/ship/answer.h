// SPDX-License-Identifier: Apache-2.0
/*
 * The answer to PutRecords.
 *
 *   {"FailedRecordCount":1,"Records":[{"SequenceNumber":"…","ShardId":"…"},{"ErrorCode":"…","ErrorMessage":"…"}]}
 *
 * It is believed only if it has exactly as many entries as were sent, each is either a success (SequenceNumber and
 * ShardId) or a failure (ErrorCode), and FailedRecordCount agrees; a member that is null is absent (kinesis §1.3, §1.6).
 * Anything else is an unknown outcome. Parsing is total: any bytes give an answer or a refusal.
 */
#ifndef TR_STAGES_SHIP_ANSWER_H
#define TR_STAGES_SHIP_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "stages/ship/classify.h"
#include "stages/ship/request.h"

#define TR_ANSWER_BYTES_MAX                                                                        \
    ((size_t)512 * 1024) /* the transport takes fewer; a longer one is not believed */
#define TR_ANSWER_RULES_MAX                                                                        \
    8 /* different error codes told apart in one answer; more: as the last one */

struct tr_answer {
    uint32_t entry_count;
    uint32_t failed_count;
    uint8_t rule[TR_REQUEST_RECORDS_MAX]; /* by entry: 0 = accepted, else index + 1 into `rules` */
    uint32_t rule_count;
    struct {
        struct tr_verdict_rule rule;
        char code[64];
    } rules[TR_ANSWER_RULES_MAX];
};

struct tr_json_reader;

/*
 * Parses the body of a 200; false: not to be believed.
 * `body` is followed by 64 readable bytes (transport.h).
 */
bool tr_answer_parse(struct tr_answer *answer, struct tr_json_reader *reader, struct tr_span body,
                     uint32_t entry_count);

#endif
