// SPDX-License-Identifier: Apache-2.0
#include "engine/deflate.h"

#include <libdeflate.h>

enum tr_code tr_deflate_open(struct tr_deflate **deflate, struct tr_error *err)
{
    *deflate = (struct tr_deflate *)(void *)libdeflate_alloc_decompressor();
    return *deflate != NULL
               ? TR_OK
               : TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for a decompressor: add memory");
}

void tr_deflate_close(struct tr_deflate *deflate)
{
    libdeflate_free_decompressor((struct libdeflate_decompressor *)(void *)deflate);
}

bool tr_deflate_inflate(struct tr_deflate *deflate, bool has_header, struct tr_span in,
                        uint8_t *out, size_t out_bytes)
{
    struct libdeflate_decompressor *decompressor = (void *)deflate;
    /* Without a place for the actual size the library wants exactly `out_bytes`. */
    const enum libdeflate_result result =
        has_header
            ? libdeflate_zlib_decompress(decompressor, in.data, in.bytes, out, out_bytes, NULL)
            : libdeflate_deflate_decompress(decompressor, in.data, in.bytes, out, out_bytes, NULL);

    return result == LIBDEFLATE_SUCCESS;
}
