// SPDX-License-Identifier: Apache-2.0
#include "engine/app/app_tail_print.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "engine/base64.h"
#include "engine/json_write.h"
#include "engine/pool.h"
#include "stages/ship/aggregate.h"

/* A record has at most 10 MiB with its key (MaxRecordSizeInKiB). */
#define DATA_BYTES_MAX ((size_t)11 * 1024 * 1024)
#define LINE_BYTES_MAX (TR_JSON_ESCAPE_FACTOR * DATA_BYTES_MAX + 65536)

enum tr_code tr_app_tail_printer_open(struct tr_app_tail_printer *printer,
                                      const struct tr_app_tail_options *options,
                                      struct tr_error *err)
{
    *printer = (struct tr_app_tail_printer){.options = options};
    printer->data = tr_memory_map(DATA_BYTES_MAX, err);
    printer->line = tr_memory_map(LINE_BYTES_MAX, err);
    if (printer->data == NULL || printer->line == NULL) {
        tr_app_tail_printer_close(printer);
        return err->code;
    }
    return TR_OK;
}

void tr_app_tail_printer_close(struct tr_app_tail_printer *printer)
{
    if (printer->data != NULL) {
        tr_memory_unmap(printer->data, DATA_BYTES_MAX);
    }
    if (printer->line != NULL) {
        tr_memory_unmap(printer->line, LINE_BYTES_MAX);
    }
    printer->data = NULL;
    printer->line = NULL;
}

bool tr_app_tail_printer_is_done(const struct tr_app_tail_printer *printer)
{
    return printer->options->limit > 0 && printer->printed_count >= printer->options->limit;
}

static bool looks_like_an_object(struct tr_span data)
{
    return data.bytes >= 2 && data.data[0] == '{' && data.data[data.bytes - 1] == '}' &&
           memchr(data.data, '\n', data.bytes) == NULL;
}

static void write_member(struct tr_json_writer *writer, const char *name, struct tr_span value)
{
    tr_json_write_literal(writer, writer->bytes == 0 ? "{" : ",");
    tr_json_write_text(writer, tr_span_of_text(name));
    tr_json_write_literal(writer, ":");
    tr_json_write_text(writer, value);
}

static struct tr_span line_with_keys(struct tr_app_tail_printer *printer, struct tr_span key,
                                     struct tr_span data)
{
    struct tr_json_writer writer = tr_json_writer_of(printer->line, LINE_BYTES_MAX);
    write_member(&writer, "partitionKey", key);
    write_member(&writer, "shardId", tr_span_of_text(printer->shard_id));
    write_member(&writer, "sequenceNumber", printer->record->sequence);
    if (printer->inner_count > 0) { /* as Amazon's client library numbers them */
        char number[24];
        (void)snprintf(number, sizeof(number), "%" PRIu64, printer->inner_count - 1);
        write_member(&writer, "subSequenceNumber", tr_span_of_text(number));
    }
    tr_json_write_literal(&writer, ",\"data\":");
    if (data.bytes == 0) {
        tr_json_write_literal(&writer, "null");
    } else if (looks_like_an_object(data)) {
        tr_json_write_raw(&writer, data);
    } else {
        tr_json_write_text(&writer, data);
    }
    tr_json_write_literal(&writer, "}");
    return writer.is_full ? (struct tr_span){0} : tr_json_writer_span(&writer);
}

static bool fail(struct tr_app_tail_printer *printer, const char *what)
{
    (void)TR_FAIL(&printer->err, TR_ERR_PROTOCOL, TR_STOP, "a record cannot be printed: %s", what);
    return false;
}

static bool print_line(struct tr_app_tail_printer *printer, struct tr_span key, struct tr_span data)
{
    FILE *out = printer->options->out;
    struct tr_span line = data.bytes > 0 ? data : tr_span_of_text("null");
    if (printer->options->with_keys) {
        line = line_with_keys(printer, key, data);
        if (line.bytes == 0) {
            return fail(printer, "its line would be too long");
        }
    }
    if (fwrite(line.data, 1, line.bytes, out) != line.bytes || fputc('\n', out) == EOF) {
        (void)TR_FAIL(&printer->err, TR_ERR_SYSTEM, TR_STOP,
                      "output cannot be written (%s): check the disk or the reader",
                      strerrordesc_np(errno));
        return false;
    }
    printer->printed_count++;
    return true;
}

static bool print_inner(void *self, struct tr_span key, struct tr_span data)
{
    struct tr_app_tail_printer *printer = self;
    printer->inner_count++;
    return print_line(printer, key, data) && !tr_app_tail_printer_is_done(printer);
}

bool tr_app_tail_print(struct tr_app_tail_printer *printer, const struct tr_kinesis_record *record,
                       const char *shard_id)
{
    size_t bytes = 0;
    printer->record = record;
    printer->shard_id = shard_id;
    printer->inner_count = 0;
    if (tr_base64_decoded_bytes_max(record->data_base64.bytes) > DATA_BYTES_MAX) {
        return fail(printer, "more than 11 MiB of data");
    }
    if (!tr_base64_decode(printer->data, record->data_base64, &bytes)) {
        return fail(printer, "its data is not base64");
    }
    const struct tr_span data = tr_span_of(printer->data, bytes);
    if (!tr_aggregate_is_whole(data)) {
        return print_line(printer, record->partition_key, data);
    }
    struct tr_error err;
    if (tr_aggregate_read(data, print_inner, printer, &err) != TR_OK) {
        printer->err = err;
    }
    return printer->err.code == TR_OK;
}

enum tr_code tr_app_tail_printer_flush(struct tr_app_tail_printer *printer, struct tr_error *err)
{
    if (fflush(printer->options->out) != 0) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "output cannot be written (%s): check the disk or the reader",
                       strerrordesc_np(errno));
    }
    return TR_OK;
}
