// SPDX-License-Identifier: Apache-2.0
/*
 * Reads /metrics of a running instance, for commands: one GET, waited for, kept as text.
 * @thread main
 */
#ifndef TR_ENGINE_APP_SCRAPE_H
#define TR_ENGINE_APP_SCRAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

#define TR_SCRAPE_BYTES_MAX ((size_t)64 * 1024 * 1024) /* 10,000 streams need a third of it */

struct tr_scrape {
    char *text; /* owns; NUL-ended */
    size_t bytes;
};

/*
 * GETs http://host:port/metrics; a host of 0.0.0.0 or empty is this machine. Errors: TR_ERR_SYSTEM naming the address
 * and what to do.
 */
TR_NODISCARD enum tr_code tr_scrape_open(struct tr_scrape *scrape, const char *host, uint16_t port,
                                         struct tr_error *err);

/* Accepts a zeroed one. */
void tr_scrape_close(struct tr_scrape *scrape);

/* The value of a metric; with `stream`, of that stream's line. False when there is none. */
bool tr_scrape_value(const struct tr_scrape *scrape, const char *metric, const char *stream,
                     double *value);

#endif
