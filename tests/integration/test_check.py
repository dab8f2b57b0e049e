#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`tailrace check`: every finding provoked on real servers, with the statement that mends it run as printed."""
import email.utils
import fcntl
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import servers  # noqa: E402
from engine import (Engine, Standin, command, free_port, make_user, make_workdir, remove_workdir, settings,  # noqa: E402
                    wait_for, write_properties)
from state import read_offset_file  # noqa: E402

CONFIG, AUTH, SETUP, LINK, GONE, CLASH = 3, 10, 11, 12, 13, 14
SINK_AUTH, SINK_STREAM, SINK_LINK, STATE = 30, 31, 33, 40
REDIS_STORE = "io.debezium.storage.redis.offset.RedisOffsetBackingStore"
STORAGE = "debezium.source.offset.storage"
TYPES = """a TINYINT, b SMALLINT UNSIGNED, c MEDIUMINT, d INT, e BIGINT UNSIGNED, f FLOAT, g DOUBLE, h DECIMAL(30,10),
 i BIT(1), j BIT(40), k YEAR, l DATE, m TIME(3), n DATETIME(6), o TIMESTAMP NULL, p CHAR(10), q VARCHAR(300), r TINYTEXT,
 s TEXT, t MEDIUMTEXT, u LONGTEXT, v BINARY(7), w VARBINARY(300), x TINYBLOB, y BLOB, z MEDIUMBLOB, a2 LONGBLOB,
 b2 ENUM('a','b'), c2 SET('a','b','c','d','e','f','g','h','i'), d2 JSON, e2 GEOMETRY, f2 POINT, g2 CHAR(255) CHARACTER SET latin1,
 h2 BINARY(0), i2 DECIMAL(65,30)"""


class FakeKinesis(http.server.ThreadingHTTPServer):
    """Answers every call alike: a status, a JSON body, a Date that is `skew_s` off."""
    daemon_threads = True

    def __init__(self, status, body, skew_s=0):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                text = json.dumps(body).encode()
                self.send_response_only(status)
                self.send_header("Date", email.utils.formatdate(time.time() + skew_s, usegmt=True))
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def handle_error(self, *_):
        pass  # connections are reset when they are given up


class Findings:
    def __init__(self, code, out, error):
        self.code, self.error = code, error
        self.whole = json.loads(out)
        self.all = self.whole["checks"]

    def named(self, name, level=None):
        return [f for f in self.all if f["name"] == name and level in (None, f["level"])]

    def failures(self):
        return [f for f in self.all if f["level"] == "fail"]


class Case(unittest.TestCase):
    kind, options = "mariadb", ("--binlog-row-metadata=FULL",)

    @classmethod
    def setUpClass(cls):
        cls.folder = make_workdir(f"check-{cls.kind}")
        cls.addClassCleanup(remove_workdir, cls.folder)
        cls.server = cls.open_server("db", cls.options)

    @classmethod
    def open_server(cls, name, options):
        start = servers.start_mariadb if cls.kind == "mariadb" else servers.start_mysql
        server = start(os.path.join(cls.folder, f"{os.path.basename(cls.folder)}-{name}"), free_port(), options)
        cls.addClassCleanup(servers.remove, server.datadir)
        cls.addClassCleanup(server.stop)
        return server

    def setUp(self):
        self.workdir = make_workdir("check")
        self.addCleanup(remove_workdir, self.workdir)
        self.server.sql("SET sql_log_bin=0; DROP DATABASE IF EXISTS d; CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY)")
        make_user(self.server)
        self.kinesis = Standin(self.workdir, streams={"p.d.t": 2})
        self.addCleanup(self.kinesis.stop)

    def path(self, name):
        return os.path.join(self.workdir, name)

    def properties(self, **more):
        return settings(self.server, self.kinesis, self.workdir, **{"tailrace.streams.create": "false", **more})

    def check(self, want=0, server=None, **more):
        given = self.properties(**more)
        if server is not None:
            given["debezium.source.database.port"] = str(server.port)
        path = write_properties(self.path("check.properties"), given)
        code, out, error = command("check", "--json", "-c", path)
        found = Findings(code, out, error)
        self.assertEqual(want, code, (out, error))
        self.assertEqual(code, found.whole["exit_code"])
        for level in ("ok", "warn", "fail"):
            self.assertEqual(found.whole[level], len([f for f in found.all if f["level"] == level]))
        return found

    def one(self, found, name, level, *words):
        """The single finding of that name; its text has all the words."""
        self.assertEqual([level], [f["level"] for f in found.named(name)], found.all)
        text = found.named(name)[0]["text"]
        for word in words:
            self.assertIn(word, text)
        return text

    def mend(self, text, server=None):
        """Runs the statement that a finding names, as an operator would paste it."""
        statement = re.search(r"run ((?:GRANT|SET GLOBAL) .*?)(?:,|;|$)", text).group(1)
        (server or self.server).sql(f"SET sql_log_bin=0; {statement}")

    def engine(self, **more):
        engine = Engine(self.workdir, self.properties(**more))
        self.addCleanup(engine.kill)
        return engine


