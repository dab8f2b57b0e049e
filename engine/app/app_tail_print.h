// SPDX-License-Identifier: Apache-2.0
/*
 * How `tailrace tail` writes a record: private to app_tail*.c.
 */
#ifndef TR_ENGINE_APP_APP_TAIL_PRINT_H
#define TR_ENGINE_APP_APP_TAIL_PRINT_H

#include "engine/app/app_tail.h"

struct tr_app_tail_printer {
    const struct tr_app_tail_options *options; /* borrows */
    uint64_t printed_count;
    uint8_t *data;                          /* owns; one decoded record */
    uint8_t *line;                          /* owns; one line with keys */
    struct tr_error err;                    /* of printing; code TR_OK: none */
    const struct tr_kinesis_record *record; /* being printed; borrowed for the call */
    const char *shard_id;                   /* likewise */
    uint64_t inner_count;                   /* of its inner records, when it is an aggregate */
};

TR_NODISCARD enum tr_code tr_app_tail_printer_open(struct tr_app_tail_printer *printer,
                                                   const struct tr_app_tail_options *options,
                                                   struct tr_error *err);
/* Accepts a zeroed printer. */
void tr_app_tail_printer_close(struct tr_app_tail_printer *printer);

/* Whether the limit is reached, or nobody reads the output any more. */
bool tr_app_tail_printer_is_done(const struct tr_app_tail_printer *printer);

/* Writes one line, or one for each record in an aggregate. False: printer->err says why. */
bool tr_app_tail_print(struct tr_app_tail_printer *printer, const struct tr_kinesis_record *record,
                       const char *shard_id);

/* Hands the lines on. Errors: TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_app_tail_printer_flush(struct tr_app_tail_printer *printer,
                                                    struct tr_error *err);

#endif
