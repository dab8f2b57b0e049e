// SPDX-License-Identifier: Apache-2.0
/* Any bytes give entries or an error; entries that came out are written and read back the same. */
#include <stdlib.h>
#include <string.h>

#include "offsets/java_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct tr_java_entry entries[TR_JAVA_ENTRIES_MAX];
static struct tr_java_entry back[TR_JAVA_ENTRIES_MAX];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct tr_error err;
    uint32_t count;
    uint32_t back_count;

    if (tr_java_map_parse(tr_span_of(data, bytes), entries, &count, &err) != TR_OK) {
        return 0;
    }
    const size_t room_bytes = tr_java_map_write(entries, count, NULL);
    uint8_t *written = calloc(1, room_bytes);

    if (written == NULL || tr_java_map_write(entries, count, written) != room_bytes ||
        tr_java_map_parse(tr_span_of(written, room_bytes), back, &back_count, &err) != TR_OK ||
        back_count != count) {
        abort();
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!tr_span_equals(entries[i].key, back[i].key) ||
            !tr_span_equals(entries[i].value, back[i].value)) {
            abort();
        }
    }
    free(written);
    return 0;
}
