// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/blob.h"

#include <string.h>

uint8_t *tr_blob_put_base64_padded(uint8_t *out, const uint8_t *in, size_t bytes, size_t zero_bytes)
{
    const size_t whole = bytes / 3 * 3;
    const size_t rest = bytes - whole;
    uint8_t seam[3] = {0, 0, 0};

    if (zero_bytes == 0) {
        return tr_blob_put_base64(out, in, bytes);
    }
    out = tr_blob_put_base64(out, in, whole);
    if (rest != 0) {
        const size_t fill = zero_bytes < 3 - rest ? zero_bytes : 3 - rest;
        memcpy(seam, in + whole, rest);
        out = tr_blob_put_base64(out, seam, rest + fill);
        zero_bytes -= fill;
    }
    const size_t zero_text_bytes = tr_base64_encoded_bytes(zero_bytes);
    memset(out, 'A', zero_text_bytes);
    out += zero_text_bytes;
    if (zero_bytes % 3 == 1) {
        out[-2] = '=';
    }
    if (zero_bytes % 3 != 0) {
        out[-1] = '=';
    }
    return out;
}

uint8_t *tr_blob_put_bits(uint8_t *out, uint64_t bits, size_t bytes)
{
    uint8_t little_endian[sizeof(bits)];

    memcpy(little_endian, &bits, sizeof(bits));
    *out++ = '"';
    out = tr_blob_put_base64(out, little_endian, bytes);
    *out++ = '"';
    return out;
}
