# SPDX-License-Identifier: Apache-2.0
"""Reads the offset file that Kafka Connect's FileOffsetBackingStore writes: a Java-serialised HashMap<byte[], byte[]>."""
import json
import struct


class _Reader:
    def __init__(self, raw):
        self.raw, self.at, self.handles = raw, 0, []

    def take(self, count):
        piece = self.raw[self.at:self.at + count]
        if len(piece) != count:
            raise ValueError(f"ends early at {self.at}")
        self.at += count
        return piece

    def number(self, form):
        return struct.unpack(">" + form, self.take(struct.calcsize(form)))[0]

    def class_descriptor(self):
        tag = self.number("B")
        if tag == 0x71:  # seen before
            return self.handles[self.number("I") - 0x7E0000]
        if tag == 0x70:  # null
            return None
        name = self.take(self.number("H")).decode()
        self.take(9)  # serial version and flags
        self.handles.append(name)
        for _ in range(self.number("H")):  # fields: a type and a name
            self.take(1)
            self.take(self.number("H"))
        if tag != 0x72 or self.number("B") != 0x78:
            raise ValueError(f"no class descriptor before {self.at}")
        self.class_descriptor()
        return name

    def byte_array(self):
        tag = self.number("B")
        if tag == 0x70:
            return None
        if tag == 0x71:
            return self.handles[self.number("I") - 0x7E0000]
        if tag != 0x75:
            raise ValueError(f"no array before {self.at}")
        self.class_descriptor()
        slot = len(self.handles)
        self.handles.append(None)
        self.handles[slot] = self.take(self.number("i"))
        return self.handles[slot]

    def map(self):
        if self.take(5) != b"\xac\xed\x00\x05\x73":
            raise ValueError("not a serialised object")
        self.class_descriptor()
        self.handles.append("map")
        self.take(8)  # load factor, threshold
        if self.number("B") != 0x77:
            raise ValueError("no block data")
        self.take(5)  # its length, the capacity
        return [(self.byte_array(), self.byte_array()) for _ in range(self.number("i"))]


def read_offset_file(path):
    """{key text: value as parsed JSON, None for null}."""
    with open(path, "rb") as source:
        pairs = _Reader(source.read()).map()
    return {key.decode(): None if value is None else json.loads(value) for key, value in pairs}