class Common:
    def test_all_well_and_nothing_is_changed(self):
        redis = servers.start_redis(self.path("redis"), free_port())
        self.addCleanup(redis.stop)
        address = f"127.0.0.1:{redis.port}"
        before = (sorted(os.listdir(self.workdir)), self.server.rows(self.status_sql), self.kinesis.report()["streams"])
        stores = ({}, {STORAGE: REDIS_STORE, STORAGE + ".redis.address": address})
        for more in stores:
            found = self.check(**more)
            self.assertEqual([], found.failures())
            self.one(found, "source.connection", "ok", "logged in as 'tailrace'@'%'")
            self.one(found, "source.log_bin", "ok")
            self.one(found, "source.binlog_format", "ok", "ROW")
            self.one(found, "source.row_image", "ok", "FULL")
            self.one(found, "source.row_metadata", "ok", "FULL")
            self.one(found, "source.gtid_mode", "ok")
            self.one(found, "source.server_id", "ok", "5401")
            self.one(found, "source.clock", "ok")
            self.one(found, "source.log_grant", "ok", " file")
            self.one(found, "tables.captured", "ok", "1 table")
            self.one(found, "tables.select", "ok")
            self.one(found, "tables.types", "ok")
            self.one(found, "sink.credentials", "ok", "environment")
            self.one(found, "sink.clock", "ok")
            self.one(found, "sink.streams", "ok", "1 exist", "2 shards", "1024 KiB")
            self.one(found, "state.store", "ok")
            self.one(found, "state.lock", "ok", "nobody")
            self.one(found, "state.resume", "ok", "nothing is saved yet", "from now on")
            self.one(found, "snapshot.cut", "ok", "no lock is wanted")
            code, out, _ = command("check", "-c", self.path("check.properties"))
            self.assertEqual(0, code)
            self.assertEqual(len(found.all) + 1, len(out.splitlines()))
            self.assertRegex(out, r"(?m)^ok    state\.lock +nobody holds it$")
            self.assertRegex(out.splitlines()[-1], r"^\d+ ok, \d+ to look at, 0 failed$")
        os.unlink(self.path("check.properties"))
        after = (sorted(os.listdir(self.workdir)), self.server.rows(self.status_sql), self.kinesis.report()["streams"])
        self.assertEqual(before, after)
        size = subprocess.run(["redis-cli", "-p", str(redis.port), "dbsize"], capture_output=True, check=True)
        self.assertEqual(b"0", size.stdout.strip())

    def test_each_missing_grant_is_named_with_the_statement(self):
        make_user(self.server, grants="USAGE")
        self.server.sql("SET sql_log_bin=0; GRANT INSERT ON d.t TO tailrace@'%'")
        found = self.check(want=AUTH)
        texts = [self.one(found, name, "fail", "GRANT")
                 for name in ("source.replication_grant", "source.log_grant", "tables.select")]
        for text in texts:
            self.mend(text)
        found = self.check()
        for name in ("source.replication_grant", "source.log_grant", "tables.select"):
            self.one(found, name, "ok")

    def test_each_server_setting_is_named_with_the_statement(self):
        for variable, value, name in (("binlog_format", "MIXED", "source.binlog_format"),
                                      ("binlog_row_image", "MINIMAL", "source.row_image"),
                                      ("binlog_row_image", "NOBLOB", "source.row_image"),
                                      ("binlog_row_metadata", "MINIMAL", "source.row_metadata")):
            with self.subTest(variable=variable, value=value):
                self.addCleanup(self.server.sql, f"SET GLOBAL {variable}='{self.good[variable]}'")
                self.server.sql(f"SET GLOBAL {variable}='{value}'")
                level = "warn" if "metadata" in variable or value == "NOBLOB" else "fail"
                text = self.one(self.check(want=0 if level == "warn" else SETUP), name, level, variable, value)
                self.mend(text)
                self.one(self.check(), name, "ok", self.good[variable])

    def test_retention_is_measured_against_the_lag(self):
        name = "binlog_expire_logs_seconds"
        before = self.server.rows(f"SELECT @@global.{name}")[0][0].split(".")[0]
        self.addCleanup(self.server.sql, f"SET GLOBAL {name}={before}")
        self.server.sql(f"SET GLOBAL {name}=0")
        self.one(self.check(), "source.retention", "ok", "by hand")
        self.server.sql(f"SET GLOBAL {name}=3600")
        self.mend(self.one(self.check(), "source.retention", "warn", "60 min", "a longer outage"))
        self.one(self.check(), "source.retention", "ok", "7 days")
        point = self.server.rows(self.status_sql)[0]
        old = int(time.time()) - 108 * 3600
        bare = self.path("old.json")
        with open(bare, "w", encoding="utf-8") as f:
            json.dump({"file": point[0], "pos": int(point[1]), "ts_sec": old}, f)
        self.assertEqual(0, command("offsets", "import", bare, "-c", self.path("check.properties"))[0])
        self.server.sql("CREATE DATABASE IF NOT EXISTS d2")
        found = self.check()
        self.one(found, "source.retention", "warn", "start soon", "2 days left")
        self.one(found, "state.replay", "ok", "4 days ago")

    def test_clock_of_the_server_is_compared(self):
        self.addCleanup(self.server.sql, "SET GLOBAL init_connect=''")
        self.server.sql("SET GLOBAL init_connect='SET timestamp=UNIX_TIMESTAMP()+3600'")
        self.one(self.check(), "source.clock", "warn", "ahead of", "NTP")
        self.server.sql("SET GLOBAL init_connect='SET timestamp=UNIX_TIMESTAMP()-3600'")
        self.one(self.check(), "source.clock", "warn", "behind")

    def test_server_id_of_the_server_is_a_clash(self):
        text = self.one(self.check(want=CLASH, **{"debezium.source.database.server.id": "7"}), "source.server_id", "fail")
        self.assertIn("server's own", text)

    def test_columns_of_every_type_can_be_delivered(self):
        self.server.sql(f"SET sql_log_bin=0; CREATE TABLE d.zoo (id INT PRIMARY KEY, {TYPES}{self.more_types})")
        found = self.check(want=SINK_STREAM)
        self.one(found, "tables.types", "ok")
        self.one(found, "tables.captured", "ok", "2 tables")
        self.one_of(found, "sink.streams", "fail", '"p.d.zoo" does not exist', "tailrace streams --create")

    def one_of(self, found, name, level, *words):
        texts = [f["text"] for f in found.named(name, level)]
        self.assertTrue(any(all(word in text for word in words) for text in texts), found.all)

    def test_stream_of_schema_changes_is_looked_at_as_well(self):
        more = {"debezium.source.include.schema.changes": "true"}
        found = self.check(want=SINK_STREAM, **more)
        self.one_of(found, "sink.streams", "fail", 'stream "p" does not exist in region', "tailrace streams --create")
        self.assertEqual(1, len(found.failures()))
        self.assertEqual(0, command("streams", "--create", "-c", self.path("check.properties"))[0])
        self.one(self.check(**more), "sink.streams", "ok", "2 exist")

    def test_expression_that_matches_nothing_is_worth_a_look(self):
        found = self.check(**{"debezium.source.table.include.list": "d\\\\.t, d\\\\.oders,d\\\\.[t]",
                              "debezium.source.snapshot.include.collection.list": "d.tt"})
        self.assertEqual(["warn", "warn"], [f["level"] for f in found.named("tables.lists")])
        self.one_of(found, "tables.lists", "warn", "table.include.list", '"d\\.oders"', "GRANT SELECT ON it TO 'tailrace'@'%'")
        self.one_of(found, "tables.lists", "warn", "snapshot.include.collection.list", '"d.tt"')

    def test_privilege_on_some_columns_is_not_enough(self):
        self.server.sql("SET sql_log_bin=0; CREATE TABLE d.wide (id INT PRIMARY KEY, a INT)")
        make_user(self.server, grants="REPLICATION SLAVE, REPLICATION CLIENT")
        self.server.sql("SET sql_log_bin=0; GRANT SELECT (id) ON d.wide TO tailrace@'%'")
        text = self.one(self.check(want=AUTH), "tables.select", "fail", "run GRANT SELECT ON `d`.`wide` TO 'tailrace'@'%'")
        self.mend(text)
        self.one(self.check(want=SINK_STREAM), "tables.select", "ok")

    def test_fault_of_the_offset_does_not_hide_that_of_the_history(self):
        history = "debezium.source.schema.history.internal"
        more = {history: "io.debezium.storage.file.history.FileSchemaHistory", history + ".file.filename": self.path("h.dat")}
        for name in ("offsets.dat", "h.dat"):
            with open(self.path(name), "w", encoding="ascii") as f:
                f.write("rubbish\n")
        found = self.check(want=STATE, **more)
        self.one(found, "state.offset", "fail", "offsets.dat")
        self.one_of(found, "state.history", "fail", "h.dat", "line 1")

    def test_offset_of_another_prefix_is_told(self):
        history = "debezium.source.schema.history.internal"
        more = {history: "io.debezium.storage.file.history.FileSchemaHistory", history + ".file.filename": self.path("h.dat")}
        self.assertEqual(0, self.engine(**more).start().stop())
        slip = {"debezium.source.topic.prefix": "pp", "tailrace.streams.create": "true"}
        found = self.check(**more, **slip)
        self.one(found, "state.offset", "warn", '["kinesis",{"server":"p"}]', '"pp"')
        self.one(found, "state.resume", "ok", "nothing is saved yet")
        engine = self.engine(**more, **slip).start()
        self.assertEqual(0, engine.stop())
        self.assertRegex(engine.output, r"WARN .*start\.other_offset .*kinesis.*topic\.prefix")

    def test_table_without_a_key_and_no_table_at_all_are_worth_a_look(self):
        self.server.sql("SET sql_log_bin=0; CREATE TABLE d.nokey (a INT)")
        found = self.check(**{"tailrace.streams.create": "true"})
        self.one(found, "tables.captured", "warn", "2 tables, 1 of them without")
        self.one_of(found, "sink.streams", "warn", '"p.d.nokey"', "will create it")
        self.assertEqual(["p.d.t"], list(self.kinesis.report()["streams"]) or ["p.d.t"])
        found = self.check(**{"debezium.source.table.include.list": "d.typo"})
        self.one(found, "tables.captured", "warn", "table.include.list", "GRANT SELECT")

    def test_position_is_measured_and_a_purged_one_is_a_failure(self):
        self.server.sql("INSERT INTO d.t VALUES (0)")  # so that there are GTIDs to go by
        engine = self.engine().start()
        self.server.sql("INSERT INTO d.t VALUES (1)")
        self.kinesis.wait_records("p.d.t", 1, process=engine.process)
        found = self.check()
        self.one(found, "state.lock", "warn", f"process {engine.process.pid}")
        self.assertEqual(0, engine.stop())
        found = self.check()
        self.one(found, "state.lock", "ok")
        point = read_offset_file(self.path("offsets.dat"))['["kinesis",{"server":"p"}]']
        self.one(found, "state.resume", "ok", f"{point['file']}:{point['pos']}", "by GTIDs")
        self.one(found, "state.replay", "ok", "all still there")
        self.server.sql("FLUSH BINARY LOGS; INSERT INTO d.t VALUES (2); FLUSH BINARY LOGS; INSERT INTO d.t VALUES (3)")
        last = self.server.rows("SHOW BINARY LOGS")[-1][0]
        self.one(self.check(), "state.replay", "ok", "all still there")
        def purge():  # a file is kept as long as a dump that has ended is not gone
            self.server.sql(f"PURGE BINARY LOGS TO '{last}'")
            return len(self.server.rows("SHOW BINARY LOGS")) == 1
        wait_for("the purge", purge)
        found = self.check(want=GONE)
        self.assertEqual(["state.resume"], [f["name"] for f in found.failures()])
        given = engine.properties_path
        self.assertEqual(0, command("offsets", "set", "--file", point["file"], "--pos", "4", "-c", given)[0])
        self.one(self.check(want=GONE), "state.resume", "fail", point["file"])
        self.assertEqual(0, command("offsets", "set", "--file", last, "--pos", "4", "-c", given)[0])
        found = self.check()
        self.one(found, "state.resume", "ok", f"{last}:4")
        self.one(found, "state.replay", "ok", "bytes of log to read")


