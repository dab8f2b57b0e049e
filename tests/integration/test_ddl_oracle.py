#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The DDL parser against the servers: random statements run on a real MySQL and MariaDB; after each one the model that
our parser made from the binary log must be what information_schema says. What the servers answer to SHOW CREATE TABLE
goes through the parser, too: the same table, and rows are read the same as with the log's.

    test_ddl_oracle.py [-v]                       three fixed seeds, over 1,000 statements per server
    TAILRACE_DDL_SEED=N test_ddl_oracle.py        N in place of the third (`tests/run --nightly`: a fresh one)
    test_ddl_oracle.py SERVER SEED [STATEMENTS]   one run: mysql, mariadb or mariadb-sid
    TAILRACE_DDL_STATEMENTS=20000 test_ddl_oracle.py   a long one
"""
import decimal
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import servers  # noqa: E402
from ddl_generator import Generator  # noqa: E402
from mysql_client import Client, SqlError  # noqa: E402

BUILD = os.environ.get("TAILRACE_BUILD", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/dev"))
PROBE = os.path.join(BUILD, "tests/ddl_probe")
STATEMENTS = int(os.environ.get("TAILRACE_DDL_STATEMENTS", "1100"))  # per server
STATEMENTS_MIN = 1000
SEEDS = [1, 2, int(os.environ.get("TAILRACE_DDL_SEED", "5"))]
MISMATCHES_SHOWN = int(os.environ.get("TAILRACE_DDL_SHOWN", "10"))


# What is refused before anything is done: syntax, unknown and duplicate names, defaults.
CRASHES_MAX = 20
CLEAN_ERRORS = {1007, 1008, 1050, 1051, 1054, 1060, 1061, 1064, 1067, 1068, 1072, 1075, 1091, 1176}


class Table:
    """A table as information_schema has it."""

    def __init__(self, collation, comment):
        self.collation = collation
        self.comment = comment
        self.rows = []           # of information_schema.columns
        self.unique_indexes = {} # name -> columns, None for an expression
        self.indexes = []        # names, without PRIMARY
        self.columns = []        # (name, kind) for the generator
        self.plain_columns = []  # integers that are not generated


    def facts(self):
        return self.collation, self.comment, self.rows, self.unique_indexes, self.indexes


class Snapshot:
    """Everything in the test's databases at one position of the log."""

    def __init__(self, client):
        self.databases = [r[0] for r in client.texts(
            "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE 'ora%' ORDER BY schema_name")]
        self.tables = {}
        for database, name, collation, comment in client.texts(
                "SELECT table_schema, table_name, table_collation, table_comment FROM information_schema.tables "
                "WHERE table_schema LIKE 'ora%' AND table_type NOT IN ('VIEW', 'SEQUENCE')"):
            self.tables[database, name] = Table(collation, comment)
        for row in client.texts(
                "SELECT table_schema, table_name, column_name, column_default, is_nullable, data_type, character_set_name, "
                "collation_name, column_type, extra, column_comment FROM information_schema.columns "
                "WHERE table_schema LIKE 'ora%' ORDER BY table_schema, table_name, ordinal_position"):
            table = self.tables.get((row[0], row[1]))
            if table:
                table.rows.append(row[2:])
                kind = {"json": "special", "vector": "special", "tinytext": "longtext", "text": "longtext", "mediumtext": "longtext",
                        "longtext": "longtext", "tinyblob": "blob", "blob": "blob", "mediumblob": "blob", "longblob": "blob"}.get(
                            row[5], "special" if row[5] in ("geometry", "point", "linestring", "polygon") or row[5].startswith(("multi", "geom"))
                            else "int" if "int" in row[5] else "other")
                table.columns.append((row[2], kind))
                if kind == "int" and not row[9]:
                    table.plain_columns.append(row[2])
        for database, name, index, non_unique, column in client.texts(
                "SELECT table_schema, table_name, index_name, non_unique, column_name FROM information_schema.statistics "
                "WHERE table_schema LIKE 'ora%' ORDER BY table_schema, table_name, index_name, seq_in_index"):
            table = self.tables.get((database, name))
            if table and index != "PRIMARY" and index not in table.indexes:
                table.indexes.append(index)
            if table and non_unique == "0":
                table.unique_indexes.setdefault(index, []).append(column)


