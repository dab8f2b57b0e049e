#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MariaDB tables WITH SYSTEM VERSIONING: what comes out is what happens to the current rows.

Debezium stops at the first row of such a table when its period columns are not declared: the log has two columns more than SHOW
CREATE TABLE tells (row_start, row_end), and the history's rows besides. Here the records, put one on the other, must give the
table as SELECT sees it, whatever binlog_row_metadata is and with a schema history or without.
"""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
from engine import Engine, Standin, free_port, make_user, make_workdir, remove_workdir, settings, wait_delivered  # noqa: E402

HISTORY = "debezium.source.schema.history.internal"
SETUP = """CREATE DATABASE shop; USE shop;
CREATE TABLE v (id INT PRIMARY KEY, n INT, t VARCHAR(9)) WITH SYSTEM VERSIONING; INSERT INTO v VALUES (1,2,'a'),(2,2,'b');
UPDATE v SET n = 3 WHERE id = 1; DELETE FROM v WHERE id = 2;
CREATE TABLE nokey (a INT) WITH SYSTEM VERSIONING; INSERT INTO nokey VALUES (1);
CREATE TABLE wide (a INT, b INT, c INT, d INT, e INT, f INT, id INT PRIMARY KEY) WITH SYSTEM VERSIONING;
CREATE TABLE x (id INT PRIMARY KEY, n INT, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START, e TIMESTAMP(6) GENERATED ALWAYS AS ROW END,
PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING"""
CHANGES = ["INSERT INTO v VALUES (10,1,'x'),(11,1,NULL),(12,1,'z')", "UPDATE v SET n = n + 1 WHERE id > 10",
           "DELETE FROM v WHERE id = 11", "UPDATE v SET id = 20 WHERE id = 12", "REPLACE INTO v VALUES (10,7,'r')",
           "INSERT INTO v VALUES (10,8,'s') ON DUPLICATE KEY UPDATE n = n + 100",
           "BEGIN; INSERT INTO v VALUES (30,1,'q'); UPDATE v SET n = 2 WHERE id = 30; UPDATE v SET n = 3 WHERE id = 30; COMMIT",
           "BEGIN; INSERT INTO v VALUES (31,1,'q'); DELETE FROM v WHERE id = 31; COMMIT", "DELETE HISTORY FROM v",
           "SET system_versioning_insert_history = 1; INSERT INTO v (id, n, row_start, row_end) "
           "VALUES (77, 1, '2020-01-01', '2021-01-01')",
           "INSERT INTO wide (id, a) VALUES (1,1),(2,2),(3,3)", "UPDATE wide SET f = 5 WHERE id = 1", "DELETE FROM wide WHERE id = 2"]


class Versioning(unittest.TestCase):
    """One server; each test has its own engine, stand-in and log."""

    def setUp(self):
        self.workdir = make_workdir("versioning")
        self.addCleanup(remove_workdir, self.workdir)

    def run_server(self, *options):
        server = servers.start_mariadb(os.path.join(self.workdir, "db"), free_port(), list(options))
        self.addCleanup(server.stop)
        make_user(server)
        server.sql(SETUP)
        return server

    def rows_by_id(self, server, table, columns):
        rows = server.rows(f"SELECT JSON_OBJECT({', '.join(f'{c!r}, {c}' for c in columns)}) FROM shop.{table}")
        return {row["id"]: row for row in (json.loads(cells[0]) for cells in rows)}

    def replay(self, records):
        """The table that the records make, a delete's `before` and an update's compared on the way."""
        table = {}
        for record in records:
            if not record.data:
                continue
            value, key = json.loads(record.data), json.loads(record.key)["id"]
            if value["op"] in ("u", "d"):
                self.assertEqual(table[key], value["before"])
            if value["op"] == "c":
                self.assertNotIn(key, table)
            table[key] = value["after"]
            if value["op"] == "d":
                del table[key]
        return table

    def ops_by_id(self, changes):
        """Of each key its changes in order; between keys there is none."""
        ops = {}
        for change in changes:
            key = (change["after"] or change["before"])["id"]
            ops[key] = ops.get(key, "") + change["op"]
        return ops

    def check(self, server, kinesis, properties):
        engine = Engine(self.workdir, properties)
        with engine:
            engine.start()
            kinesis.wait_records("p.shop.v", 1, process=engine.process)
            for change in CHANGES[:4]:
                server.sql("USE shop; " + change)
            wait_delivered(server, engine, kinesis)
            self.assertEqual(engine.stop(), 0, engine.output)
        for change in CHANGES[4:]:
            server.sql("USE shop; " + change)
        server.sql("USE shop; SET system_versioning_alter_history = KEEP; ALTER TABLE wide ADD g INT; ALTER TABLE wide DROP b;"
                   "INSERT INTO wide (id, g) VALUES (9, 9); UPDATE wide SET g = 10 WHERE id = 9;"
                   "INSERT INTO x (id, n) VALUES (1,1); UPDATE x SET n = 2; DELETE FROM x; INSERT INTO nokey VALUES (2); UPDATE nokey "
                   "SET a = 5 WHERE a = 1; DELETE FROM nokey WHERE a = 2")
        with engine:
            engine.start()
            wait_delivered(server, engine, kinesis)
            self.assertEqual(engine.stop(), 0, engine.output)
        records = kinesis.records("p.shop.v")
        for record in records:
            self.assertEqual(list(json.loads(record.key)), ["id"])
        self.assertEqual(self.replay(records), self.rows_by_id(server, "v", ["id", "n", "t"]))
        changes = [json.loads(r.data) for r in records if r.data]
        self.assertEqual(self.ops_by_id(changes), {1: "r", 10: "cdcu", 11: "cud", 12: "cud", 20: "c", 30: "cuu", 31: "cd"})
        self.assertEqual({name for c in changes for image in (c["before"], c["after"]) if image for name in image}, {"id", "n", "t"})
        wide = [json.loads(r.data) for r in kinesis.records("p.shop.wide") if r.data]
        self.assertEqual(self.ops_by_id(wide), {1: "cu", 2: "cd", 3: "c", 9: "cu"})
        self.assertEqual([c["after"] for c in wide if c["after"] and c["after"]["id"] == 9][-1],
                         {"a": None, "c": None, "d": None, "e": None, "f": None, "id": 9, "g": 10})
        nokey = [json.loads(r.data) for r in kinesis.records("p.shop.nokey") if r.data]
        self.assertCountEqual([(c["op"], c["before"], c["after"]) for c in nokey],
                              [("r", None, {"a": 1}), ("c", None, {"a": 2}), ("u", {"a": 1}, {"a": 5}), ("d", {"a": 2}, None)])
        # A declared period is two columns like others, and its history rows are rows, as to Debezium.
        declared = [json.loads(r.data) for r in kinesis.records("p.shop.x") if r.data]
        self.assertEqual(list(declared[0]["after"]), ["id", "n", "s", "e"])

    def with_history(self, server, kinesis):
        return settings(server, kinesis, self.workdir, **{
            "debezium.source.snapshot.mode": "initial", "debezium.source.include.schema.changes": "true",
            HISTORY: "io.debezium.storage.file.history.FileSchemaHistory",
            HISTORY + ".file.filename": os.path.join(self.workdir, "history.dat")})

    def test_current_rows_come_out_under_minimal_metadata(self):
        server = self.run_server("--binlog-row-metadata=MINIMAL")
        with Standin(self.workdir) as kinesis:
            self.check(server, kinesis, self.with_history(server, kinesis))

    def test_current_rows_come_out_under_full_metadata(self):
        server = self.run_server("--binlog-row-metadata=FULL")
        with Standin(self.workdir) as kinesis:
            self.check(server, kinesis, self.with_history(server, kinesis))

    def test_current_rows_come_out_without_a_schema_history(self):
        server = self.run_server("--binlog-row-metadata=FULL")
        with Standin(self.workdir) as kinesis:
            engine = Engine(self.workdir, settings(server, kinesis, self.workdir))
            with engine:
                engine.start()
                server.sql("USE shop; INSERT INTO v VALUES (5,1,'x'),(6,1,'y'); UPDATE v SET n = 9 WHERE id = 5; DELETE FROM v WHERE id = 6; "
                           "SET system_versioning_alter_history = KEEP; ALTER TABLE v ADD z INT; UPDATE v SET z = 4 WHERE id = 5")
                wait_delivered(server, engine, kinesis)
                self.assertEqual(engine.stop(), 0, engine.output)
            changes = [json.loads(r.data) for r in kinesis.records("p.shop.v") if r.data]
            self.assertEqual(self.ops_by_id(changes), {5: "cuu", 6: "cd"})
            self.assertEqual({tuple(c["after"]) for c in changes if c["after"]}, {("id", "n", "t"), ("id", "n", "t", "z")})


if __name__ == "__main__":
    unittest.main()
