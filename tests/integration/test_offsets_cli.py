#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`tailrace offsets show | set | export | import` on the file and the Redis store, and with an engine that goes on from it."""
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import servers  # noqa: E402
from engine import (Engine, Standin, command, free_port, make_user, make_workdir, remove_workdir, settings,  # noqa: E402
                    write_properties)
from state import read_offset_file  # noqa: E402

DATA = os.path.join(os.path.dirname(HERE), "data/offsets")
KEY = '["kinesis",{"server":"p"}]'
HASH = "metadata:debezium:offsets"
UUID = "2667d7c1-e666-11f1-abea-02fc00000001"
USAGE, CONFIG, STATE, LOCKED = 2, 3, 40, 41


class Tools(unittest.TestCase):
    """What both stores share; a subclass gives the properties, the raw entry and a lock that another instance holds."""

    def setUp(self):
        self.workdir = make_workdir("offsets")
        self.addCleanup(remove_workdir, self.workdir)
        self.properties = self.write("store.properties", self.store_properties())

    def path(self, name):
        return os.path.join(self.workdir, name)

    def write(self, name, properties):
        return write_properties(self.path(name), properties)

    def file_properties(self, name="offsets.dat"):
        return {"debezium.source.topic.prefix": "p", "debezium.sink.type": "kinesis",
                "debezium.source.offset.storage.file.filename": self.path(name)}

    def offsets(self, *words, properties=None, want=0):
        code, out, err = command("offsets", *words, "-c", properties or self.properties)
        self.assertEqual(want, code, (out, err))
        return out if want == 0 else err

    def shown(self, **options):
        return dict(re.split(r":? +", line, maxsplit=1) for line in self.offsets("show", **options).splitlines())


