# SPDX-License-Identifier: Apache-2.0
"""Random DDL for MySQL and MariaDB: grammar-driven, full of traps for a parser. Some statements are refused by the
server: the caller runs what it gets and goes on.

Statements are lists of parts; between two parts any blank or comment may stand, and does.
"""
ANSI_QUOTES, NO_BACKSLASH_ESCAPES = "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES"

PLAIN = ["id", "a", "b", "c", "val", "name2", "Amount", "x1", "_u", "k", "order_no", "lang"]
WORDS = ["comment", "status", "date", "time", "year", "text", "value", "first", "after", "type", "bit", "engine",
         "visible", "invisible", "enum", "json", "serial", "bool", "begin", "end", "names", "charset", "columns",
         "unknown", "timestamp", "data", "no", "action", "storage", "format", "period", "vector", "at"]
QUOTED = ["select", "key", "index", "check", "primary", "order", "a b", "a`b", "a.b", "a--b", "a/*b", "a#b", "it's",
          'q"q', "ünï", "日本", "$x", "1a", "9", "a,b", "(a)", "CamelCase", "É", "ж", "column", "unique", "a;b", "a\\b",
          "constraint", "foreign", "x" * 60, "default", "null"]
UNQUOTED = ["$d", "1st", "ünq", "日", "a$b", "A_Z"]
CHARSETS = {"utf8mb4": ["utf8mb4_bin", "utf8mb4_general_ci", "utf8mb4_unicode_ci"], "latin1": ["latin1_bin", "latin1_general_cs"],
            "ascii": ["ascii_bin"], "utf8mb3": ["utf8mb3_bin", "utf8mb3_unicode_ci"], "ucs2": ["ucs2_bin"], "cp1251": ["cp1251_bin"],
            "gbk": ["gbk_bin"], "utf16": ["utf16_bin"], "koi8r": ["koi8r_bin"], "binary": ["binary"], "sjis": ["sjis_bin"]}
COMMENTS = ["it''s", "a, b", "x) y (", "-- no", "/* no */", "# no", "`t`", "DEFAULT 5", "日本 é", "", "PRIMARY KEY", ";", "/*! x */"]
GEOMETRIES = ["GEOMETRY", "POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON",
              "GEOMETRYCOLLECTION"]


