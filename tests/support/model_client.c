// SPDX-License-Identifier: Apache-2.0
#include "tests/support/model_client.h"

#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/check.h"

struct model model;
struct tr_kinesis_client client;
struct tr_error err;
static struct tr_transport transport;
static int always_ready_fd;

static enum tr_code model_submit(void *self, const struct tr_call *call, int64_t now_ns,
                                 struct tr_error *error)
{
    (void)self;
    (void)error;
    char body[260];
    assert_false(model.has_call);
    assert_true(model.call_count < MODEL_CALLS_MAX);
    (void)snprintf(body, sizeof(body), "%.*s", (int)call->body.bytes,
                   (const char *)call->body.data);
    (void)snprintf(model.calls[model.call_count], sizeof(model.calls[0]), "%s %s", call->operation,
                   body);
    model.call_ns[model.call_count] = now_ns;
    model.call_count++;
    const struct model_answer answer = model.answer(&model, call->operation, body);
    model.done = (struct tr_call_done){.slot = call->slot,
                                       .state = answer.state,
                                       .status = answer.status,
                                       .credentials_generation = 1};
    if (answer.state == TR_CALL_ANSWERED) {
        (void)snprintf(model.answer_text, sizeof(model.answer_text) - 64, "%s", answer.text);
        model.done.answer = tr_span_of_text(model.answer_text);
    } else {
        (void)TR_FAIL(&model.done.error, TR_ERR_SINK_LINK, answer.status == 1 ? TR_STOP : TR_RETRY,
                      "%s", answer.text);
    }
    model.has_call = true;
    return TR_OK;
}

static void model_cancel(void *self, uint32_t slot)
{
    (void)self;
    (void)slot;
    model.has_call = false;
    model.cancel_count++;
}

static bool model_poll(void *self, int64_t now_ns, struct tr_call_done *done)
{
    (void)self;
    (void)now_ns;
    if (!model.has_call || model.done.status == -1) { /* -1: never answers */
        return false;
    }
    *done = model.done;
    model.has_call = false;
    return true;
}

static void model_close(void *self)
{
    (void)self;
}

static int64_t model_clock(void *self)
{
    (void)self;
    model.now_ns += 5 * TR_NS_PER_MS;
    return model.now_ns;
}

static bool model_is_stopping(void *self)
{
    (void)self;
    return ++model.looks > model.stop_after_looks && model.stop_after_looks > 0;
}

static const char *no_variable(void *self, const char *name)
{
    (void)self;
    (void)name;
    return NULL;
}

static void on_ready(void *self, int fd, uint32_t ready)
{
    (void)self;
    (void)fd;
    (void)ready;
}

static struct tr_clock clock_of_model = {.monotonic_ns = model_clock, .wall_unix_ns = model_clock};

int open_client(void **state)
{
    (void)state;
    const struct tr_credentials_options keys = {
        .access_key_id = "A", .secret_access_key = "s", .environment = no_variable};
    model = (struct model){.now_ns = TR_NS_PER_S};
    transport = (struct tr_transport){
        .submit = model_submit, .cancel = model_cancel, .poll = model_poll, .close = model_close};
    client = (struct tr_kinesis_client){.transport = &transport,
                                        .clock = &clock_of_model,
                                        .is_stopping = model_is_stopping,
                                        .random = 42};
    /* A descriptor that is always ready: the reactor never waits for real. */
    always_ready_fd = eventfd(1, EFD_CLOEXEC);
    return tr_credentials_open(&client.credentials, &keys, &err) == TR_OK &&
                   tr_json_open(&client.reader, 65536, &err) == TR_OK &&
                   tr_reactor_open(&client.reactor, TR_REACTOR_EPOLL, 4, 4, &err) == TR_OK &&
                   tr_reactor_set(client.reactor, always_ready_fd, TR_REACTOR_READ, on_ready, NULL,
                                  &err) == TR_OK
               ? 0
               : -1;
}

int close_client(void **state)
{
    (void)state;
    tr_reactor_close(client.reactor);
    tr_json_close(client.reader);
    tr_credentials_close(client.credentials);
    return close(always_ready_fd);
}
