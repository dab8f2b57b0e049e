// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <stdint.h>

#include "stages/ship/transport_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct tr_call_done done = {0};
    struct tr_cursor cursor = tr_cursor_of(tr_span_of(data, bytes));
    while (tr_cursor_remaining(&cursor) > 0) {
        const size_t left = tr_cursor_remaining(&cursor);
        const uint8_t *feed = memchr(cursor.at, '\n', left);
        tr_answer_take_header(
            tr_cursor_span(&cursor, feed == NULL ? left : (size_t)(feed - cursor.at) + 1), &done);
    }
    (void)tr_answer_date_unix_s(tr_span_of(data, bytes));
    return 0;
}
