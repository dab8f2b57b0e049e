#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The engine's snapshot modes on MariaDB and MySQL: what is read at which start, and what a stop or a kill in between leaves."""
import collections
import json
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
from engine import USER, Engine, Standin, free_port, make_user, make_workdir, remove_workdir, settings, wait_for  # noqa: E402
from state import read_offset_file  # noqa: E402

STREAM = "p.shop.t"
HISTORY = "debezium.source.schema.history.internal"
MODE = "debezium.source.snapshot.mode"
SOURCE_GONE, STATE = 13, 40
MANY = 300000  # rows: more than the engine holds while Kinesis takes nothing


class SnapshotModes:
    """Mixed into a unittest.TestCase with `kind` and start_server()."""

    @classmethod
    def setUpClass(cls):
        cls.class_workdir = make_workdir("modes-" + cls.kind)
        cls.server = cls.start_server(cls.class_workdir)
        cls.addClassCleanup(remove_workdir, cls.class_workdir)
        cls.addClassCleanup(servers.remove, cls.server.datadir)
        cls.addClassCleanup(lambda: cls.server.stop())
        make_user(cls.server)

    def setUp(self):
        self.workdir = os.path.join(self.class_workdir, self.id().rsplit(".", 1)[1])
        os.makedirs(self.workdir)
        self.history_path = os.path.join(self.workdir, "history.dat")
        self.server.sql("DROP DATABASE IF EXISTS shop; CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, n INT);"
                        "INSERT INTO shop.t VALUES (1,1),(2,2),(3,3)")
        self.kinesis = Standin(self.workdir, "--keep-bytes", str(512 << 20))
        self.addCleanup(self.kinesis.stop)

    def engine(self, mode, **more):
        properties = settings(self.server, self.kinesis, self.workdir,
                              **{MODE: mode, HISTORY: "io.debezium.storage.file.history.FileSchemaHistory",
                                 HISTORY + ".file.filename": self.history_path, **more})
        engine = Engine(self.workdir, properties)
        self.addCleanup(engine.kill)
        return engine

    def offset(self):
        (value,) = read_offset_file(os.path.join(self.workdir, "offsets.dat")).values()
        return value

    def ops(self):
        return collections.Counter(json.loads(r.data)["op"] for r in self.kinesis.records(STREAM) if r.data)

    def wait(self, engine, count):
        self.kinesis.wait_records(STREAM, count, process=engine.process)

    def stop(self, engine):
        self.assertEqual(0, engine.stop(), engine.output[-3000:])

    def fill(self):
        """Without the log, which would send the rows again."""
        select = f"WITH RECURSIVE s AS (SELECT 4 AS id UNION ALL SELECT id+1 FROM s WHERE id<{MANY}) SELECT id, id FROM s"
        limit = "cte_max_recursion_depth" if self.kind == "mysql" else "max_recursive_iterations"
        self.server.sql(f"SET sql_log_bin=0; SET SESSION {limit}=1000000; INSERT INTO shop.t {select}")

    def test_initial_reads_rows_once_and_goes_on_with_the_log(self):
        engine = self.engine("initial").start()
        self.wait(engine, 3)
        self.server.sql("INSERT INTO shop.t VALUES (4,4); UPDATE shop.t SET n=11 WHERE id=1")
        self.wait(engine, 5)
        self.assertEqual(3, engine.metric("tailrace_snapshot_rows"))
        self.assertEqual(1, engine.metric("tailrace_snapshot_tables_done"))
        self.assertEqual(0, engine.metric("tailrace_snapshot_running"))
        self.stop(engine)
        self.assertNotIn("snapshot", self.offset())
        engine.start()
        self.server.sql("DELETE FROM shop.t WHERE id=2")
        self.wait(engine, 7)  # with its tombstone
        self.stop(engine)
        self.assertEqual({"r": 3, "c": 1, "u": 1, "d": 1}, self.ops())

    def test_a_prepared_transaction_is_waited_for_and_read(self):
        if self.kind == "mysql":
            self.server.sql(f"GRANT XA_RECOVER_ADMIN ON *.* TO {USER}")
        self.server.sql("XA START 'x'; INSERT INTO shop.t VALUES (4,4); XA END 'x'; XA PREPARE 'x'")
        engine = self.engine("initial").launch()
        wait_for("another cut", lambda: "snapshot.xa_waited" in engine.output, process=engine.process)
        self.server.sql("XA COMMIT 'x'")
        self.wait(engine, 4)
        self.stop(engine)
        self.assertEqual({"r": 4}, self.ops())
        self.assertNotIn("snapshot.xa_prepared", engine.output)

    def test_no_data_begins_at_the_end_of_the_log(self):
        engine = self.engine("schema_only").start()
        self.server.sql("INSERT INTO shop.t VALUES (4,4)")
        self.wait(engine, 1)
        self.stop(engine)
        self.assertEqual({"c": 1}, self.ops())

    def test_initial_only_reads_rows_and_sits_idle(self):
        engine = self.engine("initial_only").start()
        self.wait(engine, 3)
        self.server.sql("INSERT INTO shop.t VALUES (4,4)")
        engine.wait_health("idle")
        self.stop(engine)
        self.assertNotIn("snapshot", self.offset())
        engine.start()
        engine.wait_health("idle")
        self.stop(engine)
        self.assertEqual({"r": 3}, self.ops())

    def test_always_reads_rows_at_every_start(self):
        for count in (3, 6):
            engine = self.engine("always").start()
            self.wait(engine, count)
            self.stop(engine)
        self.assertEqual({"r": 6}, self.ops())

    def test_a_lost_position_is_an_error_or_another_snapshot(self):
        engine = self.engine("initial").start()
        self.wait(engine, 3)
        self.stop(engine)
        self.server.sql("INSERT INTO shop.t VALUES (4,4)")
        self.purge()
        self.assertEqual(SOURCE_GONE, engine.run_to_end(), engine.output[-3000:])
        engine = self.engine("when_needed").start()
        self.wait(engine, 7)
        self.server.sql("INSERT INTO shop.t VALUES (5,5)")
        self.wait(engine, 8)
        self.stop(engine)
        self.assertEqual({"r": 7, "c": 1}, self.ops())
        engine.start()
        self.stop(engine)
        self.assertEqual({"r": 7, "c": 1}, self.ops())

    def test_a_lost_history_is_an_error_and_recovery_makes_it_anew(self):
        engine = self.engine("initial").start()
        self.wait(engine, 3)
        self.stop(engine)
        os.remove(self.history_path)
        self.assertEqual(STATE, engine.run_to_end(), engine.output[-3000:])
        self.assertIn("recovery", engine.error_lines()[0])
        self.server.sql("INSERT INTO shop.t VALUES (4,4)")
        engine = self.engine("recovery").start()
        self.wait(engine, 4)
        self.stop(engine)
        engine = self.engine("initial").start()
        self.server.sql("INSERT INTO shop.t VALUES (5,5)")
        self.wait(engine, 5)
        self.stop(engine)
        self.assertEqual({"r": 3, "c": 2}, self.ops())

    def test_recovery_without_an_offset_is_an_error(self):
        engine = self.engine("recovery")
        self.assertEqual(STATE, engine.run_to_end(), engine.output[-3000:])

    def stuck(self):
        """An engine in the middle of its snapshot: Kinesis takes nothing."""
        self.fill()
        engine = self.engine("initial").launch()
        wait_for("streams", lambda: "run.streaming" in engine.output, process=engine.process)
        self.kinesis.pause()
        wait_for("rows read", lambda: engine.metric("tailrace_snapshot_rows") > 0, process=engine.process)
        self.assertEqual(1, engine.metric("tailrace_snapshot_running"))
        return engine

    def test_a_stop_in_the_snapshot_is_orderly_and_the_next_start_takes_it_again(self):
        engine = self.stuck()
        engine.process.signal(signal.SIGTERM)
        self.kinesis.resume()
        self.assertEqual(0, engine.process.wait(), engine.output[-3000:])
        self.check_again(engine)

    def test_a_kill_in_the_snapshot_loses_nothing(self):
        engine = self.stuck()
        engine.kill()
        self.kinesis.resume()
        self.check_again(engine)

    def check_again(self, engine):
        """What was sent before may come again; every row comes, and then what the log has since. (A row deleted between the two
        snapshots is in neither: what the first one sent of it stays, as with Debezium.)"""
        self.assertEqual("INITIAL", self.offset()["snapshot"])
        self.server.sql("UPDATE shop.t SET n=0 WHERE id=7")
        engine.start()
        wait_for("the snapshot's end", lambda: engine.metric("tailrace_snapshot_running") == 0, process=engine.process)
        self.server.sql(f"DELETE FROM shop.t WHERE id=8; INSERT INTO shop.t VALUES ({MANY + 1},0)")
        wait_for("the last row", lambda: any('"op":"c"' in r.data for r in self.kinesis.records(STREAM)), process=engine.process)
        self.stop(engine)
        self.assertNotIn("snapshot", self.offset())
        last = {}
        for record in self.kinesis.records(STREAM):
            last[record.key] = json.loads(record.data)["after"] if record.data else None
        last = {key: after for key, after in last.items() if after is not None}
        self.assertEqual(MANY, len(last))
        self.assertEqual(0, last['{"id":7}']["n"])


