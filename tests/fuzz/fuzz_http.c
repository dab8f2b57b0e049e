// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "engine/assert.h"
#include "engine/http_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Any bytes are no whole head yet, or get an answer that is HTTP. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct tr_http_answer answer;
    static const struct tr_health health;
    const size_t head_bytes = tr_http_head_bytes(tr_span_of(data, bytes));

    TR_ASSERT(head_bytes <= bytes);
    if (head_bytes > 0) {
        tr_http_answer_request(&answer, tr_span_of(data, head_bytes), NULL, &health);
        TR_ASSERT(answer.out_bytes > 0);
        TR_ASSERT(memcmp(answer.out, "HTTP/1.1 ", 9) == 0);
    }
    return 0;
}
