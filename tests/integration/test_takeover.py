#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""From Debezium Server to Tailrace and back, on the state that both keep: offset and schema history, in files or in Redis.

The server gets the tables of a real Debezium run; the documents are that run's own (tests/data/history), with the positions and
GTIDs of this server put in their places, and the offset file is a real one (tests/data/offsets) with its value replaced. The
positions follow Debezium's rules and are read from SHOW BINLOG EVENTS, not from anything that Tailrace wrote.
"""
import json
import os
import struct
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
from engine import (PREFIX, ROOT, Engine, Standin, command, free_port, make_user, make_workdir, remove_workdir, settings,  # noqa: E402
                    wait_delivered)
from history_cases import HistoryCases  # noqa: E402
from state import read_offset_file  # noqa: E402

DATA = os.path.join(ROOT, "tests/data")
HISTORY = "debezium.source.schema.history.internal"
OFFSETS_KEY, HISTORY_KEY = "metadata:debezium:offsets", "metadata:debezium:schema_history"
KEY = '["kinesis",{"server":"p"}]'  # Debezium Server names its engine after the sink

SHOP = """CREATE DATABASE shop CHARACTER SET utf8mb4; USE shop;
CREATE TABLE customers (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) NOT NULL, email VARCHAR(100) UNIQUE, balance DECIMAL(10,2));
CREATE TABLE orders (id BIGINT UNSIGNED NOT NULL, line INT NOT NULL, customer INT, note TEXT, PRIMARY KEY (line, id), KEY (customer));
CREATE TABLE nokey (a INT, b VARCHAR(10));
CREATE TABLE uniq (a INT NOT NULL, b VARCHAR(10) NOT NULL, c INT, UNIQUE KEY ab (b, a));
INSERT INTO customers VALUES (1,'Ann','a@example.com',10.50),(2,'Bob',NULL,NULL)"""
SHOP_BEFORE = ["INSERT INTO customers VALUES (60,'Fay',NULL,6)", "ALTER TABLE customers ADD COLUMN extra INT DEFAULT 3",
               "INSERT INTO customers VALUES (61,'Gil',NULL,7,8)", "ALTER TABLE customers DROP COLUMN extra"]
# What nobody has read yet: rows of the open transaction, then rows around a statement.
SHOP_TRANSACTION = """BEGIN; INSERT INTO customers VALUES (70,'Hal',NULL,1),(71,'Ida',NULL,2),(72,'Jon',NULL,3);
DELETE FROM customers WHERE id = 1; COMMIT"""
SHOP_AFTER = ["ALTER TABLE customers CHANGE name full_name VARCHAR(50) NOT NULL", "UPDATE customers SET full_name = 'Bo' WHERE id = 2"]
SHOP_WANTED = [("customers", "c", 72, {"name": "Jon"}), ("customers", "d", 1, {"name": "Ann"}),
               ("customers", "u", 2, {"full_name": "Bo"})]

STATE = """CREATE DATABASE shop; USE shop;
CREATE TABLE a (id INT PRIMARY KEY, v INT); CREATE TABLE b (id INT PRIMARY KEY, v INT); CREATE TABLE hidden (id INT PRIMARY KEY);
CREATE TABLE m (id INT PRIMARY KEY) ENGINE=MyISAM; INSERT INTO a VALUES (1,1); INSERT INTO b VALUES (1,1)"""
STATE_BEFORE = ["UPDATE a SET v = 5 WHERE id = 1", "ALTER TABLE a ADD w INT", "INSERT INTO a VALUES (5,5,5)",
                "CREATE TABLE c (id INT PRIMARY KEY)", "INSERT INTO c VALUES (1)", "ALTER TABLE c ADD v INT"]
STATE_TRANSACTION = "BEGIN; INSERT INTO b VALUES (70,7),(71,7),(72,7); DELETE FROM a WHERE id = 1; COMMIT"
STATE_AFTER = ["ALTER TABLE c CHANGE v x INT", "UPDATE c SET x = 4 WHERE id = 1"]
STATE_WANTED = [("b", "c", 72, {"v": 7}), ("a", "d", 1, {"v": 5, "w": None}), ("c", "u", 1, {"x": 4})]


def shape(value):
    """Members in order and types, all the way down; of a list, the shapes that occur."""
    if isinstance(value, dict):
        return [(name, shape(member)) for name, member in value.items()]
    if isinstance(value, list):
        return sorted({json.dumps(shape(member)) for member in value})
    return type(value).__name__


def as_debezium_wrote(template, value):
    """A real offset file with another value."""
    with open(os.path.join(DATA, "offsets", template), "rb") as source:
        raw = source.read()
    at = raw.rindex(b"{")
    return raw[:at - 4] + struct.pack(">i", len(value)) + value.encode() + b"x"


class TakeoverCases:
    """Mixed into a unittest.TestCase."""

    kind = None
    documents_name = offsets_name = None
    members = ()  # of an offset and of a document's position, in the version's order
    setup_sql, before, transaction, after, wanted = SHOP, SHOP_BEFORE, SHOP_TRANSACTION, SHOP_AFTER, SHOP_WANTED

    redis_cli = HistoryCases.redis_cli

    @classmethod
    def setUpClass(cls):
        cls.class_workdir = make_workdir("takeover-" + cls.kind)
        cls.addClassCleanup(remove_workdir, cls.class_workdir)
        cls.server = cls.start_server(cls.class_workdir)
        cls.addClassCleanup(servers.remove, cls.server.datadir)
        cls.addClassCleanup(lambda: cls.server.stop())
        make_user(cls.server)

    def setUp(self):
        self.workdir = os.path.join(self.class_workdir, self.id().rsplit(".", 1)[1])
        os.makedirs(self.workdir)
        self.server.sql("DROP DATABASE IF EXISTS shop")
        self.kinesis = Standin(self.workdir)
        self.addCleanup(self.kinesis.stop)
        self.redis = None
        self.offsets_path = os.path.join(self.workdir, "offsets.dat")
        self.history_path = os.path.join(self.workdir, "history.dat")

    # ---- what Debezium would have left -----------------------------------------------------------

    def place(self):
        """File, pos and executed GTIDs now (empty text: the server has none)."""
        statement = "SHOW MASTER STATUS" if self.kind == "mariadb" else "SHOW BINARY LOG STATUS"
        row = self.server.rows(statement)[0]
        gtids = self.server.rows("SELECT @@gtid_binlog_pos")[0][0] if self.kind == "mariadb" else row[4]
        return {"file": row[0], "pos": int(row[1]), "gtids": (gtids or "").replace("\\n", "")}

    def events(self, place):
        """(type, start, end, info) of what was logged from there on, without what the server sends no replica like us."""
        rows = self.server.rows(f"SHOW BINLOG EVENTS IN '{place['file']}' FROM {place['pos']}")
        return [(row[2], int(row[1]), int(row[4]), row[5]) for row in rows if row[2] != "Annotate_rows"]

    def offset(self, place, **more):
        """An offset's members, in the order of the version that writes it."""
        known = {"transaction_id": None, "ts_sec": int(time.time()), "server_id": 7, **place, **more}
        return {name: known[name] for name in self.members if known.get(name, 0) != "" and name in known}

    def split_transaction(self, row):
        """Runs the transaction; the offset of Debezium's record for that row of its first rows event."""
        place = self.place()
        self.server.sql(self.transaction, "shop")
        events = self.events(place)
        begin = next(i for i, event in enumerate(events) if event[3].startswith("BEGIN"))
        rows = next(i for i, event in enumerate(events) if event[0].startswith("Write_rows"))
        return self.offset({**place, "pos": events[begin][1]}, event=rows - begin, row=row)

    def document(self, text, position):
        document = json.loads(text)
        document["position"] = position
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"))

    def make_history(self):
        """Runs everything up to the transaction; the documents of a Debezium that has followed it."""
        self.server.sql(self.setup_sql)
        cut = self.place()
        with open(os.path.join(DATA, "history", self.documents_name), encoding="utf-8") as source:
            lines = source.read().splitlines()
        snapshot = [line for line in lines if "snapshot" in json.loads(line)["position"]]
        statements = {json.loads(line)["ddl"]: line for line in lines[len(snapshot):]}
        in_snapshot = [name for name in self.offset(cut) if name not in ("transaction_id", "server_id")]
        documents = []
        for line in snapshot:
            position = {name: self.offset(cut)[name] for name in in_snapshot}
            documents.append(self.document(line, {**position, "snapshot": json.loads(line)["position"]["snapshot"]}))
        for statement in self.before:
            place = self.place()
            self.server.sql(statement, "shop")
            if statement not in statements:
                continue
            # MariaDB's GTID event begins a transaction; on MySQL the statement's own end counts.
            where = self.offset(place, event=1) if self.kind == "mariadb" else self.offset({**place, "pos": self.events(place)[-1][2]})
            documents.append(self.document(statements.pop(statement), where))
        self.assertEqual({}, statements)  # all of the real run's statements were run
        return documents

    def leave_as_debezium(self, offset, documents):
        value = json.dumps(offset, separators=(",", ":"))
        if self.redis is not None:
            self.redis_cli("HSET", OFFSETS_KEY, KEY, value)
            for document in documents:
                self.redis_cli("XADD", HISTORY_KEY, "*", "schema", document)
            return
        with open(self.offsets_path, "wb") as out:
            out.write(as_debezium_wrote(self.offsets_name, value))
        with open(self.history_path, "a", encoding="utf-8") as out:
            out.write("".join(document + "\n" for document in documents))

    # ---- what is there now -----------------------------------------------------------------------

    def use_redis(self):
        self.redis = servers.start_redis(os.path.join(self.workdir, "redis"), free_port())
        self.addCleanup(self.redis.stop)

    def engine(self):
        """Debezium Server's own properties: the mode is the default one, and nothing names Tailrace."""
        if self.redis is not None:
            state = {"debezium.source.offset.storage": "io.debezium.storage.redis.offset.RedisOffsetBackingStore",
                     "debezium.source.offset.storage.redis.address": f"127.0.0.1:{self.redis.port}",
                     "debezium.source.offset.storage.file.filename": None,
                     HISTORY: "io.debezium.storage.redis.history.RedisSchemaHistory",
                     HISTORY + ".redis.address": f"127.0.0.1:{self.redis.port}"}
        else:
            state = {"debezium.source.offset.storage.file.filename": self.offsets_path,
                     HISTORY: "io.debezium.storage.file.history.FileSchemaHistory",
                     HISTORY + ".file.filename": self.history_path}
        engine = Engine(self.workdir, settings(self.server, self.kinesis, self.workdir, **{
            "debezium.source.snapshot.mode": "initial", "debezium.source.include.schema.changes": "true",
            "debezium.source.database.include.list": "shop", **state}))
        self.addCleanup(engine.kill)
        return engine

    def stored_offset(self):
        if self.redis is None:
            stored = read_offset_file(self.offsets_path)
            self.assertEqual([KEY], list(stored))
            return stored[KEY]
        return json.loads(self.redis_cli("HGET", OFFSETS_KEY, KEY))

    def stored_documents(self):
        if self.redis is None:
            with open(self.history_path, encoding="utf-8") as source:
                return source.read().splitlines()
        return self.redis_cli("XRANGE", HISTORY_KEY, "-", "+").splitlines()[2::3]

    def deliver(self, engine):
        wait_delivered(self.server, engine, self.kinesis)

    def stop(self, engine):
        self.assertEqual(0, engine.stop(), engine.output[-3000:])
        self.assertEqual([], engine.error_lines())

    def rows(self):
        """All row records: (table, op, id, some of the row)."""
        got = []
        for stream, count in self.kinesis.report()["streams"].items():
            if stream == PREFIX or count == 0:
                continue
            for record in self.kinesis.records(stream):
                value = json.loads(record.data) if record.data else None
                if value is not None:
                    row = value["after"] or value["before"]
                    got.append((value["source"]["table"], value["op"], row["id"], row))
        return got

    def assert_rows(self, wanted):
        got = sorted(self.rows(), key=str)
        self.assertEqual(sorted((table, op, i) for table, op, i, _ in wanted), sorted(row[:3] for row in got))
        for table, op, i, members in wanted:
            row = next(row for row in got if row[:3] == (table, op, i))[3]
            self.assertEqual(members, {name: row.get(name, "absent") for name in members})

    def statements(self):
        return [json.loads(record.data)["ddl"] for record in self.kinesis.records(PREFIX)]

    # ---- over ------------------------------------------------------------------------------------

    def take_over(self):
        """Debezium was stopped between two rows of a statement; the rest, and nothing else, is delivered."""
        documents = self.make_history()
        self.leave_as_debezium(self.split_transaction(row=2), documents)
        for statement in self.after:
            self.server.sql(statement, "shop")
        engine = self.engine()
        code, out, err = command("check", "-c", self.written(engine), env=engine.env)
        self.assertEqual(0, code, out + err)
        code, out, err = command("history", "verify", "-c", self.written(engine), env=engine.env)
        self.assertEqual(0, code, out + err)
        engine.start()
        self.deliver(engine)
        self.assert_rows(self.wanted)
        self.assertEqual([self.after[0]], self.statements())
        self.assertNotIn("start.snapshot", engine.output)
        self.stop(engine)
        self.assertEqual(documents, self.stored_documents()[:-1])  # Debezium's stay as they are
        return documents

    def written(self, engine):
        path = os.path.join(self.workdir, "check.properties")
        with open(path, "w", encoding="utf-8") as out:
            out.write("".join(f"{name}={value}\n" for name, value in engine.properties.items()))
        return path

    # ---- and back --------------------------------------------------------------------------------

    def assert_debeziums_form(self, documents):
        """Members, their order and types are those of a Debezium that stood where we stopped."""
        stored = self.stored_offset()
        allowed = [name for name in self.members if name != "transaction_id"]
        self.assertEqual([], [name for name in stored if name not in allowed])
        for name in ("ts_sec", "pos", "server_id", "event", "row"):
            self.assertIs(int, type(stored.get(name, 0)), name)
        self.assertEqual(self.place()["file"], stored["file"])
        self.assertEqual("gtids" in allowed, "gtids" in stored)
        if self.redis is None:
            with open(self.offsets_path, "rb") as source:
                raw = source.read()
            value = raw[raw.rindex(b"{"):-1].decode()
            self.assertEqual(as_debezium_wrote(self.offsets_name, value), raw)  # byte for byte but for the value
        theirs = json.loads(next(text for text in reversed(documents) if '"type":"ALTER"' in text))
        ours = json.loads(self.stored_documents()[-1])
        for document in (theirs, ours):
            del document["position"]  # compared by its members above
            for change in document["tableChanges"]:
                for column in change["table"]["columns"]:  # absent where a type has none
                    for name in ("length", "scale", "charsetName", "defaultValueExpression"):
                        column.pop(name, None)
        self.assertEqual(shape(theirs), shape(ours))

    def test_takes_over_files_and_leaves_them_in_debeziums_form(self):
        self.assert_debeziums_form(self.take_over())

    def test_takes_over_redis_and_leaves_it_in_debeziums_form(self):
        self.use_redis()
        self.assert_debeziums_form(self.take_over())

    # ---- and over again --------------------------------------------------------------------------

    def over_again(self):
        """After Tailrace, Debezium ran for a while and wrote both; what Tailrace keeps of its own is older now."""
        self.take_over()
        others = len(self.rows())
        ours = self.stored_documents()[-1]
        place = self.place()
        statement = "CREATE TABLE later (id INT PRIMARY KEY, n INT)"
        self.server.sql(statement + "; INSERT INTO later VALUES (1, 1)", "shop")
        template = json.loads(next(text for text in self.stored_documents() if '"type":"CREATE"' in text))
        columns = [{**template["tableChanges"][0]["table"]["columns"][0], "name": name, "position": i + 1, "typeName": "INT",
                    "typeExpression": "INT", "jdbcType": 4, "optional": i > 0, "autoIncremented": False, "generated": False}
                   for i, name in enumerate(("id", "n"))]
        template.update(ddl=statement, databaseName="shop", tableChanges=[{
            "type": "CREATE", "id": '"shop"."later"', "table": {"defaultCharsetName": "utf8mb4", "primaryKeyColumnNames": ["id"],
                                                               "columns": columns, "attributes": []}}])
        events = self.events(place)
        end = next(event for event in events if statement in event[3])[2]
        where = self.offset(place, event=1) if self.kind == "mariadb" else self.offset({**place, "pos": end})
        document = self.document(json.dumps(template), where)
        self.leave_as_debezium(self.offset(self.place()), [document])
        self.server.sql("UPDATE later SET n = 2; ALTER TABLE later DROP n; INSERT INTO later VALUES (3)", "shop")
        engine = self.engine().start()
        self.deliver(engine)
        new = sorted((table, op, i) for table, op, i, _ in self.rows() if table == "later")
        self.assertEqual([("later", "c", 3), ("later", "u", 1)], new)
        self.assertEqual(others + 2, len(self.rows()))
        self.stop(engine)
        self.assertEqual([ours, document], self.stored_documents()[-3:-1])

    def test_takes_over_files_again(self):
        self.over_again()

    def test_takes_over_redis_again(self):
        self.use_redis()
        self.over_again()

    # ---- refused ---------------------------------------------------------------------------------

    def test_an_offset_without_its_history_is_refused(self):
        self.make_history()
        self.leave_as_debezium(self.offset(self.place()), [])
        engine = self.engine()
        self.assertEqual(40, engine.run_to_end(), engine.output[-3000:])
        self.assertIn("snapshot.mode=recovery", engine.error_lines()[0])


