// SPDX-License-Identifier: Apache-2.0
/*
 * Which of many streams are there and usable, by pages of ListStreams (100 names each) instead of
 * a call for each name. What the list does not say, say of a stream that is just being made or of
 * a service that lists names without their state, is left to DescribeStreamSummary.
 *
 * @thread start-up or a command; blocks
 */
#ifndef TR_STAGES_SHIP_STREAM_LIST_H
#define TR_STAGES_SHIP_STREAM_LIST_H

#include "stages/ship/call.h"

struct tr_stream_list {
    struct tr_listed_stream *streams; /* owns; by name */
    uint32_t stream_count;
    uint32_t usable_count;
    char last[TR_KINESIS_STREAM_NAME_BYTES_MAX + 1]; /* name of the page that was read last */
};

/*
 * Reads pages until all `names` (borrowed) were seen, or there are none left, or as many calls were
 * spent as would describe them all: an account may have many streams that are not ours. Keys that
 * may not list are no error: nothing is known then. Errors: TR_ERR_SYSTEM, TR_ERR_SINK_LINK
 * (TR_RETRY), TR_ERR_INTERRUPTED.
 */
TR_NODISCARD enum tr_code tr_stream_list_read(struct tr_stream_list *list,
                                              struct tr_kinesis_client *client,
                                              const char *const *names, uint32_t name_count,
                                              struct tr_error *err);

/* Whether it was listed as ACTIVE or UPDATING; false for what was not seen. Accepts a zeroed list. */
bool tr_stream_list_is_usable(const struct tr_stream_list *list, const char *name);

/* Accepts a zeroed one. */
void tr_stream_list_deinit(struct tr_stream_list *list);

#endif
