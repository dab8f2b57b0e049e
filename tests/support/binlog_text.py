# SPDX-License-Identifier: Apache-2.0
"""Rows as the servers' own mysqlbinlog -vv prints them, and whether a Debezium record says the same.

    for row in read_rows(path):         # a gzipped NAME.txt.gz
        row.op, row.table, row.before, row.after    # I, U or D; "db.t"; {column number: Cell} of the columns in the image

Character data is printed as the bytes of the log, integers both ways where their sign is not known, members of ENUM and SET by
number: what cannot be told from the text alone is compared as far as it goes (see `same`).
"""
import base64
import collections
import datetime
import decimal
import gzip
import ipaddress
import json
import math
import re
import struct
import uuid
import zlib

Row = collections.namedtuple("Row", "op table before after")
Cell = collections.namedtuple("Cell", "text type")
UNREADABLE = Cell(b"", "?")  # a type that this mysqlbinlog does not know: it gives the event up there
HEAD = re.compile(rb"### (INSERT INTO|UPDATE|DELETE FROM) `(.*)`\.`(.*)`$")
CELL = re.compile(rb"###   @(\d+)=(.*?) */\* (\w[^*]*?) meta=\d+ nullable=\d is_null=\d \*/$", re.DOTALL)
OPS = {b"INSERT INTO": "I", b"UPDATE": "U", b"DELETE FROM": "D"}
TEMPORAL = ("DATE", "TIME", "DATETIME", "TIMESTAMP")
EPOCH = datetime.datetime(1970, 1, 1)
CODECS = ["utf-8", "cp1252", "latin-1", "iso8859-2", "iso8859-7", "iso8859-8", "iso8859-9", "iso8859-13", "cp1250", "cp1251", "cp1256",
          "cp1257", "cp850", "cp852", "cp866", "koi8-r", "koi8-u", "gbk", "gb18030", "gb2312", "big5", "sjis", "cp932", "euc-jp", "euc-kr",
          "utf-16-be", "utf-16-le", "utf-32-be", "tis-620", "mac-roman", "mac-latin2", "kz1048"]


def read_rows(path):
    with gzip.open(path, "rb") as source:
        lines = source.read().split(b"\n")
    rows, image, rest = [], None, b""
    for line in lines:
        if rest:
            line, rest = rest + line, b""
        if line.startswith(b"###   @") and b"!! Don't know how" in line:
            image[int(re.match(rb"###   @(\d+)", line)[1])] = UNREADABLE
            continue
        if line.startswith(b"###   @") and not line.endswith(b"*/"):
            rest = line
            continue
        head = HEAD.match(line)
        if head:
            op = OPS[head[1]]
            rows.append(Row(op, f"{head[2].decode()}.{head[3].decode()}", {}, {}))
        elif line == b"### WHERE":
            image = rows[-1].before
        elif line == b"### SET":
            image = rows[-1].after
        elif line.startswith(b"###   @"):
            found = CELL.match(line)
            if not found:
                raise ValueError(f"{path}: {line[:120]!r}")
            image[int(found[1])] = Cell(found[2], found[3].decode())
    return rows


ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"0": b"\0", b"b": b"\b", b"f": b"\f", b"Z": b"\x1a"}


def unquote(text):
    """What a printed string may stand for: MySQL escapes backslashes, MariaDB does not."""
    body = text[1:-1]
    yield re.sub(rb"\\x([0-9a-fA-F]{2})|\\(.)", lambda m: bytes([int(m[1], 16)]) if m[1] else ESCAPES.get(m[2], m[2]), body, flags=re.DOTALL)
    yield re.sub(rb"\\x([0-9a-fA-F]{2})", lambda m: bytes([int(m[1], 16)]), body)


def integers(text):
    return {int(number) for number in re.findall(rb"-?\d+", text)}


def micros(text):
    """Of a date and time; None when it is none."""
    try:
        whole, _, part = text.partition(".")
        return (datetime.datetime.fromisoformat(whole) - EPOCH) // datetime.timedelta(microseconds=1) + int((part + "000000")[:6])
    except ValueError:
        return None


def inflated(raw):
    """A MariaDB COMPRESSED value: algorithm and number of length bytes in one byte, the length, the data."""
    if not raw or raw[0] == 0:
        return raw[1:]
    try:
        return zlib.decompress(raw[1 + (raw[0] & 7):], -15)
    except zlib.error:
        return raw


