// SPDX-License-Identifier: Apache-2.0
/*
 * Any packets as a server's answers: every answer ends, pieces of a row add up to its packets, and what is packed of
 * them can be arranged or is refused. Input: [length:2][payload]…, made packets with the sequence numbers that the
 * reader wants (a wrong one now and then: length's top bit).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/assert.h"
#include "stages/source/snapshot_pack.h"
#include "stages/source/text_result.h"

#define PACKETS_BYTES_MAX ((size_t)128 * 1024) /* what a socket takes at once */
#define ROW_BYTES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t write_packets(uint8_t *out, const uint8_t *data, size_t size)
{
    uint8_t sequence = 1;
    size_t at = 0;
    size_t out_bytes = 0;

    while (size - at >= 2) {
        const uint16_t length = tr_load_u16(data + at);
        size_t bytes = length & 0x7FFF;
        at += 2;
        bytes = bytes < size - at ? bytes : size - at;
        if (bytes + 4 > PACKETS_BYTES_MAX - out_bytes) {
            break;
        }
        out[out_bytes++] = (uint8_t)bytes;
        out[out_bytes++] = (uint8_t)(bytes >> 8);
        out[out_bytes++] = 0;
        out[out_bytes++] = (length & 0x8000) != 0 ? (uint8_t)(sequence + 1) : sequence;
        sequence++;
        memcpy(out + out_bytes, data + at, bytes);
        out_bytes += bytes;
        at += bytes;
    }
    return out_bytes;
}

/* Packs the row and gives its cells other places. */
static void take_row(struct tr_snapshot_pack *pack, const struct tr_text_piece *piece,
                     uint32_t column_count)
{
    const uint16_t sources[] = {0, (uint16_t)(column_count - 1), 0};

    if (piece->is_first) {
        pack->used_bytes = 0;
        tr_snapshot_pack_begin_rows(pack, tr_span_of_text("d"), tr_span_of_text("t"),
                                    TR_SNAPSHOT_FIRST);
    }
    if (!tr_snapshot_pack_append(pack, piece->bytes) || !piece->is_last) {
        return;
    }
    TR_ASSERT(pack->used_bytes > pack->row_at);
    if (column_count > 0 && column_count <= TR_COLUMNS_MAX &&
        tr_snapshot_pack_arrange(pack, sources, 3, column_count)) {
        tr_snapshot_pack_row_ended(pack);
    }
}

static void read_answer(struct tr_text_result *result, struct tr_snapshot_pack *pack)
{
    uint64_t row_left = 0;

    for (;;) {
        struct tr_text_piece piece;
        struct tr_error err = {.code = TR_OK};
        switch (tr_text_result_next(result, 0, &piece, &err)) {
        case TR_RESULT_COLUMN:
            break;
        case TR_RESULT_ROW:
            row_left = piece.is_first ? piece.packet_bytes : row_left;
            TR_ASSERT(piece.bytes.bytes <= row_left);
            row_left -= piece.bytes.bytes;
            TR_ASSERT(piece.is_last == (row_left == 0));
            take_row(pack, &piece, result->column_count);
            break;
        case TR_RESULT_FAILED:
            TR_ASSERT(err.code != TR_OK);
            return;
        case TR_RESULT_WAIT:
        case TR_RESULT_END:
            return;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *packets = calloc(1, PACKETS_BYTES_MAX);
    struct tr_text_result result = {0};
    struct tr_snapshot_pack pack = {0};
    struct tr_error err;
    int fds[2] = {-1, -1};

    if (packets == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) {
        free(packets);
        return 0;
    }
    const struct tr_raw_link link = {.fd = fds[0], .wake_fd = eventfd(0, EFD_NONBLOCK)};
    const size_t bytes = write_packets(packets, data, size);
    if (tr_text_result_init(&result, &link, &err) == TR_OK &&
        tr_snapshot_pack_init(&pack, ROW_BYTES_MAX, true, &err) == TR_OK &&
        tr_text_result_send(&result, tr_span_of_text("SELECT"), &err) == TR_OK &&
        send(fds[1], packets, bytes, MSG_DONTWAIT) == (ssize_t)bytes) {
        (void)shutdown(fds[1], SHUT_WR);
        read_answer(&result, &pack);
    }
    tr_text_result_deinit(&result);
    tr_snapshot_pack_deinit(&pack);
    (void)close(link.wake_fd);
    (void)close(fds[0]);
    (void)close(fds[1]);
    free(packets);
    return 0;
}
