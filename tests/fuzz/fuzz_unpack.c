// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "stages/decode/address.h"
#include "stages/decode/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Any bytes are a value, which then lies in them or in the scratch, or a reason. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct tr_deflate *deflate;
    static uint8_t scratch[1 << 16];
    uint8_t text[TR_ADDRESS_BYTES_MAX];
    struct tr_error err;
    struct tr_span value;

    if (deflate == NULL && tr_deflate_open(&deflate, &err) != TR_OK) {
        abort();
    }
    struct tr_unpack unpack = {
        .deflate = deflate, .scratch = scratch, .scratch_bytes = sizeof(scratch)};
    const char *reason = tr_unpack_value(&unpack, tr_span_of(data, bytes), &value);
    if (reason == NULL && value.bytes > sizeof(scratch) && value.bytes >= bytes) {
        abort();
    }
    const uint8_t *end = tr_address_put_inet6(text, tr_span_of(data, bytes));
    if ((end == NULL) != (bytes > 16) || (end != NULL && end > text + sizeof(text))) {
        abort();
    }
    end = tr_address_put_inet4(text, tr_span_of(data, bytes));
    if ((end == NULL) != (bytes > 4)) {
        abort();
    }
    return 0;
}