class MariaDb(Common, Case):
    status_sql = "SHOW MASTER STATUS"
    good = {"binlog_format": "ROW", "binlog_row_image": "FULL", "binlog_row_metadata": "FULL"}
    more_types = ", m1 UUID, m2 INET6, m3 VARCHAR(100) COMPRESSED, m4 BLOB COMPRESSED"

    def test_configuration_problems_are_findings(self):
        found = self.check(want=CONFIG, **{"debezium.source.topic.prefix": None, "debezium.sink.kinesis.batch.sise": "5"})
        self.assertEqual({"config"}, {f["name"] for f in found.all})
        self.assertEqual(2, len(found.failures()))
        self.assertEqual("", found.error)
        code, out, _ = command("check", "-c", "/nonexistent/file")
        self.assertEqual(CONFIG, code)
        self.assertRegex(out, r"^FAIL  config +.*/nonexistent/file")

    def test_database_that_cannot_be_had_leaves_the_rest_checked(self):
        for more, code, words in (({"debezium.source.database.port": str(free_port())}, LINK,
                                   ("127.0.0.1", "check debezium.source.database.hostname and .port")),
                                  ({"debezium.source.database.hostname": "nobody.invalid"}, LINK, ("name server",)),
                                  ({"debezium.source.database.password": "wrong-word"}, AUTH,
                                   ("1045", "database.password", "REQUIRE SSL"))):
            with self.subTest(code=code):
                found = self.check(want=code, **more)
                text = self.one(found, "source.connection", "fail", *words)
                self.assertNotIn("wrong-word", text)
                self.one(found, "sink.credentials", "ok")
                self.one(found, "state.lock", "ok")

    def test_replica_with_our_id_is_a_clash(self):
        self.server.sql("SET sql_log_bin=0; GRANT REPLICATION MASTER ADMIN ON *.* TO tailrace@'%'")
        self.one(self.check(), "source.server_id", "ok", "0 registered")
        replica = self.open_server("replica", ("--server-id=5401",))
        file, pos = self.server.rows(self.status_sql)[0][:2]
        replica.sql(f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={self.server.port}, MASTER_USER='root', "
                    f"MASTER_LOG_FILE='{file}', MASTER_LOG_POS={pos}; START SLAVE")
        self.addCleanup(replica.stop)
        wait_for("the replica", lambda: self.server.rows("SHOW REPLICA HOSTS"))
        self.one(self.check(want=CLASH), "source.server_id", "fail", "5401", "registered replica")

    def test_server_without_a_log(self):
        server = self.open_server("nolog", ("--skip-log-bin",))
        make_user(server)
        self.one(self.check(want=SETUP, server=server), "source.log_bin", "fail", "--log-bin")

    def test_keys_and_endpoint_of_kinesis(self):
        for status, body, code, name, level, word in (
                (400, {"__type": "UnrecognizedClientException", "message": "no"}, SINK_AUTH, "sink.credentials", "fail", "check the keys"),
                (400, {"__type": "AccessDeniedException", "message": "no"}, 0, "sink.credentials", "warn", "kinesis:DescribeStreamSummary"),
                (400, {"__type": "ResourceNotFoundException", "message": "no"}, SINK_STREAM, "sink.credentials", "ok", "accepted")):
            with self.subTest(body=body), FakeKinesis(status, body) as fake:
                found = self.check(want=code, **{"debezium.sink.kinesis.endpoint": fake.url})
                self.one(found, name, level, word)
        for url, words in ((f"http://127.0.0.1:{free_port()}", "that no firewall is between"),
                           (f"https://127.0.0.1:{self.kinesis.port}", "speaks TLS"), ("http://nobody.invalid", "name server")):
            found = self.check(want=SINK_LINK, **{"debezium.sink.kinesis.endpoint": url})
            self.one(found, "sink.connection", "fail", words)
        self.one(found, "state.lock", "ok")

    def test_clock_of_kinesis_is_compared(self):
        for skew_s, word in ((600, "ahead of"), (-600, "behind")):
            with self.subTest(skew_s=skew_s), \
                    FakeKinesis(400, {"__type": "ResourceNotFoundException"}, skew_s) as fake:
                found = self.check(want=SINK_STREAM, **{"debezium.sink.kinesis.endpoint": fake.url})
                self.one(found, "sink.clock", "warn", word, "NTP")

    def test_stores_that_cannot_be_written(self):
        for more, words in (
                ({STORAGE + ".file.filename": self.path("check.properties/offsets.dat")}, ("check.properties/", "writable")),
                ({STORAGE: REDIS_STORE, STORAGE + ".redis.address": f"127.0.0.1:{free_port()}"}, ("given up",))):
            with self.subTest(words=words):
                self.one(self.check(want=STATE, **more), "state.store", "fail", *words)
        self.one(self.check(**{STORAGE + ".file.filename": self.path("none/deep/offsets.dat")}), "state.store", "ok")
        self.assertFalse(os.path.exists(self.path("none")))  # a start makes them
        redis = servers.start_redis(self.path("redis"), free_port(), ["--replicaof", "127.0.0.1", "1"])
        self.addCleanup(redis.stop)
        found = self.check(want=STATE, **{STORAGE: REDIS_STORE, STORAGE + ".redis.address": f"127.0.0.1:{redis.port}"})
        self.one(found, "state.store", "fail", "address of the master")
        with open(self.path("offsets.dat"), "wb") as f:
            f.write(b"\xac\xed\x00\x05rubbish")
        self.one(self.check(want=STATE), "state.offset", "fail", "offsets.dat")
        memory = "org.apache.kafka.connect.storage.MemoryOffsetBackingStore"
        self.one(self.check(**{STORAGE: memory}), "state.store", "warn", "keeps nothing")

    def test_history_is_read_and_held_against_the_position(self):
        history = "debezium.source.schema.history.internal"
        path = self.path("history.dat")
        more = {history: "io.debezium.storage.file.history.FileSchemaHistory", history + ".file.filename": path}
        found = self.check(**more)
        self.assertFalse(os.path.exists(path))
        self.one(found, "state.history", "ok", path, "0 documents")
        engine = self.engine(**more).start()
        self.assertEqual(0, engine.stop())
        with open(path, encoding="utf-8") as f:
            lines = f.readlines()
        found = self.check(**more)
        self.one(found, "state.history", "ok", f"{len(lines)} documents")
        self.one(found, "state.resume", "ok", "goes on at")
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(lines[:-1])
        found = self.check(want=STATE, **more)
        self.one(found, "state.resume", "fail", "truncated", path)
        os.unlink(path)
        os.mkdir(path)
        self.one(self.check(want=STATE, **more), "state.history", "fail", path)
        os.rmdir(path)
        redis = servers.start_redis(self.path("redis-history"), free_port())
        self.addCleanup(redis.stop)
        more = {history: "io.debezium.storage.redis.history.RedisSchemaHistory",
                history + ".redis.address": f"127.0.0.1:{redis.port}"}
        found = self.check(want=STATE, **more)
        self.one(found, "state.history", "ok", "0 documents")
        self.one(found, "state.resume", "fail", "0 documents")
        memory = "io.debezium.relational.history.MemorySchemaHistory"
        self.one(self.check(**{history: memory}), "state.history", "warn", "keeps nothing")

    def test_what_a_start_begins_with_is_said(self):
        mode = "debezium.source.snapshot.mode"
        for name, wanted in (("initial", "all captured rows, then the log"), ("initial_only", "nothing behind it"),
                             ("when_needed", "all captured rows, then the log"), ("no_data", "the log from now on")):
            self.one(self.check(**{mode: name}), "state.resume", "ok", "nothing is saved yet", wanted)
        self.one(self.check(want=STATE, **{mode: "recovery"}), "state.resume", "fail", "set initial or no_data")
        self.engine().start().stop()
        found = self.check(**{mode: "always"})
        self.one(found, "state.resume", "ok", "always", "all captured rows")
        self.one(found, "snapshot.cut", "ok")
        self.assertEqual([], self.check(**{mode: "initial"}).named("snapshot.cut"))  # it goes on
        memory = {STORAGE: "org.apache.kafka.connect.storage.MemoryOffsetBackingStore"}
        self.one(self.check(**memory, **{mode: "initial"}), "state.resume", "ok", "memory store", "all captured rows")

    def test_extended_locking_names_the_grant_that_it_lacks(self):
        more = {"debezium.source.snapshot.mode": "initial", "debezium.source.snapshot.locking.mode": "extended"}
        self.one(self.check(**more), "snapshot.cut", "ok", "global read lock", "held until")
        make_user(self.server, grants="SELECT, REPLICATION SLAVE, REPLICATION CLIENT")
        text = self.one(self.check(want=AUTH, **more), "snapshot.cut", "fail", "GRANT RELOAD ON *.*", "GRANT LOCK TABLES ON `d`.*")
        self.mend(text)
        self.one(self.check(**more), "snapshot.cut", "ok", "global read lock")
        make_user(self.server, grants="SELECT, REPLICATION SLAVE, REPLICATION CLIENT")
        self.server.sql("SET sql_log_bin=0; GRANT LOCK TABLES ON `other`.* TO tailrace@'%'")
        self.one(self.check(want=AUTH, **more), "snapshot.cut", "fail")
        for pattern in ("d", "_", "%"):
            self.server.sql(f"SET sql_log_bin=0; GRANT LOCK TABLES ON `{pattern}`.* TO tailrace@'%'")
            self.one(self.check(**more), "snapshot.cut", "ok", "read locks of the captured tables")
            self.server.sql(f"SET sql_log_bin=0; REVOKE LOCK TABLES ON `{pattern}`.* FROM tailrace@'%'")
        self.server.sql("SET sql_log_bin=0; GRANT LOCK TABLES ON *.* TO tailrace@'%'")
        self.one(self.check(**more), "snapshot.cut", "ok", "read locks of the captured tables")

    def test_lock_is_shown_with_its_holder_and_left_alone(self):
        redis = servers.start_redis(self.path("redis"), free_port())
        self.addCleanup(redis.stop)
        lock = "metadata:debezium:offsets:tailrace:lock:p"
        subprocess.run(["redis-cli", "-p", str(redis.port), "set", lock, "0000 other:7"], capture_output=True, check=True)
        found = self.check(**{STORAGE: REDIS_STORE, STORAGE + ".redis.address": f"127.0.0.1:{redis.port}"})
        self.one(found, "state.lock", "warn", "held by other:7")
        with open(self.path("offsets.dat.lock"), "w", encoding="ascii") as held:
            held.write("4711\n")
            held.flush()
            fcntl.flock(held, fcntl.LOCK_EX)
            self.one(self.check(), "state.lock", "warn", "process 4711")
        self.one(self.check(), "state.lock", "ok")

    def test_snapshot_needs_no_privilege_but_select(self):
        make_user(self.server, grants="SELECT, REPLICATION SLAVE, BINLOG MONITOR")
        for locking in ("minimal", "none"):
            found = self.check(**{"debezium.source.snapshot.mode": "initial", "debezium.source.snapshot.locking.mode": locking})
            self.one(found, "snapshot.cut", "ok", "exact and without a lock")


