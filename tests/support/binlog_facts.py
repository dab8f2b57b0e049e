#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lists the rows events of binlog files: the facts that the sequencer's stage test compares with.

usage: binlog_facts.py FILE... > tests/data/binlogs/facts.txt

An implementation of its own, on purpose: it shares no code with the engine. One line per file, "= NAME FLAVOR CHECKSUM", then
one per rows event: "POS OP GTID DATABASE.TABLE", POS as Debezium prints source.pos (inner events of a compressed transaction have
the payload's, MariaDB events without a position the GTID event's), OP = I, U or D.
"""
import ctypes
import ctypes.util
import struct
import sys

OPS = {23: "I", 24: "U", 25: "D", 30: "I", 31: "U", 32: "D", 39: "U",
       166: "I", 167: "U", 168: "D", 169: "I", 170: "U", 171: "D"}


def unzstd(data, size):
    library = ctypes.CDLL(ctypes.util.find_library("zstd"))
    library.ZSTD_decompress.restype = ctypes.c_size_t
    out = ctypes.create_string_buffer(size)
    got = library.ZSTD_decompress(out, ctypes.c_size_t(size), data, ctypes.c_size_t(len(data)))
    assert got == size, (got, size)
    return out.raw


def lenenc(data, at):
    first = data[at]
    if first < 0xFB:
        return first, at + 1
    width = {0xFC: 2, 0xFD: 3, 0xFE: 8}[first]
    return int.from_bytes(data[at + 1:at + 1 + width], "little"), at + 1 + width


def varint(data, at):
    ones = 0
    while ones < 8 and data[at] >> ones & 1:
        ones += 1
    value = int.from_bytes(data[at:at + ones + 1], "little")
    return (value >> (ones + 1) if ones < 8 else value >> 8), at + ones + 1


def uuid_text(raw):
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def tagged(body):
    _, at = varint(body, 0)
    size, at = varint(body, at)
    _, at = varint(body, at)
    uuid, tag, number = b"", "", 0
    while at < size:
        field, at = varint(body, at)
        if field == 1:
            values = []
            for _ in range(16):
                value, at = varint(body, at)
                values.append(value)
            uuid = bytes(values)
        elif field == 3:
            length, at = varint(body, at)
            tag = body[at:at + length].decode()
            at += length
        else:
            value, at = varint(body, at)
            if field == 2:
                number = (value >> 1) ^ -(value & 1)
    return uuid_text(uuid) + (":" + tag if tag else "") + ":" + str(number)


class Reader:
    def __init__(self):
        self.maps = {}
        self.rows = []
        self.gtid = "-"
        self.pos = 0

    def event(self, kind, server, body):
        if kind == 19:
            table_id = int.from_bytes(body[:6], "little")
            length, at = lenenc(body, 8)
            database = body[at:at + length].decode()
            length, at = lenenc(body, at + length + 1)
            self.maps[table_id] = database + "." + body[at:at + length].decode()
        elif kind in OPS:
            self.rows.append((self.pos, OPS[kind], self.maps[int.from_bytes(body[:6], "little")], self.gtid))
        elif kind == 33:
            self.gtid = uuid_text(body[1:17]) + ":" + str(struct.unpack("<Q", body[17:25])[0])
        elif kind == 34:
            self.gtid = "-"
        elif kind == 42:
            self.gtid = tagged(body)
        elif kind == 162:
            number, domain = struct.unpack("<QI", body[:12])
            self.gtid = "%d-%d-%d" % (domain, server, number)
        elif kind == 40:
            self.payload(body)

    def payload(self, body):
        at, fields = 0, {}
        while True:
            field, at = lenenc(body, at)
            if field == 0:
                break
            length, at = lenenc(body, at)
            fields[field] = lenenc(body, at)[0]
            at += length
        plain = unzstd(body[at:], fields[3]) if fields[2] == 0 else body[at:]
        at = 0
        while at < len(plain):
            kind, server, length = struct.unpack("<BII", plain[at + 4:at + 13])
            self.event(kind, server, plain[at + 19:at + length])
            at += length


def read(path):
    data = open(path, "rb").read()
    reader, at, crc, flavor = Reader(), 4, 0, "mysql"
    while at + 19 <= len(data):
        kind, server, length, end, _ = struct.unpack("<BIIIH", data[at + 4:at + 19])
        if at + length > len(data) or length < 19 or kind == 164:
            break
        if kind == 15:
            flavor = "mariadb" if b"MariaDB" in data[at:at + length] else "mysql"
            crc = data[at + length - 5]
        trailer = 4 if crc or kind == 15 else 0
        if end != 0:
            reader.pos = at
        reader.event(kind, server, data[at + 19:at + length - trailer])
        at += length
    return flavor, crc, reader.rows


def main():
    for path in sys.argv[1:]:
        flavor, crc, rows = read(path)
        print("= %s %s %s" % (path.split("/")[-1], flavor, "crc32" if crc else "none"))
        for row in rows:
            print("%d %s %s %s" % (row[0], row[1], row[3], row[2]))


main()
