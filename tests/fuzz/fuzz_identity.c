// SPDX-License-Identifier: Apache-2.0
/* Any text gives an identity or an error; one that came out is written and read back the same. */
#include <stdlib.h>
#include <string.h>

#include "offsets/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static char texts[2][TR_IDENTITY_TEXT_BYTES_MAX];
    struct tr_identity identity;
    struct tr_error err;

    if (tr_identity_parse_json(&identity, tr_span_of(data, bytes), &err) != TR_OK) {
        return 0;
    }
    const size_t first = tr_identity_write_json(&identity, texts[0], sizeof(texts[0]));

    if (first == 0 ||
        tr_identity_parse_json(&identity, tr_span_of(texts[0], first), &err) != TR_OK ||
        tr_identity_write_json(&identity, texts[1], sizeof(texts[1])) != first ||
        memcmp(texts[0], texts[1], first) != 0) {
        abort();
    }
    return 0;
}
