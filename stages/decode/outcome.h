// SPDX-License-Identifier: Apache-2.0
/* How writing a value, an image or a row ended. */
#ifndef TR_STAGES_DECODE_OUTCOME_H
#define TR_STAGES_DECODE_OUTCOME_H

enum tr_write_outcome {
    TR_WRITE_OK = 0,
    TR_WRITE_NO_ROOM,   /* the buffer is full: nothing of it counts, again with a larger or an empty
                           one */
    TR_WRITE_BAD,       /* the bytes are not what the schema says */
    TR_WRITE_LACKING,   /* the images lack a value that no record can do without */
    TR_WRITE_TOO_LARGE, /* a record is larger than the sink's limit */
};

#endif
