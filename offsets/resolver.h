// SPDX-License-Identifier: Apache-2.0
/*
 * A name's addresses without waiting for them: one getaddrinfo() on a thread of its own.
 *
 * Whoever lets go last frees the question: the thread after its answer, or the asker after taking it.
 * @thread the asker
 */
#ifndef TR_OFFSETS_RESOLVER_H
#define TR_OFFSETS_RESOLVER_H

#include <netdb.h>
#include <stdbool.h>

#include "engine/error.h"

struct tr_resolver; /* one question; opaque */

/* Asks for stream addresses of a name (at most 255 bytes) and a port in digits. Errors: TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_resolver_open(struct tr_resolver **resolver, const char *host,
                                           const char *port, struct tr_error *err);

/*
 * Whether the answer is there: then *result is getaddrinfo's (0, or an EAI_ number) and *addresses the caller's to free, and
 * the question is to be closed.
 */
bool tr_resolver_poll(struct tr_resolver *resolver, int *result, struct addrinfo **addresses);

/* Forgets the question, answered or not; never waits. Accepts NULL. */
void tr_resolver_close(struct tr_resolver *resolver);

#endif
