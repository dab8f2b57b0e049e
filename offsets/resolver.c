// SPDX-License-Identifier: Apache-2.0
#include "offsets/resolver.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { RESOLVER_RUNS = 0, RESOLVER_ANSWERED, RESOLVER_LET_GO };

struct tr_resolver {
    _Atomic int state;
    /* Written by the thread before ANSWERED, read by the asker after it. */
    int result;
    struct addrinfo *addresses;
    char host[256];
    char port[8];
};

static void free_resolver(struct tr_resolver *resolver)
{
    if (resolver->addresses != NULL) {
        freeaddrinfo(resolver->addresses);
    }
    free(resolver);
}

static void *resolve(void *self)
{
    struct tr_resolver *resolver = self;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG};

    resolver->result = getaddrinfo(resolver->host, resolver->port, &hints, &resolver->addresses);
    /* Both sides exchange: whoever comes second sees the other and is the owner. Release of the
     * answer, pairs with poll(). */
    if (atomic_exchange_explicit(&resolver->state, RESOLVER_ANSWERED, memory_order_acq_rel) ==
        RESOLVER_LET_GO) {
        free_resolver(resolver);
    }
    return NULL;
}

enum tr_code tr_resolver_open(struct tr_resolver **resolver, const char *host, const char *port,
                              struct tr_error *err)
{
    struct tr_resolver *made = calloc(1, sizeof(*made));
    pthread_attr_t detached;
    pthread_t thread;
    sigset_t all;
    sigset_t before;

    *resolver = NULL;
    if (made == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_RETRY, "memory for a resolver: refused");
    }
    (void)snprintf(made->host, sizeof(made->host), "%s", host);
    (void)snprintf(made->port, sizeof(made->port), "%s", port);
    (void)pthread_attr_init(&detached);
    (void)pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    /* Signals belong to the main thread. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failed = pthread_create(&thread, &detached, resolve, made);

    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&detached);
    if (failed != 0) {
        free(made);
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_RETRY, "a thread for the resolver: error %d", failed);
    }
    *resolver = made;
    return TR_OK;
}

bool tr_resolver_poll(struct tr_resolver *resolver, int *result, struct addrinfo **addresses)
{
    /* Acquire, pairs with the thread's exchange: the answer was written before. */
    if (atomic_load_explicit(&resolver->state, memory_order_acquire) != RESOLVER_ANSWERED) {
        return false;
    }
    *result = resolver->result;
    *addresses = resolver->addresses;
    resolver->addresses = NULL;
    return true;
}

void tr_resolver_close(struct tr_resolver *resolver)
{
    /* Pairs with the thread's exchange. */
    if (resolver != NULL && atomic_exchange_explicit(&resolver->state, RESOLVER_LET_GO,
                                                     memory_order_acq_rel) == RESOLVER_ANSWERED) {
        free_resolver(resolver);
    }
}
