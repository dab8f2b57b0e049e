# SPDX-License-Identifier: Apache-2.0
"""Column types for the rebuild test: how to declare one, literals for it, and what Debezium's record says of a value.

The converter is independent of the engine: it starts from what the server itself prints for the final row.

    kind.declare(random)             the type's SQL text
    kind.literal(random)             an SQL literal that the column takes
    kind.select(column)              an SQL expression of text without tabs and line ends (NULL stays NULL)
    kind.expected(text)              what a record must hold for that text, normalised
    kind.normalise(value)            a record's value, likewise (records of snapshot and log may differ in form)
"""
import base64
import datetime
import decimal
import json
import struct

EPOCH = datetime.datetime(1970, 1, 1)
# Letters that each character set has. Only sets whose text Debezium reads right.
CHARSETS = {
    "utf8mb4": "aé漢😀ñ\\'\"%_ ", "utf8mb3": "aé漢ñ ", "latin1": "aéñüß€ ", "cp1251": "aБжЯ ", "latin2": "ačřž ",
    "greek": "aαβγ ", "hebrew": "aאבג ", "latin5": "ağış ", "gbk": "a漢字 ", "sjis": "aあ漢 ", "big5": "a漢字 ",
    "euckr": "a한글 ", "ucs2": "aé漢 ", "utf16": "aé漢😀 ", "utf32": "aé漢😀 ", "ascii": "abc ", "latin7": "aąčę ",
    "cp1250": "ačřž ", "cp1256": "aابت ", "cp1257": "aąčę ", "cp850": "aéñü ", "cp852": "ačřž ", "cp866": "aБжЯ ",
    "koi8r": "aБжЯ ", "eucjpms": "aあ漢 ", "ujis": "aあ漢 ", "gb2312": "a汉字 ", "cp932": "aあ漢 ", "utf16le": "aé漢 ",
}
CHARSETS_OF = {"mysql": sorted(set(CHARSETS) | {"gb18030"}), "mariadb": sorted(set(CHARSETS) - {"cp932"})}
CHARSETS_OF["mariadb-sid"] = CHARSETS_OF["mariadb"]
CHARSETS["gb18030"] = "a汉字漢 "


def quote(text):
    """A literal in utf8mb4 that no sql_mode reads otherwise."""
    return f"_utf8mb4 0x{text.encode().hex()}" if text else "''"


def hex_literal(data):
    return f"x'{data.hex()}'"


class Kind:
    """A type whose text is what the record holds, but for `expected`."""
    key_able = True

    def __init__(self, name):
        self.name = name

    def select(self, column):
        return column

    def expected(self, text):
        return text

    def normalise(self, value):
        return value


class Integer(Kind):
    def __init__(self, word, bits):
        super().__init__(word)
        self.bits = bits

    def declare(self, random):
        self_unsigned = " UNSIGNED" if random.random() < 0.4 else ""
        return self.name + self_unsigned

    def literal(self, random):
        top = 2 ** (self.bits - 1) - 1
        return str(random.choice([0, 1, top, random.randrange(top), random.randrange(100)]))

    def expected(self, text):
        value = int(text)
        return value - 2 ** 64 if value >= 2 ** 63 else value


class Boolean(Kind):
    def declare(self, random):
        return random.choice(["BOOL", "TINYINT(1)"])

    def literal(self, random):
        return random.choice(["0", "1"])

    def expected(self, text):
        return int(text)

    def normalise(self, value):
        return None if value is None else int(value)  # BOOL in a statement makes a boolean, what SHOW CREATE says does not


class Decimal(Kind):
    def declare(self, random):
        digits = random.choice([1, 5, 10, 18, 38, 65])
        return f"DECIMAL({digits},{random.randrange(min(digits, 30) + 1)})"

    def literal(self, random):
        return random.choice(["0", "-0.5", "0.4", "-0.123456", f"{random.random():.6f}"])

    def expected(self, text):
        sign, digits, _ = decimal.Decimal(text).as_tuple()
        number = int("".join(map(str, digits))) * (-1 if sign else 1)
        length = (number if number >= 0 else ~number).bit_length() // 8 + 1
        return base64.b64encode(number.to_bytes(length, "big", signed=True)).decode()


class Floating(Kind):
    """Numbers of few digits: a snapshot has a FLOAT as the server prints it, in six digits."""
    key_able = False

    def declare(self, random):
        return self.name

    def literal(self, random):
        return repr(random.choice([0.0, 0.5, -1.25, 1e10, 1024.0, random.randrange(-9999, 9999) / 4]))

    def expected(self, text):
        return self.normalise(text)

    def normalise(self, value):
        return None if value is None else float(f"{float(value):.5g}")