decimal.getcontext().prec = 100
ESCAPES = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a"}


def unescape(text):
    text = re.sub(r"\\(.)", lambda m: ESCAPES.get(m[1], m[1]), text, flags=re.S) if "\\" in text else text
    return text.replace("''", "'").replace('""', '"')


def number_of(text):
    """Numbers as SQL writes them, bits and hex included; None for others."""
    text = text.strip()
    bits = re.fullmatch(r"(?i)(?:b'([01]*)'|0b([01]+))", text)
    if bits:
        return decimal.Decimal(int(bits[1] or bits[2] or "0", 2))
    digits = re.fullmatch(r"(?i)(?:x'([0-9a-f]*)'|0x([0-9a-f]+))", text)
    if digits:
        return decimal.Decimal(int(digits[1] or digits[2] or "0", 16))
    try:
        return decimal.Decimal(text.replace(" ", ""))
    except decimal.InvalidOperation:
        return None


def same_default(ours, theirs, row, flavor):
    """Whether the literal as written gives the default as the server shows it."""
    data_type, column_type = row[3], row[6]
    if flavor == "mariadb" and theirs.startswith("'"):
        theirs = unescape(theirs[1:-1])
    elif flavor == "mariadb" and re.fullmatch("x'[0-9a-f]*'", theirs):  # 11.8: of binary columns
        theirs = "0x" + theirs[2:-1]
    if data_type in ("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "bit", "year"):
        a, b = number_of(unescape(ours)), number_of(theirs)
        if a is None and data_type == "bit":  # text: its bytes
            a = decimal.Decimal(int.from_bytes(unescape(ours).encode(), "big"))
        if a is None or b is None:
            return False
        if data_type == "year":
            return int(a) == int(b) or int(a) + 2000 == int(b) or int(a) + 1900 == int(b)
        if data_type == "decimal":
            a = a.quantize(decimal.Decimal(1).scaleb(-int(re.search(r",(\d+)", column_type)[1])), decimal.ROUND_HALF_UP)
        if data_type in ("float", "double"):
            places = re.search(r",(\d+)\)", column_type)
            return abs(a - b) <= max(abs(b) * decimal.Decimal("1e-5"), decimal.Decimal(1).scaleb(-int(places[1])) if places else 0)
        return a.to_integral_value(decimal.ROUND_HALF_UP) == b if data_type != "decimal" else a == b
    if data_type in ("date", "time", "datetime", "timestamp"):
        return number_of(ours) is not None or theirs.split(".")[0].startswith(unescape(ours).split(".")[0]) or re.sub(r"\W", "", ours) == re.sub(r"\W", "", theirs.split(".")[0])
    if data_type in ("binary", "varbinary") or theirs.startswith("0x"):  # CONVERT TO binary leaves NULs of wide characters
        shown = bytes.fromhex(theirs[2:]).decode("latin1") if theirs.startswith("0x") else theirs
        if theirs == "0x" or number_of(ours) == number_of(theirs) is not None or shown.encode("latin1", "replace") == unescape(ours).encode():
            return True  # (MySQL shows nothing behind a NUL)
        return shown.replace("\0", "") in (unescape(ours).replace("\0", ""), ours.replace("''", "'").replace("\0", ""))
    a, b = number_of(ours), number_of(theirs)
    under_no_escapes = ours.replace("''", "'").replace('""', '"')
    return theirs.rstrip(" ") in (unescape(ours).rstrip(" "), under_no_escapes.rstrip(" ")) or (a is not None and a == b)


def is_shown_as_expression(row, flavor):
    default, extra = row[1], row[7]
    if flavor == "mysql":
        return "DEFAULT_GENERATED" in extra
    if default.startswith("'"):
        return not default.endswith("'")
    return number_of(default) is None


def is_row_time(row):
    return row[3] == "timestamp" and row[7].startswith("STORED GENERATED")


def compare_column(ours, row, flavor):
    """What differs, as texts."""
    name, default, nullable, data_type, charset, collation, column_type, extra, comment = row
    if is_row_time(row):
        extra = extra.replace("STORED GENERATED", "")  # MariaDB: ROW START and ROW END are stored like others
    if "COMPRESSED" in column_type and default == "''":
        default = None if not ours["has_default"] else default  # MariaDB shows one where none was declared
    wanted = {
        "name": name, "type": column_type, "charset": charset or "", "collation": collation or "", "comment": comment,
        "nullable": nullable == "YES", "auto_increment": "auto_increment" in extra,
        "generated": "GENERATED" in extra.replace("DEFAULT_GENERATED", ""), "stored": "STORED GENERATED" in extra,
        "invisible": "INVISIBLE" in extra, "updates_now": "on update" in extra.lower(), "known": True,
    }
    differs = [f"{key}: ours {ours[key]!r}, server {value!r}" for key, value in wanted.items() if ours[key] != value]
    if wanted["generated"]:
        return differs
    has_default = default is not None and not (flavor == "mariadb" and default == "NULL")
    if has_default != ours["has_default"]:
        differs.append(f"has_default: ours {ours['has_default']} {ours.get('default')!r}, server {default!r}")
    elif has_default:
        expression = is_shown_as_expression(row, flavor)
        folded = flavor == "mariadb" and ours["expression"] and not expression  # MariaDB folds (5)
        if expression != ours["expression"] and not folded:
            differs.append(f"expression: ours {ours['expression']} {ours['default']!r}, server {default!r}")
        quirk = ours["form"] == 3 and data_type not in ("bit", "tinyint", "smallint", "mediumint", "int", "bigint")  # hex text: Debezium's
        if not expression and not ours["expression"] and not quirk and not same_default(
                {True: "1"}.get(ours["form"] == 4 and ours["default"] == "1", ours["default"]), default, row, flavor):
            differs.append(f"default: ours {ours['default']!r}, server {default!r}")
    return differs


def compare_table(model, table, key, flavor):
    differs = []
    if (model["collation"], model["comment"]) != (table.collation, table.comment):
        differs.append(f"{key}: collation, comment: ours {model['collation']!r} {model['comment']!r}, server {table.collation!r} {table.comment!r}")
    names = [c["name"] for c in model["columns"]]
    if names != [row[0] for row in table.rows]:
        return differs + [f"{key}: columns: ours {names}, server {[row[0] for row in table.rows]}"]
    for ours, row in zip(model["columns"], table.rows):
        differs += [f"{key}.{row[0]}: {text}" for text in compare_column(ours, row, flavor)]
    unique = {index["name"]: index["columns"] for index in model["indexes"] if index["unique"]}
    folded = {name.lower(): columns for name, columns in unique.items()}
    wanted = {name.lower(): columns for name, columns in table.unique_indexes.items()}
    if flavor == "mariadb":  # adds the end of a period to keys by itself
        dates = {row[0] for row in table.rows if is_row_time(row) or row[3] in ("date", "datetime")} | {"row_end"}
        for name, columns in wanted.items():
            ours = folded.get(name, columns)
            if columns[:len(ours)] == ours and dates.issuperset(columns[len(ours):]):
                wanted[name] = ours
    if folded != wanted:
        differs.append(f"{key}: unique keys: ours {unique}, server {table.unique_indexes}")
    return differs


def compare(models, snapshot, flavor):
    differs = []
    for key in sorted(set(models) ^ set(snapshot.tables)):
        differs.append(f"{key}: {'the model has it, the server not' if key in models else 'missing in the model'}")
    for key, table in snapshot.tables.items():
        if key in models:
            differs += compare_table(models[key], table, key, flavor)
    return differs


class Run:
    """One seed on one server."""

    def __init__(self, server, seed, statements):
        self.server, self.flavor = server, server.kind
        self.rng = random.Random(seed)
        self.seed = seed
        self.client = Client(server.socket)
        self.reader = Client(server.socket)  # information_schema follows its session's sql_mode
        self.generator = Generator(self.rng, self.flavor)
        self.wanted = statements
        self.snapshots = {}  # (file, position) -> (statement, snapshot, generator's modes)
        self.refused = 0
        self.healed = 0
        self.texts = set()
        self.crashes = 0
        self.shown = []  # (key, its database's CREATE, the server's SHOW CREATE TABLE, the Table then)
        self.sampled = 0  # of these, taken before the end
        self.shown_path = os.path.join(tempfile.gettempdir(), f"tailrace-ddl-shown-{os.getpid()}")
        self.errors = {}

    def position(self):
        row = self.client.texts("SHOW BINARY LOG STATUS" if self.flavor == "mysql" else "SHOW MASTER STATUS")[0]
        return row[0], int(row[1])

    def vary_session(self):
        """Now and then another sql_mode, database or default."""
        g = self.generator
        if g.chance(0.04):
            g.modes = set(g.pick([[], [], [], ["ANSI_QUOTES"], ["NO_BACKSLASH_ESCAPES"], ["ANSI_QUOTES", "NO_BACKSLASH_ESCAPES"]]))
            extra = g.pick([[], ["REAL_AS_FLOAT"], ["STRICT_TRANS_TABLES"], [] if self.flavor == "mysql" else ["ORACLE"]])
            if extra == ["ORACLE"]:
                g.modes.add("ANSI_QUOTES")
            if "NO_BACKSLASH_ESCAPES" in g.modes and self.flavor == "mysql":
                # It logs statements that it completes with backslashes as without this mode.
                self.client.query("SET SESSION sql_generate_invisible_primary_key = OFF")
            self.client.query(f"SET SESSION sql_mode = '{','.join(sorted(g.modes | set(extra)))}'")
        if g.databases and (g.current not in g.databases or g.chance(0.03)):
            g.current = g.pick(g.databases)
            self.client.query("USE `" + g.current.replace("`", "``") + "`")
        if g.chance(0.02):
            self.client.query("SET SESSION collation_server = " + g.pick(["latin1_swedish_ci", "utf8mb4_bin", "ucs2_general_ci", "utf8mb4_general_ci"]))
        if g.chance(0.02) and self.flavor == "mysql":
            self.client.query("SET SESSION default_collation_for_utf8mb4 = " + g.pick(["utf8mb4_0900_ai_ci", "utf8mb4_general_ci"]))
        if g.chance(0.03) and "NO_BACKSLASH_ESCAPES" not in g.modes:
            self.client.query("SET SESSION " + g.pick(
                ["sql_generate_invisible_primary_key = ON", "sql_generate_invisible_primary_key = OFF", "show_gipk_in_create_table_and_information_schema = ON"]
                if self.flavor == "mysql" else ["binlog_alter_two_phase = ON", "binlog_alter_two_phase = OFF"]))
        if self.flavor == "mysql" and g.chance(0.3 if g.implicit_timestamps else 0.02):
            g.implicit_timestamps = not g.implicit_timestamps
            self.client.query("SET SESSION explicit_defaults_for_timestamp = " + ("OFF" if g.implicit_timestamps else "ON"))

    def generate(self):
        g = self.generator
        for row in self.client.texts("SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE 'ora%'"):
            self.client.query("DROP DATABASE `" + row[0].replace("`", "``") + "`")
        self.reader.query("SET SESSION sql_mode = ''")
        self.client.query("FLUSH BINARY LOGS")
        start = self.position()
        self.client.query("SET SESSION sql_mode = ''")
        self.client.query("SET NAMES utf8mb4")
        self.client.query("SET SESSION foreign_key_checks = 0")
        if self.flavor == "mariadb":
            self.client.query("SET SESSION system_versioning_alter_history = KEEP")
        done = 0
        while done < self.wanted:
            self.vary_session()
            text = g.text(g.statement())
            try:
                self.client.query(text)
            except ConnectionError:  # MySQL 9.7.4 can crash on ALTER COLUMN SET DEFAULT
                self.restart()
                self.remember("(a crash)")
                continue
            except SqlError as error:
                self.refused += 1
                self.errors[error.number] = self.errors.get(error.number, 0) + 1
                self.last_error = (error, text)
                if os.environ.get("TAILRACE_DDL_TRACE"):
                    print(f"-- {error}\n{text}\n", file=sys.stderr)
                if error.number not in CLEAN_ERRORS or "REPLACE" in text.upper():
                    self.heal()
                continue
            done += 1
            self.texts.add(" ".join(text.split()))
            self.remember(text)
            if g.tables and done % 6 == 0:
                self.show(g.pick(sorted(g.tables)))
        self.write_shown()
        self.client.close()
        self.reader.close()
        return start, done

    def show(self, key):
        """Notes what a snapshot reads of a table."""
        quoted = ["`" + name.replace("`", "``") + "`" for name in key]
        charset, collation = self.reader.texts(
            "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata "
            "WHERE schema_name = '" + key[0] + "'")[0]
        text = self.reader.texts("SHOW CREATE TABLE " + ".".join(quoted))[0][1]
        self.shown.append((key, f"CREATE DATABASE {quoted[0]} CHARSET {charset} COLLATE {collation}", text, self.generator.tables[key]))

    def write_shown(self):
        """Notes all tables that are left, and writes everything noted for the probe."""
        self.remember("(the end)")
        self.sampled = len(self.shown)
        for key in self.generator.tables:
            self.show(key)
        with open(self.shown_path, "w", encoding="utf-8", errors="surrogateescape") as f:
            f.write("".join(f"{key[0]}\0{database}\0{key[0]}\0{text}\0" for key, database, text, _ in self.shown))

    def restart(self):
        """A new log file and session on the same data."""
        self.crashes += 1
        if self.crashes > CRASHES_MAX:
            raise ConnectionError(f"{self.flavor} crashed {self.crashes} times, see {self.server.log}")
        self.server.kill()
        self.server = start(self.server.starter, self.server.datadir, self.server.port)
        self.client, self.reader = Client(self.server.socket), Client(self.server.socket)
        self.client.query("SET SESSION sql_mode = ''")
        self.client.query("SET NAMES utf8mb4")
        self.client.query("SET SESSION foreign_key_checks = 0")
        self.generator.modes, self.generator.current, self.generator.implicit_timestamps = set(), None, False

    def heal(self):
        """MariaDB can refuse a statement that it has half carried out, and not log it: what it changed goes."""
        g, now = self.generator, Snapshot(self.reader)
        for key in sorted(set(g.tables) | set(now.tables)):
            before, after = g.tables.get(key), now.tables.get(key)
            if before is None or after is None or before.facts() != after.facts():
                self.client.query("DROP TABLE IF EXISTS " + ".".join("`" + name.replace("`", "``") + "`" for name in key))
                self.healed += 1
        self.remember("(a refused statement)")

    def remember(self, text):
        g, snapshot = self.generator, Snapshot(self.reader)
        g.tables, g.databases = snapshot.tables, snapshot.databases
        self.snapshots[self.position()] = (text, snapshot)

    def check(self, start):
        """Reads the log with our parser; returns what differs."""
        folder = self.server.datadir + ("/data" if self.flavor == "mysql" else "")
        files = sorted(name for name in os.listdir(folder) if re.fullmatch(r"binlog\.\d+", name) and name >= start[0])
        done = subprocess.run([PROBE, "0", *(os.path.join(folder, name) for name in files), "--show", self.shown_path],
                              capture_output=True, check=False)
        if done.returncode != 0:
            return [f"ddl_probe: exit {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}"]
        models, differs = {}, []
        shown = 0
        lost = set()
        waiting = sorted((key, *entry) for key, entry in self.snapshots.items())

        def check_until(position):
            while waiting and waiting[0][0] < position:
                _, sql, snapshot = waiting.pop(0)
                found = compare({k: v for k, v in models.items() if k[0].startswith("ora")}, snapshot, self.flavor)
                new = [text for text in found if text not in lost]
                lost.clear()
                lost.update(found)  # a difference is told when it begins
                if new:
                    differs.append((sql, new))
        for line in done.stdout.decode(errors="surrogateescape").splitlines():
            event = json.loads(line, strict=False)
            if "shown" in event:
                key, _, text, table = self.shown[shown]
                shown += 1
                for column, row in zip((event["table"] or {"columns": []})["columns"], table.rows):
                    if column["auto_increment"]:
                        column["nullable"] = row[2] == "YES"  # MariaDB's SHOW CREATE TABLE does not say
                found = [event["what"]] if event["what"] else compare_table(event["table"], table, key, self.flavor)
                if not event["same"] and shown > self.sampled:
                    found.append("rows would be read otherwise than by the log's table")
                if found:
                    differs.append((text, found))
                continue
            check_until((files[event["file"]], event["pos"]))
            for change in event["changes"]:
                if change["temporary"]:
                    continue
                if change["type"] == "DROP_DATABASE":
                    models = {key: model for key, model in models.items() if key[0] != change["database"]}
                elif change["name"]:
                    models[change["database"], change["name"]] = change["table"]
                    if change["previous_name"]:
                        previous = change["previous_database"], change["previous_name"]
                        models[previous] = None if previous != (change["database"], change["name"]) else change["table"]
            models = {key: model for key, model in models.items() if model is not None}
            if event["effect"] == "unknown":
                differs.append((event["sql"], [f"unknown effect: {event['what']} at {event['at']!r}"]))
        check_until(("~", 0))
        if shown != len(self.shown):
            differs.append(("SHOW CREATE TABLE", [f"{shown} of {len(self.shown)} were read"]))
        return differs


def start(kind, datadir, port):
    return servers.STARTERS[kind](datadir, port, ["--max-binlog-size=1073741824", "--sync-binlog=0",
                                                  "--innodb-flush-log-at-trx-commit=0"])


def run_one(test, server, seed, statements):
    run = Run(server, seed, statements)
    try:
        start, done = run.generate()
        differs = run.check(start)
    finally:
        if os.path.exists(run.shown_path):
            os.unlink(run.shown_path)
    if test is None or differs:
        print(f"{server.starter}, seed {seed}: {done} statements run, {run.refused} refused {dict(sorted(run.errors.items(), key=lambda e: -e[1])[:6])}, "
              f"{run.healed} tables healed, {run.crashes} crashes, {len(differs)} mismatches", file=sys.stderr)
    if differs:
        shown = "\n\n".join(f"{sql}\n    " + "\n    ".join(texts) for sql, texts in differs[:MISMATCHES_SHOWN])
        message = f"replay: {sys.argv[0]} {server.starter} {seed} {statements}\n{shown}"
        if test is None:
            sys.exit(message)
        test.fail(message)
    return run


class DdlOracle(unittest.TestCase):
    def run_server(self, kind):
        if servers.lacks(kind):
            self.skipTest(servers.lacks(kind))
        with tempfile.TemporaryDirectory(prefix="tailrace-ddl-") as folder:
            name = os.path.join(folder, "ddl-oracle-" + kind + str(os.getpid()))
            server = start(kind, name, servers.free_port())
            texts = set()
            try:
                for seed in SEEDS:
                    with self.subTest(seed=seed):
                        run = run_one(self, server, seed, -(-STATEMENTS // len(SEEDS)))
                        server = run.server  # another one after a crash
                        texts |= run.texts
            finally:
                server.stop()
                servers.remove(name)
            self.assertGreaterEqual(len(texts), STATEMENTS_MIN)

    def test_model_is_the_servers_on_mysql(self):
        self.run_server("mysql")

    def test_model_is_the_servers_on_mariadb(self):
        self.run_server("mariadb")


def main():
    if len(sys.argv) > 2 and sys.argv[1] in servers.STARTERS:
        kind, seed = sys.argv[1], int(sys.argv[2])
        statements = int(sys.argv[3]) if len(sys.argv) > 3 else STATEMENTS
        datadir = os.environ.get("TAILRACE_DDL_DATADIR")  # of a server that runs
        if datadir:
            with open(os.path.join(datadir, "server.pid"), encoding="ascii") as f:
                _, pid, port = f.read().split()
            run_one(None, servers.Server(kind.removesuffix("-sid"), datadir, int(port), pid=int(pid), root=servers.ROOTS.get(kind, "")), seed, statements)
            return
        with tempfile.TemporaryDirectory(prefix="tailrace-ddl-") as folder:
            name = os.path.join(folder, "ddl-oracle-" + kind + str(os.getpid()))
            with start(kind, name, servers.free_port()) as server:
                run_one(None, server, seed, statements)
            servers.remove(name)
        return
    unittest.main()


if __name__ == "__main__":
    main()
