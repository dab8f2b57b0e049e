// SPDX-License-Identifier: Apache-2.0
#include <getopt.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/kinesis/standin.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "engine/pool.h"

#define KEEP_BYTES_DEFAULT (UINT64_C(1) << 30)

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static const char usage[] =
    "kinesis-standin: a stand-in for Amazon Kinesis on loopback\n"
    "  --sink                    take records as fast as they come (default)\n"
    "  --judge                   check, keep and referee every record\n"
    "  --port N                  plain HTTP (default 14566; 0 = any, see the first log line)\n"
    "  --tls-port N --cert FILE --key FILE\n"
    "  --stream NAME:SHARDS      create a stream at start; may be repeated\n"
    "  --limits                  enforce 1 MiB/s and 1,000 records/s per shard\n"
    "  --access-key ID --secret-key KEY [--session-token T] [--region R]   check signatures\n"
    "  --counter COLUMN [--first-counter N]   referee order per key by this column\n"
    "  --latency COLUMN          measure now minus this column (microseconds since the epoch)\n"
    "  --faults FILE             a script: `<request>[-<last>] <fault> [value]` a line\n"
    "  --fault-permille N --seed S   draw faults for N of 1,000 requests\n"
    "  --keep-bytes N            memory for kept records (default 1 GiB)\n"
    "faults:\n";

static bool read_file(const char *path, char **text, size_t *bytes)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    *text = malloc(1 << 20);
    *bytes = *text == NULL ? 0 : fread(*text, 1, 1 << 20, file);
    (void)fclose(file);
    return *text != NULL;
}

struct arguments {
    uint16_t port;
    int tls_port; /* -1 = none */
    const char *certificate;
    const char *key;
};

static bool open_tls(struct tr_standin *standin, const struct arguments *arguments)
{
    standin->tls = SSL_CTX_new(TLS_server_method());
    return standin->tls != NULL && arguments->certificate != NULL && arguments->key != NULL &&
           SSL_CTX_use_certificate_chain_file(standin->tls, arguments->certificate) == 1 &&
           SSL_CTX_use_PrivateKey_file(standin->tls, arguments->key, SSL_FILETYPE_PEM) == 1;
}

static bool add_stream(struct tr_standin *standin, const char *text, struct tr_error *err)
{
    const char *colon = strrchr(text, ':');
    const size_t name_bytes = colon == NULL ? strlen(text) : (size_t)(colon - text);
    const unsigned long shards = colon == NULL ? 1 : strtoul(colon + 1, NULL, 10);
    return tr_kinesis_store_add(&standin->store, tr_span_of(text, name_bytes),
                                shards > 10000 ? 0 : (uint32_t)shards, err) != NULL;
}

static bool set_faults(struct tr_standin *standin, const char *path, struct tr_error *err)
{
    char *text = NULL;
    size_t bytes = 0;
    if (!read_file(path, &text, &bytes)) {
        (void)TR_FAIL(err, TR_ERR_USAGE, TR_STOP, "fault script %s: cannot be read", path);
        return false;
    }
    const enum tr_code code = tr_chaos_parse(&standin->chaos, tr_span_of(text, bytes), err);
    free(text);
    return code == TR_OK;
}

enum argument {
    SINK = 1,
    JUDGE,
    PORT,
    TLS_PORT,
    CERT,
    KEY,
    STREAM,
    LIMITS,
    ACCESS_KEY,
    SECRET_KEY,
    TOKEN,
    REGION,
    COUNTER,
    FIRST_COUNTER,
    LATENCY,
    FAULTS,
    PERMILLE,
    SEED,
    KEEP,
    HELP
};

static const struct option options[] = {{"sink", no_argument, NULL, SINK},
                                        {"judge", no_argument, NULL, JUDGE},
                                        {"port", required_argument, NULL, PORT},
                                        {"tls-port", required_argument, NULL, TLS_PORT},
                                        {"cert", required_argument, NULL, CERT},
                                        {"key", required_argument, NULL, KEY},
                                        {"stream", required_argument, NULL, STREAM},
                                        {"limits", no_argument, NULL, LIMITS},
                                        {"access-key", required_argument, NULL, ACCESS_KEY},
                                        {"secret-key", required_argument, NULL, SECRET_KEY},
                                        {"session-token", required_argument, NULL, TOKEN},
                                        {"region", required_argument, NULL, REGION},
                                        {"counter", required_argument, NULL, COUNTER},
                                        {"first-counter", required_argument, NULL, FIRST_COUNTER},
                                        {"latency", required_argument, NULL, LATENCY},
                                        {"faults", required_argument, NULL, FAULTS},
                                        {"fault-permille", required_argument, NULL, PERMILLE},
                                        {"seed", required_argument, NULL, SEED},
                                        {"keep-bytes", required_argument, NULL, KEEP},
                                        {"help", no_argument, NULL, HELP},
                                        {NULL, 0, NULL, 0}};

