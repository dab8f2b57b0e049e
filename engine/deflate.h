// SPDX-License-Identifier: Apache-2.0
/*
 * Decompression of whole deflate streams whose size is known, without an allocation per stream.
 * @thread one at a time per tr_deflate
 */
#ifndef TR_ENGINE_DEFLATE_H
#define TR_ENGINE_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"

struct tr_deflate;

/* Allocates about 12 KB. Errors: TR_ERR_SYSTEM when memory is refused. */
TR_NODISCARD enum tr_code tr_deflate_open(struct tr_deflate **deflate, struct tr_error *err);

/* Accepts NULL. */
void tr_deflate_close(struct tr_deflate *deflate);

/* Decompresses `in` (with a zlib header and checksum, or bare) into exactly `out_bytes` at `out`;
 * false when it is damaged or of another size. */
bool tr_deflate_inflate(struct tr_deflate *deflate, bool has_header, struct tr_span in,
                        uint8_t *out, size_t out_bytes);

#endif
