// SPDX-License-Identifier: Apache-2.0
/* `tailrace decode FILE…`: binary log files to JSON lines, offline: the same pipeline, stepped by
 * hand, with a sink that prints. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/app/commands.h"
#include "engine/app/pipeline.h"
#include "engine/assert.h"
#include "engine/log.h"
#include "stages/schema/catalog.h"
#include "stages/schema/filter.h"
#include "stages/source/file_source.h"

#define ROW_BYTES_MAX ((uint64_t)64 * 1024 * 1024)
#define CATALOG_BYTES_MAX ((uint64_t)1024 * 1024 * 1024)
#define METRIC_BLOCKS 64
#define VERSION_AT                                                                                 \
    (4 + 19 + 2) /* FORMAT_DESCRIPTION's server version: behind magic, header and log version */
#define VERSION_BYTES 50

struct decode_run {
    const char *path;
    struct tr_encode_options encode;
    struct tr_file_source source;
    struct tr_gtid_sources *sources;
    struct tr_filter *filter;
    struct tr_streams *streams;
    struct tr_catalog *catalog;
    struct tr_ddl_model *model;
    struct tr_metrics *metrics;
    struct tr_fault fault;
    struct tr_pipeline pipeline;
};

static bool print_record(void *self, const struct tr_stream *stream, const struct tr_record *record)
{
    (void)self;
    (void)stream;
    return fwrite(tr_record_value(record), 1, record->value_bytes, stdout) == record->value_bytes &&
           putchar('\n') != EOF;
}

/* The server's kind stands in the file's first event; what is not a binary log is told by the
 * source later. */
static enum tr_flavor flavor_of(const char *path)
{
    char head[VERSION_AT + VERSION_BYTES] = {0};
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        const size_t bytes = fread(head, 1, sizeof(head), file);
        (void)fclose(file);
        if (bytes == sizeof(head) &&
            memmem(head + VERSION_AT, VERSION_BYTES, "MariaDB", 7) != NULL) {
            return TR_FLAVOR_MARIADB;
        }
    }
    return TR_FLAVOR_MYSQL;
}

static enum tr_code open_parts(struct decode_run *run, struct tr_error *err)
{
    const enum tr_flavor flavor = flavor_of(run->path);
    run->encode = (struct tr_encode_options){.flavor = flavor,
                                             .topic_prefix = tr_span_of_text("decode"),
                                             .enable_time_adjuster = true,
                                             .gtid_mode = flavor == TR_FLAVOR_MYSQL,
                                             .row_bytes_max = ROW_BYTES_MAX,
                                             .record_bytes_max = 2 * ROW_BYTES_MAX,
                                             .lenient = true};
    if (tr_filter_open(&run->filter, &(struct tr_filter_options){0}, err) != TR_OK ||
        tr_gtid_sources_open(&run->sources, err) != TR_OK ||
        tr_streams_open(&run->streams, 1, err) != TR_OK ||
        tr_metrics_open(&run->metrics, METRIC_BLOCKS, err) != TR_OK) {
        return err->code;
    }
    const struct tr_catalog_options options = {.flavor = flavor,
                                               .filter = run->filter,
                                               .streams = run->streams,
                                               .topic = {.prefix = tr_span_of_text("decode")},
                                               .encode = &run->encode,
                                               .plans = {.open = tr_plan_open,
                                                         .close = tr_plan_close,
                                                         .memory_bytes = tr_plan_memory_bytes},
                                               .bytes_max = CATALOG_BYTES_MAX,
                                               .metadata_is_full = true,
                                               .lenient = true};
    /* What the file's own statements make of the tables: names where the log has none. */
    const struct tr_ddl_options ddl = {.flavor = flavor, .bytes_max = CATALOG_BYTES_MAX};
    return tr_catalog_open(&run->catalog, &options, err) == TR_OK
               ? tr_ddl_model_open(&run->model, &ddl, err)
               : err->code;
}

static enum tr_code open_pipeline(struct decode_run *run, struct tr_error *err)
{
    struct tr_pipeline_options options = {.plan = TR_PLAN_SINGLE,
                                          .decoder_count = 1,
                                          .clock = tr_clock_system(),
                                          .metrics = run->metrics,
                                          .fault = &run->fault,
                                          .streams = run->streams,
                                          .sink = print_record,
                                          .sink_self = run};
    const char *name = strrchr(run->path, '/');
    tr_file_source_init(&run->source, run->path);
    options.ingest.port = &run->source.port;
    options.ingest.non_blocking = true;
    options.sequencer.flavor = run->encode.flavor;
    options.sequencer.gtid_mode = run->encode.gtid_mode;
    options.sequencer.catalog = run->catalog;
    options.sequencer.model = run->model;
    options.sequencer.sources = run->sources;
    options.sequencer.row_bytes_max = ROW_BYTES_MAX;
    options.sequencer.start.pos = 4;
    (void)snprintf(options.sequencer.start.file, sizeof(options.sequencer.start.file), "%.*s",
                   TR_BINLOG_NAME_BYTES_MAX, name == NULL ? run->path : name + 1);
    options.decoder.row_bytes_max = ROW_BYTES_MAX;
    options.decoder.record_bytes_max = 2 * ROW_BYTES_MAX;
    return tr_pipeline_init(&run->pipeline, &options, err);
}

/* Steps until the file's end went through, or a fault and everything before it. */
static enum tr_code drive(struct decode_run *run, struct tr_error *err)
{
    const struct tr_clock *clock = tr_clock_system();
    uint32_t work = 1;
    while (!tr_collector_is_ended(&run->pipeline.collector) &&
           !tr_collector_is_refused(&run->pipeline.collector) &&
           (work > 0 || tr_fault_seen(&run->fault) == NULL)) {
        work = tr_pipeline_step(&run->pipeline, tr_clock_monotonic_ns(clock));
    }
    if (tr_collector_is_refused(&run->pipeline.collector)) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "standard output cannot be written (%s): check the disk or the reader",
                       strerrordesc_np(errno));
    }
    const struct tr_error *fault = tr_fault_seen(&run->fault);
    if (fault != NULL) {
        *err = *fault;
        return strncmp(err->text, run->path, strlen(run->path)) == 0 /* the file's own error */
                   ? err->code
                   : tr_error_prefix(err, "%s", run->path);
    }
    return TR_OK;
}

static enum tr_code decode_file(struct decode_run *run, const char *path, struct tr_error *err)
{
    memset(run, 0, sizeof(*run));
    run->path = path;
    enum tr_code code = open_parts(run, err);
    if (code == TR_OK) {
        code = open_pipeline(run, err);
    }
    if (code == TR_OK) {
        code = drive(run, err);
    }
    tr_pipeline_deinit(&run->pipeline);
    tr_file_source_deinit(&run->source);
    tr_catalog_close(run->catalog);
    tr_ddl_model_close(run->model);
    tr_filter_close(run->filter);
    tr_streams_close(run->streams);
    tr_metrics_close(run->metrics);
    tr_gtid_sources_close(run->sources);
    return code;
}

enum tr_code tr_command_decode(struct tr_command_call *call, struct tr_error *err)
{
    static struct decode_run run; /* too large for the stack */

    tr_log_setup(TR_LOG_ERROR, TR_LOG_TEXT, 2);
    for (int i = 0; i < call->word_count; i++) {
        if (decode_file(&run, call->words[i], err) != TR_OK) {
            return err->code;
        }
    }
    return TR_OK;
}
