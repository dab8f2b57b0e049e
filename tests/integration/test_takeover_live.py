#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real Debezium Server and Tailrace take turns on one state, in files and in Redis, while a second Debezium runs through.

Both follow the same server into a stand-in of their own. What the two in turn have delivered must be, per stream and in order, what
the one has that was never stopped, but for the time of delivery; and so must be the schema history that they leave. An orderly stop
repeats nothing (its last change stands alone: of a batch with several streams Debezium stores the offset of any of them); a kill may
repeat what was not saved yet.

Skipped without DEBEZIUM_SERVER_HOME.
"""
import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import debezium  # noqa: E402
import servers  # noqa: E402
from engine import PREFIX, Engine, Standin, free_port, make_user, make_workdir, remove_workdir, settings, wait_for  # noqa: E402
from history_cases import HistoryCases  # noqa: E402

HISTORY = "debezium.source.schema.history.internal"
START_SECONDS = 120  # a Java with a database to read
TURNS = 5
TABLES = ["a", "b", "marker"] + [f"{letter}{i}" for letter in "tu" for i in range(TURNS)]

SETUP = """CREATE DATABASE shop; USE shop;
CREATE TABLE a (id INT PRIMARY KEY, v INT); CREATE TABLE b (id INT PRIMARY KEY, v VARCHAR(10)); CREATE TABLE nokey (a INT, b TEXT);
CREATE TABLE marker (id INT PRIMARY KEY);
INSERT INTO a VALUES (1,1),(2,2); INSERT INTO b VALUES (1,'b')"""


def while_it_runs(i):
    k = i + 1
    return f"""INSERT INTO a (id, v) VALUES ({k}01,1),({k}02,2); UPDATE a SET v=v+1 WHERE id={k}01;
BEGIN; INSERT INTO b VALUES ({k}10,'x{i}'),({k}11,'y'); DELETE FROM a WHERE id={k}02; UPDATE b SET id=id+5000 WHERE id={k}10; COMMIT;
BEGIN; INSERT INTO b VALUES ({k}12,'rolled'); ROLLBACK;
CREATE TABLE t{i} (id INT PRIMARY KEY, n INT); INSERT INTO t{i} VALUES (1,1); ALTER TABLE t{i} ADD m VARCHAR(10) DEFAULT 'd{i}';
INSERT INTO t{i} (id) VALUES (2)"""


def while_none_runs(i):
    k = i + 1
    return f"""ALTER TABLE a ADD c{i} INT; INSERT INTO a (id, v, c{i}) VALUES ({k}20,0,{i}); ALTER TABLE t{i} CHANGE n renamed BIGINT;
