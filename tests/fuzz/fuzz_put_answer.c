// SPDX-License-Identifier: Apache-2.0
/* The answer to PutRecords: any bytes give an answer that agrees with itself, or a refusal. The first byte is the number of
 * entries. */
#include <stdlib.h>
#include <string.h>

#include "engine/assert.h"
#include "engine/json.h"
#include "stages/ship/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct tr_json_reader *reader;
    static struct tr_answer answer;
    struct tr_error err;

    if (reader == NULL && tr_json_open(&reader, TR_ANSWER_BYTES_MAX, &err) != TR_OK) {
        return 0;
    }
    if (bytes == 0) {
        return 0;
    }
    const size_t body_bytes = bytes - 1;
    uint8_t *body = calloc(1, body_bytes + TR_JSON_PADDING_BYTES);
    if (body == NULL) {
        return 0;
    }
    memcpy(body, data + 1, body_bytes);
    const uint32_t entry_count = 1 + data[0] % 8;
    if (tr_answer_parse(&answer, reader, tr_span_of(body, body_bytes), entry_count)) {
        uint32_t failed_count = 0;
        TR_ASSERT(answer.entry_count == entry_count);
        for (uint32_t i = 0; i < entry_count; i++) {
            TR_ASSERT(answer.rule[i] <= answer.rule_count);
            failed_count += answer.rule[i] != 0;
        }
        TR_ASSERT(failed_count == answer.failed_count);
    }
    free(body);
    return 0;
}
