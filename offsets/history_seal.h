// SPDX-License-Identifier: Apache-2.0
/*
 * The seal of a schema history: how many documents, and one number that every byte of them went into, in
 * their order. Saved with the position (identity.h): a history that has fewer documents then, or others, was
 * truncated or edited. It may have more: those behind the position, and of a writer that died.
 *
 * A check against accidents, not against an adversary (FNV-1a, 64 bits).
 */
#ifndef TR_OFFSETS_HISTORY_SEAL_H
#define TR_OFFSETS_HISTORY_SEAL_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"

struct tr_history_seal {
    uint64_t document_count; /* 0: nothing is known, nothing is checked */
    uint64_t chain;
};

/* Takes the next document in, without its line end. */
static inline void tr_history_seal_add(struct tr_history_seal *seal, struct tr_span document)
{
    uint64_t chain = seal->chain ^ UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < document.bytes; i++) {
        chain = (chain ^ document.data[i]) * UINT64_C(0x100000001b3);
    }
    seal->chain = (chain ^ '\n') * UINT64_C(0x100000001b3);
    seal->document_count++;
}

/* Of the documents seen so far, against those that a saved position needs: as many, but others. */
static inline bool tr_history_seal_is_other(const struct tr_history_seal *seen,
                                            const struct tr_history_seal *wanted)
{
    return seen->document_count == wanted->document_count && seen->chain != wanted->chain;
}

/* Of all documents: fewer than a saved position needs. */
static inline bool tr_history_seal_is_short(const struct tr_history_seal *seen,
                                            const struct tr_history_seal *wanted)
{
    return seen->document_count < wanted->document_count;
}

#endif
