// SPDX-License-Identifier: Apache-2.0
#include "stages/ship/transport_curl.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/assert.h"
#include "engine/cover.h"
#include "engine/log.h"
#include "engine/pool.h"
#include "stages/ship/classify.h"
#include "stages/ship/transport_curl_slot.h"

#define TRANSPORT_MAGIC 0x7472616e53757234ull
#define SLOTS_MAX 1024
#define TARGET_PREFIX "Kinesis_20131202."
#define CLOCK_OFFSET_S_MAX 240 /* the service accepts five minutes */

static enum tr_code submit(void *self, const struct tr_call *call, int64_t now_ns,
                           struct tr_error *err);
static void cancel(void *self, uint32_t slot_index);
static bool poll_done(void *self, int64_t now_ns, struct tr_call_done *done);
static void close_transport(void *self);
static void run_curl(struct tr_curl_transport *transport, curl_socket_t fd, int ready);
static void finish(struct tr_curl_slot *slot, CURLcode result);
static void learn_clock(struct tr_curl_transport *transport, const struct tr_call_done *done);
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *self, void *socket_self);
static int on_timeout(CURLM *multi, long timeout_ms, void *self);
static void on_ready(void *self, int fd, uint32_t ready);
static void on_timer(void *self, int64_t now_ns);

static struct tr_curl_transport *transport_of(void *self)
{
    struct tr_curl_transport *transport = self;
    TR_CHECK_MAGIC(transport, TRANSPORT_MAGIC);
    return transport;
}

static CURLcode global_result;

