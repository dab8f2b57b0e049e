#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`tailrace history show | verify` on the file and the Redis store, with what Debezium left in them."""
import json
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import servers  # noqa: E402
from engine import command, free_port, make_workdir, remove_workdir, write_properties  # noqa: E402

DATA = os.path.join(os.path.dirname(HERE), "data/history")
STREAM = "metadata:debezium:schema_history"
USAGE, CONFIG, UNSUPPORTED, STATE = 2, 3, 22, 40


def documents(name):
    with open(os.path.join(DATA, name), encoding="utf-8") as f:
        return f.read().splitlines()


class Tools(unittest.TestCase):
    """What both stores share; a subclass gives the properties and puts documents into the store."""

    def setUp(self):
        self.workdir = make_workdir("history")
        self.addCleanup(remove_workdir, self.workdir)
        self.properties = write_properties(self.path("history.properties"), self.all_properties())

    def path(self, name):
        return os.path.join(self.workdir, name)

    def all_properties(self):
        return {"debezium.source.topic.prefix": "p", "debezium.sink.type": "kinesis",
                "debezium.source.offset.storage.file.filename": self.path("offsets.dat"), **self.store_properties()}

    def run_command(self, *words, want=0):
        code, out, err = command(*words, "-c", self.properties)
        self.assertEqual(want, code, (out, err))
        return out if want == 0 else err


class StoreCases:
    def test_show_prints_a_line_per_document(self):
        lines = documents("ddl_tables.jsonl")
        self.put(lines)
        self.assertEqual(lines, self.run_command("history", "show", "--json").splitlines())
        shown = self.run_command("history", "show").splitlines()
        self.assertEqual(len(lines), len(shown))
        for line, document in zip(shown, map(json.loads, lines)):
            position = document["position"]
            mark = " (snapshot)" if "snapshot" in position else ""
            head = f"{position['file']}:{position['pos']}{mark} {position['gtids']} [{document['databaseName']}] "
            self.assertEqual(head + " ".join(document["ddl"].split()), line)

    def test_verify_has_the_tables_of_the_saved_position(self):
        self.put(documents("ddl_tables.jsonl"))
        out = self.run_command("history", "verify")
        self.assertIn("documents: 76, none sealed", out)
        self.assertIn("newest:    binlog.000001:16744\napplied:   all", out)
        self.assertIn("table:     shop.parts 2 columns, key (id, d)\n", out)
        self.run_command("offsets", "set", "--file", "binlog.000001", "--pos", "1800")
        out = self.run_command("history", "verify")
        self.assertIn("applied:   12 up to the saved position binlog.000001:1800, 64 behind it\ntables:    3,", out)
        self.assertEqual(["other.x", "shop.a", "shop.t1"],
                         [line.split()[1] for line in out.splitlines() if line.startswith("table: ")])

    def test_verify_takes_old_and_mariadb_histories(self):
        for name, table in (("debezium-2.3.0.jsonl", "shop.customers 4 columns, key (id)"),
                            ("mariadb_ddl_schemas.jsonl", "shop.js 4 columns, key (id)")):
            with self.subTest(name=name):
                self.put(documents(name))
                self.assertIn(table, self.run_command("history", "verify"))

    def test_damage_is_told_with_its_place_and_the_remedy(self):
        lines = documents("ddl_tables.jsonl")
        self.put(lines[:5] + ["{}"] + lines[5:])
        err = self.run_command("history", "verify", want=STATE)
        self.assertIn("document 6: source.server", err)
        self.assertIn("restore the history from a backup", err)
        self.assertEqual(len(lines) + 1, len(self.run_command("history", "show").splitlines()))
        unreadable = json.loads(lines[-1])
        unreadable.update(ddl="ALTER TABLE c3 ADD COLUMN b INT AFTER nosuch", tableChanges=[])
        self.put(lines + [json.dumps(unreadable)])
        self.assertIn("skip.unparseable.ddl=true", self.run_command("history", "verify", want=UNSUPPORTED))

    def test_no_history_has_no_documents(self):
        self.assertEqual("documents: 0, none sealed with a saved position\n", self.run_command("history", "verify"))
        self.assertEqual("", self.run_command("history", "show"))


class FileStore(StoreCases, Tools):
    def store_properties(self):
        return {"debezium.source.schema.history.internal": "io.debezium.storage.file.history.FileSchemaHistory",
                "debezium.source.schema.history.internal.file.filename": self.path("history.dat")}

    def put(self, lines):
        with open(self.path("history.dat"), "w", encoding="utf-8") as f:
            f.write("".join(line + "\n" for line in lines))

    def test_wrong_words_and_settings_are_told(self):
        for words in (("rebuild",), ("show", "verify"), (), ("verify", "--json")):
            with self.subTest(words=words):
                self.run_command("history", *words, want=USAGE)
        self.properties = write_properties(self.path("none.properties"), {
            "debezium.source.topic.prefix": "p", "debezium.sink.type": "kinesis",
            "debezium.source.offset.storage.file.filename": self.path("offsets.dat")})
        self.assertIn("schema.history.internal", self.run_command("history", "show", want=CONFIG))

    def test_a_history_that_was_changed_behind_its_seal_is_told(self):
        self.put(documents("ddl_tables.jsonl"))
        self.run_command("offsets", "set", "--file", "binlog.000001", "--pos", "1800")
        value = {"file": "binlog.000001", "pos": 1800}
        identity = {"format": 1, "flavor": "mysql", "server_uuid": "2667d7c1-e666-11f1-abea-02fc00000001", "file": "binlog.000001",
                    "pos": 1800, "event": 0, "row": 0, "history_documents": 80, "history_chain": "0000000000000001"}
        with open(self.path("o.json"), "w", encoding="utf-8") as f:
            json.dump({"server": "p", "value": value, "identity": identity}, f)
        self.run_command("offsets", "import", self.path("o.json"))
        self.assertIn("truncated", self.run_command("history", "verify", want=STATE))
        self.run_command("history", "show")


class RedisStore(StoreCases, Tools):
    @classmethod
    def setUpClass(cls):
        cls.folder = make_workdir("history-redis")
        cls.addClassCleanup(remove_workdir, cls.folder)
        cls.redis = servers.start_redis(os.path.join(cls.folder, "redis"), free_port())
        cls.addClassCleanup(cls.redis.stop)

    def setUp(self):
        super().setUp()
        self.cli("FLUSHALL")

    def cli(self, *words):
        subprocess.run(["redis-cli", "-p", str(self.redis.port), *words], capture_output=True, check=True)

    def store_properties(self):
        return {"debezium.source.schema.history.internal": "io.debezium.storage.redis.history.RedisSchemaHistory",
                "debezium.source.schema.history.internal.redis.address": f"127.0.0.1:{self.redis.port}"}

    def put(self, lines):
        self.cli("DEL", STREAM)
        for line in lines:
            self.cli("XADD", STREAM, "*", "schema", line)


del Tools

if __name__ == "__main__":
    unittest.main()