class StoreCases:
    def test_set_writes_what_the_next_start_reads_and_says_what_was_there(self):
        self.assertEqual("(none)", self.shown()["value"])
        first = '{"file":"mysql-bin.000003","pos":4}'
        self.assertEqual(f"old: (none)\nnew: {first}\n", self.offsets("set", "--file", "mysql-bin.000003", "--pos", "4"))
        self.assertEqual(first, self.raw())
        second = f'{{"file":"b.000004","pos":120,"gtids":"{UUID}:1-17"}}'
        out = self.offsets("set", "--file=b.000004", "--pos=120", f"--gtids={UUID.upper()}:1-17")
        self.assertEqual(f"old: {first}\nnew: {second}\n", out)
        self.assertEqual(second, self.raw())
        self.assertEqual({"key": KEY, "value": second, "identity": "(none)"}, self.shown())

    def test_set_gtids_alone_keeps_file_and_pos(self):
        self.offsets("set", "--gtids", f"{UUID}:1-5", want=USAGE)
        self.offsets("set", "--file", "b.000001", "--pos", "157")
        self.offsets("set", "--gtids", "0-1-100,5-9-3")
        self.assertEqual({"file": "b.000001", "pos": 157, "gtids": "0-1-100,5-9-3"}, json.loads(self.raw()))
        self.offsets("set", "--gtids", f"{UUID}:1-5:7")
        self.assertEqual({"file": "b.000001", "pos": 157, "gtids": f"{UUID}:1-5:7-7"}, json.loads(self.raw()))
        self.offsets("set", "--file", "b.000002", "--pos", "4")  # by file from here on: no GTIDs that would outrank it
        self.assertEqual({"file": "b.000002", "pos": 4}, json.loads(self.raw()))

    def test_values_that_are_none_change_nothing(self):
        self.offsets("set", "--file", "b.000001", "--pos", "157")
        before = self.raw()
        for words, what in ((("--file", "b.000001"), "together"), (("--pos", "4"), "together"), ((), "together"),
                            (("--file", "../b.000001", "--pos", "4"), "binary log's name"),
                            (("--file", "b", "--pos", "4"), "binary log's name"),
                            (("--file", "b.1", "--pos", "3"), "from 4 on"),
                            (("--file", "b.1", "--pos", "4x"), "from 4 on"),
                            (("--file", "b.1", "--pos", "99999999999999999999"), "from 4 on"),
                            (("--gtids", f"{UUID}:5-1"), "uuid:1-100"), (("--gtids", "0-1"), "uuid:1-100"),
                            (("--gtids", ""), "uuid:1-100"),
                            (("--json",), "belongs to `offsets export`")):
            with self.subTest(words=words):
                self.assertIn(what, self.offsets("set", *words, want=USAGE))
                self.assertEqual(before, self.raw())

    def test_nothing_is_written_while_another_instance_holds_the_lock(self):
        self.offsets("set", "--file", "b.000001", "--pos", "157")
        before = self.raw()
        source = os.path.join(DATA, "3.6.0-gtid-offsets.dat")
        with self.held_lock():
            since = time.monotonic()
            self.assertIn("stop that instance", self.offsets("set", "--file", "b.000009", "--pos", "4", want=LOCKED))
            self.assertIn("stop that instance", self.offsets("import", source, want=LOCKED))
            self.assertLess(time.monotonic() - since, 10)
            self.assertEqual(before, self.shown()["value"])
            self.offsets("export", self.path("beside.dat"))
        self.assertEqual(before, self.raw())
        self.offsets("set", "--file", "b.000009", "--pos", "4")

    def test_files_of_debezium_go_in_and_out_unchanged(self):
        for name in sorted(n for n in os.listdir(DATA) if n.endswith("offsets.dat")):
            with self.subTest(name=name):
                source = os.path.join(DATA, name)
                out = self.offsets("import", source)
                value = read_offset_file(source)[KEY]
                self.assertEqual(value, json.loads(self.raw()))
                self.assertEqual(self.raw(), re.search(r"^new: (.*)$", out, re.M).group(1))
                self.offsets("export", self.path(name))
                with open(source, "rb") as one, open(self.path(name), "rb") as other:
                    self.assertEqual(one.read(), other.read())

    def test_json_goes_out_and_in_again(self):
        self.offsets("import", os.path.join(DATA, "3.6.0-gtid-offsets.dat"))
        before = self.raw()
        self.offsets("export", self.path("o.json"), "--json")
        with open(self.path("o.json"), encoding="utf-8") as f:
            whole = json.load(f)
        self.assertEqual({"server": "p", "value": json.loads(before), "identity": None}, whole)
        self.offsets("set", "--file", "b.000001", "--pos", "4")
        self.offsets("import", self.path("o.json"))
        self.assertEqual(before, self.raw())
        with open(self.path("bare.json"), "w", encoding="utf-8") as f:
            f.write(' {"file":"b.000007","pos":9}\n')
        self.offsets("import", self.path("bare.json"))
        self.assertEqual('{"file":"b.000007","pos":9}', self.raw())

    def test_files_that_are_not_ours_change_nothing(self):
        self.offsets("set", "--file", "b.000001", "--pos", "157")
        before = self.raw()
        for text, what in ((b"", "neither Debezium's offset file nor JSON"), (b"hello", "neither"),
                           (b'{"server":"q","value":{"file":"b.1","pos":4}}', 'server "q", wanted "p"'),
                           (b'{"server":"p","value":{"file":"b.1"}}', 'no "pos"'),
                           (b'{"server":"p","value":{"file":"b.1","pos":4,"gtids":"x"}}', "gtid"),
                           (b'{"server":"p","value":{"file":"b.1","pos":4},"identity":[]}', "identity"),
                           (b"\xac\xed\x00\x05", "import")):
            with self.subTest(text=text):
                with open(self.path("bad"), "wb") as f:
                    f.write(text)
                self.assertIn(what.lower(), self.offsets("import", self.path("bad"), want=STATE).lower())
                self.assertEqual(before, self.raw())
        self.assertIn("no such file", self.offsets("import", self.path("none"), want=USAGE))

    def test_offset_of_another_server_is_named(self):
        other = dict(self.store_properties(), **{"debezium.source.topic.prefix": "q"})
        properties = self.write("q.properties", other)
        text = self.offsets("import", os.path.join(DATA, "3.6.0-gtid-offsets.dat"), properties=properties, want=STATE)
        self.assertIn('no offset of ["kinesis",{"server":"q"}]', text)
        self.assertIn(KEY, text)
        self.offsets("export", self.path("none.dat"), properties=properties, want=STATE)
        self.assertFalse(os.path.exists(self.path("none.dat")))

    def test_export_never_overwrites(self):
        self.offsets("set", "--file", "b.000001", "--pos", "4")
        self.offsets("export", self.path("o.dat"))
        self.assertIn("exists already", self.offsets("export", self.path("o.dat"), want=USAGE))
        self.assertIn("give its name", self.offsets("export", "-", want=USAGE))


