// SPDX-License-Identifier: Apache-2.0
/* Any bytes become a string that the reader takes back, and that escapes to itself the second time round. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/json.h"
#include "engine/json_write.h"

#define TEXT_BYTES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tr_json_reader *reader;
    static uint8_t room[TEXT_BYTES_MAX * TR_JSON_ESCAPE_FACTOR + 4];
    struct tr_error err;

    if (size > TEXT_BYTES_MAX) {
        return 0;
    }
    demand(reader != NULL || tr_json_open(&reader, sizeof(room), &err) == TR_OK);
    uint8_t *escaped = malloc(size * TR_JSON_ESCAPE_FACTOR + 1);
    demand(escaped != NULL);
    const size_t escaped_bytes = tr_json_escape(escaped, tr_span_of(data, size));
    demand(escaped_bytes <= size * TR_JSON_ESCAPE_FACTOR);
    demand(escaped_bytes == tr_json_escaped_bytes(tr_span_of(data, size)));
    struct tr_json_writer writer = tr_json_writer_of(room, escaped_bytes + 4);
    tr_json_write_literal(&writer, "[");
    tr_json_write_text(&writer, tr_span_of(data, size));
    tr_json_write_literal(&writer, "]");
    demand(!writer.is_full);
    demand(writer.bytes == escaped_bytes + 4);
    demand(memcmp(room + 2, escaped, escaped_bytes) == 0);
    tr_json_begin(reader, tr_json_writer_span(&writer));
    demand(tr_json_enter_array(reader) && tr_json_next_element(reader));
    const struct tr_span text = tr_json_get_text(reader);
    demand(!tr_json_next_element(reader));
    demand(tr_json_finish(reader, &err) == TR_OK);
    uint8_t *again = malloc(text.bytes * TR_JSON_ESCAPE_FACTOR + 1);
    demand(again != NULL);
    demand(tr_json_escape(again, text) == escaped_bytes);
    demand(memcmp(again, escaped, escaped_bytes) == 0);
    free(again);
    free(escaped);
    return 0;
}