UPDATE t{i} SET renamed=5; RENAME TABLE t{i} TO u{i}; INSERT INTO u{i} (id) VALUES (3); FLUSH BINARY LOGS;
BEGIN; DELETE FROM b; INSERT INTO b VALUES ({k}30,'z'),({k}31,NULL); UPDATE a SET v=9; COMMIT; CREATE DATABASE other{i};
CREATE TABLE other{i}.x (id INT PRIMARY KEY); INSERT INTO other{i}.x VALUES (1); DROP DATABASE other{i}"""


def comparable(text, is_document=False):
    """A record or document without what tells only when it was made, or by whom."""
    if not text:
        return text
    value = json.loads(text)
    source = value["source"]
    for name in ("ts_ms", "ts_us", "ts_ns"):
        value.pop(name, None)
        if source.get("snapshot", "false") != "false":
            source.pop(name, None)
    if is_document and "snapshot" in value["position"]:
        del value["position"]["ts_sec"]
    if "ddl" in value and not is_document:
        source["row"] = 0  # Debezium leaves the number of the last row that it sent before
    return json.dumps(value)


class LiveCases:
    """Mixed into a unittest.TestCase with `kind` and start_server()."""

    kind = None
    redis_cli = HistoryCases.redis_cli

    @classmethod
    def setUpClass(cls):
        cls.class_workdir = make_workdir("live-" + cls.kind)
        cls.addClassCleanup(remove_workdir, cls.class_workdir)
        cls.server = cls.start_server(cls.class_workdir)
        cls.addClassCleanup(servers.remove, cls.server.datadir)
        cls.addClassCleanup(lambda: cls.server.stop())
        make_user(cls.server)

    def setUp(self):
        self.workdir = os.path.join(self.class_workdir, self.id().rsplit(".", 1)[1])
        os.makedirs(self.workdir)
        self.server.sql("DROP DATABASE IF EXISTS shop; " + SETUP)
        self.markers = 0
        self.redis = None
        self.reference_kinesis = self.standin("reference")
        self.kinesis = self.standin("turns")

    def standin(self, name):
        folder = os.path.join(self.workdir, name)
        os.makedirs(folder)
        streams = {PREFIX: 1, **{f"{PREFIX}.shop.{table}": 1 for table in TABLES}}
        kinesis = Standin(folder, streams=streams)
        self.addCleanup(kinesis.stop)
        return kinesis

    def properties(self, kinesis, folder, server_id, **state):
        return settings(self.server, kinesis, folder, **{
            "debezium.source.database.server.id": str(server_id), "debezium.source.snapshot.mode": "initial",
            "debezium.source.include.schema.changes": "true", "debezium.source.poll.interval.ms": "50",
            "debezium.source.table.include.list": r"shop\\.(a|b|marker|[tu][0-9])", "tailrace.order": "stream",
            HISTORY: "io.debezium.storage.file.history.FileSchemaHistory",
            HISTORY + ".file.filename": os.path.join(folder, "history.dat"), **state})

    def shared_state(self):
        if self.redis is None:
            return {}
        address = f"127.0.0.1:{self.redis.port}"
        return {"debezium.source.offset.storage": "io.debezium.storage.redis.offset.RedisOffsetBackingStore",
                "debezium.source.offset.storage.redis.address": address,
                "debezium.source.offset.storage.file.filename": None,
                HISTORY: "io.debezium.storage.redis.history.RedisSchemaHistory", HISTORY + ".redis.address": address}

    def documents(self, folder, redis):
        if redis is not None:
            lines = self.redis_cli("XRANGE", "metadata:debezium:schema_history", "-", "+").splitlines()[2::3]
        else:
            with open(os.path.join(folder, "history.dat"), encoding="utf-8") as source:
                lines = source.read().splitlines()
        return [comparable(line, is_document=True) for line in lines]

    def wait_marker(self, *engines):
        """One change that stands alone, delivered by all."""
        self.markers += 1
        self.server.sql(f"INSERT INTO marker VALUES ({self.markers})", "shop")
        for kinesis, engine in engines:
            wait_for(f"marker {self.markers}", lambda k=kinesis: any(
                json.loads(record.data)["after"]["id"] == self.markers for record in k.records(f"{PREFIX}.shop.marker")),
                START_SECONDS, engine.process)

    def wait_snapshot(self, kinesis, engine):
        """A marker that is in the snapshot, as all of the set-up."""
        wait_for("the snapshot", lambda: kinesis.count(f"{PREFIX}.shop.marker") > 0, START_SECONDS, engine.process)

    def records(self, kinesis, stream):
        return [(record.key, comparable(record.data)) for record in kinesis.records(stream)]

    def assert_same(self, turns, through, what, has_repeats):
        if has_repeats:
            turns, through = list(dict.fromkeys(turns)), list(dict.fromkeys(through))
        self.assertEqual(through, turns, what)

    def take_turns(self, order, how):
        """`order`: d for Debezium, t for Tailrace, one after the other on the same state; `how` they end: stop or kill."""
        self.markers = 1
        self.server.sql("INSERT INTO marker VALUES (1)", "shop")
        through_folder, turns_folder = (os.path.join(self.workdir, name) for name in ("reference", "turns"))
        through = debezium.Debezium(through_folder, self.properties(self.reference_kinesis, through_folder, 5411))
        self.addCleanup(through.kill)
        properties = self.properties(self.kinesis, turns_folder, 5412, **self.shared_state())
        kinds = {"d": debezium.Debezium(turns_folder, properties), "t": Engine(turns_folder, properties)}
        for engine in kinds.values():
            self.addCleanup(engine.kill)
        through.launch()
        self.wait_snapshot(self.reference_kinesis, through)
        for i, letter in enumerate(order):
            engine = kinds[letter].launch()
            both = ((self.kinesis, engine), (self.reference_kinesis, through))
            if i == 0:
                self.wait_snapshot(self.kinesis, engine)
            self.wait_marker(*both)
            self.server.sql(while_it_runs(i), "shop")
            self.wait_marker(*both)
            wait_for("all records", self.has_all, process=engine.process)
            self.wait_marker(*both)
            if how == "kill":
                wait_for("a file at rest", self.is_written(turns_folder), process=engine.process)
                engine.kill()
            else:
                self.assertEqual(0, engine.stop(), engine.output[-3000:])
            if i + 1 < len(order):
                self.server.sql(while_none_runs(i), "shop")
        self.assertLess(20 * len(order), self.reference_kinesis.report()["records"])
        for stream in self.reference_kinesis.report()["streams"]:
            self.assert_same(self.records(self.kinesis, stream), self.records(self.reference_kinesis, stream), stream, how == "kill")
        self.assert_same(self.documents(turns_folder, self.redis), self.documents(through_folder, None), "history", how == "kill")

    def has_all(self):
        """Whether the turns have delivered, repeats aside, as many records as the one that runs through."""
        counts = [{stream: len(set(self.records(kinesis, stream))) for stream in kinesis.report()["streams"]}
                  for kinesis in (self.kinesis, self.reference_kinesis)]
        return counts[0] == counts[1]

    def is_written(self, folder):
        """Asks whether the offset file is whole and stays as it is for a moment. Debezium empties it and writes it anew: killed in between
        it leaves an empty one, which Tailrace refuses by name (a Debezium would take a snapshot)."""
        last = [None, 0.0]

        def is_quiet():
            with open(os.path.join(folder, "offsets.dat"), "rb") as source:
                now = source.read()
            if now != last[0]:
                last[:] = [now, time.monotonic()]
            return now and time.monotonic() - last[1] > 0.3
        return is_quiet if self.redis is None else lambda: True

    def use_redis(self):
        self.redis = servers.start_redis(os.path.join(self.workdir, "redis"), free_port())
        self.addCleanup(self.redis.stop)

    def test_debezium_begins_and_both_take_turns_on_files(self):
        self.take_turns("dtdt", "stop")

    def test_tailrace_begins_and_both_take_turns_in_redis(self):
        self.use_redis()
        self.take_turns("tdtd", "stop")

    def test_tailrace_begins_and_both_are_killed_in_turn_on_files(self):
        self.take_turns("tdtd", "kill")

    def test_debezium_begins_and_both_are_killed_in_turn_in_redis(self):
        self.use_redis()
        self.take_turns("dtdtt", "kill")


@unittest.skipIf(debezium.lacks(), debezium.lacks())
class LiveMariaDb(LiveCases, unittest.TestCase):
    kind = "mariadb"

    @classmethod
    def start_server(cls, workdir):
        return servers.start_mariadb(os.path.join(workdir, "mariadb"), free_port(), [])


@unittest.skipIf(debezium.lacks(), debezium.lacks())
@unittest.skipUnless(servers.mysql_is_here(), f"no MySQL in {servers.MYSQL_ROOT}, or not root")
class LiveMySql(LiveCases, unittest.TestCase):
    kind = "mysql"

    @classmethod
    def start_server(cls, workdir):
        return servers.start_mysql(os.path.basename(workdir) + "-mysql", free_port(),
                                   ["--gtid-mode=ON", "--enforce-gtid-consistency=ON"])


@unittest.skipIf(debezium.lacks(), debezium.lacks())
@unittest.skipUnless(servers.mysql_is_here(), f"no MySQL in {servers.MYSQL_ROOT}, or not root")
class LiveMySqlWithoutGtids(LiveCases, unittest.TestCase):
    kind = "mysql"

    @classmethod
    def start_server(cls, workdir):
        return servers.start_mysql(os.path.basename(workdir) + "-nogtid", free_port(),
                                   ["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"])


if __name__ == "__main__":
    unittest.main()