class FileStore(StoreCases, Tools):
    def store_properties(self):
        return self.file_properties()

    def raw(self):
        done = subprocess.run(["strings", "-n", "8", self.path("offsets.dat")], capture_output=True, check=True)
        return re.search(r"\{\"(?!server).*\}", done.stdout.decode()).group(0)

    def held_lock(self):
        lock = open(self.path("offsets.dat.lock"), "w", encoding="ascii")
        fcntl.flock(lock, fcntl.LOCK_EX)
        return lock

    def test_entries_of_others_are_kept(self):
        shutil.copy(os.path.join(DATA, "3.6.0-gtid-offsets.dat"), self.path("offsets.dat"))
        other = self.write("q.properties", dict(self.file_properties(), **{"debezium.source.topic.prefix": "q"}))
        self.assertIn(f"value:    (none)\nidentity: (none)\nthere is: {KEY}\n", self.offsets("show", properties=other))
        self.offsets("set", "--file", "b.000001", "--pos", "4", properties=other)
        entries = read_offset_file(self.path("offsets.dat"))
        self.assertEqual(4573, entries[KEY]["pos"])
        self.assertEqual({"file": "b.000001", "pos": 4}, entries['["kinesis",{"server":"q"}]'])

    def test_memory_store_has_nothing_to_set(self):
        memory = dict(self.file_properties(), **{
            "debezium.source.offset.storage": "org.apache.kafka.connect.storage.MemoryOffsetBackingStore"})
        properties = self.write("memory.properties", memory)
        self.offsets("show", properties=properties)
        self.assertIn("keeps nothing", self.offsets("set", "--file", "b.1", "--pos", "4", properties=properties, want=CONFIG))

    def test_verbs_are_named(self):
        for words in (("frob",), ("show", "x"), ("export",), ("import",)):
            with self.subTest(words=words):
                self.assertIn("tailrace offsets", self.offsets(*words, want=USAGE))


class RedisStore(StoreCases, Tools):
    @classmethod
    def setUpClass(cls):
        cls.folder = make_workdir("offsets-redis")
        cls.addClassCleanup(remove_workdir, cls.folder)
        cls.redis = servers.start_redis(cls.folder, free_port())
        cls.addClassCleanup(cls.redis.stop)

    def setUp(self):
        self.cli("FLUSHALL")
        super().setUp()

    def cli(self, *words):
        done = subprocess.run(["redis-cli", "-p", str(self.redis.port), *words], capture_output=True, check=True)
        return done.stdout.decode().rstrip("\n")

    def store_properties(self):
        return {"debezium.source.topic.prefix": "p", "debezium.sink.type": "kinesis",
                "debezium.source.offset.storage": "io.debezium.storage.redis.offset.RedisOffsetBackingStore",
                "debezium.source.offset.storage.redis.address": f"127.0.0.1:{self.redis.port}"}

    def raw(self):
        return self.cli("HGET", HASH, KEY)

    def held_lock(self):
        test = self

        class Held:
            def __enter__(self):
                test.cli("SET", HASH + ":tailrace:lock:p", "0000 other-host:77", "PX", "60000")

            def __exit__(self, *_):
                test.cli("DEL", HASH + ":tailrace:lock:p")
        return Held()

    def test_lock_is_given_back(self):
        self.offsets("set", "--file", "b.000001", "--pos", "4")
        self.assertEqual("0", self.cli("EXISTS", HASH + ":tailrace:lock:p"))

    def test_server_that_is_down_is_told_soon(self):
        down = dict(self.store_properties(), **{"debezium.source.offset.storage.redis.address": f"127.0.0.1:{free_port()}"})
        since = time.monotonic()
        text = self.offsets("show", properties=self.write("down.properties", down), want=STATE)
        self.assertIn("given up after 3 attempts", text)
        self.assertLess(time.monotonic() - since, 10)