class TakeoverMariaDb(TakeoverCases, unittest.TestCase):
    """Debezium 3.6 with the MariaDB connector."""
    kind = "mariadb"
    documents_name, offsets_name = "mariadb_restart_file.jsonl", "3.6.0-gtid-offsets.dat"
    members = ("ts_sec", "file", "pos", "gtids", "row", "server_id", "event")

    @classmethod
    def start_server(cls, workdir):
        return servers.start_mariadb(os.path.join(workdir, "mariadb"), free_port(), [])


@unittest.skipUnless(servers.mysql_is_here(), f"no MySQL in {servers.MYSQL_ROOT}, or not root")
class TakeoverMySql(TakeoverCases, unittest.TestCase):
    """Debezium 3.6, GTIDs."""
    kind = "mysql"
    documents_name, offsets_name = "state_file.jsonl", "3.6.0-gtid-offsets.dat"
    members = TakeoverMariaDb.members
    setup_sql, before, transaction, after, wanted = STATE, STATE_BEFORE, STATE_TRANSACTION, STATE_AFTER, STATE_WANTED

    @classmethod
    def start_server(cls, workdir):
        return servers.start_mysql(os.path.basename(workdir) + "-mysql", free_port(), [])


@unittest.skipUnless(servers.mysql_is_here(), f"no MySQL in {servers.MYSQL_ROOT}, or not root")
class TakeoverMySqlOf23(TakeoverCases, unittest.TestCase):
    """Debezium 2.3, file and position only: its offsets begin with a null transaction_id."""
    kind = "mysql"
    documents_name, offsets_name = "debezium-2.3.0.jsonl", "2.3.0-offsets.dat"
    members = ("transaction_id", "ts_sec", "file", "pos", "row", "server_id", "event")

    @classmethod
    def start_server(cls, workdir):
        return servers.start_mysql(os.path.basename(workdir) + "-mysql23", free_port(),
                                   ["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"])


if __name__ == "__main__":
    unittest.main()
