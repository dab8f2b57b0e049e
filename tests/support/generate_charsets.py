#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes stages/schema/charset_tables.{bin,h} and tests/data/charsets/ from what live servers and a JDK answer.

    generate_charsets.py JAVA        JAVA: a JDK's `java`, 21 or newer (older ones have an older GB18030)

Starts MariaDB and MySQL privately (tests/integration/servers.py). Two readings of every character set: the server's own
(CONVERT to utf32; what ENUM and SET labels are) and Debezium's (the JDK charset that its drivers name; what streamed
text is). Equal tables are stored once.

Layout of the .bin: little-endian uint16.
  one      256 codes by byte; 0xFFFD bad, 0xFFFF/0xFFFE the first of two/three bytes, or of four where `four` is set
  two      codes by [lead][trail]; 0xFFFD bad, both taken; 0xFFFE bad, one taken
  three    codes by [second][third] behind 8F, likewise (0xFFFD: all three taken)
  four     runs {linear number low, high, code, count} of gb18030's four bytes, in order
"""
import os
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests/integration"))
import servers  # noqa: E402

# Server's name, the JDK's name as both drivers' tables have it (cp932 as the MySQL driver: the MariaDB driver's GB2312 is
# a mistake), bytes of a character.
CHARSETS = [
    ("armscii8", "windows-1252", 1), ("cp1250", "windows-1250", 1), ("cp1251", "windows-1251", 1),
    ("cp1256", "windows-1256", 1), ("cp1257", "windows-1257", 1), ("cp850", "IBM850", 1), ("cp852", "IBM852", 1),
    ("cp866", "IBM866", 1), ("dec8", "windows-1252", 1), ("geostd8", "windows-1252", 1), ("greek", "ISO-8859-7", 1),
    ("hebrew", "ISO-8859-8", 1), ("hp8", "windows-1252", 1), ("keybcs2", "IBM852", 1), ("koi8r", "KOI8-R", 1),
    ("koi8u", "KOI8-R", 1), ("latin2", "ISO-8859-2", 1), ("latin5", "ISO-8859-9", 1), ("latin7", "ISO-8859-13", 1),
    ("macce", "MacCentralEurope", 1), ("macroman", "MacRoman", 1), ("swe7", "windows-1252", 1), ("tis620", "TIS-620", 1),
    ("latin1", "windows-1252", 1),
    ("big5", "Big5", 2), ("cp932", "windows-31j", 2), ("eucjpms", "EUC_JP_Solaris", 3), ("euckr", "EUC-KR", 2),
    ("gb18030", "GB18030", 4), ("gb2312", "GB2312", 2), ("gbk", "GBK", 2), ("sjis", "Shift_JIS", 2), ("ujis", "EUC_JP", 3),
]
UNICODE = ["UTF-16", "UTF-16LE", "UTF-32"]
BAD, BAD_ONE, LEAD_TWO, LEAD_THREE = 0xFFFD, 0xFFFE, 0xFFFF, 0xFFFE
BMP_LEADS = 4  # 81..84 lead the four-byte codes of the BMP


def numbers(server):
    server.sql("CREATE DATABASE IF NOT EXISTS charsets; CREATE OR REPLACE TABLE charsets.b (b VARBINARY(1) PRIMARY KEY)"
               if server.kind == "mariadb" else
               "CREATE DATABASE IF NOT EXISTS charsets; CREATE TABLE IF NOT EXISTS charsets.b (b VARBINARY(1) PRIMARY KEY)")
    server.sql("REPLACE INTO charsets.b VALUES " + ",".join(f"(x'{i:02x}')" for i in range(256)))


def ask_server(server, charset, prefix, columns, where="1"):
    """{bytes: code} of everything that is one character; `columns` tables of bytes behind the prefix."""
    parts = ",".join([f"x'{prefix.hex()}'"] + [f"t{i}.b" for i in range(columns)])
    tables = " JOIN ".join(f"charsets.b t{i}" for i in range(columns))
    rows = server.rows(f"SET sql_mode=''; SELECT HEX(v), HEX(CONVERT(CONVERT(v USING {charset}) USING utf32)) "
                       f"FROM (SELECT CONCAT({parts}) v FROM {tables} WHERE {where}) q")
    found = {}
    for raw, utf32 in rows:
        if utf32 is not None and len(utf32) == 8 and (utf32 != "0000003F" or raw == "3F") and utf32 != "0000FFFD":
            found[bytes.fromhex(raw)] = int(utf32, 16)
    return found


def server_codes(server, charset, width):
    codes = ask_server(server, charset, b"", 1)
    leads = [bytes([i]) for i in range(256) if bytes([i]) not in codes]
    if width > 1:
        among = ",".join(f"x'{lead.hex()}'" for lead in leads)
        codes |= ask_server(server, charset, b"", 2, f"t0.b IN ({among})")
    if width == 3:
        codes |= ask_server(server, charset, b"\x8f", 2)
    if width == 4:
        for lead in range(0x81, 0x81 + BMP_LEADS):
            digit = "BETWEEN x'30' AND x'39'"
            codes |= ask_server(server, charset, bytes([lead]), 3,
                                f"t0.b {digit} AND t2.b {digit} AND t1.b BETWEEN x'81' AND x'FE'")
    return codes


def jdk_codes(lines, name):
    """({bytes: code}, {bytes: bytes taken}) of one JDK charset."""
    codes, bad = {}, {}
    for line in lines:
        kind, of, raw, *rest = line.split()
        if of == name and kind != "text":
            if rest[0] == "bad":
                bad[bytes.fromhex(raw)] = int(rest[1])
            else:
                codes[bytes.fromhex(raw)] = int(rest[0], 16)
    return codes, bad


class Data:
    """The .bin being written; equal pieces share their place."""

    def __init__(self):
        self.values, self.places = [], {}

    def put(self, values):
        key = tuple(values)
        if key not in self.places:
            self.places[key] = len(self.values)
            self.values += values
        return self.places[key]


def plane(codes, bad, prefix, firsts, size, digits_lead=False):
    """Rectangle of a plane: (first_min, first_max, second_min, second_max, values, taken outside)."""

    def value(a, b):
        raw = prefix + bytes([a, b])
        if raw in codes:
            return codes[raw]
        return BAD if bad.get(raw, outside) == size else BAD_ONE
    seconds = [b for b in range(256) if not (digits_lead and 0x30 <= b <= 0x39)]  # these lead to four bytes
    known = [raw for raw in codes if len(raw) == size and raw.startswith(prefix)]
    taken = [bad.get(prefix + bytes([a, b]), 1) for a in firsts for b in seconds
             if prefix + bytes([a, b]) not in codes]
    outside = max(set(taken), key=taken.count) if bad else 1
    different = [prefix + bytes([a, b]) for a in firsts for b in seconds
                 if prefix + bytes([a, b]) in bad and bad[prefix + bytes([a, b])] != outside]
    seen = known + different
    a_min, a_max = min(raw[-2] for raw in seen), max(raw[-2] for raw in seen)
    b_min, b_max = min(raw[-1] for raw in seen), max(raw[-1] for raw in seen)
    assert set(taken) <= {1, size}, (prefix, set(taken))
    values = [value(a, b) for a in range(a_min, a_max + 1) for b in range(b_min, b_max + 1)]
    return a_min, a_max, b_min, b_max, values, outside


def runs_of_four(codes):
    runs = []
    for raw in sorted(raw for raw in codes if len(raw) == 4 and raw[0] < 0x81 + BMP_LEADS):
        linear = ((raw[0] - 0x81) * 10 + raw[1] - 0x30) * 1260 + (raw[2] - 0x81) * 10 + raw[3] - 0x30
        if runs and runs[-1][0] + runs[-1][2] == linear and runs[-1][1] + runs[-1][2] == codes[raw]:
            runs[-1][2] += 1
        else:
            runs.append([linear, codes[raw], 1])
    return [v for linear, code, count in runs for v in (linear & 0xFFFF, linear >> 16, code, count)]


def table(data, codes, bad, width):
    """One reading of a charset as its C initialiser."""
    one = []
    for i in range(256):
        raw = bytes([i])
        if raw in codes:
            one.append(codes[raw])
        elif width == 3 and i == 0x8F:
            one.append(LEAD_THREE)
        else:
            follows = any(k[0] == i for k in codes if len(k) in (2, 4))
            one.append(LEAD_TWO if follows or (bad and bad.get(raw) == 2) else BAD)
    fields = [f".one_at = {data.put(one)}", f".is_ascii = {'true' if one[:128] == list(range(128)) else 'false'}"]
    leads = [i for i in range(256) if one[i] == LEAD_TWO]
    if width > 1:
        a, b, c, d, values, outside = plane(codes, bad, b"", leads, 2, width == 4)
        fields.append(f".two = {{{data.put(values)}, {a}, {b}, {c}, {d}, {outside}}}")
    if width == 3:
        a, b, c, d, values, outside = plane(codes, bad, b"\x8f", range(256), 3)
        fields.append(f".three = {{{data.put(values)}, {a}, {b}, {c}, {d}, {outside}}}")
    if width == 4:
        runs = runs_of_four(codes)
        fields += [f".four_at = {data.put(runs)}", f".four_count = {len(runs) // 4}"]
    return "{" + ", ".join(fields) + "}"


def write_texts(lines, folder):
    """What the JDK makes of random bytes, per character set of the server."""
    os.makedirs(folder, exist_ok=True)
    names = [(name, jdk) for name, jdk, _ in CHARSETS]
    names += [("ucs2", "UTF-16"), ("utf16", "UTF-16"), ("utf16le", "UTF-16LE"), ("utf32", "UTF-32")]
    with open(os.path.join(folder, "debezium_texts.txt"), "w", encoding="ascii") as f:
        f.write("# character set, bytes, Debezium's text in UTF-8 (generate_charsets.py)\n")
        for name, jdk in names:
            for line in lines:
                kind, of, raw, utf8 = (line.split() + [""] * 4)[:4]
                if kind == "text" and of == jdk:
                    f.write(f"{name} {raw} {utf8}\n")


def main(java):
    jdk_names = sorted({jdk for _, jdk, _ in CHARSETS}) + UNICODE
    answers = subprocess.run([java, os.path.join(HERE, "JdkCharsets.java"), *jdk_names], check=True, capture_output=True)
    lines = answers.stdout.decode().splitlines()
    folder = tempfile.mkdtemp(prefix="charsets")
    readings, data = [], Data()
    with servers.start_mariadb(folder + "/mariadb", servers.free_port()) as mariadb, \
            servers.start_mysql(folder, servers.free_port()) as mysql:
        numbers(mariadb)
        numbers(mysql)
        for name, jdk, width in CHARSETS:
            codes = server_codes(mysql, name, width)
            if name != "gb18030":
                other = server_codes(mariadb, name, width)
                if other != codes:
                    sys.exit(f"{name}: the servers differ in {len(set(other.items()) ^ set(codes.items()))} codes")
            debezium, bad = jdk_codes(lines, jdk)
            debezium = {raw: code for raw, code in debezium.items()
                        if len(raw) < 4 or raw[0] < 0x81 + BMP_LEADS}
            known = table(data, debezium, bad, width)
            readings.append((name, known if codes == debezium else table(data, codes, {}, width), known))
    servers.remove(folder)
    shutil.rmtree(folder, ignore_errors=True)
    with open(os.path.join(ROOT, "stages/schema/charset_tables.bin"), "wb") as f:
        f.write(struct.pack(f"<{len(data.values)}H", *data.values))
    with open(os.path.join(ROOT, "stages/schema/charset_tables.inc"), "w", encoding="ascii") as f:
        f.write("// SPDX-License-Identifier: Apache-2.0\n// Written by tests/support/generate_charsets.py: where each table "
                "lies in charset_tables.bin.\n// clang-format off\n")
        for name, server, debezium in readings:
            f.write(f"[TR_CHARSET_{name.upper()}] = {{\n    .server = {server},\n    .debezium = {debezium}}},\n")
        f.write("// clang-format on\n")
    write_texts(lines, os.path.join(ROOT, "tests/data/charsets"))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
