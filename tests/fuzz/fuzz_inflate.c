// SPDX-License-Identifier: Apache-2.0
/* One compressed event of any bytes behind a valid header: chunks, an error, or the end of the
 * input; never a crash. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/assert.h"
#include "stages/sequence/inflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tr_inflate inflate;
    static struct tr_ring jobs, done, returns;
    static struct tr_ring *const return_rings[] = {&returns};
    static struct tr_chunk in;
    struct tr_error err;
    void *slots;
    static const uint8_t types[] = {40, 165, 166, 167, 168, 169, 170, 171};

    if (size < 20 || size > TR_CHUNK_BYTES) {
        return 0;
    }
    const bool ready = tr_ring_init(&jobs, 4, sizeof(struct tr_inflate_job), &err) == TR_OK &&
                       tr_ring_init(&done, 64, sizeof(struct tr_inflate_done), &err) == TR_OK &&
                       tr_ring_init(&returns, 8, sizeof(struct tr_chunk *), &err) == TR_OK &&
                       tr_inflate_init(&inflate,
                                       &(struct tr_inflate_options){.jobs = &jobs,
                                                                    .done = &done,
                                                                    .returns = return_rings,
                                                                    .return_count = 1,
                                                                    .chunk_count = 6},
                                       NULL, &err) == TR_OK;
    TR_ASSERT(ready);
    memcpy(in.bytes, data, size);
    in.bytes[4] = types[data[4] % sizeof(types)];
    struct tr_inflate_job *job = tr_ring_claim_one(&jobs);
    *job = (struct tr_inflate_job){
        .chunk = &in, .bytes = (uint32_t)size, .total_bytes = size, .first = true, .last = true};
    tr_ring_publish(&jobs, 1);
    for (uint32_t idle = 0, steps = 0; idle < 2 && steps < 4096; steps++) {
        idle = tr_inflate_step(&inflate, 0) == 0 ? idle + 1 : 0;
        while (tr_ring_peek(&done, 1, &slots) == 1) {
            struct tr_chunk *out = ((const struct tr_inflate_done *)slots)->out;
            tr_ring_release(&done, 1);
            if (out != NULL) {
                struct tr_chunk **home = tr_ring_claim_one(&returns);
                *home = out;
                tr_ring_publish(&returns, 1);
                idle = 0;
            }
        }
    }
    tr_inflate_deinit(&inflate);
    tr_ring_deinit(&jobs);
    tr_ring_deinit(&done);
    tr_ring_deinit(&returns);
    return 0;
}
