// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/blob.h"

#include <string.h>

static const uint8_t alphabet[64] = {
    'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P',
    'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'a', 'b', 'c', 'd', 'e', 'f',
    'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v',
    'w', 'x', 'y', 'z', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '+', '/',
};

static inline uint8_t *put_group(uint8_t *out, uint32_t three)
{
    out[0] = alphabet[three >> 18];
    out[1] = alphabet[three >> 12 & 63];
    out[2] = alphabet[three >> 6 & 63];
    out[3] = alphabet[three & 63];
    return out + 4;
}

uint8_t *tr_blob_put_base64(uint8_t *out, const uint8_t *in, size_t bytes)
{
    while (bytes >= 3) {
        out = put_group(out, (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2]);
        in += 3;
        bytes -= 3;
    }
    if (bytes == 2) {
        out = put_group(out, (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8);
        out[-1] = '=';
    } else if (bytes == 1) {
        out = put_group(out, (uint32_t)in[0] << 16);
        out[-1] = '=';
        out[-2] = '=';
    }
    return out;
}

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
    const size_t zero_text_bytes = tr_blob_base64_bytes(zero_bytes);
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
