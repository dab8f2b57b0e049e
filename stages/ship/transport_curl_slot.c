// SPDX-License-Identifier: Apache-2.0
#include "stages/ship/transport_curl_slot.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/cover.h"
#include "stages/ship/transport_answer.h"

#define CONNECT_TIMEOUT_NS (3 * TR_NS_PER_S)
#define TCP_USER_TIMEOUT_MS 10000 /* a half-open connection dies while sending, too */
#define CONNECTION_IDLE_S_MAX 50
#define CONNECTION_AGE_S_MAX 600 /* so that load follows the endpoint's addresses */
#define DNS_CACHE_S 30

static bool set_easy_options(struct tr_curl_slot *slot,
                             const struct tr_transport_curl_options *options);
static size_t on_body(char *out, size_t size, size_t count, void *self);
static size_t on_answer(char *data, size_t size, size_t count, void *self);
static size_t on_header(char *data, size_t size, size_t count, void *self);
static int on_request(void *self, char *remote, char *local, int remote_port, int local_port);
static int on_open_socket(void *self, curl_socket_t fd, curlsocktype purpose);
static int on_close_socket(void *self, curl_socket_t fd);

enum tr_code tr_curl_slot_open(struct tr_curl_transport *transport, uint32_t index,
                               const struct tr_transport_curl_options *options,
                               struct tr_error *err)
{
    static char content_type[] = "Content-Type: " TR_CURL_CONTENT_TYPE;
    static char expect[] = "Expect:";
    static char accept[] = "Accept:";
    struct tr_curl_slot *slot = &transport->slots[index];

    slot->transport = transport;
    slot->nodes[TR_NODE_CONTENT_TYPE].data = content_type;
    slot->nodes[TR_NODE_EXPECT].data = expect;
    slot->nodes[TR_NODE_ACCEPT].data = accept;
    slot->nodes[TR_NODE_TARGET].data = slot->target;
    slot->nodes[TR_NODE_DATE].data = slot->headers.date;
    slot->nodes[TR_NODE_AUTHORIZATION].data = slot->headers.authorization;
    slot->nodes[TR_NODE_TOKEN].data = slot->headers.token;
    for (size_t i = 0; i + 1 < TR_NODE_TOKEN; i++) {
        slot->nodes[i].next = &slot->nodes[i + 1];
    }
    slot->easy = curl_easy_init();
    if (slot->easy == NULL || !set_easy_options(slot, options)) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "libcurl %s refuses an option that the transport needs: want 7.87 or newer",
                       curl_version());
    }
    if (options->ca_file != NULL && options->ca_file[0] != '\0') {
        if (access(options->ca_file, R_OK) != 0) {
            return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                           "CA file = \"%.300s\": cannot be read: want a PEM file",
                           options->ca_file);
        }
        if (curl_easy_setopt(slot->easy, CURLOPT_CAINFO, options->ca_file) != CURLE_OK) {
            return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                           "CA file = \"%.300s\": refused by libcurl: want a PEM file",
                           options->ca_file);
        }
    }
    return TR_OK;
}

/* What never changes. Not set on purpose: a seek callback (see the header), and a lowest speed: the
 * call's own timeout bounds a slow answer, and may be longer than any fixed patience. */
static bool set_easy_options(struct tr_curl_slot *slot,
                             const struct tr_transport_curl_options *options)
{
    CURL *easy = slot->easy;
    const struct tr_endpoint *endpoint = &slot->transport->endpoint;
    const int64_t connect_ns =
        options->connect_timeout_ns == 0 ? CONNECT_TIMEOUT_NS : options->connect_timeout_ns;
    const char *protocols = endpoint->is_tls ? "https" : "http";
    bool ok = true;
#define SET(option, value) ok = curl_easy_setopt(easy, option, value) == CURLE_OK && ok
    SET(CURLOPT_URL, endpoint->url);
    SET(CURLOPT_PROTOCOLS_STR, protocols);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_USERAGENT, "tailrace/" TAILRACE_VERSION);
    SET(CURLOPT_PRIVATE, slot);
    SET(CURLOPT_ERRORBUFFER, slot->error_text);
    SET(CURLOPT_READFUNCTION, on_body);
    SET(CURLOPT_READDATA, slot);
    SET(CURLOPT_WRITEFUNCTION, on_answer);
    SET(CURLOPT_WRITEDATA, slot);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, slot);
    SET(CURLOPT_PREREQFUNCTION, on_request);
    SET(CURLOPT_PREREQDATA, slot);
    SET(CURLOPT_SOCKOPTFUNCTION, on_open_socket);
    SET(CURLOPT_SOCKOPTDATA, slot->transport);
    SET(CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, slot->transport);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* cancel never waits for the resolver's thread */
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(connect_ns / TR_NS_PER_MS));
    SET(CURLOPT_DNS_CACHE_TIMEOUT, (long)DNS_CACHE_S);
    SET(CURLOPT_MAXAGE_CONN, (long)CONNECTION_IDLE_S_MAX);
    SET(CURLOPT_MAXLIFETIME_CONN, (long)CONNECTION_AGE_S_MAX);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TCP_KEEPIDLE, 20L);
    SET(CURLOPT_TCP_KEEPINTVL, 5L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_HTTPHEADER, &slot->nodes[0]);
#undef SET
    return ok;
}

