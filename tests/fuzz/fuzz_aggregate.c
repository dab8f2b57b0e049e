// SPDX-License-Identifier: Apache-2.0
/* Any bytes as the protobuf of an aggregate (magic and digest are made right): no over-read, no crash, inner records lie inside. */
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stages/ship/aggregate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t magic[] = {0xF3, 0x89, 0x9A, 0xC2};
static struct tr_span whole;
static size_t seen_count;

static void must_lie_inside(struct tr_span part)
{
    if (part.bytes > 0 &&
        (part.data < whole.data || part.data + part.bytes > whole.data + whole.bytes)) {
        abort();
    }
}

static bool look(void *self, struct tr_span key, struct tr_span value)
{
    (void)self;
    must_lie_inside(key);
    must_lie_inside(value);
    seen_count++;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tr_error err;
    const size_t bytes = sizeof(magic) + size + 16;
    uint8_t *record = malloc(bytes);

    if (record == NULL) {
        abort();
    }
    memcpy(record, magic, sizeof(magic));
    if (size > 0) {
        memcpy(record + sizeof(magic), data, size);
    }
    if (EVP_Digest(record + sizeof(magic), size, record + sizeof(magic) + size, NULL, EVP_md5(),
                   NULL) != 1) {
        abort();
    }
    whole = tr_span_of(record, bytes);
    seen_count = 0;
    if (tr_aggregate_is_whole(whole)) {
        if (tr_aggregate_read(whole, look, NULL, &err) != TR_OK || seen_count == 0) {
            abort();
        }
    }
    free(record);
    return 0;
}
