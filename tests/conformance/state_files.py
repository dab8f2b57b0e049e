# SPDX-License-Identifier: Apache-2.0
"""Reads what an engine left behind: the offset file and a Redis database."""

import json
import socket
import struct


def java_byte_map(raw):
    """Decodes a Java-serialised HashMap<byte[], byte[]> into (key, value) byte pairs."""
    at = 0

    def take(count):
        nonlocal at
        piece = raw[at:at + count]
        if len(piece) != count:
            raise ValueError("truncated at %d" % at)
        at += count
        return piece

    def number(form):
        return struct.unpack(">" + form, take(struct.calcsize(form)))[0]

    def utf():
        return take(number("H")).decode("utf-8")

    handles = []

    def class_descriptor():
        tag = number("B")
        if tag == 0x70:  # null
            return None
        if tag == 0x71:  # reference
            return handles[number("I") - 0x7E0000]
        if tag != 0x72:
            raise ValueError("class descriptor expected at %d" % at)
        name = utf()
        take(8 + 1)  # serial version, flags
        handles.append(name)
        for _ in range(number("H")):  # primitive fields only, in the classes we meet
            take(1)
            utf()
        if number("B") != 0x78:
            raise ValueError("annotation not understood")
        class_descriptor()
        return name

    def byte_array():
        tag = number("B")
        if tag == 0x70:
            return None
        if tag == 0x71:
            return handles[number("I") - 0x7E0000]
        if tag != 0x75:
            raise ValueError("array expected at %d" % at)
        class_descriptor()
        slot = len(handles)
        handles.append(None)
        handles[slot] = take(number("i"))
        return handles[slot]

    if take(4) != b"\xac\xed\x00\x05":
        raise ValueError("not a Java object stream")
    if number("B") != 0x73:
        raise ValueError("object expected")
    class_descriptor()
    handles.append("map")
    take(4 + 4)  # loadFactor, threshold
    if number("B") != 0x77:
        raise ValueError("block data expected")
    take(1 + 4)  # block length, capacity
    size = number("i")
    pairs = [(byte_array(), byte_array()) for _ in range(size)]
    return pairs


def as_entry(key, value):
    return {"key": key.decode("utf-8"), "value": None if value is None else value.decode("utf-8")}


def read_file_offsets(path):
    with open(path, "rb") as source:
        raw = source.read()
    if not raw:
        return []
    if raw[:2] != b"\xac\xed":  # an engine may keep plain JSON instead
        return json.loads(raw)
    return sorted((as_entry(k, v) for k, v in java_byte_map(raw)), key=lambda e: e["key"])


class Redis:
    """Enough of the Redis protocol to read a database."""

    def __init__(self, address):
        host, _, port = address.partition(":")
        self.socket = socket.create_connection((host, int(port or 6379)), timeout=10)
        self.file = self.socket.makefile("rb")

    def command(self, *words):
        parts = [w if isinstance(w, bytes) else str(w).encode("utf-8") for w in words]
        self.socket.sendall(b"*%d\r\n" % len(parts) +
                            b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        return self.reply()

    def reply(self):
        line = self.file.readline().rstrip(b"\r\n")
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            if int(rest) < 0:
                return None
            data = self.file.read(int(rest))
            self.file.read(2)
            return data
        if kind == b"*":
            return None if int(rest) < 0 else [self.reply() for _ in range(int(rest))]
        raise RuntimeError("unexpected reply %r" % line)


def redis_offsets(redis, key="metadata:debezium:offsets"):
    flat = redis.command("HGETALL", key) or []
    return sorted((as_entry(flat[i], flat[i + 1]) for i in range(0, len(flat), 2)),
                  key=lambda e: e["key"])


def redis_history(redis, key="metadata:debezium:schema_history"):
    documents = []
    for _, fields in redis.command("XRANGE", key, "-", "+") or []:
        members = dict(zip(fields[::2], fields[1::2]))
        documents.append(members[b"schema"].decode("utf-8"))
    return documents


def redis_dump(redis):
    """Every key with its type and content; stream ids are left out, they are clock readings."""
    dump = {}
    for key in sorted(redis.command("KEYS", "*")):
        kind = redis.command("TYPE", key)
        entry = {"type": kind, "ttl": redis.command("TTL", key)}
        if kind == "hash":
            flat = redis.command("HGETALL", key)
            entry["fields"] = sorted([flat[i].decode(), flat[i + 1].decode()] for i in range(0, len(flat), 2))
        elif kind == "stream":
            entry["entries"] = [[f.decode() for f in fields] for _, fields in redis.command("XRANGE", key, "-", "+")]
        elif kind == "string":
            entry["value"] = redis.command("GET", key).decode("utf-8", "replace")
        dump[key.decode()] = entry
    return dump
