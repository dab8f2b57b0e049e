// SPDX-License-Identifier: Apache-2.0
/*
 * The parking buffer of a shipper: where the records of a stream without progress are copied to, so that it does not pin
 * the decoders' fragments (design §4).
 *
 *   page 0           page 1         page 2..3 (one large record)    page 4
 *   [head][r][r][r]  [head][r][r]   [head][r                   ]    free
 *
 * A page counts the records alive in it and is free again when there is none; a record larger than a page takes a run of
 * pages. The head of a run is a fragment header, so that a parked record is read like any other.
 *
 * @thread one shipper
 */
#ifndef TR_STAGES_SHIP_PARKING_H
#define TR_STAGES_SHIP_PARKING_H

#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "stages/fragment.h"

#define TR_PARKING_PAGE_BYTES ((size_t)256 * 1024)
#define TR_PARKING_PAGES_MAX 4096U /* 1 GiB */

struct tr_parking {
    uint8_t *memory; /* owns; page_count pages, resident where touched */
    uint32_t *live;  /* owns; by first page of a run: records alive in it */
    uint32_t *run;   /* owns; by first page: pages of the run; 0 = free or inside a run */
    uint32_t page_count;
    uint32_t open_page; /* being filled; UINT32_MAX = none */
    uint32_t used_count;
};

/* `bytes` is rounded down to whole pages, at least one. Errors: TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_parking_open(struct tr_parking *parking, uint64_t bytes,
                                          struct tr_error *err);
/* Accepts a zeroed one. */
void tr_parking_close(struct tr_parking *parking);

/* A copy of the record with its bytes, `next` included; NULL when there is no room for it. */
struct tr_record *tr_parking_copy(struct tr_parking *parking, const struct tr_record *record);

/* Gives a copy back. */
void tr_parking_release(struct tr_parking *parking, const struct tr_record *record);

#endif
