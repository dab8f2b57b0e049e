// SPDX-License-Identifier: Apache-2.0
/* Any bytes as a document and as differences: a reason, or a document inside the scratch. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stages/decode/json_binary.h"
#include "stages/decode/json_patch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static uint8_t scratch[1 << 16];
    static uint8_t out[(1 << 16) + TR_JSON_BINARY_SLACK_BYTES];
    uint8_t *at = out;
    struct tr_span result;

    if (bytes < 2) {
        return 0;
    }
    const size_t document_bytes = data[0] < bytes - 1 ? data[0] : bytes - 1;
    const struct tr_span document = tr_span_of(data + 1, document_bytes);
    const struct tr_span diffs = tr_span_of(data + 1 + document_bytes, bytes - 1 - document_bytes);
    if (tr_json_patch(document, diffs, scratch, sizeof(scratch), &result) != NULL) {
        return 0;
    }
    if (diffs.bytes != 0 &&
        (result.data < scratch || result.data + result.bytes > scratch + sizeof(scratch))) {
        abort();
    }
    (void)tr_json_binary_put(&at, out + sizeof(out) - TR_JSON_BINARY_SLACK_BYTES, result);
    return 0;
}
