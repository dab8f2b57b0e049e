// SPDX-License-Identifier: Apache-2.0
/*
 * A session with Kinesis for a command: endpoint, keys, reactor, transport and reader in one,
 * opened from settings. `run` opens its transports itself, one per shipper.
 *
 * @thread the main thread
 */
#ifndef TR_ENGINE_APP_APP_KINESIS_H
#define TR_ENGINE_APP_APP_KINESIS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/config.h"
#include "engine/error.h"
#include "engine/reactor.h"
#include "stages/ship/call.h"
#include "stages/ship/endpoint.h"
#include "stages/ship/transport.h"

/* Texts are borrowed until close; NULL or empty = not set. */
struct tr_app_kinesis_options {
    const char *region;
    const char *endpoint;
    const char *profile;
    const char *access_key_id;
    const char *secret_access_key;
    const char *session_token;
    const char *ca_file;
    enum tr_reactor_engine reactor_engine;
    size_t answer_bytes_max;         /* 0: as for a shipper */
    bool (*is_stopping)(void *self); /* asked while waiting; NULL: never */
    void *stopping_self;
};

/* What the configuration says; borrows its texts. */
struct tr_app_kinesis_options tr_app_kinesis_options_of(const struct tr_config *config);

struct tr_app_kinesis {
    struct tr_endpoint endpoint;
    struct tr_credentials_source *credentials; /* owns */
    struct tr_reactor *reactor;                /* owns */
    struct tr_transport transport;             /* owns; one slot */
    struct tr_json_reader *reader;             /* owns */
    struct tr_kinesis_client client;           /* points to the above: the session must not move */
};

/* Opens all, sends nothing. Errors: those of the parts; `session` is then zeroed. */
TR_NODISCARD enum tr_code tr_app_kinesis_open(struct tr_app_kinesis *session,
                                              const struct tr_app_kinesis_options *options,
                                              struct tr_error *err);

/* Accepts a zeroed or half-open session, and leaves it zeroed. */
void tr_app_kinesis_close(struct tr_app_kinesis *session);

#endif