class WithEngine(Tools):
    @classmethod
    def setUpClass(cls):
        cls.folder = make_workdir("offsets-engine")
        cls.addClassCleanup(remove_workdir, cls.folder)
        cls.server = servers.start_mariadb(os.path.join(cls.folder, "db"), free_port(), ["--binlog-row-metadata=FULL"])
        cls.addClassCleanup(cls.server.stop)
        make_user(cls.server)
        cls.redis = servers.start_redis(os.path.join(cls.folder, "redis"), free_port())
        cls.addClassCleanup(cls.redis.stop)

    def store_properties(self):
        return self.file_properties()

    def setUp(self):
        super().setUp()
        self.server.sql("DROP DATABASE IF EXISTS d; CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY)")
        self.kinesis = Standin(self.workdir)
        self.addCleanup(self.kinesis.stop)

    def engine(self, **more):
        engine = Engine(self.workdir, settings(self.server, self.kinesis, self.workdir, **more))
        self.addCleanup(engine.kill)
        return engine

    def ids(self):
        return sorted(json.loads(record.data)["after"]["id"] for record in self.kinesis.records("p.d.t"))

    def test_offset_moved_from_file_to_redis_goes_on_where_it_stood(self):
        first = self.engine().start()
        self.server.sql("INSERT INTO d.t VALUES (1)")
        self.kinesis.wait_records("p.d.t", 1, process=first.process)
        self.assertEqual(0, first.stop())
        self.offsets("export", self.path("o.json"), "--json", properties=first.properties_path)
        self.server.sql("INSERT INTO d.t VALUES (2)")
        second = self.engine(**{
            "debezium.source.offset.storage": "io.debezium.storage.redis.offset.RedisOffsetBackingStore",
            "debezium.source.offset.storage.redis.address": f"127.0.0.1:{self.redis.port}"})
        write_properties(second.properties_path, second.properties)
        self.offsets("import", self.path("o.json"), properties=second.properties_path)
        self.assertIn("server_id", self.shown(properties=second.properties_path)["identity"])
        second.start()
        self.kinesis.wait_records("p.d.t", 2, process=second.process)
        self.offsets("set", "--file", "b.1", "--pos", "4", properties=second.properties_path, want=LOCKED)
        self.assertEqual(0, second.stop())
        self.assertEqual([1, 2], self.ids())

    def test_set_to_an_earlier_point_sends_again_from_there(self):
        engine = self.engine().start()
        self.server.sql("INSERT INTO d.t VALUES (1)")
        point = self.server.rows("SHOW MASTER STATUS")[0]
        self.server.sql("INSERT INTO d.t VALUES (2)")
        self.kinesis.wait_records("p.d.t", 2, process=engine.process)
        self.offsets("set", "--file", point[0], "--pos", point[1], properties=engine.properties_path, want=LOCKED)
        self.assertEqual(0, engine.stop())
        self.offsets("set", "--file", point[0], "--pos", point[1], properties=engine.properties_path)
        engine.start()
        self.kinesis.wait_records("p.d.t", 3, process=engine.process)
        self.assertEqual(0, engine.stop())
        self.assertEqual([1, 2, 2], self.ids())


del Tools

if __name__ == "__main__":
    unittest.main()