static void init_library(void)
{
    global_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t answer_stride(size_t answer_bytes_max)
{
    return (answer_bytes_max + TR_TRANSPORT_PADDING_BYTES + 4095) & ~(size_t)4095;
}

uint64_t tr_transport_curl_memory_bytes(uint32_t slot_count, size_t answer_bytes_max)
{
    const size_t answer = answer_bytes_max == 0 ? TR_TRANSPORT_ANSWER_BYTES_MAX : answer_bytes_max;
    return sizeof(struct tr_curl_transport) +
           (uint64_t)slot_count * (sizeof(struct tr_curl_slot) + answer_stride(answer));
}

enum tr_code tr_transport_curl_open(struct tr_transport *out,
                                    const struct tr_transport_curl_options *options,
                                    struct tr_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    TR_ASSERT(options->slot_count > 0);
    TR_ASSERT(options->slot_count <= SLOTS_MAX);
    *out = (struct tr_transport){0};
    (void)pthread_once(&once, init_library);
    struct tr_curl_transport *transport = calloc(1, sizeof(*transport)); /* at start */
    if (transport == NULL || global_result != CURLE_OK) {
        free(transport);
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "libcurl: cannot start (%s)",
                       curl_easy_strerror(global_result));
    }
    transport->magic = TRANSPORT_MAGIC;
    transport->credentials = options->credentials;
    transport->reactor = options->reactor;
    transport->timer = (struct tr_reactor_timer){.on_timer = on_timer, .self = transport};
    transport->clock = options->clock;
    transport->metrics = options->metrics;
    transport->endpoint = *options->endpoint;
    transport->now_ns = tr_clock_monotonic_ns(options->clock);
    transport->deadline_boottime_ns = INT64_MAX;
    transport->answer_bytes_max =
        options->answer_bytes_max == 0 ? TR_TRANSPORT_ANSWER_BYTES_MAX : options->answer_bytes_max;
    transport->slot_count = options->slot_count;
    transport->answers_bytes = options->slot_count * answer_stride(transport->answer_bytes_max);
    transport->slots = calloc(options->slot_count, sizeof(*transport->slots)); /* at start */
    transport->answers = tr_memory_map(transport->answers_bytes, err);
    transport->multi = curl_multi_init();
    if (transport->slots == NULL || transport->answers == NULL || transport->multi == NULL) {
        close_transport(transport);
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "transport of %u slots: no memory: add memory",
                       options->slot_count);
    }
    const struct tr_sigv4_options signer = {.service = "kinesis",
                                            .region = transport->endpoint.region,
                                            .host = transport->endpoint.host,
                                            .content_type = TR_CURL_CONTENT_TYPE};
    enum tr_code code = tr_sigv4_open(&transport->signer, &signer, err);
    for (uint32_t i = 0; code == TR_OK && i < options->slot_count; i++) {
        transport->slots[i].answer =
            transport->answers + i * answer_stride(transport->answer_bytes_max);
        code = tr_curl_slot_open(transport, i, options, err);
    }
    if (code != TR_OK) {
        close_transport(transport);
        return code;
    }
    (void)curl_multi_setopt(transport->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(transport->multi, CURLMOPT_SOCKETDATA, transport);
    (void)curl_multi_setopt(transport->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    (void)curl_multi_setopt(transport->multi, CURLMOPT_TIMERDATA, transport);
    (void)curl_multi_setopt(transport->multi, CURLMOPT_MAXCONNECTS, (long)options->slot_count);
    (void)curl_multi_setopt(transport->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    *out = (struct tr_transport){.self = transport,
                                 .submit = submit,
                                 .cancel = cancel,
                                 .poll = poll_done,
                                 .close = close_transport};
    return TR_OK;
}

void tr_transport_curl_set_deadline(struct tr_transport *transport, int64_t deadline_boottime_ns)
{
    transport_of(transport->self)->deadline_boottime_ns = deadline_boottime_ns;
}

int64_t tr_transport_curl_clock_offset_s(const struct tr_transport *transport)
{
    return transport_of(transport->self)->clock_offset_s;
}

/* Accepts a half-open transport. */
static void close_transport(void *self)
{
    struct tr_curl_transport *transport = transport_of(self);
    for (uint32_t i = 0; transport->slots != NULL && i < transport->slot_count; i++) {
        if (transport->slots[i].easy != NULL) {
            if (transport->slots[i].state == TR_SLOT_BUSY) {
                (void)curl_multi_remove_handle(transport->multi, transport->slots[i].easy);
            }
            curl_easy_cleanup(transport->slots[i].easy);
        }
    }
    if (transport->multi != NULL) {
        (void)curl_multi_cleanup(transport->multi);
    }
    tr_reactor_timer_cancel(transport->reactor, &transport->timer);
    tr_sigv4_close(transport->signer);
    if (transport->answers != NULL) {
        tr_memory_unmap(transport->answers, transport->answers_bytes);
    }
    if (transport->slots != NULL) {
        explicit_bzero(transport->slots, transport->slot_count * sizeof(*transport->slots));
    }
    free(transport->slots);
    explicit_bzero(transport, sizeof(*transport));
    free(transport);
}

static enum tr_code submit(void *self, const struct tr_call *call, int64_t now_ns,
                           struct tr_error *err)
{
    struct tr_curl_transport *transport = transport_of(self);
    TR_ASSERT(call->slot < transport->slot_count);
    struct tr_curl_slot *slot = &transport->slots[call->slot];
    TR_ASSERT(slot->state == TR_SLOT_FREE);
    transport->now_ns = now_ns;

    if (tr_credentials_generation(transport->credentials) != transport->keys.generation) {
        tr_credentials_copy(transport->credentials, &transport->keys);
    }
    (void)snprintf(slot->target, sizeof(slot->target), "X-Amz-Target: " TARGET_PREFIX "%s",
                   call->operation);
    const struct tr_sigv4_request request = {
        .target = slot->target + sizeof("X-Amz-Target: ") - 1,
        .body = call->body,
        .unix_s = tr_clock_wall_unix_ns(transport->clock) / TR_NS_PER_S + transport->clock_offset_s,
    };
    if (tr_sigv4_sign(transport->signer, &transport->keys, &request, &slot->headers, err) !=
        TR_OK) {
        return err->code;
    }
    slot->nodes[TR_NODE_AUTHORIZATION].next =
        slot->headers.token[0] != '\0' ? &slot->nodes[TR_NODE_TOKEN] : NULL;
    slot->body = call->body;
    slot->body_sent_bytes = 0;
    slot->answer_bytes = 0;
    slot->head_is_whole = false;
    slot->answer_overflowed = false;
    slot->deadline_refused = false;
    slot->resend_refused = false;
    slot->operation = call->operation;
    slot->error_text[0] = '\0';
    slot->done = (struct tr_call_done){.slot = call->slot,
                                       .credentials_generation = transport->keys.generation};
    const int64_t timeout_ms = call->timeout_ns / TR_NS_PER_MS;
    if (curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.bytes) !=
            CURLE_OK ||
        curl_easy_setopt(slot->easy, CURLOPT_TIMEOUT_MS, (long)(timeout_ms > 0 ? timeout_ms : 1)) !=
            CURLE_OK ||
        curl_multi_add_handle(transport->multi, slot->easy) != CURLM_OK) {
        return TR_FAIL(err, TR_ERR_SINK_LINK, TR_RETRY, "%s: libcurl takes no request now",
                       call->operation);
    }
    slot->state = TR_SLOT_BUSY;
    run_curl(transport, CURL_SOCKET_TIMEOUT, 0); /* begins to send at once */
    return TR_OK;
}

static void cancel(void *self, uint32_t slot_index)
{
    struct tr_curl_transport *transport = transport_of(self);
    TR_ASSERT(slot_index < transport->slot_count);
    struct tr_curl_slot *slot = &transport->slots[slot_index];
    if (slot->state == TR_SLOT_BUSY) {
        /* Closes the connection of an unfinished transfer; on_close_socket() makes that a reset. */
        (void)curl_multi_remove_handle(transport->multi, slot->easy);
    } else if (slot->state == TR_SLOT_FINISHED) {
        transport->finished_count--;
    }
    slot->state = TR_SLOT_FREE;
    slot->body = (struct tr_span){0};
}

static bool poll_done(void *self, int64_t now_ns, struct tr_call_done *done)
{
    struct tr_curl_transport *transport = transport_of(self);
    transport->now_ns = now_ns;
    if (transport->finished_count == 0) {
        return false;
    }
    for (uint32_t i = 0; i < transport->slot_count; i++) {
        struct tr_curl_slot *slot = &transport->slots[transport->poll_index];
        transport->poll_index = (transport->poll_index + 1) % transport->slot_count;
        if (slot->state == TR_SLOT_FINISHED) {
            slot->state = TR_SLOT_FREE;
            transport->finished_count--;
            *done = slot->done;
            return true;
        }
    }
    TR_ASSERT(transport->finished_count == 0);
    return false;
}

/* Lets libcurl work on one socket or on its timers, and takes what has finished. */
static void run_curl(struct tr_curl_transport *transport, curl_socket_t fd, int ready)
{
    int running = 0;
    int left = 0;
    (void)curl_multi_socket_action(transport->multi, fd, ready, &running);
    CURLMsg *message = curl_multi_info_read(transport->multi, &left);
    while (message != NULL) { /* at most one message per slot */
        if (message->msg == CURLMSG_DONE) {
            void *slot = NULL;
            (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &slot);
            finish(slot, message->data.result); /* `message` is dead from here on */
        }
        message = curl_multi_info_read(transport->multi, &left);
    }
}

static void finish(struct tr_curl_slot *slot, CURLcode result)
{
    struct tr_curl_transport *transport = slot->transport;
    struct tr_call_done *done = &slot->done;
    long status = 0;
    long connects = 0;
    TR_ASSERT(slot->state == TR_SLOT_BUSY);
    (void)curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(slot->easy, CURLINFO_NUM_CONNECTS, &connects);
    (void)curl_multi_remove_handle(transport->multi, slot->easy);
    if (transport->metrics != NULL) {
        tr_metric_add(transport->metrics, TR_METRIC_SINK_CONNECTS, (uint64_t)connects);
    }
    if (result == CURLE_OK && slot->head_is_whole) {
        memset(slot->answer + slot->answer_bytes, 0, TR_TRANSPORT_PADDING_BYTES);
        done->state = TR_CALL_ANSWERED;
        done->status = (int)status;
        done->answer = tr_span_of(slot->answer, slot->answer_bytes);
        learn_clock(transport, done);
    } else {
        /* Bytes that were handed out may have been received, to the last one. */
        done->state = slot->body_sent_bytes > 0 ? TR_CALL_UNKNOWN : TR_CALL_UNSENT;
        tr_curl_slot_describe(slot, result);
    }
    slot->body = (struct tr_span){0};
    slot->state = TR_SLOT_FINISHED;
    transport->finished_count++;
}

static void learn_clock(struct tr_curl_transport *transport, const struct tr_call_done *done)
{
    if (done->date_unix_s == 0) {
        return;
    }
    const int64_t wall_s = tr_clock_wall_unix_ns(transport->clock) / TR_NS_PER_S;
    const int64_t error_s = done->date_unix_s - (wall_s + transport->clock_offset_s);
    const bool is_refused = (done->status == 400 || done->status == 403) &&
                            tr_kinesis_message_blames_clock(done->answer);
    if (error_s > CLOCK_OFFSET_S_MAX || error_s < -CLOCK_OFFSET_S_MAX ||
        (is_refused && error_s != 0)) {
        TR_COVER("transport.clock_learnt");
        transport->clock_offset_s = done->date_unix_s - wall_s;
        TR_LOG(TR_LOG_WARN, "kinesis.clock_offset", TR_TEXT("endpoint", transport->endpoint.host),
               TR_INT("offset_s", transport->clock_offset_s));
        if (transport->metrics != NULL) {
            tr_metric_add(transport->metrics, TR_METRIC_SINK_CLOCK_CORRECTIONS, 1);
        }
    }
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *self, void *socket_self)
{
    struct tr_curl_transport *transport = self;
    struct tr_error err;
    uint32_t interest = 0;
    (void)easy;
    (void)socket_self;
    if (what == CURL_POLL_REMOVE) {
        tr_reactor_remove(transport->reactor, fd);
        return 0;
    }
    interest |= (what & CURL_POLL_IN) != 0 ? TR_REACTOR_READ : 0;
    interest |= (what & CURL_POLL_OUT) != 0 ? TR_REACTOR_WRITE : 0;
    if (tr_reactor_set(transport->reactor, fd, interest, on_ready, transport, &err) != TR_OK) {
        tr_log_error(TR_LOG_ERROR, "kinesis.socket", &err);
        return -1; /* libcurl ends all transfers: each is reported */
    }
    return 0;
}

static int on_timeout(CURLM *multi, long timeout_ms, void *self)
{
    struct tr_curl_transport *transport = self;
    (void)multi;
    if (timeout_ms < 0) {
        tr_reactor_timer_cancel(transport->reactor, &transport->timer);
    } else {
        tr_reactor_timer_set(transport->reactor, &transport->timer,
                             transport->now_ns + timeout_ms * TR_NS_PER_MS);
    }
    return 0;
}

static void on_ready(void *self, int fd, uint32_t ready)
{
    int bits = 0;
    bits |= (ready & TR_REACTOR_READ) != 0 ? CURL_CSELECT_IN : 0;
    bits |= (ready & TR_REACTOR_WRITE) != 0 ? CURL_CSELECT_OUT : 0;
    bits |= (ready & TR_REACTOR_ERROR) != 0 ? CURL_CSELECT_ERR : 0;
    run_curl(transport_of(self), fd, bits);
}

static void on_timer(void *self, int64_t now_ns)
{
    struct tr_curl_transport *transport = transport_of(self);
    transport->now_ns = now_ns;
    run_curl(transport, CURL_SOCKET_TIMEOUT, 0);
}
