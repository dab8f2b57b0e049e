// SPDX-License-Identifier: Apache-2.0
/* Any text gives a position or an error; a position that came out is written and read back the
 * same. */
#include <stdlib.h>
#include <string.h>

#include "offsets/position.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void parse(struct tr_saved_position *position, struct tr_gtid_sources *sources,
                  struct tr_span json, enum tr_code *code)
{
    struct tr_error err;

    if (tr_gtid_set_open(&position->gtids, TR_FLAVOR_MYSQL, &err) != TR_OK) {
        abort();
    }
    *code = tr_position_parse_json(position, sources, json, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct tr_error err;
    struct tr_gtid_sources *sources;
    struct tr_saved_position position = {0};
    enum tr_code code;

    if (tr_gtid_sources_open(&sources, &err) != TR_OK) {
        abort();
    }
    parse(&position, sources, tr_span_of(data, bytes), &code);
    if (code == TR_OK) {
        struct tr_saved_position back = {0};
        const size_t room_bytes = 4096 + 8 * bytes;
        char *text = calloc(2, room_bytes);
        const size_t first = text == NULL ? 0 : tr_position_write_json(&position, text, room_bytes);

        if (first == 0) {
            abort();
        }
        parse(&back, sources, tr_span_of(text, first), &code);
        if (code != TR_OK ||
            tr_position_write_json(&back, text + room_bytes, room_bytes) != first ||
            memcmp(text, text + room_bytes, first) != 0) {
            abort();
        }
        free(text);
        tr_gtid_set_close(back.gtids);
    }
    tr_gtid_set_close(position.gtids);
    tr_gtid_sources_close(sources);
    return 0;
}