class MariaDbModes(SnapshotModes, unittest.TestCase):
    kind = "mariadb"

    @classmethod
    def start_server(cls, workdir):
        return servers.start_mariadb(os.path.join(workdir, "mariadb"), free_port(), [])

    def purge(self):
        self.server.sql("FLUSH BINARY LOGS")
        last = self.server.rows("SHOW BINARY LOGS")[-1][0]

        def is_purged():  # not before the server has written its checkpoint of the older files
            self.server.sql(f"PURGE BINARY LOGS TO '{last}'")
            return self.server.rows("SHOW BINARY LOGS")[0][0] == last
        wait_for("purged logs", is_purged)


@unittest.skipUnless(servers.mysql_is_here(), f"no MySQL in {servers.MYSQL_ROOT}, or not root")
class MySqlModes(SnapshotModes, unittest.TestCase):
    kind = "mysql"

    @classmethod
    def start_server(cls, workdir):
        return servers.start_mysql(os.path.basename(workdir) + "-mysql", free_port(),
                                   ["--gtid-mode=ON", "--enforce-gtid-consistency=ON"])

    def purge(self):
        self.server.sql("FLUSH BINARY LOGS")
        last = self.server.rows("SHOW BINARY LOGS")[-1][0]
        self.server.sql(f"PURGE BINARY LOGS TO '{last}'")


if __name__ == "__main__":
    unittest.main()