class Bits(Kind):
    key_able = False

    def declare(self, random):
        return f"BIT({random.choice([1, 2, 9, 33, 64])})"

    def literal(self, random):
        return str(random.randrange(2))

    def select(self, column):
        return f"{column}+0"

    def expected(self, text):
        return int(text)

    def normalise(self, value):
        if value is None or isinstance(value, bool):
            return value if value is None else int(value)
        return int.from_bytes(base64.b64decode(value), "little")


class Text(Kind):
    def __init__(self, name, charsets):
        super().__init__(name)
        self.charsets = charsets
        self.charset = "utf8mb4"
        self.key_able = name in ("VARCHAR(40)", "CHAR(12)")

    def declare(self, random):
        self.charset = random.choice(self.charsets)
        return f"{self.name} CHARACTER SET {self.charset}"

    def literal(self, random):
        letters = CHARSETS[self.charset]
        return quote("".join(random.choice(letters) for _ in range(random.randrange(12))).rstrip(" "))

    def select(self, column):
        return f"HEX(CONVERT({column} USING utf8mb4))"

    def expected(self, text):
        return bytes.fromhex(text).decode()


class Binary(Kind):
    def __init__(self, name):
        super().__init__(name)
        self.key_able = "(" in name

    def declare(self, random):
        return self.name

    def literal(self, random):
        return hex_literal(bytes(random.randrange(256) for _ in range(random.randrange(8))) + b"\x01")

    def select(self, column):
        return f"HEX({column})"

    def expected(self, text):
        return bytes.fromhex(text).rstrip(b"\0")

    def normalise(self, value):
        return None if value is None else base64.b64decode(value).rstrip(b"\0")


class Words(Kind):
    """ENUM and SET."""

    def declare(self, random):
        return f"{self.name}('red','green','blau','gr\u00fcn') CHARACTER SET {random.choice(['utf8mb4', 'latin1'])}"

    def literal(self, random):
        words = ["red", "green", "blau", "gr\u00fcn"]
        if self.name == "SET":
            return quote(",".join(word for word in words if random.random() < 0.4))
        return quote(random.choice(words))

    def select(self, column):
        return f"HEX(CONVERT({column} USING utf8mb4))"

    def expected(self, text):
        return bytes.fromhex(text).decode()


class Temporal(Kind):
    def declare(self, random):
        self.digits = random.randrange(7)
        return f"{self.name}({self.digits})" if self.digits else self.name

    def fraction(self, random):
        return random.choice(["", ".5", ".123456"])


class Time(Temporal):
    def literal(self, random):
        sign = random.choice(["", "", "-"])
        return f"'{sign}{random.randrange(838):02}:{random.randrange(60):02}:{random.randrange(59):02}{self.fraction(random)}'"

    def expected(self, text):
        sign = -1 if text.startswith("-") else 1
        hours, minutes, seconds = text.lstrip("-").split(":")
        whole, _, part = seconds.partition(".")
        return sign * ((int(hours) * 3600 + int(minutes) * 60 + int(whole)) * 10 ** 6 + int((part + "000000")[:6]))


class DateTime(Temporal):
    def literal(self, random):
        return (f"'{random.choice([1000, 1969, 1999, 2024, 9998])}-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}"
                f" {random.randrange(24):02}:{random.randrange(60):02}:{random.randrange(59):02}{self.fraction(random)}'")

    def expected(self, text):
        whole, _, part = text.partition(".")
        micros = (datetime.datetime.fromisoformat(whole) - EPOCH) // datetime.timedelta(microseconds=1) + int((part + "000000")[:6])
        return micros if len(part) > 3 else micros // 1000


class Timestamp(Temporal):
    def __init__(self, name, latest=2037):
        super().__init__(name)
        self.latest = latest

    def literal(self, random):
        return (f"'{random.choice([1971, 1999, 2024, self.latest])}-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}"
                f" {random.randrange(3, 24):02}:{random.randrange(60):02}:{random.randrange(59):02}{self.fraction(random)}'")

    def expected(self, text):
        return self.normalise(text.replace(" ", "T") + "Z")

    def normalise(self, value):  # fraction digits: fixed from the log, no zeros at the end from a snapshot
        if value is None or "." not in value:
            return value
        return value.rstrip("Z").rstrip("0").rstrip(".") + "Z"


class Date(Kind):
    def declare(self, random):
        return "DATE"

    def literal(self, random):
        return f"'{random.choice([1000, 1970, 2024, 9999])}-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}'"

    def expected(self, text):
        return (datetime.date.fromisoformat(text) - EPOCH.date()).days


class Year(Kind):
    key_able = False

    def declare(self, random):
        return "YEAR"

    def literal(self, random):
        return str(random.choice([1901, 1999, 2024, 2155]))

    def expected(self, text):
        return int(text)