class Generator:
    def __init__(self, rng, flavor):
        self.rng = rng
        self.flavor = flavor
        self.is_mysql = flavor == "mysql"
        self.modes = set()
        self.tables = {}     # (database, table) -> Table, as the server has them; kept by the caller
        self.databases = []  # as the server has them
        self.current = None
        self.implicit_timestamps = False

    # --- small things

    def chance(self, share):
        return self.rng.random() < share

    def pick(self, items):
        return self.rng.choice(list(items))

    def quote_name(self, name):
        if ANSI_QUOTES in self.modes and self.chance(0.4):
            return '"' + name.replace('"', '""') + '"'
        return "`" + name.replace("`", "``") + "`"

    def name(self, name):
        """A name as a statement may write it."""
        plain = (name in PLAIN or name.lower() in WORDS or name in UNQUOTED) and self.chance(0.8)
        if name.isascii() and name.isalpha() and self.chance(0.15):
            name = name.swapcase()  # columns have no case
        return name if plain else self.quote_name(name)

    def fresh_name(self):
        roll = self.rng.random()
        name = self.pick(PLAIN if roll < 0.4 else WORDS if roll < 0.6 else UNQUOTED if roll < 0.7 else QUOTED)
        return name + str(self.rng.randrange(30)) if name in PLAIN and self.chance(0.4) else name

    def string(self, text, backslashes=True):
        """A literal; `text` is its value, but for '' which stays doubled."""
        text = text.replace("''", "'")
        if NO_BACKSLASH_ESCAPES not in self.modes and backslashes:
            text = text.replace("\\", "\\\\")
        if ANSI_QUOTES not in self.modes and self.chance(0.25):
            return '"' + text.replace('"', '""') + '"'
        if NO_BACKSLASH_ESCAPES not in self.modes and self.chance(0.3):
            return "'" + text.replace("'", "\\'") + "'"
        return "'" + text.replace("'", "''") + "'"

    def charset(self):
        name = self.pick(CHARSETS)
        if self.chance(0.1) and name == "utf8mb3":
            name = "utf8"
        return name

    def collation(self, charset):
        if not self.is_mysql and charset.startswith(("utf8mb4", "utf8mb3")) and self.chance(0.2):
            return self.pick(["uca1400_ai_ci", "utf8mb4_uca1400_as_cs", "uca1400_turkish_as_ci"])
        return self.pick(CHARSETS.get(charset, ["utf8mb3_bin"]))

    def charset_words(self):
        charset = self.charset()
        parts = [self.pick(["CHARACTER SET", "CHARSET", "CHARACTER  SET"]), charset if self.chance(0.8) else f"'{charset}'"]
        if self.chance(0.4):
            parts += ["COLLATE", self.collation(charset)]
        return parts

    # --- types and columns

    def number(self, low, high):
        return str(self.rng.randint(low, high))

    def type(self, is_new_table):
        """(parts, kind): kind chooses defaults and keys."""
        r = self.rng
        roll = r.random()
        if roll < 0.25:
            word = self.pick(["TINYINT", "SMALLINT", "MEDIUMINT", "INT", "INTEGER", "BIGINT", "INT1", "INT2", "INT3", "INT4", "INT8",
                              "MIDDLEINT", "tinyint", "BOOL", "BOOLEAN"])
            parts = [word]
            if word.upper() not in ("BOOL", "BOOLEAN"):
                if self.chance(0.3):
                    parts.append(f"({self.number(1, 20)})")
                parts += self.pick([[], [], [], ["UNSIGNED"], ["ZEROFILL"], ["UNSIGNED", "ZEROFILL"], ["SIGNED"]])
            return parts, "int"
        if roll < 0.33:
            size = self.pick(["", "(5)", "(10,2)", "(65,30)", "( 7 , 3 )"])
            return [self.pick(["DECIMAL", "NUMERIC", "DEC", "FIXED"]) + size] + self.pick([[], [], ["UNSIGNED"], ["ZEROFILL"]]), "decimal"
        if roll < 0.39:
            return self.pick([["FLOAT"], ["FLOAT(10)"], ["FLOAT(30)"], ["FLOAT(7,4)"], ["DOUBLE"], ["DOUBLE", "PRECISION"], ["DOUBLE(10,3)"],
                              ["REAL"], ["FLOAT4"], ["FLOAT8"], ["DOUBLE", "UNSIGNED"], ["FLOAT", "UNSIGNED", "ZEROFILL"]]), "float"
        if roll < 0.43:
            return [self.pick(["BIT", "BIT(1)", "BIT(8)", "BIT(33)", "BIT (64)"])], "bit"
        if roll < 0.56:
            word = self.pick(["DATE", "TIME", "DATETIME", "TIMESTAMP", "YEAR"])
            if word in ("TIME", "DATETIME", "TIMESTAMP") and self.chance(0.5):
                word += f"({self.number(0, 6)})"
            elif word == "YEAR" and self.chance(0.3):
                word = "YEAR(4)"
            return [word], word.lower()
        if roll < 0.76:
            return self.text_type(), "text"
        if roll < 0.82:
            return [self.pick(["BINARY", "BINARY(4)", "VARBINARY(20)", "VARBINARY(300)", "BINARY(16)"])], "binary"
        if roll < 0.87:
            return [self.pick(["TINYTEXT", "TEXT", "MEDIUMTEXT", "LONGTEXT", "TEXT(50)", "TEXT(300)", "TEXT(70000)", "LONG", "LONG VARCHAR"])] + \
                self.text_attributes(), "longtext"
        if roll < 0.90:
            return [self.pick(["TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB", "BLOB(10)", "BLOB(1000)", "BLOB(100000)", "LONG VARBINARY"])], "blob"
        if roll < 0.95:
            members = self.rng.sample(["a", "b", "it''s", "x,y", "c) d", "sp ace", "Z", "1", "", "-- n", "/*n*/", "tr  ", "b\\s"],
                                      self.rng.randint(1, 6))
            kind = self.pick(["ENUM", "SET"])
            if kind == "SET":
                members = [m for m in members if "," not in m] or ["a"]
            if is_new_table and self.chance(0.15):  # the server makes `?` of what the column's character set lacks
                listed = ", ".join(self.string(m) for m in members + ["é", "日"])
                return [f"{kind}({listed})", "CHARACTER SET", "utf8mb4"], "enum"
            listed = ", ".join(self.string(m) for m in members)
            return [f"{kind}({listed})"] + (self.charset_words() if self.chance(0.2) else []), "enum"
        special = [["JSON"], [self.pick(GEOMETRIES)]]
        special += [["VECTOR(4)"], ["GEOMCOLLECTION"], ["POINT", "SRID 4326"]] if self.is_mysql else [["UUID"], ["INET6"], ["INET4"]]
        return self.pick(special), "special"

    def text_type(self):
        size = self.pick(["(1)", "(5)", "(20)", "(63)"])
        word = self.pick(["CHAR", "CHAR" + size, "CHARACTER" + size, "VARCHAR" + size, "VARCHAR(300)", "CHARACTER VARYING" + size,
                          "VARCHARACTER" + size, "CHAR VARYING" + size, "NCHAR" + size, "NVARCHAR" + size, "NATIONAL CHAR" + size,
                          "NATIONAL VARCHAR" + size, "NCHAR VARCHAR" + size, "NATIONAL CHARACTER VARYING" + size, "varchar" + size])
        if word.startswith(("N", "n")):
            return [word]
        return [word] + self.text_attributes()

    def text_attributes(self):
        roll = self.rng.random()
        if roll < 0.35:
            return self.charset_words()
        if roll < 0.45:
            return ["COLLATE", self.collation(self.pick(CHARSETS))]
        if roll < 0.50:
            return [self.pick(["BINARY", "ASCII", "UNICODE", "CHARACTER SET latin1 BINARY", "BYTE"])]
        return []

    def default(self, kind):
        if self.chance(0.12):
            return ["NULL"]
        choices = {
            "int": [["1"], ["'7'"], ["-1"], ["+3"], ["0"], ["TRUE"], ["false"], ["- 5"], ["0x0A"], ["b'101'"], ["1e1"], ["2.0"]],
            "decimal": [["1.5"], ["'12.25'"], ["-.5"], ["0"], ["1e2"], ["+0.125"]],
            "float": [["1.5"], ["-2.25e3"], ["1e-2"], ["'0.5'"], [".5"], ["3."], ["0"]],
            "bit": [["b'1'"], ["1"], ["0b1"], ["0x01"], ["x'01'"], ["B'0'"]],
            "date": [["'2024-02-29'"], ["DATE '2001-01-01'"], ["'0000-00-00'"]],
            "year": [["2024"], ["'1999'"], ["0"]],
            "text": [[self.string(self.pick(COMMENTS + ["abc", "q\\n", "NULL", "x''y"]))], ["'a' 'b'"], ["_utf8mb4'i'"], ["N'n'"], ["0x6162"], ["x'61'"],
                     ["5"], ["1.5"]],
            "binary": [["'ab'"], ["x'0102'"], ["0x6161"], ["''"]],
            "enum": [["'a'"], ["'b'"], ["''"]],
        }
        if kind.startswith(("datetime", "timestamp")):
            fraction = kind[kind.index("("):] if "(" in kind else ""
            clock = self.pick(["CURRENT_TIMESTAMP", "NOW", "LOCALTIME", "LOCALTIMESTAMP"])
            clock += fraction if fraction else "()" if clock == "NOW" or self.chance(0.3) else ""
            choices[kind] = [[clock], [clock], [f"{clock}", "ON UPDATE", clock], ["'2024-02-29 10:11:12'"], ["'2020-01-01 00:00:00'"]]
        elif kind.startswith("time"):
            choices[kind] = [["'10:11:12'"], ["'-838:59:59'"], ["TIME '01:02:03'"]]
        if self.chance(0.12) or kind not in choices:
            if kind in ("longtext", "blob", "special") and self.chance(0.7):
                return None
            expression = self.pick(["(1 + 2)", "(concat('a', ')', \"b\"))" if ANSI_QUOTES not in self.modes else "(concat('a', ')'))",
                                    "(((5) * 2))", "(CAST('1' AS CHAR))", "(IF(1=1,'),','(('))"])
            return [expression] if self.is_mysql or self.chance(0.6) else [self.pick(["uuid()", "concat('a','b')", "abs(-1)", "curdate()"])]
        return self.pick(choices[kind])

    def set_default(self, kind):
        """For ALTER COLUMN SET DEFAULT."""
        default = self.default(kind) or ["1"]
        return ["1"] if self.is_mysql and default[0].startswith("_") else default  # MySQL 9.7 can crash on it

    def column(self, table=None, allow_key=True):
        """(name, parts)"""
        name = self.fresh_name()
        return name, [self.name(name)] + self.definition(table, allow_key)

    def definition(self, table=None, allow_key=True):
        if self.chance(0.02):
            return ["SERIAL"]
        if self.chance(0.02):
            return [self.pick(["INT", "BIGINT", "SMALLINT"]), "SERIAL", "DEFAULT", "VALUE"]
        if self.chance(0.02) and self.databases:
            return ["INT"] + self.pick([[], ["NOT NULL"]]) + self.references()
        parts, kind = self.type(table is None)
        parts = list(parts)
        if not self.is_mysql and self.chance(0.1) and (kind in ("longtext", "blob") or parts[0].startswith(("VARCHAR(", "VARBINARY"))):
            parts.insert(1, self.pick(["COMPRESSED", "COMPRESSED=zlib"]))
        attributes = []
        if self.chance(0.08) and kind in ("int", "text", "float", "decimal"):
            source = "1 + 2" if kind != "text" else "concat('x', ',)')"
            if table and table.plain_columns and self.chance(0.6) and kind == "int":
                source = f"coalesce({self.quote_name(self.pick(table.plain_columns))}, 0) + 1"
            parts += self.pick([["GENERATED ALWAYS", "AS"], ["AS"]]) + [f"({source})"]
            parts += self.pick([[], ["VIRTUAL"], ["STORED"]] + ([] if self.is_mysql else [["PERSISTENT"]]))
            if self.is_mysql and self.chance(0.2):
                parts.append("NOT NULL")
            if self.chance(0.3):
                parts += ["COMMENT", self.string(self.pick(COMMENTS))]
            return parts
        null = self.rng.random()
        if null < 0.4:
            attributes.append(["NOT NULL"])
        elif null < 0.5:
            attributes.append(["NULL"])
        if self.chance(0.45):
            default = self.default(kind)
            if default:
                attributes.append(["DEFAULT"] + default)
        if self.chance(0.2):
            attributes.append(["COMMENT", self.string(self.pick(COMMENTS))])
        if allow_key and kind == "int" and self.chance(0.08):
            attributes.append(["AUTO_INCREMENT"])
            attributes.append([self.pick(["UNIQUE", "PRIMARY KEY", "KEY", "UNIQUE KEY"])])
        elif allow_key and kind in ("int", "date", "decimal", "enum") and self.chance(0.06):
            attributes.append([self.pick(["UNIQUE", "PRIMARY KEY", "UNIQUE KEY"])])
        if self.chance(0.06):
            attributes.append([self.pick(["INVISIBLE", "VISIBLE"] if self.is_mysql else ["INVISIBLE"])])
        if self.chance(0.05) and kind == "int":
            attributes.append(["CHECK", self.pick(["(1 > 0)", "((1) in (1,2))", "(')' <> '(')"])])
        if self.chance(0.03):
            attributes.append(self.pick([["COLUMN_FORMAT", "DEFAULT"], ["COLUMN_FORMAT", "FIXED"], ["STORAGE", "DISK"],
                                         ["SECONDARY_ENGINE_ATTRIBUTE", "=", "'{\"a\": \"),\"}'"], ["NOT", "SECONDARY"]])
                              if self.is_mysql else ["WITHOUT", "SYSTEM", "VERSIONING"])
        if self.chance(0.04) and kind in ("text", "longtext"):
            attributes.append(["COLLATE", self.collation(self.pick(CHARSETS))])
        self.rng.shuffle(attributes)
        for attribute in attributes:
            if attribute and self.chance(0.06):
                attribute = [f"/*!{self.pick(['', '40101', '50100', '80000' if self.is_mysql else '100100'])} " + " ".join(attribute) + " */"]
            parts += attribute
        return parts

    # --- keys

    def key_parts(self, columns):
        columns = self.rng.sample(columns, min(len(columns), self.pick([1, 1, 2, 3])))
        parts = []
        for name, kind in columns:
            part = self.name(name)
            if kind in ("longtext", "blob"):
                part += f"({self.number(1, 10)})"
            if self.chance(0.1):
                part += self.pick([" ASC", " DESC"])
            parts.append(part)
        if self.is_mysql and self.chance(0.05):
            parts.append("((1 + 1))")
        return "(" + ", ".join(parts) + ")"

    def key(self, columns):
        listed = self.key_parts(columns)
        name = self.name(self.fresh_name())
        roll = self.rng.random()
        if roll < 0.2:
            return self.pick([["PRIMARY KEY"], ["CONSTRAINT", name, "PRIMARY KEY"], ["CONSTRAINT", "PRIMARY KEY", "USING BTREE"]]) + [listed]
        if roll < 0.65:
            head = self.pick([["UNIQUE"], ["UNIQUE KEY"], ["UNIQUE INDEX"], ["CONSTRAINT", name, "UNIQUE"], ["CONSTRAINT", "UNIQUE", "KEY"]])
            if head[0] != "CONSTRAINT" and self.chance(0.5):
                head = head + [self.name(self.fresh_name())]
            return head + [listed] + self.pick([[], [], ["USING BTREE"], ["COMMENT", "'k (x)'"], ["KEY_BLOCK_SIZE=8"]])
        if roll < 0.9:
            return [self.pick(["KEY", "INDEX"])] + ([self.name(self.fresh_name())] if self.chance(0.6) else []) + [listed]
        if self.chance(0.4) and self.databases:
            head = self.pick([[], ["CONSTRAINT"], ["CONSTRAINT", name]])
            exists = ["IF", "NOT", "EXISTS"] if not self.is_mysql and self.chance(0.1) else []
            own = self.pick([[], [self.name(self.fresh_name())]])
            column = self.pick(columns)[0]
            return head + ["FOREIGN", "KEY"] + exists + own + ["(" + self.name(column) + ")"] + self.references()
        return ["CONSTRAINT"] + ([self.name(self.fresh_name())] if self.chance(0.5) else []) + ["CHECK", self.pick(["(1 = 1)", "((2) > (1))"])]

    def references(self):
        parts = ["REFERENCES", self.table_name((self.pick(self.databases), "parent")), "(" + self.name("id") + ")"]
        parts += self.pick([[], [], ["MATCH", "SIMPLE"]])
        for event in self.rng.sample(["DELETE", "UPDATE"], self.pick([0, 1, 2])):
            parts += ["ON", event] + self.pick([["CASCADE"], ["RESTRICT"], ["NO", "ACTION"], ["SET", "NULL"]])
        return parts

    # --- statements

    def table_name(self, key, spaces=True):
        database, table = key
        name = self.quote_name(table) if not (table in PLAIN or table in UNQUOTED) or self.chance(0.4) else table
        if database == self.current and self.chance(0.7):
            return name
        gap = self.pick(["", "", " "]) if spaces else ""
        return f"{self.quote_name(database)}{gap}.{gap}{name}"

    def new_table(self):
        database = self.current if self.chance(0.75) and self.current in self.databases else self.pick(self.databases)
        return database, self.fresh_name()

    def some_table(self):
        return self.pick(sorted(self.tables))

    def table_options(self):
        options = []
        if self.chance(0.35):
            charset = self.charset()
            equals = self.pick(["=", " ", " = "])
            options.append([f"{self.pick(['DEFAULT ', ''])}{self.pick(['CHARSET', 'CHARACTER SET'])}{equals}{charset}"])
            if self.chance(0.4):
                options.append([f"COLLATE{equals}{self.collation(charset)}"])
        elif self.chance(0.1):
            options.append([f"COLLATE {self.collation(self.pick(CHARSETS))}"])
        if self.chance(0.3):
            options.append(["COMMENT" + self.pick(["=", " "]) + self.string(self.pick(COMMENTS))])
        if self.chance(0.3):
            options.append([self.pick(["ENGINE=InnoDB", "ENGINE InnoDB"])])
        if self.chance(0.1):
            options.append(self.pick([["ENGINE_ATTRIBUTE", "=", "'{}'"], ["SECONDARY_ENGINE", "=", "NULL"], ["ENCRYPTION='N'"], ["DATA DIRECTORY", "=", "'/x'"],
                                      ["AUTOEXTEND_SIZE", "=", "4M"], ["COMPRESSION", "=", "'zlib'"]]
                                     if self.is_mysql else [["PAGE_COMPRESSED", "=", "1"], ["ENCRYPTED=NO"], ["WITH", "SYSTEM", "VERSIONING"],
                                                            ["TRANSACTIONAL", "=", "0"], ["CHECKSUM=1"]]))
        if self.chance(0.2):
            options.append([self.pick(["AUTO_INCREMENT=5", "ROW_FORMAT=DYNAMIC", "STATS_PERSISTENT=1", "KEY_BLOCK_SIZE=0", "MAX_ROWS=100"])])
        self.rng.shuffle(options)
        separator = self.pick([[], [], [","]])
        parts = []
        for i, option in enumerate(options):
            parts += (separator if i else []) + option
        return parts

    def create_table(self):
        key = self.new_table()
        head = ["CREATE"]
        if not self.is_mysql and self.chance(0.1):
            head += ["OR", "REPLACE"]
        head += ["TABLE"]
        if self.chance(0.15) and "OR" not in head:
            head += ["IF", "NOT", "EXISTS"]
        head += [self.table_name(key)]
        if self.tables and self.chance(0.1):
            like = self.table_name(self.some_table())
            return head + (["LIKE", like] if self.chance(0.5) else ["(", "LIKE", like, ")"])
        items, columns = [], []
        for _ in range(self.rng.randint(1, 9)):
            name, parts = self.column()
            if name.lower() not in [c[0].lower() for c in columns]:
                columns.append((name, self.kind_of(parts)))
                items.append(parts)
        for _ in range(self.pick([0, 0, 1, 1, 2, 3])):
            indexable = [c for c in columns if c[1] != "special"]
            if indexable:
                items.append(self.key(indexable))
        if not self.is_mysql and self.chance(0.06):
            items += self.period_items()
        parts = head + ["("]
        for i, item in enumerate(items):
            parts += ([","] if i else []) + item
        parts += [")"] + self.table_options()
        if any("SYSTEM_TIME" in item for item in items):
            parts += ["WITH", "SYSTEM", "VERSIONING"]
        elif self.chance(0.08) and columns[0][1] == "int":
            parts += self.partitions(columns[0][0])
        return parts

    def period_items(self):
        """MariaDB's two kinds of periods."""
        if self.chance(0.5):
            return [["rs", "TIMESTAMP(6)", "GENERATED ALWAYS", "AS", "ROW", "START"],
                    ["re", "TIMESTAMP(6)", "GENERATED ALWAYS", "AS", "ROW", "END"] + self.pick([[], ["INVISIBLE"]]),
                    ["PERIOD", "FOR", "SYSTEM_TIME", "(", "rs", ",", "re", ")"]]
        items = [["ps", "DATE"], ["pe", "DATE"], ["PERIOD", "FOR", "p", "(", "ps", ",", "pe", ")"], ["pk", "INT", "NOT NULL"]]
        if self.chance(0.6):
            items.append(self.pick([["UNIQUE"], ["UNIQUE", "KEY", "pu"]]) + ["(", "pk", ",", "p", "WITHOUT OVERLAPS", ")"])
        return items

    def partitions(self, column):
        name = self.quote_name(column)
        ways = [["HASH", "(" + name + ")", "PARTITIONS 3"], ["KEY", "(" + name + ")", "PARTITIONS 3"], ["LINEAR", "KEY", "(" + name + ")"],
                ["RANGE", "(" + name + ")", "(", "PARTITION", "p0", "VALUES LESS THAN", "(10)", "COMMENT", "=", "'a, (b'", ",",
                 "PARTITION", "p1", "VALUES LESS THAN", "MAXVALUE", ")"],
                ["LIST COLUMNS", "(" + name + ")", "(", "PARTITION", "p0", "VALUES IN", "(1, 2)", ",", "PARTITION", "p1", "VALUES IN", "(3)", ")"]]
        parts = ["PARTITION BY"] + self.pick(ways)
        return ["/*!50100 " + " ".join(parts) + " */"] if self.chance(0.3) else parts

    def partition_clause(self):
        return self.pick([["REMOVE", "PARTITIONING"], ["ADD", "PARTITION", "PARTITIONS 2"], ["COALESCE", "PARTITION", "1"],
                          ["TRUNCATE", "PARTITION", "ALL"], ["DROP", "PARTITION", "p0"], ["REBUILD", "PARTITION", "ALL"],
                          ["ADD", "PARTITION", "(", "PARTITION", "p9", "VALUES IN", "(9)", ")"],
                          ["REORGANIZE", "PARTITION", "p1", "INTO", "(", "PARTITION", "p2", "VALUES LESS THAN", "(20)", ",",
                           "PARTITION", "p3", "VALUES LESS THAN", "MAXVALUE", ")"]])

    @staticmethod
    def kind_of(parts):
        word = parts[1].upper() if len(parts) > 1 else ""
        if word.startswith(("TINYTEXT", "TEXT", "MEDIUMTEXT", "LONGTEXT", "LONG")):
            return "longtext"
        if word.startswith(("TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB")):
            return "blob"
        if word.split("(")[0] in GEOMETRIES + ["JSON", "VECTOR", "GEOMCOLLECTION"]:
            return "special"
        return "int" if "INT" in word else "other"

    def place(self, table):
        roll = self.rng.random()
        if roll < 0.2:
            return ["FIRST"]
        if roll < 0.45 and table.columns:
            return ["AFTER", self.name(self.pick(table.columns)[0])]
        return []

    def alter_clause(self, table):
        column = self.name(self.pick(table.columns)[0])
        word = self.pick([[], ["COLUMN"]])
        roll = self.rng.random()
        exists = ["IF", "EXISTS"] if not self.is_mysql and self.chance(0.1) else []
        not_exists = ["IF", "NOT", "EXISTS"] if not self.is_mysql and self.chance(0.1) else []
        if roll < 0.22:
            return ["ADD"] + word + (not_exists if word else []) + self.column(table)[1] + self.place(table)
        if roll < 0.25:
            parts = ["ADD"] + word + ["("]
            for i in range(self.rng.randint(1, 3)):
                parts += ([","] if i else []) + self.column(table)[1]
            return parts + [")"]
        if roll < 0.33:
            return ["DROP"] + word + exists + [column]
        if roll < 0.47:
            return ["MODIFY"] + word + exists + [column] + self.definition(table) + self.place(table)
        if roll < 0.60:
            return ["CHANGE"] + word + exists + [column, self.name(self.fresh_name())] + self.definition(table) + self.place(table)
        if roll < 0.66:
            return ["RENAME", "COLUMN", column, "TO", self.name(self.fresh_name())]
        if roll < 0.72:
            row = self.pick(table.rows)
            column = self.name(row[0])
            kind = {"decimal": "decimal", "float": "float", "double": "float", "char": "text", "varchar": "text"}.get(
                row[3], "int" if "int" in row[3] else None)
            if kind is None:
                return ["ALTER"] + word + [column, "DROP", "DEFAULT"]
            return ["ALTER"] + word + [column] + (["DROP", "DEFAULT"] if self.chance(0.3) else ["SET", "DEFAULT"] + self.set_default(kind))
        if roll < 0.74 and self.is_mysql:
            return ["ALTER"] + word + [column, "SET", self.pick(["VISIBLE", "INVISIBLE"])]
        if roll < 0.82:
            return ["ADD"] + self.key([(c, k) for c, k in table.columns if k != "special"] or table.columns)
        if roll < 0.85:
            return ["DROP", "PRIMARY", "KEY"]
        if roll < 0.89 and table.indexes:
            return ["DROP", self.pick(["INDEX", "KEY"])] + exists + [self.name(self.pick(table.indexes))]
        if roll < 0.91 and table.indexes:
            return ["RENAME", self.pick(["INDEX", "KEY"]), self.name(self.pick(table.indexes)), "TO", self.name(self.fresh_name())]
        if roll < 0.94 and not any(row[3] in ("enum", "set") for row in table.rows):
            return ["CONVERT", "TO"] + self.charset_words()
        if roll < 0.96:
            return ["RENAME", *self.pick([[], ["TO"], ["AS"]]), self.table_name(self.new_table())]
        if roll < 0.97:
            return [self.pick(["ENGINE=InnoDB", "FORCE", "AUTO_INCREMENT = 7", "ROW_FORMAT=DYNAMIC"])]
        return self.table_options() or ["COMMENT=''"]

    def alter_table(self):
        key = self.some_table()
        table = self.tables[key]
        parts = ["ALTER"] + (["ONLINE"] if not self.is_mysql and self.chance(0.03) else []) + ["TABLE", self.table_name(key)]
        clauses = [self.alter_clause(table) for _ in range(self.pick([1, 1, 1, 1, 2, 2, 3, 4]))]
        # MariaDB takes CHANGE a b, DROP a for CHANGE of a column b that the statement adds.
        clauses = [c for i, c in enumerate(clauses) if c[0] != "DROP" or
                   not any(other[0] in ("CHANGE", "MODIFY") and c[-1] in other for other in clauses[:i])] or clauses[:1]
        if self.is_mysql and len(clauses) > 1:  # it can lose an expression that is set beside other changes
            clauses = [c for c in clauses if "SET" not in c or not c[-1].startswith("(")] or clauses[:1]
        if self.chance(0.05):
            return parts + self.partition_clause()
        if not self.is_mysql and self.chance(0.04):
            return parts + self.pick([["ADD", "SYSTEM", "VERSIONING"], ["DROP", "SYSTEM", "VERSIONING"], ["DROP", "PERIOD", "FOR", "p"],
                                      ["ADD", "PERIOD", "FOR", "p", "(", "ps", ",", "pe", ")"], ["DISABLE", "KEYS"]])
        if self.chance(0.03) and clauses[0][0] != "RENAME":
            clauses.insert(0, ["ORDER BY", self.name(self.pick(table.columns)[0]), "DESC"]) if len(clauses) == 1 and self.chance(0.5) else \
                clauses.append(["DROP", "FOREIGN", "KEY", self.name(self.fresh_name())] if self.chance(0.3) else ["FORCE"])
        if not self.is_mysql:  # MariaDB 10.11 can leave the old table behind when it does more than to rename
            clauses = next(([c] for c in clauses if c[0] == "RENAME" and c[1] not in ("COLUMN", "INDEX", "KEY")), clauses)
        for i, clause in enumerate(clauses):
            parts += ([","] if i else []) + clause
        if self.chance(0.05) and (self.is_mysql or clauses[0][0] != "RENAME"):
            parts += [",", self.pick(["ALGORITHM=COPY", "LOCK=SHARED", "LOCK = DEFAULT", "ALGORITHM DEFAULT"])]
        return parts

    def rename_tables(self):
        key = self.some_table()
        if len(self.tables) > 1 and self.chance(0.3):  # a swap
            other = self.some_table()
            between = (key[0], "swap")
            pairs = [(key, between), (other, key), (between, other)]
        else:
            pairs = [(key, self.new_table())]
        parts = ["RENAME", self.pick(["TABLE", "TABLE", "TABLES"])]
        for i, (old, new) in enumerate(pairs):
            parts += ([","] if i else []) + [self.table_name(old), "TO", self.table_name(new)]
        return parts

    def drop_tables(self):
        parts = ["DROP", self.pick(["TABLE", "TABLES"])] + self.pick([[], ["IF", "EXISTS"]])
        for i in range(self.pick([1, 1, 2])):
            key = self.some_table() if self.chance(0.9) else self.new_table()
            parts += ([","] if i else []) + [self.table_name(key)]
        return parts + self.pick([[], [], ["RESTRICT"], ["CASCADE"]])

    def index(self):
        key = self.some_table()
        table = self.tables[key]
        if table.indexes and self.chance(0.35):
            return ["DROP", "INDEX", self.name(self.pick(table.indexes)), "ON", self.table_name(key)]
        columns = [c for c in table.columns if c[1] != "special"] or table.columns
        return ["CREATE", *self.pick([["UNIQUE"], ["UNIQUE"], []]), "INDEX", self.name(self.fresh_name()),
                *self.pick([[], ["USING BTREE"]]), "ON", self.table_name(key), self.key_parts(columns)]

    def create_select(self):
        # MySQL forgets expressions of BLOB columns here, but logs them.
        plain = [k for k, table in self.tables.items() if not any(r[1] is not None and r[5] is None and "DEFAULT_GENERATED" in r[7] or
                                                                  r[1] is not None and r[3].endswith("text") for r in table.rows)]
        # Both log backslashes as under the usual sql_mode.
        if not plain or self.modes:
            return self.create_table()
        source = self.pick(sorted(plain))
        key = self.new_table()
        parts = ["CREATE", "TABLE", self.table_name(key)]
        if self.chance(0.4):
            parts += ["(", *self.column(allow_key=False)[1], ")"]
        return parts + self.pick([["AS"], []]) + ["SELECT * FROM", self.table_name(source)]

    def database(self):
        roll = self.rng.random()
        name = self.pick(["ora1", "ora2", "ora x", "ora`y", "oraü"])
        word = self.pick(["DATABASE", "SCHEMA"])
        options = self.pick([[], ["DEFAULT"]]) + self.charset_words() if self.chance(0.7) else []
        if roll < 0.45 or len(self.databases) < 2:
            return ["CREATE", word, *self.pick([[], ["IF", "NOT", "EXISTS"]]), self.quote_name(name), *options]
        if roll < 0.85:
            return ["ALTER", word, self.quote_name(self.pick(self.databases)), *(options or ["CHARACTER SET latin1"])]
        return ["DROP", word, *self.pick([[], ["IF", "EXISTS"]]), self.quote_name(name)]

    def aside(self):
        """What concerns no table of the model, and looks as if it did."""
        view, table = self.quote_name(self.pick(["v1", "v2"])), self.table_name(self.some_table())
        choices = [["CREATE", "OR", "REPLACE", "VIEW", view, "AS", "SELECT", "*", "FROM", table], ["DROP", "VIEW", "IF", "EXISTS", view],
                   ["CREATE", "ALGORITHM=MERGE", "VIEW", view, "AS", "SELECT 1 AS `drop`"],
                   ["CREATE", "PROCEDURE", "p1", "()", "BEGIN", "DROP TABLE IF EXISTS x1; CREATE TABLE", table, "(a INT);", "END"],
                   ["CREATE", "PROCEDURE", "p2", "()", "CREATE TABLE IF NOT EXISTS", table, "(by_procedure INT)"],
                   ["CALL", "p2", "()"], ["DROP", "PROCEDURE", "IF", "EXISTS", self.pick(["p1", "p2"])],
                   ["CREATE", "TRIGGER", "tr1", "BEFORE INSERT ON", table, "FOR EACH ROW SET @a = 'ALTER TABLE x1 DROP a'"],
                   ["DROP", "TRIGGER", "IF", "EXISTS", "tr1"], ["ANALYZE", "TABLE", table], ["OPTIMIZE", "TABLE", table],
                   ["CREATE", "TEMPORARY", "TABLE", "tmp1", "(a INT)"], ["DROP", "TEMPORARY", "TABLE", "IF", "EXISTS", "tmp1"],
                   ["CREATE", "EVENT", "e1", "ON SCHEDULE EVERY 1 DAY DISABLE DO DROP TABLE x1"], ["DROP", "EVENT", "IF", "EXISTS", "e1"],
                   ["INSERT", "INTO", table, "VALUES", "()"], ["COMMIT"]]
        # (CREATE TABLE LIKE a temporary table: both log what it makes without its character set.)
        if not self.is_mysql:
            choices += [["CREATE", "SEQUENCE", "s1", "START WITH 5"], ["DROP", "SEQUENCE", "s1"], ["ALTER", "SEQUENCE", "s1", "RESTART", "50"],
                        ["CREATE", "OR", "REPLACE", "SEQUENCE", "s2"], ["RENAME", "TABLE", "s2", "TO", "s3"], ["DROP", "TABLE", "s3"]]
        return self.pick(choices)

    def statement(self):
        """The parts of the next statement."""
        parts = self.bare_statement()
        if not self.is_mysql and self.chance(0.03):
            parts = ["SET", "STATEMENT", self.pick(["max_statement_time = 100", "lock_wait_timeout=5, sort_buffer_size = 65536"]), "FOR"] + parts
        return parts

    def bare_statement(self):
        if self.implicit_timestamps and self.databases:
            return self.create_table()  # MySQL does not log under which setting an ALTER ran
        if self.tables and self.chance(0.06):
            return self.aside()
        if len(self.databases) == 0 or self.chance(0.04):
            return self.database()
        if len(self.tables) < 3 or (len(self.tables) < 9 and self.chance(0.22)):
            return self.create_table()
        roll = self.rng.random()
        if roll < 0.72:
            return self.alter_table()
        if roll < 0.78:
            return self.rename_tables()
        if roll < 0.86:
            return self.index()
        if roll < 0.90:
            return self.create_select()
        if roll < 0.92:
            return ["TRUNCATE", *self.pick([[], ["TABLE"]]), self.table_name(self.some_table())]
        if roll < 0.96:
            return self.drop_tables()
        return self.create_table()

    def text(self, parts):
        """The statement's text: blanks and comments between its parts."""
        out = [self.pick(["", "", "", " ", "\n", "/* ' */", "/* lead ` */ "])]
        share = self.pick([0, 0, 0.05, 0.2])
        for part in parts:
            if self.chance(0.1) and part.isalpha() and part.isupper():
                part = part.lower()
            out.append(part)
            gap = self.pick([" ", " ", " ", "\n", "\t", "  "])
            if self.chance(share):
                gap = self.pick([" /* c */ ", " -- it's\n", " # `x`\n", "/**/ ", "/* ; */ ", " /* /* */ ", " --\n", " /*! */ ",
                                 " /*!99999 junk ' */ " if self.is_mysql else " /*!999999 junk */ ",
                                 " /*M!999999 x */ ", " --\t,)\n"])
            out.append(gap)
        return "".join(out).rstrip(" ") + self.pick(["", "", " ", " -- end", " # end", " /* end */"])