@unittest.skipUnless(servers.mysql_is_here(), f"no MySQL in {servers.MYSQL_ROOT}, or not root")
class MySql(Common, Case):
    kind = "mysql"
    status_sql = "SHOW BINARY LOG STATUS"
    good = {"binlog_format": "ROW", "binlog_row_image": "FULL", "binlog_row_metadata": "FULL"}
    more_types = ", m1 VECTOR(3), m2 GEOMETRYCOLLECTION"

    def test_tls_in_use_is_shown_and_partial_json_without_documents_refused(self):
        self.one(self.check(), "source.tls", "ok", "TLS")
        self.addCleanup(self.server.sql, "SET GLOBAL binlog_row_value_options='', GLOBAL binlog_row_image='FULL'")
        self.server.sql("SET GLOBAL binlog_row_value_options='PARTIAL_JSON'")
        self.one(self.check(), "source.row_json", "ok", "PARTIAL_JSON")
        self.server.sql("SET GLOBAL binlog_row_image='NOBLOB'")
        self.mend(self.one(self.check(want=SETUP), "source.row_json", "fail", "PARTIAL_JSON"))
        self.one(self.check(), "source.row_json", "ok")

    def test_server_without_gtids_is_worth_a_look(self):
        server = self.open_server("nogtid", ("--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"))
        make_user(server)
        self.one(self.check(server=server), "source.gtid_mode", "warn", "gtid_mode = OFF", "failover")
        # Without RELOAD and without GTIDs only the tables' locks are left.
        server.sql("SET sql_log_bin=0; CREATE DATABASE my_shop; CREATE TABLE my_shop.t (id INT PRIMARY KEY)")
        self.kinesis.call("CreateStream", StreamName="p.my_shop.t", ShardCount=1)
        mode = {"debezium.source.snapshot.mode": "initial"}
        self.one(self.check(server=server, **mode), "snapshot.cut", "ok", "global read lock", "for a moment")
        make_user(server, grants="SELECT, REPLICATION SLAVE, REPLICATION CLIENT")
        self.one(self.check(want=AUTH, server=server, **mode), "snapshot.cut", "fail", "GRANT LOCK TABLES ON `my_shop`.*", "gtid_mode = ON")
        server.sql(r"SET sql_log_bin=0; GRANT LOCK TABLES ON `my\_shop`.* TO tailrace@'%'")
        self.one(self.check(server=server, **mode), "snapshot.cut", "ok", "read locks of the captured tables")
        none = {**mode, "debezium.source.snapshot.locking.mode": "none"}
        self.one(self.check(want=CONFIG, server=server, **none), "snapshot.cut", "fail", "set it to minimal", "gtid_mode = ON")

    def test_snapshot_without_reload_goes_by_gtids(self):
        mode = {"debezium.source.snapshot.mode": "initial"}
        self.one(self.check(**mode), "snapshot.cut", "ok", "global read lock", "for a moment")
        make_user(self.server, grants="SELECT, REPLICATION SLAVE, REPLICATION CLIENT")
        text = self.one(self.check(**mode), "snapshot.cut", "ok", "by GTIDs", "comes twice", "GRANT RELOAD")
        self.mend(text)
        self.one(self.check(**mode), "snapshot.cut", "ok", "global read lock")
        self.server.sql("SET sql_log_bin=0; CREATE ROLE IF NOT EXISTS reader")
        make_user(self.server, grants="SELECT, REPLICATION SLAVE, REPLICATION CLIENT")
        self.server.sql("SET sql_log_bin=0; GRANT reader TO tailrace@'%'")
        self.one(self.check(**mode), "snapshot.cut", "ok", "if a role brings RELOAD")


if __name__ == "__main__":
    unittest.main()