class Json(Kind):
    key_able = False

    def declare(self, random):
        return "JSON"

    def literal(self, random):
        value = random.choice([None, 1, -2.5, "x\u00e9", [1, [2, {"a": None}]], {"k": random.randrange(10 ** 6), "l": [True, "\u6f22"]}])
        return quote(json.dumps(value))

    def select(self, column):
        return f"HEX(CONVERT({column} USING utf8mb4))"

    def expected(self, text):
        return json.loads(bytes.fromhex(text))

    def normalise(self, value):  # blanks differ between a snapshot and the log
        return None if value is None else json.loads(value)

    def is_null(self, value):
        return value is None


class Spatial(Kind):
    key_able = False
    SHAPES = {"POINT": ["POINT(1.5 -2)", "POINT(0 0)"], "LINESTRING": ["LINESTRING(0 0,1 1,2 5)"],
              "POLYGON": ["POLYGON((0 0,4 0,4 4,0 0))"], "MULTIPOINT": ["MULTIPOINT(0 0,1 1)"],
              "GEOMETRYCOLLECTION": ["GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))"]}

    def declare(self, random):
        return self.name

    def literal(self, random):
        shapes = self.SHAPES.get(self.name) or [shape for shapes in self.SHAPES.values() for shape in shapes]
        return f"ST_GeomFromText('{random.choice(shapes)}')"

    def select(self, column):
        return f"HEX(ST_AsBinary({column}))"

    def expected(self, text):
        return bytes.fromhex(text)

    def normalise(self, value):
        return None if value is None else base64.b64decode(value["wkb"])


class Vector(Kind):
    key_able = False

    def __init__(self, name, function="TO_VECTOR"):
        super().__init__(name)
        self.function = function

    def declare(self, random):
        return "VECTOR(3)"

    def literal(self, random):
        return f"{self.function}('[{random.randrange(100)}, -2.5, 1e10]')"

    def select(self, column):
        return f"HEX({column})"

    def expected(self, text):
        return list(struct.unpack("<3f", bytes.fromhex(text)))


class Uuid(Kind):
    """UUID, INET4 and INET6 of MariaDB."""

    def declare(self, random):
        return self.name

    def literal(self, random):
        if self.name == "UUID":
            digits = f"{random.randrange(16 ** 31, 16 ** 32):032x}"
            return f"'{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}'"
        return random.choice(["'10.0.0.1'", "'255.255.255.255'"]) if self.name == "INET4" else \
            random.choice(["'::1'", "'2001:db8::ff00:42:8329'", "'::ffff:192.0.2.128'"])


COMMON = [
    lambda kind: Integer("TINYINT", 8), lambda kind: Integer("SMALLINT", 16), lambda kind: Integer("MEDIUMINT", 24),
    lambda kind: Integer("INT", 32), lambda kind: Integer("BIGINT", 64), lambda kind: Boolean("BOOL"), lambda kind: Decimal("DECIMAL"),
    lambda kind: Floating("FLOAT"), lambda kind: Floating("DOUBLE"), lambda kind: Bits("BIT"),
    lambda kind: Text("VARCHAR(40)", CHARSETS_OF[kind]), lambda kind: Text("VARCHAR(40)", CHARSETS_OF[kind]),
    lambda kind: Text("CHAR(12)", CHARSETS_OF[kind]), lambda kind: Text("TINYTEXT", CHARSETS_OF[kind]),
    lambda kind: Text("TEXT", CHARSETS_OF[kind]), lambda kind: Text("LONGTEXT", CHARSETS_OF[kind]), lambda kind: Binary("BINARY(10)"),
    lambda kind: Binary("VARBINARY(20)"), lambda kind: Binary("BLOB"), lambda kind: Binary("LONGBLOB"), lambda kind: Words("ENUM"),
    lambda kind: Words("SET"), lambda kind: Time("TIME"), lambda kind: DateTime("DATETIME"), lambda kind: Timestamp("TIMESTAMP"),
    lambda kind: Date("DATE"), lambda kind: Year("YEAR"), lambda kind: Json("JSON"),
] + [lambda kind, name=name: Spatial(name) for name in ("GEOMETRY", *Spatial.SHAPES)]
OWN = {"mysql": [lambda kind: Vector("VECTOR")],
       "mariadb": [lambda kind: Uuid("UUID"), lambda kind: Uuid("INET6"), lambda kind: Uuid("INET4")]}
OWN["mariadb-sid"] = OWN["mariadb"] + [lambda kind: Vector("VECTOR", "VEC_FromText"), lambda kind: Timestamp("TIMESTAMP", latest=2105)]


def draw_kind(random, server_kind):
    """A type that the server has; a new object, since some remember what they were declared as."""
    return random.choice(COMMON + OWN[server_kind])(server_kind)


def draw_key_kind(random, server_kind):
    """One of which a key can be made in full length."""
    while True:
        kind = draw_kind(random, server_kind)
        if kind.key_able:
            return kind