static bool take_option(struct tr_standin *standin, struct arguments *arguments, int option,
                        struct tr_error *err)
{
    switch (option) {
    case SINK:
        standin->judging = false;
        return true;
    case JUDGE:
        standin->judging = true;
        return true;
    case PORT:
        arguments->port = (uint16_t)strtoul(optarg, NULL, 10);
        return true;
    case TLS_PORT:
        arguments->tls_port = (int)strtoul(optarg, NULL, 10);
        return true;
    case CERT:
        arguments->certificate = optarg;
        return true;
    case KEY:
        arguments->key = optarg;
        return true;
    case STREAM:
        return add_stream(standin, optarg, err);
    case LIMITS:
        standin->limits = true;
        return true;
    case ACCESS_KEY:
        standin->credentials.access_key = optarg;
        return true;
    case SECRET_KEY:
        standin->credentials.secret_key = optarg;
        standin->check_signatures = true;
        return true;
    case TOKEN:
        standin->credentials.session_token = optarg;
        return true;
    case REGION:
        standin->credentials.region = optarg;
        return true;
    case COUNTER:
        (void)snprintf(standin->judge.counter_column, sizeof(standin->judge.counter_column), "%s",
                       optarg);
        return true;
    case FIRST_COUNTER:
        standin->judge.first_counter = strtoull(optarg, NULL, 10);
        return true;
    case LATENCY:
        (void)snprintf(standin->latency_column, sizeof(standin->latency_column), "%s", optarg);
        return true;
    case FAULTS:
        return set_faults(standin, optarg, err);
    case PERMILLE:
        standin->chaos.rate_permille = (uint32_t)strtoul(optarg, NULL, 10);
        return true;
    case SEED:
        standin->chaos.random_state = strtoull(optarg, NULL, 10);
        return true;
    case KEEP:
        standin->store.keep_bytes_max = strtoull(optarg, NULL, 10);
        return true;
    default:
        (void)TR_FAIL(err, TR_ERR_USAGE, TR_STOP, "unknown option: see --help");
        return false;
    }
}

static void print_help(void)
{
    (void)fputs(usage, stdout);
    for (int kind = TR_CHAOS_NONE + 1; kind < TR_CHAOS_KIND_COUNT; kind++) {
        (void)printf("  %-14s %s\n", tr_chaos_name((enum tr_fault_kind)kind),
                     tr_chaos_help((enum tr_fault_kind)kind));
    }
}

static int run(struct tr_standin *standin, struct arguments *arguments, struct tr_error *err)
{
    if (tr_reactor_open(&standin->reactor, TR_REACTOR_AUTO, 1024, 1024, err) != TR_OK ||
        tr_standin_listen(standin, &arguments->port, false, err) != TR_OK) {
        return tr_error_exit_code(err->code);
    }
    if (arguments->tls_port >= 0) {
        uint16_t port = (uint16_t)arguments->tls_port;
        if (!open_tls(standin, arguments)) {
            return tr_error_exit_code(TR_FAIL(err, TR_ERR_USAGE, TR_STOP,
                                              "--tls-port wants --cert and --key, PEM files"));
        }
        if (tr_standin_listen(standin, &port, true, err) != TR_OK) {
            return tr_error_exit_code(err->code);
        }
        arguments->tls_port = port;
    }
    TR_LOG(TR_LOG_INFO, "standin.ready", TR_TEXT("mode", standin->judging ? "judge" : "sink"),
           TR_UINT("port", arguments->port), TR_INT("tls_port", arguments->tls_port), /* -1: none */
           TR_TEXT("reactor", tr_reactor_engine_name(standin->reactor)));
    while (!stopping) {
        standin->now_ns = tr_clock_monotonic_ns(tr_clock_system());
        (void)tr_reactor_poll(standin->reactor, standin->now_ns, 100 * TR_NS_PER_MS);
    }
    return 0;
}

int main(int argc, char **argv)
{
    static struct tr_standin standin; /* too large for the stack */
    struct arguments arguments = {.port = 14566, .tls_port = -1};
    struct tr_error err = {0};
    int option;

    standin.store.keep_bytes_max = KEEP_BYTES_DEFAULT;
    standin.credentials = (struct tr_judge_credentials){
        .access_key = "AKIDEXAMPLE", .secret_key = "secret", .region = "eu-central-1"};
    (void)signal(SIGPIPE, SIG_IGN);
    const struct sigaction action = {.sa_handler = on_signal};
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == HELP) {
            print_help();
            return 0;
        }
        if (!take_option(&standin, &arguments, option, &err)) {
            tr_log_error(TR_LOG_ERROR, "standin.usage", &err);
            return tr_error_exit_code(err.code);
        }
    }
    standin.latency_counts = calloc(TR_LATENCY_BUCKETS + 1, sizeof(*standin.latency_counts));
    const int exit_code = standin.latency_counts == NULL ? 1 : run(&standin, &arguments, &err);
    if (exit_code != 0) {
        tr_log_error(TR_LOG_ERROR, "standin.failed", &err);
    }
    tr_standin_deinit(&standin);
    return exit_code;
}
