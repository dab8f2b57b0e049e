// SPDX-License-Identifier: Apache-2.0
#include "engine/app/app_kinesis.h"

#include "engine/clock.h"
#include "stages/ship/transport_curl.h"

#define COMMAND_RETRY_NS (10 * TR_NS_PER_S) /* somebody is waiting at the terminal */

struct tr_app_kinesis_options tr_app_kinesis_options_of(const struct tr_config *config)
{
    return (struct tr_app_kinesis_options){
        .region = config->kinesis_region,
        .endpoint = config->kinesis_endpoint,
        .profile = config->kinesis_credentials_profile,
        .access_key_id = config->aws_access_key_id,
        .secret_access_key = config->aws_secret_access_key,
        .session_token = config->aws_session_token,
        .ca_file = config->sink_tls_ca,
        .reactor_engine = (enum tr_reactor_engine)config->reactor,
    };
}

enum tr_code tr_app_kinesis_open(struct tr_app_kinesis *session,
                                 const struct tr_app_kinesis_options *options, struct tr_error *err)
{
    const size_t answer_bytes =
        options->answer_bytes_max == 0 ? TR_TRANSPORT_ANSWER_BYTES_MAX : options->answer_bytes_max;
    const struct tr_endpoint_options where = {
        .region = options->region,
        .endpoint = options->endpoint,
        .profile = options->profile,
        .environment = tr_environment_of_process,
    };
    const struct tr_credentials_options keys = {
        .access_key_id = options->access_key_id,
        .secret_access_key = options->secret_access_key,
        .session_token = options->session_token,
        .profile = options->profile,
        .environment = tr_environment_of_process,
    };
    *session = (struct tr_app_kinesis){0};
    if (tr_endpoint_resolve(&session->endpoint, &where, err) != TR_OK ||
        tr_credentials_open(&session->credentials, &keys, err) != TR_OK ||
        tr_json_open(&session->reader, answer_bytes, err) != TR_OK ||
        tr_reactor_open(&session->reactor, options->reactor_engine, TR_TRANSPORT_FDS_MAX(1),
                        TR_TRANSPORT_TIMERS_MAX, err) != TR_OK) {
        goto fail;
    }
    const struct tr_transport_curl_options transport = {
        .endpoint = &session->endpoint,
        .credentials = session->credentials,
        .reactor = session->reactor,
        .clock = tr_clock_system(),
        .slot_count = 1,
        .answer_bytes_max = answer_bytes,
        .ca_file = options->ca_file,
    };
    if (tr_transport_curl_open(&session->transport, &transport, err) != TR_OK) {
        goto fail;
    }
    session->client = (struct tr_kinesis_client){
        .transport = &session->transport,
        .slot = 0,
        .reactor = session->reactor,
        .clock = tr_clock_system(),
        .credentials = session->credentials,
        .reader = session->reader,
        .retry_ns = COMMAND_RETRY_NS,
        .is_stopping = options->is_stopping,
        .stopping_self = options->stopping_self,
        .random = (uint64_t)tr_clock_monotonic_ns(tr_clock_system()),
    };
    return TR_OK;
fail:
    tr_app_kinesis_close(session);
    return err->code;
}

void tr_app_kinesis_close(struct tr_app_kinesis *session)
{
    if (session->transport.close != NULL) {
        session->transport.close(session->transport.self);
    }
    tr_reactor_close(session->reactor);
    tr_json_close(session->reader);
    tr_credentials_close(session->credentials);
    *session = (struct tr_app_kinesis){0};
}