/* What a person can look at when no connection comes about. */
static const char *connect_remedy(CURLcode result, const char *text)
{
    if (result == CURLE_COULDNT_RESOLVE_HOST || result == CURLE_COULDNT_RESOLVE_PROXY) {
        return ": check debezium.sink.kinesis.region and .endpoint, and the name server";
    }
    if (result == CURLE_SSL_CONNECT_ERROR ||
        (result == CURLE_OPERATION_TIMEDOUT && strncmp(text, "SSL", 3) == 0)) {
        return ": check whether debezium.sink.kinesis.endpoint speaks TLS at that port, or plain "
               "http";
    }
    if (result == CURLE_COULDNT_CONNECT ||
        (result == CURLE_OPERATION_TIMEDOUT && strncmp(text, "Failed to connect", 17) == 0)) {
        return ": check debezium.sink.kinesis.region and .endpoint, and that no firewall is "
               "between";
    }
    return "";
}

void tr_curl_slot_describe(struct tr_curl_slot *slot, CURLcode result)
{
    struct tr_error *err = &slot->done.error;
    const char *url = slot->transport->endpoint.url;
    const char *text = slot->error_text[0] != '\0' ? slot->error_text : curl_easy_strerror(result);
    if (slot->deadline_refused) {
        (void)TR_FAIL(err, TR_ERR_SINK_LINK, TR_RETRY,
                      "%s %s: stopped, the right to send has ended", url, slot->operation);
    } else if (slot->answer_overflowed) {
        TR_COVER("transport.answer_too_large");
        (void)TR_FAIL(err, TR_ERR_SINK_LINK, TR_RETRY, "%s %s: answer over %zu bytes", url,
                      slot->operation, slot->transport->answer_bytes_max);
    } else if (result == CURLE_OK) {
        (void)TR_FAIL(err, TR_ERR_SINK_LINK, TR_RETRY, "%s %s: the answer ends inside its headers",
                      url, slot->operation);
    } else if (slot->resend_refused || result == CURLE_SEND_FAIL_REWIND) {
        TR_COVER("transport.resend_refused");
        (void)TR_FAIL(err, TR_ERR_SINK_LINK, TR_RETRY,
                      "%s %s: the kept connection was closed while the request was sent", url,
                      slot->operation);
    } else if (result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CACERT_BADFILE ||
               result == CURLE_SSL_ISSUER_ERROR) {
        (void)TR_FAIL(err, TR_ERR_SINK_LINK, TR_STOP,
                      "%s: TLS: %s: check the endpoint's name, its certificate and the CA file",
                      url, text);
    } else {
        (void)TR_FAIL(err, TR_ERR_SINK_LINK, TR_RETRY, "%s %s: %s (libcurl error %d)%s", url,
                      slot->operation, text, (int)result, connect_remedy(result, text));
    }
}

/* Hands out the body once, forwards only, and not after the deadline. */
static size_t on_body(char *out, size_t size, size_t count, void *self)
{
    struct tr_curl_slot *slot = self;
    const struct tr_clock *clock = slot->transport->clock;
    const int64_t deadline_ns = slot->transport->deadline_boottime_ns;
    if (deadline_ns != INT64_MAX && clock->boottime_ns(clock->self) >= deadline_ns) {
        TR_COVER("transport.deadline_refused");
        slot->deadline_refused = true;
        return CURL_READFUNC_ABORT;
    }
    const size_t left_bytes = slot->body.bytes - slot->body_sent_bytes;
    const size_t bytes = left_bytes < size * count ? left_bytes : size * count;
    memcpy(out, slot->body.data + slot->body_sent_bytes, bytes);
    slot->body_sent_bytes += bytes;
    return bytes;
}

/*
 * Before a request goes out on a connection, the first or another one. libcurl moves a request of
 * which it believes to have sent nothing to a fresh connection by itself; once body bytes were
 * handed out we do not let it.
 */
static int on_request(void *self, char *remote, char *local, int remote_port, int local_port)
{
    struct tr_curl_slot *slot = self;
    (void)remote;
    (void)local;
    (void)remote_port;
    (void)local_port;
    if (slot->body_sent_bytes > 0) {
        slot->resend_refused = true;
        return CURL_PREREQFUNC_ABORT;
    }
    return CURL_PREREQFUNC_OK;
}

static size_t on_answer(char *data, size_t size, size_t count, void *self)
{
    struct tr_curl_slot *slot = self;
    const size_t bytes = size * count;
    if (bytes > slot->transport->answer_bytes_max - slot->answer_bytes) {
        slot->answer_overflowed = true;
        return 0; /* fewer than given: an error of the transfer */
    }
    memcpy(slot->answer + slot->answer_bytes, data, bytes);
    slot->answer_bytes += bytes;
    return bytes;
}

static size_t on_header(char *data, size_t size, size_t count, void *self)
{
    struct tr_curl_slot *slot = self;
    const size_t bytes = size * count;
    /* libcurl takes an end of the connection inside the headers for the end of the answer. */
    slot->head_is_whole = bytes > 0 && (data[0] == '\r' || data[0] == '\n');
    tr_answer_take_header(tr_span_of(data, bytes), &slot->done);
    return bytes;
}

static int on_open_socket(void *self, curl_socket_t fd, curlsocktype purpose)
{
    const unsigned timeout_ms = TCP_USER_TIMEOUT_MS;
    (void)self;
    (void)purpose;
    /* Refused by a socket that is not TCP: then the call's timeout alone bounds it. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
    return CURL_SOCKOPT_OK;
}

/* Every connection ends with a reset: what is still in the kernel's buffer must not arrive later.
 */
static int on_close_socket(void *self, curl_socket_t fd)
{
    struct tr_curl_transport *transport = self;
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    tr_reactor_remove(transport->reactor, fd);
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    return close(fd);
}
