# SPDX-License-Identifier: Apache-2.0
"""Schema changes between rows, with the servers' own row metadata (MINIMAL: the log has no column names) and a schema history.

test_history_mariadb.py and test_history_mysql.py run these. What a row must look like is told by the row itself: each table has
a column `v`, the version of its definition, and the columns that a version has are known.
"""
import json
import os
import random
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
from engine import (PREFIX, Engine, Standin, free_port, make_user, make_workdir, remove_workdir, settings,  # noqa: E402
                    wait_delivered, wait_for)
from state import read_offset_file  # noqa: E402

HISTORY = "debezium.source.schema.history.internal"
KEY = "metadata:debezium:schema_history"
EXIT = {"unsupported": 21, "schema": 22, "state": 40, "interrupted": 60}


def values(records):
    """The row of each insert, by its id; those of one id in their order: between keys there is none."""
    read = [json.loads(record.data) for record in records if record.data]
    assert all((value["op"], value["before"]) == ("c", None) for value in read), read
    return sorted((value["after"] for value in read), key=lambda row: row["id"])


class HistoryCases:
    """Mixed into a unittest.TestCase with `kind` and start_server()."""

    kind = None
    maxDiff = None

    @classmethod
    def start_server(cls, workdir):
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        cls.class_workdir = make_workdir("history-" + cls.kind)
        cls.server = cls.start_server(cls.class_workdir)
        cls.addClassCleanup(remove_workdir, cls.class_workdir)
        cls.addClassCleanup(servers.remove, cls.server.datadir)
        cls.addClassCleanup(lambda: cls.server.stop())
        make_user(cls.server)

    def setUp(self):
        self.workdir = os.path.join(self.class_workdir, self.id().rsplit(".", 1)[1])
        os.makedirs(self.workdir)
        self.server.sql("DROP DATABASE IF EXISTS shop; CREATE DATABASE shop CHARACTER SET utf8mb4")
        self.kinesis = Standin(self.workdir, "--keep-bytes", str(64 << 20))
        self.addCleanup(self.kinesis.stop)
        self.redis = None
        self.history_path = os.path.join(self.workdir, "deep", "history.dat")

    # ---- helpers ---------------------------------------------------------------------------------

    def engine(self, **more):
        properties = {HISTORY: "io.debezium.storage.file.history.FileSchemaHistory",
                      HISTORY + ".file.filename": self.history_path}
        properties.update(more)
        engine = Engine(self.workdir, settings(self.server, self.kinesis, self.workdir, **properties))
        self.addCleanup(engine.kill)
        return engine

    def use_redis(self):
        """A Redis of this test's own for position and history; the properties that say so."""
        self.redis = servers.start_redis(os.path.join(self.workdir, "redis"), free_port())
        self.addCleanup(self.redis.stop)
        return {"debezium.source.offset.storage": "io.debezium.storage.redis.offset.RedisOffsetBackingStore",
                "debezium.source.offset.storage.file.filename": None,
                HISTORY: "io.debezium.storage.redis.history.RedisSchemaHistory",
                HISTORY + ".file.filename": None,
                "debezium.sink.redis.address": f"127.0.0.1:{self.redis.port}"}

    def redis_cli(self, *words):
        return subprocess.run(["redis-cli", "-p", str(self.redis.port), "--raw", *words],
                              capture_output=True, check=True, text=True).stdout

    def expire_redis_lock(self):
        """What 30 seconds do: a killed instance's lock runs out."""
        if self.redis is not None:
            self.redis_cli("DEL", "metadata:debezium:offsets:tailrace:lock:" + PREFIX)

    def documents(self):
        """The stored history, oldest first."""
        if self.redis is not None:
            lines = self.redis_cli("XRANGE", KEY, "-", "+").splitlines()
            return [json.loads(line) for line in lines[2::3]]
        with open(self.history_path, encoding="utf-8") as f:
            return [json.loads(line) for line in f]

    def stop_well(self, engine):
        code = engine.stop()
        self.assertEqual(0, code, engine.output[-3000:])
        self.assertEqual([], engine.error_lines())

    def settle(self, engine):
        wait_delivered(self.server, engine, self.kinesis)

    def values(self, table):
        return values(self.kinesis.records(f"{PREFIX}.shop.{table}"))

    def refuses_to_start(self, engine, code, *named):
        """The exit code, and one error line that names what is wrong."""
        self.assertEqual(code, engine.run_to_end(), engine.output[-3000:])
        self.assertEqual(1, len(engine.error_lines()), engine.output[-3000:])
        for word in named:
            self.assertIn(word, engine.error_lines()[0])

    # Statements on shop.t and what its rows must be: (statement, None) or (statement, [after, ...]).
    def versions(self):
        return [
            ("INSERT INTO t VALUES (1, 10)", [{"id": 1, "a": 10}]),
            ("ALTER TABLE t ADD COLUMN b VARCHAR(10) DEFAULT 'new' AFTER id", None),
            ("INSERT INTO t (id, b, a) VALUES (2, 'x', 20)", [{"id": 2, "b": "x", "a": 20}]),
            ("ALTER TABLE t DROP COLUMN a", None),
            ("INSERT INTO t VALUES (3, 'y')", [{"id": 3, "b": "y"}]),
            ("ALTER TABLE t CHANGE b c VARCHAR(10)", None),
            ("INSERT INTO t VALUES (4, 'z')", [{"id": 4, "c": "z"}]),
            ("ALTER TABLE t ADD COLUMN d ENUM('p','q') FIRST, ADD COLUMN e BIGINT UNSIGNED, ADD INDEX (c)", None),
            ("INSERT INTO t VALUES ('q', 5, 'w', 18446744073709551615)", [{"d": "q", "id": 5, "c": "w", "e": -1}]),
            ("ALTER TABLE t MODIFY d ENUM('o','p','q') AFTER e", None),
            ("INSERT INTO t VALUES (6, 'w', 7, 'q')", [{"id": 6, "c": "w", "e": 7, "d": "q"}]),
            ("ALTER TABLE t CONVERT TO CHARACTER SET latin1", None),
            ("INSERT INTO t VALUES (7, 'é', 8, 'o')", [{"id": 7, "c": "é", "e": 8, "d": "o"}]),
            ("RENAME TABLE t TO u", None),
            ("CREATE TABLE t LIKE u", None),
            ("ALTER TABLE t ADD COLUMN f DATE", None),
            ("INSERT INTO t VALUES (8, 'v', 9, 'p', '2024-02-29')",
             [{"id": 8, "c": "v", "e": 9, "d": "p", "f": 19782}]),
            ("TRUNCATE TABLE t", None),
            ("INSERT INTO t VALUES (9, 'v', 9, 'p', NULL)", [{"id": 9, "c": "v", "e": 9, "d": "p", "f": None}]),
            ("DROP TABLE t", None),
            ("RENAME TABLE u TO t", None),
            ("INSERT INTO t VALUES (10, 'back', 0, 'p')", [{"id": 10, "c": "back", "e": 0, "d": "p"}]),
            ("DROP TABLE t", None),
            ("CREATE TABLE t (id INT PRIMARY KEY, z TINYINT(1))", None),
            ("INSERT INTO t VALUES (11, 1)", [{"id": 11, "z": 1}]),
        ]

    def expected(self):
        return [row for _, rows in self.versions() for row in rows or []]

    # ---- schema changes between rows -------------------------------------------------------------

    def test_statements_between_rows_of_a_log_read_later(self):
        """At the start the server's tables are newer than the rows."""
        self.server.sql("CREATE TABLE shop.t (id INT PRIMARY KEY, a INT)")
        engine = self.engine().start()
        self.stop_well(engine)
        self.assertIn("CREATE TABLE", " ".join(d["ddl"] for d in self.documents()))
        for statement, _ in self.versions():
            self.server.sql(statement, "shop")
        engine.start()
        self.settle(engine)
        self.assertEqual(self.expected(), self.values("t"))
        self.stop_well(engine)
        count = len(self.documents())
        engine.start()
        self.settle(engine)
        self.stop_well(engine)
        self.assertEqual(count, len(self.documents()))

    def restart_between_statements(self, **more):
        self.server.sql("CREATE TABLE shop.t (id INT PRIMARY KEY, a INT)")
        engine = self.engine(**more).start()
        for statement, _ in self.versions():
            self.server.sql(statement, "shop")
            self.settle(engine)
            self.stop_well(engine)
            engine.start()
        self.settle(engine)
        self.stop_well(engine)
        self.assertEqual(self.expected(), self.values("t"))
        texts = [document["ddl"] for document in self.documents()]
        for statement, rows in self.versions():
            # Others are written per table, or change no definition. As with Debezium one comes twice when no row came
            # behind it before the restart.
            if rows is None and statement.startswith(("CREATE", "ALTER")):
                self.assertIn(statement, texts)

    def test_restart_between_statements_with_file(self):
        self.restart_between_statements(**{"debezium.source.include.schema.changes": "true"})

    def test_restart_between_statements_with_redis(self):
        self.restart_between_statements(**self.use_redis())

    def test_kill_between_statement_and_save(self):
        """The position stands near the first statement; what is behind it comes again, and by the right definitions."""
        self.server.sql("CREATE TABLE shop.t (id INT PRIMARY KEY, a INT)")
        more = {"debezium.source.offset.flush.interval.ms": "3600000"}
        engine = self.engine(**more).start()
        statements = self.versions()
        half = len(statements) // 2
        for statement, _ in statements[:half]:
            self.server.sql(statement, "shop")
        self.settle(engine)
        engine.kill()
        engine.start()
        self.settle(engine)
        engine.kill()
        for statement, _ in statements[half:]:
            self.server.sql(statement, "shop")
        engine.start()
        self.settle(engine)
        self.stop_well(engine)
        got = self.values("t")
        self.assertGreater(len(got), len(self.expected()))
        self.assertEqual(self.expected(), [row for i, row in enumerate(got) if i == 0 or row != got[i - 1]])
        engine.start()
        self.server.sql("INSERT INTO t VALUES (12, 0)", "shop")
        self.settle(engine)
        self.assertEqual({"id": 12, "z": 0}, self.values("t")[-1])
        self.stop_well(engine)

    def kill_under_changes(self, **more):
        """Version k of a table has a column c<k>; each row tells its version; the engine is killed again and again."""
        self.server.sql("CREATE TABLE shop.t (id INT PRIMARY KEY AUTO_INCREMENT, v INT NOT NULL, c0 VARCHAR(20)) AUTO_INCREMENT=1")
        engine = self.engine(**more).start()
        is_done = threading.Event()
        version = [0]

        def change():
            while not is_done.is_set():
                k = version[0]
                rows = ",".join([f"({k},'{k}')"] * 5)
                place = random.choice(["", "FIRST", "AFTER id"])
                self.server.sql(f"INSERT INTO t (v, c{k}) VALUES {rows}; ALTER TABLE t CHANGE c{k} c{k + 1} VARCHAR(20) {place}", "shop")
                version[0] = k + 1
        writer = threading.Thread(target=change)
        writer.start()
        try:
            for _ in range(6):
                seen = version[0]
                wait_for("changes", lambda seen=seen: version[0] >= seen + 10, 60, engine.process)
                engine.kill()
                self.expire_redis_lock()
                engine.start()
        finally:
            is_done.set()
            writer.join()
        self.settle(engine)
        self.stop_well(engine)
        got = {}
        for after in self.values("t"):
            column = f"c{after['v']}"
            self.assertEqual({"id", "v", column}, set(after))
            self.assertEqual(str(after["v"]), after[column])
            got[after["id"]] = after["v"]
        wanted = {int(i): int(v) for i, v in self.server.rows("SELECT id, v FROM shop.t")}
        self.assertEqual(wanted, got)

    def test_kill_under_changes_with_file(self):
        self.kill_under_changes()

    def test_kill_under_changes_with_redis(self):
        self.kill_under_changes(**self.use_redis())

    # ---- online schema changes -------------------------------------------------------------------

    def swap_rows(self, engine, number):
        """The rows of both tables say which of the two definitions they have."""
        self.server.sql(f"INSERT INTO t VALUES ({number}, 'old'); INSERT INTO s VALUES ('new', {number}, 1)"
                        if number % 2 == 1 else
                        f"INSERT INTO s VALUES ({number}, 'old'); INSERT INTO t VALUES ('new', {number}, 1)", "shop")
        self.settle(engine)

    def test_tables_that_are_swapped(self):
        """Also when the statement came twice: a killed engine meets it again."""
        self.server.sql("CREATE TABLE shop.t (id INT PRIMARY KEY, a VARCHAR(10));"
                        "CREATE TABLE shop.s (b VARCHAR(10), id INT PRIMARY KEY, n INT)")
        engine = self.engine(**{"debezium.source.offset.flush.interval.ms": "3600000"}).start()
        self.swap_rows(engine, 1)
        self.server.sql("RENAME TABLE t TO t_, s TO t, t_ TO s", "shop")
        self.swap_rows(engine, 2)
        engine.kill()
        engine.start()
        self.settle(engine)
        self.stop_well(engine)
        engine.start()
        self.swap_rows(engine, 4)
        self.server.sql("RENAME TABLE t TO t_, s TO t, t_ TO s", "shop")
        self.swap_rows(engine, 5)
        self.stop_well(engine)
        engine.start()
        self.swap_rows(engine, 7)
        self.stop_well(engine)
        for table in ("t", "s"):
            for after in self.values(table):
                if "a" in after:
                    self.assertEqual({"id": after["id"], "a": "old"}, after)
                else:
                    self.assertEqual({"b": "new", "id": after["id"], "n": 1}, after)
        # What came before the kill may come again, as far as it was not saved.
        self.assertEqual({1, 2, 4, 5, 7}, {after["id"] for after in self.values("t")})

    def online_change(self, engine, column, restart):
        """gh-ost: a ghost table, rows copied, then both renamed at once."""
        for statement in ("CREATE TABLE _t_gho LIKE t", f"ALTER TABLE _t_gho ADD COLUMN {column} INT DEFAULT 5",
                          "CREATE TABLE _t_ghc (id BIGINT PRIMARY KEY, hint VARCHAR(64))",
                          "INSERT INTO _t_gho (id, a) SELECT id, a FROM t", "INSERT INTO t (id, a) VALUES (2, 'two')",
                          "INSERT INTO _t_gho (id, a) VALUES (2, 'two')",
                          "RENAME TABLE t TO _t_del, _t_gho TO t", "DROP TABLE _t_del", "DROP TABLE _t_ghc"):
            self.server.sql(statement, "shop")
            if restart:
                self.settle(engine)
                self.stop_well(engine)
                engine.start()

    def online_change_of_one_captured_table(self, restart, **more):
        self.server.sql("CREATE TABLE shop.t (id INT PRIMARY KEY, a VARCHAR(10))")
        engine = self.engine(**{"debezium.source.table.include.list": "shop.t"}, **more).start()
        self.server.sql("INSERT INTO shop.t VALUES (1, 'one')")
        self.online_change(engine, "b", restart)
        self.server.sql("INSERT INTO shop.t VALUES (3, 'three', 6)")
        self.settle(engine)
        self.stop_well(engine)
        self.assertEqual([{"id": 1, "a": "one"}, {"id": 2, "a": "two"}, {"id": 3, "a": "three", "b": 6}],
                         self.values("t"))

    def test_ghost_table_is_renamed_over_the_captured_one(self):
        self.online_change_of_one_captured_table(False)

    def test_ghost_table_is_renamed_over_the_captured_one_with_restarts(self):
        self.online_change_of_one_captured_table(True)

    def test_ghost_table_that_is_not_in_the_history_is_renamed(self):
        """The ghost table is no captured one, so its statements are not stored; the RENAME makes it one. What a restart
        before the RENAME has forgotten is an error then."""
        more = {HISTORY + ".store.only.captured.tables.ddl": "true", "debezium.source.table.include.list": "shop.t"}
        self.server.sql("CREATE TABLE shop.t (id INT PRIMARY KEY, a VARCHAR(10))")
        engine = self.engine(**more).start()
        self.server.sql("""CREATE TABLE _t_gho LIKE t; ALTER TABLE _t_gho ADD COLUMN b INT; RENAME TABLE t TO _t_del, _t_gho TO t;
            INSERT INTO t VALUES (1, 'one', 1)""", "shop")
        self.settle(engine)
        self.stop_well(engine)
        engine.start()
        self.server.sql("CREATE TABLE _t_gho LIKE t; ALTER TABLE _t_gho CHANGE b c INT; INSERT INTO t VALUES (2, 'two', 2)", "shop")
        self.settle(engine)
        self.stop_well(engine)
        self.assertEqual([{"id": 1, "a": "one", "b": 1}, {"id": 2, "a": "two", "b": 2}], self.values("t"))
        engine.start()
        self.server.sql("DROP TABLE _t_del; RENAME TABLE t TO _t_del, _t_gho TO t; INSERT INTO t VALUES (3, 'three', 3)", "shop")
        self.assertEqual(EXIT["schema"], engine.process.wait(30), engine.output[-3000:])
        self.assertIn("shop.t", engine.error_lines()[0])

    def test_triggers_fill_the_new_table(self):
        """pt-online-schema-change: triggers, a chunked copy, one RENAME, the old table dropped."""
        self.server.sql("CREATE TABLE shop.t (id INT PRIMARY KEY, a VARCHAR(10))")
        engine = self.engine().start()
        self.server.sql("""INSERT INTO t VALUES (1, 'one'); CREATE TABLE _t_new LIKE t; ALTER TABLE _t_new ADD COLUMN b INT;
            CREATE TRIGGER pt_ins AFTER INSERT ON t FOR EACH ROW REPLACE INTO _t_new (id, a) VALUES (NEW.id, NEW.a);
            INSERT LOW_PRIORITY IGNORE INTO _t_new (id, a) SELECT id, a FROM t LOCK IN SHARE MODE;
            INSERT INTO t VALUES (2, 'two'); RENAME TABLE t TO _t_old, _t_new TO t; DROP TABLE IF EXISTS _t_old;
            DROP TRIGGER IF EXISTS pt_ins; INSERT INTO t VALUES (3, 'three', 3)""", "shop")
        self.settle(engine)
        self.stop_well(engine)
        self.assertEqual([{"id": 1, "a": "one"}, {"id": 2, "a": "two"}, {"id": 3, "a": "three", "b": 3}],
                         self.values("t"))

    # ---- statements that nobody can follow --------------------------------------------------------

    def make_untold(self):
        """A statement whose effect cannot be told: the table that it copies was never read."""
        self.server.sql("CREATE TABLE shop.t (id INT PRIMARY KEY, a INT); DROP DATABASE IF EXISTS hidden; CREATE DATABASE hidden;"
                        "CREATE TABLE hidden.y (id INT PRIMARY KEY, z INT)")
        return {"debezium.source.database.include.list": "shop",
                HISTORY + ".store.only.captured.databases.ddl": "true"}

    def test_statement_that_cannot_be_followed_stops_the_engine(self):
        more = self.make_untold()
        engine = self.engine(**more).start()
        self.server.sql("INSERT INTO t VALUES (1, 10); CREATE TABLE untold LIKE hidden.y; INSERT INTO t VALUES (2, 20)", "shop")
        self.assertEqual(EXIT["unsupported"], engine.process.wait(30), engine.output[-3000:])
        self.assertEqual(1, len(engine.error_lines()), engine.output[-3000:])
        for word in ("shop.untold", "tailrace.ddl.on.error=skip"):
            self.assertIn(word, engine.error_lines()[0])
        self.assertEqual([{"id": 1, "a": 10}], self.values("t"))
        self.refuses_to_start(engine, EXIT["unsupported"], "shop.untold")  # nothing was passed over
        engine.properties["tailrace.ddl.on.error"] = "skip"
        engine.start()
        self.settle(engine)
        self.assertEqual([{"id": 1, "a": 10}, {"id": 2, "a": 20}], self.values("t"))
        self.assertIn("sequencer.statement_not_understood", engine.output)
        self.server.sql("INSERT INTO untold VALUES (1, 1)", "shop")  # nobody knows its columns: never silent
        self.assertEqual(EXIT["schema"], engine.process.wait(30), engine.output[-3000:])
        self.assertIn("shop.untold", engine.error_lines()[0])

    def test_statement_on_a_table_that_is_not_captured_is_no_matter(self):
        more = self.make_untold()
        engine = self.engine(**more, **{"debezium.source.table.include.list": "shop.t"}).start()
        self.server.sql("CREATE TABLE untold LIKE hidden.y; INSERT INTO untold VALUES (1, 1); INSERT INTO t VALUES (2, 20)", "shop")
        self.settle(engine)
        self.stop_well(engine)
        engine.start()  # its document is in the history, and no matter either
        self.server.sql("INSERT INTO t VALUES (3, 30)", "shop")
        self.settle(engine)
        self.stop_well(engine)
        self.assertEqual([{"id": 2, "a": 20}, {"id": 3, "a": 30}], self.values("t"))

    def test_skip_unparseable_ddl_is_debeziums_word_for_it(self):
        more = self.make_untold()
        engine = self.engine(**more, **{HISTORY + ".skip.unparseable.ddl": "true"}).start()
        self.server.sql("CREATE TABLE untold LIKE hidden.y; DROP TABLE untold; INSERT INTO t VALUES (2, 20)", "shop")
        self.settle(engine)
        self.stop_well(engine)
        engine.start()
        self.server.sql("INSERT INTO t VALUES (3, 30)", "shop")
        self.settle(engine)
        self.stop_well(engine)
        self.assertEqual([{"id": 2, "a": 20}, {"id": 3, "a": 30}], self.values("t"))

    # ---- histories that cannot be true -----------------------------------------------------------

    def make_history(self):
        """A stopped engine's history: a table, a column renamed, a row after it."""
        self.server.sql("CREATE TABLE shop.t (id INT PRIMARY KEY, a INT)")
        engine = self.engine().start()
        self.server.sql("INSERT INTO t VALUES (1, 10); ALTER TABLE t CHANGE a b INT; INSERT INTO t VALUES (2, 20)", "shop")
        self.settle(engine)
        self.stop_well(engine)
        with open(self.history_path, encoding="utf-8") as f:
            return engine, f.readlines()

    def write_history(self, lines):
        with open(self.history_path, "w", encoding="utf-8") as f:
            f.write("".join(lines))

    def test_history_that_lacks_its_last_document_is_refused(self):
        engine, lines = self.make_history()
        self.write_history(lines[:-1])
        self.refuses_to_start(engine, EXIT["state"], self.history_path)

    def test_history_that_lacks_a_document_in_the_middle_is_refused(self):
        engine, lines = self.make_history()
        self.write_history(lines[:-2] + lines[-1:])
        self.refuses_to_start(engine, EXIT["state"], self.history_path)

    def test_history_with_an_edited_document_is_refused(self):
        engine, lines = self.make_history()
        self.write_history(lines[:-1] + [lines[-1].replace('"b"', '"x"').replace("CHANGE a b", "CHANGE a x")])
        self.refuses_to_start(engine, EXIT["state"], self.history_path)

    def test_history_with_a_damaged_document_is_refused(self):
        engine, lines = self.make_history()
        self.write_history(lines[:-1] + [lines[-1].replace('"position":{', '"position":{{')])
        self.refuses_to_start(engine, EXIT["state"], self.history_path, f"line {len(lines)}")

    def test_history_that_is_gone_is_refused(self):
        engine, _ = self.make_history()
        os.unlink(self.history_path)
        self.refuses_to_start(engine, EXIT["state"], self.history_path)

    def test_history_of_another_prefix_is_none(self):
        engine, lines = self.make_history()
        others = [line.replace('"server":"p"', '"server":"q"') for line in lines]
        self.write_history(others)
        self.refuses_to_start(engine, EXIT["state"], self.history_path, "= 0 documents")
        os.unlink(os.path.join(self.workdir, "offsets.dat.tailrace"))
        self.refuses_to_start(engine, EXIT["state"], "schema history", "empty")

    def test_history_is_shared_with_engines_of_other_prefixes(self):
        engine, lines = self.make_history()
        others = [line.replace('"server":"p"', '"server":"q"').replace("`t`", "`u`") for line in lines]
        self.write_history(others + lines)
        engine.start()
        with open(self.history_path, "a", encoding="utf-8") as f:
            f.write("".join(others))
        self.server.sql("INSERT INTO t VALUES (3, 30); ALTER TABLE t CHANGE b c INT; INSERT INTO t VALUES (4, 40)", "shop")
        self.settle(engine)
        with open(self.history_path, "a", encoding="utf-8") as f:
            f.write(others[0])
        self.stop_well(engine)
        engine.start()
        self.server.sql("INSERT INTO t VALUES (5, 50); ALTER TABLE t CHANGE c d INT; INSERT INTO t VALUES (6, 60)", "shop")
        self.settle(engine)
        self.stop_well(engine)
        self.assertEqual([{"id": 1, "a": 10}, {"id": 2, "b": 20}, {"id": 3, "b": 30}, {"id": 4, "c": 40}, {"id": 5, "c": 50},
                          {"id": 6, "d": 60}], self.values("t"))
        self.assertEqual(2 * len(others) + 1 + len(lines) + 2, len(self.documents()))

    def test_part_of_a_document_that_was_never_acknowledged_is_cut_off(self):
        engine, lines = self.make_history()
        self.write_history(lines + [lines[-1][:40]])
        engine.start()
        self.server.sql("INSERT INTO t VALUES (3, 30); ALTER TABLE t CHANGE b c INT; INSERT INTO t VALUES (4, 40)", "shop")
        self.settle(engine)
        self.stop_well(engine)
        self.assertEqual([{"id": 1, "a": 10}, {"id": 2, "b": 20}, {"id": 3, "b": 30}, {"id": 4, "c": 40}],
                         self.values("t"))
        self.assertEqual(len(lines) + 1, len(self.documents()))
        self.assertIn("history_file.part_cut", engine.output)

    def test_position_of_debezium_without_its_history_is_refused(self):
        engine, _ = self.make_history()
        os.unlink(self.history_path)
        os.unlink(os.path.join(self.workdir, "offsets.dat.tailrace"))
        self.refuses_to_start(engine, EXIT["state"], "schema history", "empty", "recovery")

    def test_recovery_makes_the_history_anew_and_goes_on_at_the_position(self):
        self.server.sql("CREATE TABLE shop.t (id INT PRIMARY KEY, a INT)")
        more = self.use_redis()
        mode = "debezium.source.snapshot.mode"
        key = "metadata:debezium:offsets"
        engine = self.engine(**more).start()
        self.server.sql("ALTER TABLE t CHANGE a b INT; INSERT INTO t VALUES (1, 10)", "shop")
        self.settle(engine)
        self.stop_well(engine)
        self.redis_cli("DEL", KEY)
        self.server.sql("INSERT INTO t VALUES (2, 20)", "shop")
        # No mark that a snapshot is under way: a kill must not end in another cut.
        engine = self.engine(**more, **{mode: "recovery"}).start()
        seen = self.redis_cli("HVALS", key)
        self.server.sql("INSERT INTO t VALUES (3, 30)", "shop")
        self.settle(engine)
        engine.kill()
        self.expire_redis_lock()
        self.assertNotIn("snapshot", seen + self.redis_cli("HVALS", key))
        engine = self.engine(**more).start()
        self.server.sql("ALTER TABLE t CHANGE b c INT; INSERT INTO t VALUES (4, 40)", "shop")
        self.settle(engine)
        self.stop_well(engine)
        self.assertEqual([{"id": 1, "b": 10}, {"id": 2, "b": 20}, {"id": 3, "b": 30}, {"id": 4, "c": 40}],
                         [row for i, row in enumerate(self.values("t")) if row not in self.values("t")[:i]])
        field, value = self.redis_cli("HGETALL", key).splitlines()
        self.redis_cli("HSET", key, field, value[:-1] + ',"snapshot":"INITIAL"}')
        self.refuses_to_start(self.engine(**more, **{mode: "recovery"}), EXIT["state"], "not finished", "initial")

    def test_another_writer_stops_the_engine_before_the_position_passes(self):
        engine, lines = self.make_history()
        engine.start()
        with open(self.history_path, "a", encoding="utf-8") as f:
            f.write(lines[-1])
        end = self.server.rows("SHOW BINARY LOG STATUS" if self.kind == "mysql" else "SHOW MASTER STATUS")[0]
        self.server.sql("ALTER TABLE t CHANGE b c INT", "shop")
        self.assertEqual(EXIT["state"], engine.process.wait(30), engine.output[-3000:])
        self.assertIn("another program", engine.error_lines()[0])
        saved = list(read_offset_file(os.path.join(self.workdir, "offsets.dat")).values())[0]
        self.assertEqual(end[0], saved["file"])
        self.assertLessEqual(saved["pos"], int(end[1]))
        self.assertEqual(len(lines) + 1, len(self.documents()))

    def test_redis_that_is_away_holds_the_position_and_nothing_else(self):
        self.server.sql("CREATE TABLE shop.t (id INT PRIMARY KEY, a INT)")
        more = self.use_redis()
        more["debezium.source.offset.storage"] = None
        more["debezium.source.offset.storage.file.filename"] = os.path.join(self.workdir, "offsets.dat")
        engine = self.engine(**more).start()
        self.redis.pause()
        try:
            self.server.sql("ALTER TABLE t CHANGE a b INT; INSERT INTO t VALUES (1, 10)", "shop")
            self.kinesis.wait_records(f"{PREFIX}.shop.t", 1, process=engine.process)
            wait_for("failing", lambda: engine.metric("tailrace_history_failing") == 1, process=engine.process)
        finally:
            self.redis.resume()
        wait_for("recovered", lambda: engine.metric("tailrace_history_failing") == 0, process=engine.process)
        self.settle(engine)
        self.stop_well(engine)
        texts = [document["ddl"] for document in self.documents()]
        self.assertEqual(1, texts.count("ALTER TABLE t CHANGE a b INT"))
        engine.start()
        self.server.sql("INSERT INTO t VALUES (2, 20)", "shop")
        self.settle(engine)
        self.assertEqual([{"id": 1, "b": 10}, {"id": 2, "b": 20}], self.values("t"))
        self.stop_well(engine)

    def test_more_statements_than_wait_for_a_redis_that_is_away(self):
        """Reading stops when too many wait to be stored, and goes on when they are."""
        self.server.sql("CREATE TABLE shop.t (id INT PRIMARY KEY, c0 INT)")
        more = self.use_redis()
        more["debezium.source.offset.storage"] = None
        more["debezium.source.offset.storage.file.filename"] = os.path.join(self.workdir, "offsets.dat")
        engine = self.engine(**more).start()
        known = len(self.documents())
        count = 1400  # the ring has 1,024 slots, a batch takes 256 of them out
        self.redis.pause()
        try:
            self.server.sql(";".join(f"ALTER TABLE t CHANGE c{k} c{k + 1} INT" for k in range(count)), "shop")
            self.server.sql("INSERT INTO t VALUES (1, 10)", "shop")
            wait_for("failing", lambda: engine.metric("tailrace_history_failing") == 1, process=engine.process)
        finally:
            self.redis.resume()
        self.kinesis.wait_records(f"{PREFIX}.shop.t", 1, process=engine.process)
        self.settle(engine)
        self.stop_well(engine)
        self.assertEqual([{"id": 1, f"c{count}": 10}], self.values("t"))
        texts = [document["ddl"] for document in self.documents()][known:]
        self.assertEqual([f"ALTER TABLE t CHANGE c{k} c{k + 1} INT" for k in range(count)], texts)
        engine.start()
        self.server.sql("INSERT INTO t VALUES (2, 20)", "shop")
        self.settle(engine)
        self.assertEqual({"id": 2, f"c{count}": 20}, self.values("t")[-1])
        self.stop_well(engine)

    def test_redis_that_forgot_the_history_is_refused(self):
        self.server.sql("CREATE TABLE shop.t (id INT PRIMARY KEY, a INT)")
        more = self.use_redis()
        engine = self.engine(**more).start()
        self.server.sql("ALTER TABLE t CHANGE a b INT; INSERT INTO t VALUES (1, 10)", "shop")
        self.settle(engine)
        self.stop_well(engine)
        count = len(self.documents())
        last = self.redis_cli("XREVRANGE", KEY, "+", "-", "COUNT", "1").split()[0]
        self.redis_cli("XDEL", KEY, last)
        self.refuses_to_start(engine, EXIT["state"], f"{count - 1} documents", f"{count} were stored", "truncated")
        self.redis_cli("DEL", KEY)
        self.refuses_to_start(engine, EXIT["state"], "0 documents")
        self.redis_cli("SET", KEY, "text")
        self.refuses_to_start(engine, EXIT["state"], "not a stream", HISTORY + ".redis.key")

    def test_stop_while_the_history_is_away_keeps_the_position_before_the_statement(self):
        self.server.sql("CREATE TABLE shop.t (id INT PRIMARY KEY, a INT)")
        more = self.use_redis()
        more["debezium.source.offset.storage"] = None
        more["debezium.source.offset.storage.file.filename"] = os.path.join(self.workdir, "offsets.dat")
        engine = self.engine(**more, **{"tailrace.shutdown.timeout.ms": "3000"}).start()
        self.server.sql("INSERT INTO t VALUES (1, 10)", "shop")
        self.settle(engine)
        self.redis.pause()
        try:
            self.server.sql("ALTER TABLE t CHANGE a b INT; INSERT INTO t VALUES (2, 20)", "shop")
            self.kinesis.wait_records(f"{PREFIX}.shop.t", 2, process=engine.process)
            code = engine.stop()
        finally:
            self.redis.resume()
        self.assertEqual(EXIT["interrupted"], code, engine.output[-3000:])
        engine.start()
        self.server.sql("INSERT INTO t VALUES (3, 30)", "shop")
        self.settle(engine)
        self.stop_well(engine)
        got = self.values("t")
        self.assertEqual([{"id": 1, "a": 10}, {"id": 2, "b": 20}, {"id": 3, "b": 30}],
                         [row for i, row in enumerate(got) if i == 0 or row != got[i - 1]])
        self.assertEqual(2, got.count({"id": 2, "b": 20}))
