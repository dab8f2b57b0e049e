// SPDX-License-Identifier: Apache-2.0
/*
 * The simulated server's dump thread: sends the model's log, with faults of the link.
 *
 * Asked with GTIDs it begins at the start of a file and leaves out the groups that are in the set,
 * with or without the fillers that stand for them; asked by place it begins there. Reads are short,
 * or say "not now", or find the connection reset; an idle link beats.
 */
#ifndef TR_TESTS_SIM_MODEL_SOURCE_H
#define TR_TESTS_SIM_MODEL_SOURCE_H

#include "stages/source/source_port.h"
#include "tests/sim/model_log.h"

struct tr_model_source {
    struct tr_model_log log;
    struct tr_source_port port;
    struct tr_random link_random; /* faults: apart, so that the log does not depend on them */
    bool connected;
    bool faults_on;
    uint32_t connect_count;
    struct tr_model_set done; /* groups to be left out */
    uint32_t group_next;      /* the first one that was not gone past */
    bool has_left_out;        /* a filler is due */
    uint32_t sent_file;
    size_t sent_at;
    uint8_t packet_number;
    struct tr_buffer pending; /* packets ready to be read */
    size_t pending_at;
};

void tr_model_source_init(struct tr_model_source *source, const struct tr_model_options *options);
void tr_model_source_deinit(struct tr_model_source *source);

/* Whether everything committed was read. */
bool tr_model_source_is_exhausted(const struct tr_model_source *source);

#endif