def same_text(value, raw):
    """Text in a character set that is not told, or base64 of bytes, or one of MariaDB's types that are sixteen or four bytes."""
    if isinstance(value, list):  # VECTOR
        return struct.pack(f"<{len(value)}f", *value) == raw
    if not isinstance(value, str):
        return False
    if raw.decode(errors="replace") == value:
        return True  # a log that does not tell the character set
    for codec in CODECS:
        try:
            if raw.decode(codec).rstrip(" ") == value.rstrip(" "):
                return True
        except UnicodeDecodeError:
            pass
    try:
        if base64.b64decode(value, validate=True).rstrip(b"\0") == raw.rstrip(b"\0"):
            return True
    except ValueError:
        pass
    for read in (lambda: uuid.UUID(value).bytes, lambda: ipaddress.ip_address(value).packed):
        try:
            packed = read()
            if packed == raw.ljust(len(packed), b"\0"):
                return True
        except ValueError:
            pass
    return False


def same_json(value, text):
    """JSON as the server prints it; numbers by value. What JSON has no type for is printed by the two in forms of their own."""
    def close(a, b):
        if isinstance(a, dict) and isinstance(b, dict):
            return a.keys() == b.keys() and all(close(a[key], b[key]) for key in a)
        if isinstance(a, list) and isinstance(b, list):
            return len(a) == len(b) and all(map(close, a, b))
        if isinstance(a, decimal.Decimal) or isinstance(b, decimal.Decimal):
            return isinstance(a, (int, decimal.Decimal)) and isinstance(b, (int, decimal.Decimal)) and float(a) == float(b)
        return a == b and isinstance(a, bool) == isinstance(b, bool)
    mine = json.loads(value, parse_float=decimal.Decimal)
    if isinstance(mine, str) and (mine == text or not text.startswith('"')):
        return True  # printed without quotes; temporal and opaque values in other forms
    try:
        return close(mine, json.loads(text, parse_float=decimal.Decimal))
    except ValueError:
        return False


def same_temporal(value, kind, digits, text):
    if re.match("[-0:. ]*$", text) and kind != "TIME" or re.search("-00|:00:00$|:00:|^0", text) and kind == "DATE":
        return value is None or isinstance(value, (int, str))  # no date: Debezium has its own substitutes
    if kind == "DATE":
        day = micros(text.replace(":", "-") + " 00:00:00")
        return day is None or value == day // (86400 * 10 ** 6)
    if kind == "TIME":
        sign = -1 if text.startswith("-") else 1
        hours, minutes, seconds = text.lstrip("-").split(":")
        return value == sign * ((int(hours) * 3600 + int(minutes) * 60) * 10 ** 6 + round(decimal.Decimal(seconds) * 10 ** 6))
    if kind == "DATETIME":
        instant = micros(text)
        return instant is None or value == (instant if digits > 3 else instant // 1000)
    return micros(value.rstrip("Z")) == int(decimal.Decimal(text) * 10 ** 6)  # TIMESTAMP: seconds


def same(value, cell):
    """Whether a record's value is what mysqlbinlog printed."""
    if cell is UNREADABLE:
        return True
    text, kind = cell.text, re.match(r"[A-Za-z/]+", cell.type)[0]
    if text.startswith((b"JSON_", b"@")):
        return True  # partial updates: mysqlbinlog has the difference, the record the document
    if kind in TEMPORAL and text != b"NULL":
        digits = re.search(r"\((\d)\)", cell.type)
        return same_temporal(value, kind, int(digits[1]) if digits else 0, text.decode().strip("'"))
    if text == b"NULL" or value is None:
        return (text == b"NULL") == (value is None)
    if kind in ("INT", "TINYINT", "SHORTINT", "MEDIUMINT", "LONGINT", "YEAR"):
        return value in integers(text)
    if kind == "DECIMAL":
        number = int.from_bytes(base64.b64decode(value), "big", signed=True)
        return str(number).rstrip("0") == str(int(text.replace(b".", b""))).rstrip("0")  # 5.6 prints more digits than there are
    if kind == "FLOAT":
        return math.isclose(value, float(text), rel_tol=1e-5)
    if kind == "DOUBLE":
        return value == float(text)
    if kind == "BIT":
        number = int(text[2:-1], 2)
        return value == bool(number) if isinstance(value, bool) else int.from_bytes(base64.b64decode(value), "little") == number
    if kind == "SET":
        if isinstance(value, int):  # its members are not known
            return value == int(text[2:-1], 2)
        return len(value.split(",") if value else []) == bin(int(text[2:-1], 2)).count("1")
    if kind == "ENUM":
        return value == int(text) if isinstance(value, int) else (value != "") == (text != b"0")
    if kind == "JSON":
        return any(same_json(value, re.sub("base64:type\\d+:", "", raw.decode(errors="replace"))) for raw in unquote(text))
    if kind == "GEOMETRY":
        return any(base64.b64decode(value["wkb"]) == raw[4:] and (value["srid"] or 0) == int.from_bytes(raw[:4], "little")
                   for raw in unquote(text))
    return any(same_text(value, inflated(raw) if "COMPRESSED" in cell.type else raw) for raw in unquote(text))
