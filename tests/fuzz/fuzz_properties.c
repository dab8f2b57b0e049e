// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "engine/assert.h"
#include "engine/properties.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Any text gives properties or an error; what is read is NUL-ended text at rising lines. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct tr_properties properties;
    struct tr_error err;
    uint32_t line = 0;

    if (tr_properties_parse(&properties, tr_span_of(data, bytes), &err) != TR_OK) {
        TR_ASSERT(err.text[0] != '\0');
        return 0;
    }
    for (uint32_t i = 0; i < properties.count; i++) {
        TR_ASSERT(properties.items[i].line > line);
        line = properties.items[i].line;
        TR_ASSERT(strlen(properties.items[i].key) <= bytes);
        TR_ASSERT(strlen(properties.items[i].value) <= bytes);
        TR_ASSERT(tr_properties_find(&properties, properties.items[i].key) != NULL);
    }
    tr_properties_deinit(&properties);
    return 0;
}
