#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong outside: one line that names thing, value and remedy, a documented exit code, no secret; never silence.

Exit codes: engine/error.c.
"""
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import unittest
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
from engine import (PASSWORD, ROOT, Engine, Standin, command, free_port, make_user, make_workdir, remove_workdir,  # noqa: E402
                    settings, wait_delivered, wait_for)

USAGE, CONFIG, SYSTEM = 2, 3, 4
SOURCE_AUTH, SOURCE_SETUP, SOURCE_LINK, SOURCE_GONE, SOURCE_CLASH = 10, 11, 12, 13, 14
PROTOCOL, UNSUPPORTED, SCHEMA = 20, 21, 22
SINK_AUTH, SINK_STREAM, SINK_RECORD, SINK_LINK = 30, 31, 32, 33
STATE, LOCKED, INTERRUPTED = 40, 41, 60
SECRET_KEY = "aws-s3cret-that-nobody-should-see"
REDIS_PASSWORD = "redis-passw0rd"
BINLOGS = os.path.join(ROOT, "tests/data/binlogs")
OFFSET_KEY = '["kinesis",{"server":"p"}]'


def problem_lines(output):
    """The error lines of a log, or what a command says before it has one."""
    return [line for line in output.splitlines() if re.match(r"\S+ ERROR |tailrace: (?!warning)", line)]


class BadInput(unittest.TestCase):
    def setUp(self):
        self.workdir = make_workdir("bad")
        self.addCleanup(remove_workdir, self.workdir)

    def check_text(self, code, output, wanted_code, *words):
        lines = problem_lines(output)
        self.assertEqual(wanted_code, code, output[-3000:])
        self.assertEqual(1, len(lines), output[-3000:])
        for word in words:
            self.assertIn(word, lines[0])
        for secret in (PASSWORD, SECRET_KEY, REDIS_PASSWORD):
            self.assertNotIn(secret, output)


class WithServer(BadInput):
    """One MariaDB for all, a stand-in for each."""

    @classmethod
    def setUpClass(cls):
        cls.class_workdir = make_workdir("bad-servers")
        cls.addClassCleanup(remove_workdir, cls.class_workdir)
        cls.server = servers.start_mariadb(os.path.join(cls.class_workdir, "mariadb"), free_port(), ["--binlog-row-metadata=FULL"])
        cls.addClassCleanup(lambda: cls.server.stop())
        make_user(cls.server)

    def setUp(self):
        super().setUp()
        self.server.sql("DROP DATABASE IF EXISTS shop; CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, n INT)")
        self.kinesis = Standin(self.workdir)
        self.addCleanup(self.kinesis.stop)

    def engine(self, name="engine", env=None, **more):
        engine = Engine(self.workdir, settings(self.server, self.kinesis, self.workdir, **more), env=env, name=name)
        self.addCleanup(engine.kill)
        return engine

    def check_start(self, wanted_code, *words, env=None, **more):
        engine = self.engine(env=env, **more)
        self.check_text(engine.run_to_end(), engine.output, wanted_code, *words)
        return engine

    def check_end(self, engine, wanted_code, *words):
        """A running engine ends by itself."""
        code = engine.process.wait()
        self.check_text(code, engine.output, wanted_code, *words)


class Configuration(WithServer):
    def test_unknown_property_names_the_nearest(self):
        self.check_start(CONFIG, "debezium.source.database.hostnam", "debezium.source.database.hostname",
                         **{"debezium.source.database.hostnam": "x"})

    def test_malformed_property_names_value_and_range(self):
        self.check_start(CONFIG, "debezium.source.database.port", "33o6", "65535", **{"debezium.source.database.port": "33o6"})

    def test_word_that_is_no_choice_names_the_choices(self):
        self.check_start(CONFIG, "debezium.source.database.ssl.mode", "sometimes", "verify_ca",
                         **{"debezium.source.database.ssl.mode": "sometimes"})

    def test_missing_property_is_named(self):
        self.check_start(CONFIG, "debezium.source.topic.prefix", **{"debezium.source.topic.prefix": None})

    def test_known_property_that_is_not_supported_yet_says_so(self):
        self.check_start(CONFIG, "debezium.transforms", **{"debezium.transforms": "unwrap"})

    def test_snapshot_mode_that_is_not_supported_yet_says_so(self):
        self.check_start(CONFIG, "debezium.source.snapshot.mode", "custom", **{"debezium.source.snapshot.mode": "custom"})

    def test_regular_expression_that_is_none_is_named(self):
        self.check_start(CONFIG, "debezium.source.table.include.list", **{"debezium.source.table.include.list": "shop.(t"})

    def test_file_that_is_missing_is_named(self):
        code, out, err = command("run", "-c", os.path.join(self.workdir, "nothing.properties"))
        self.check_text(code, out + err, CONFIG, "nothing.properties")

    def test_unknown_name_in_the_environment_is_a_warning(self):
        engine = self.engine(env={"DEBEZIUM_SOURCE_NO_SUCH_THING": "1"}).start()
        self.assertEqual(0, engine.stop())
        self.assertEqual(1, len([line for line in engine.output.splitlines() if "DEBEZIUM_SOURCE_NO_SUCH_THING" in line
                                 or "no.such.thing" in line]), engine.output)

    def test_tls_file_that_is_missing_is_named(self):
        for name in ("tailrace.source.tls.ca", "tailrace.sink.tls.ca", "tailrace.redis.tls.ca"):
            self.check_start(CONFIG, name, "/nonexistent.pem", **{name: "/nonexistent.pem"})

    def test_port_in_use_is_named(self):
        first = self.engine().start()
        port = str(first.http_port)
        other = self.engine("other", **{"quarkus.http.port": port,
                                        "debezium.source.offset.storage.file.filename": os.path.join(self.workdir, "other.dat")})
        self.check_text(other.run_to_end(), other.output, CONFIG, "quarkus.http.port", port)


class Source(WithServer):
    def test_wrong_password_is_refused(self):
        self.check_start(SOURCE_AUTH, "tailrace", "debezium.source.database", **{"debezium.source.database.password": "wrong-" + REDIS_PASSWORD})

    def test_unreachable_server_is_named(self):
        port = str(free_port())
        self.check_start(SOURCE_LINK, "127.0.0.1", port, **{"debezium.source.database.port": port})

    def test_unknown_host_is_named(self):
        self.check_start(SOURCE_LINK, "no-such-host.invalid", **{"debezium.source.database.hostname": "no-such-host.invalid"})

    def test_server_without_tls_is_refused_when_tls_is_required(self):
        self.check_start(SOURCE_LINK, "debezium.source.database.ssl.mode", "TLS", **{"debezium.source.database.ssl.mode": "required"})

    def test_certificate_of_an_unknown_authority_is_refused(self):
        for name in ("server", "other"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                            "-keyout", f"{self.workdir}/{name}.key", "-out", f"{self.workdir}/{name}.pem"],
                           check=True, capture_output=True)
        with servers.start_mariadb(os.path.join(self.workdir, "tls"), free_port(),
                                   ["--binlog-row-metadata=FULL", f"--ssl-cert={self.workdir}/server.pem",
                                    f"--ssl-key={self.workdir}/server.key", "--server-id=8"]) as server:
            make_user(server)
            more = {"debezium.source.database.port": str(server.port), "debezium.source.database.ssl.mode": "verify_ca"}
            self.check_start(SOURCE_LINK, "tailrace.source.tls.ca", **more, **{"tailrace.source.tls.ca": f"{self.workdir}/other.pem"})
            good = self.engine(**more, **{"tailrace.source.tls.ca": f"{self.workdir}/server.pem"}).start()
            server.sql("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY); INSERT INTO d.t VALUES (1)")
            self.kinesis.wait_records("p.d.t", 1, process=good.process)
            self.assertEqual(0, good.stop())

    def test_server_that_does_not_log_is_refused(self):
        with servers.start_mariadb(os.path.join(self.workdir, "nolog"), free_port(), ["--skip-log-bin", "--server-id=8"]) as server:
            server.sql(f"CREATE USER tailrace@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO tailrace@'%'")
            self.check_start(SOURCE_SETUP, "log_bin", "OFF", **{"debezium.source.database.port": str(server.port)})

    def check_global(self, name, value, *words):
        before = self.server.rows(f"SELECT @@GLOBAL.{name}")[0][0]
        self.server.sql(f"SET GLOBAL {name} = '{value}'")
        try:
            self.check_start(SOURCE_SETUP, name, value, *words)
        finally:
            self.server.sql(f"SET GLOBAL {name} = '{before}'")

    def test_statement_format_is_refused(self):
        self.check_global("binlog_format", "STATEMENT", "ROW")

    def test_partial_row_image_is_refused(self):
        self.check_global("binlog_row_image", "MINIMAL", "FULL")

    def test_row_image_without_blobs_is_a_warning(self):
        self.server.sql("SET GLOBAL binlog_row_image = NOBLOB")
        self.addCleanup(self.server.sql, "SET GLOBAL binlog_row_image = FULL")
        engine = self.engine().start()
        self.assertEqual(0, engine.stop())
        lines = [line for line in engine.output.splitlines() if " WARN " in line]
        self.assertEqual(1, len(lines), engine.output)
        for word in ("start.row_image", "NOBLOB", "unavailable.value.placeholder", "FULL"):
            self.assertIn(word, lines[0])

    def test_lists_that_match_no_table_are_a_warning(self):
        engine = self.engine(**{"debezium.source.table.include.list": "d.misspelt"}).start()
        self.assertEqual(0, engine.stop())
        self.assertRegex(engine.output, r"WARN .*run\.nothing_captured.*tailrace check")

    def test_missing_grant_is_named_with_the_statement(self):
        make_user(self.server, "weak", PASSWORD, "SELECT")
        self.check_start(SOURCE_AUTH, "GRANT REPLICATION SLAVE", "weak", **{"debezium.source.database.user": "weak"})

    def test_position_that_was_purged_is_named(self):
        engine = self.engine().start()
        self.server.sql("INSERT INTO shop.t VALUES (1,1)")
        self.kinesis.wait_records("p.shop.t", 1, process=engine.process)
        self.assertEqual(0, engine.stop())
        self.server.sql("INSERT INTO shop.t VALUES (2,1); FLUSH BINARY LOGS; INSERT INTO shop.t VALUES (3,1); FLUSH BINARY LOGS")
        last = self.server.rows("SHOW MASTER STATUS")[0][0]

        def is_purged():  # not before the server has written its checkpoint of the older files
            self.server.sql(f"PURGE BINARY LOGS TO '{last}'")
            return self.server.rows("SHOW BINARY LOGS")[0][0] == last
        wait_for("purged logs", is_purged)
        self.check_text(engine.run_to_end(), engine.output, SOURCE_GONE, "purged")
        self.assertEqual(1, self.kinesis.count("p.shop.t"))

    def test_server_id_that_another_replica_uses_is_named(self):
        first = self.engine("first").start()
        second = self.engine("second", **{"debezium.source.offset.storage.file.filename": os.path.join(self.workdir, "second.dat")}).launch()
        ended = wait_for("one gives up", lambda: next((e for e in (first, second) if e.process.poll() is not None), None))
        self.check_text(ended.process.wait(), ended.output, SOURCE_CLASH, "debezium.source.database.server.id", "5401")
        other = second if ended is first else first
        other.wait_ready()
        self.server.sql("INSERT INTO shop.t VALUES (1,1)")
        self.kinesis.wait_records("p.shop.t", 1, process=other.process)
        self.assertEqual(0, other.stop())

    def test_own_server_id_is_refused(self):
        self.check_start(SOURCE_CLASH, "debezium.source.database.server.id", "7", **{"debezium.source.database.server.id": "7"})

    def test_statement_format_of_one_session_stops_the_engine(self):
        engine = self.engine().start()
        self.server.sql("SET SESSION binlog_format = STATEMENT; INSERT INTO shop.t VALUES (1,1)")
        self.check_end(engine, UNSUPPORTED, "shop.t", "binlog_format")

    def test_partial_row_image_of_one_session_stops_the_engine(self):
        engine = self.engine().start()
        self.server.sql("INSERT INTO shop.t VALUES (1,1); SET SESSION binlog_row_image = MINIMAL; UPDATE shop.t SET n = 2")
        self.check_end(engine, UNSUPPORTED, "shop.t", "binlog_row_image")
        self.assertEqual(1, self.kinesis.count("p.shop.t"))

    def test_statement_behind_the_position_refuses_a_restart_without_a_history(self):
        """Under MINIMAL metadata: while it runs the statement is followed, but nobody remembers it."""
        self.server.sql("SET GLOBAL binlog_row_metadata = MINIMAL")
        self.addCleanup(self.server.sql, "SET GLOBAL binlog_row_metadata = FULL")
        engine = self.engine().start()
        self.server.sql("INSERT INTO shop.t VALUES (1,1); ALTER TABLE shop.t ADD c INT; INSERT INTO shop.t VALUES (2,2,2)")
        records = self.kinesis.wait_records("p.shop.t", 2, process=engine.process)
        self.assertEqual([{"id": 1, "n": 1}, {"id": 2, "n": 2, "c": 2}], [json.loads(r.data)["after"] for r in records])
        self.assertEqual(0, engine.stop())
        self.check_text(engine.run_to_end(), engine.output, SCHEMA, "debezium.source.schema.history.internal")

    def test_statement_larger_than_a_chunk_is_read_and_a_huge_one_stops_the_engine(self):
        self.server.sql("SET GLOBAL binlog_row_metadata = MINIMAL")
        self.addCleanup(self.server.sql, "SET GLOBAL binlog_row_metadata = FULL")
        engine = self.engine().start()
        self.server.sql("INSERT INTO shop.t VALUES (1,1); ALTER TABLE shop.t " + " " * 300000 + "ADD c INT; INSERT INTO shop.t VALUES (2,2,2)")
        records = self.kinesis.wait_records("p.shop.t", 2, process=engine.process)
        self.assertEqual({"id": 2, "n": 2, "c": 2}, json.loads(records[1].data)["after"])
        self.server.sql("SET GLOBAL max_allowed_packet = 67108864")
        subprocess.run(self.server.client("--max-allowed-packet=64M"), check=True,
                       input=b"ALTER TABLE shop.t " + b" " * (17 * 1024 * 1024) + b"ADD d INT")
        self.check_end(engine, UNSUPPORTED, "shop.t", "ALTER TABLE", "binlog_row_metadata=FULL")
        self.assertEqual(2, self.kinesis.count("p.shop.t"))


class Sink(WithServer):
    def test_unknown_stream_is_named(self):
        self.check_start(SINK_STREAM, "p.shop.t", "tailrace streams --create", **{"tailrace.streams.create": "false"})

    def test_unknown_stream_of_a_table_made_later_stops_the_engine(self):
        self.kinesis.call("CreateStream", StreamName="p.shop.t", ShardCount=1)
        engine = self.engine(**{"tailrace.streams.create": "false"}).start()
        self.server.sql("CREATE TABLE shop.later (id INT PRIMARY KEY); INSERT INTO shop.later VALUES (1)")
        self.check_end(engine, SINK_STREAM, "p.shop.later", "tailrace streams --create")

    def test_stream_name_that_kinesis_refuses_is_named(self):
        self.check_start(CONFIG, "debezium.source.topic.prefix", "letters", **{"debezium.source.topic.prefix": "a b"})

    def test_refused_credentials_are_told_at_start(self):
        self.kinesis.stop()
        self.kinesis.options += ["--access-key", "AKIDEXAMPLE", "--secret-key", SECRET_KEY]
        self.kinesis.start()
        self.check_start(SINK_AUTH, "p.shop.t", "keys of environment", "check the keys")
        good = self.engine("good", env={"AWS_SECRET_ACCESS_KEY": SECRET_KEY}).start()
        self.assertEqual(0, good.stop())
        self.assertNotIn(SECRET_KEY, good.output)

    def test_no_credentials_at_all_are_told_with_where_they_are_looked_for(self):
        engine = self.engine()
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            del engine.env[name]
        self.check_text(engine.run_to_end(), engine.output, SINK_AUTH, "AWS_ACCESS_KEY_ID")

    def test_unreachable_endpoint_is_named(self):
        url = f"http://127.0.0.1:{free_port()}"
        self.check_start(SINK_LINK, url.split("//")[1], **{"debezium.sink.kinesis.endpoint": url})

    def test_certificate_of_the_endpoint_is_checked(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", f"{self.workdir}/key.pem",
                        "-out", f"{self.workdir}/cert.pem"], check=True, capture_output=True)
        self.kinesis.stop()
        tls_port = free_port()
        self.kinesis.options += ["--tls-port", str(tls_port), "--cert", f"{self.workdir}/cert.pem", "--key", f"{self.workdir}/key.pem"]
        self.kinesis.start()
        url = {"debezium.sink.kinesis.endpoint": f"https://127.0.0.1:{tls_port}"}
        self.check_start(SINK_LINK, f"127.0.0.1:{tls_port}", "certificate", **url)
        good = self.engine(**url, **{"tailrace.sink.tls.ca": f"{self.workdir}/cert.pem"}).start()
        self.server.sql("INSERT INTO shop.t VALUES (1,1)")
        self.kinesis.wait_records("p.shop.t", 1, process=good.process)
        self.assertEqual(0, good.stop())

    def test_unknown_reactor_names_the_choices(self):
        self.check_start(CONFIG, "tailrace.reactor", "kqueue", "epoll", **{"tailrace.reactor": "kqueue"})


class Store(WithServer):
    def redis_properties(self, port):
        return {"debezium.source.offset.storage": "io.debezium.storage.redis.offset.RedisOffsetBackingStore",
                "debezium.source.offset.storage.redis.address": f"127.0.0.1:{port}",
                "debezium.source.offset.storage.redis.retry.initial.delay.ms": "50",
                "debezium.source.offset.storage.redis.retry.max.delay.ms": "200",
                "debezium.source.offset.storage.redis.retry.max.attempts": "5",
                "debezium.source.offset.storage.file.filename": None}

    def start_redis(self, port, *options):
        redis = servers.start_redis(os.path.join(self.workdir, "redis"), port, list(options))
        self.addCleanup(redis.stop)
        return redis

    def redis_command(self, port, *words):
        return subprocess.run(["redis-cli", "-p", str(port), "--raw", *words], capture_output=True, check=True, text=True).stdout

    def test_redis_that_is_down_at_start_is_named(self):
        port = free_port()
        self.check_start(STATE, f"127.0.0.1:{port}", "Redis", **self.redis_properties(port))

    def test_redis_that_refuses_the_password_is_named(self):
        port = free_port()
        self.start_redis(port, "--requirepass", "another")
        self.check_start(STATE, f"127.0.0.1:{port}", "password", **self.redis_properties(port),
                         **{"debezium.source.offset.storage.redis.password": REDIS_PASSWORD})

    def test_redis_that_is_lost_later_holds_nothing_up(self):
        port = free_port()
        redis = self.start_redis(port)
        engine = self.engine(**self.redis_properties(port)).start()
        self.server.sql("INSERT INTO shop.t VALUES (1,1)")
        self.kinesis.wait_records("p.shop.t", 1, process=engine.process)
        redis.kill()
        self.server.sql("INSERT INTO shop.t VALUES (2,1),(3,1)")
        self.kinesis.wait_records("p.shop.t", 3, process=engine.process)
        self.server.sql("INSERT INTO shop.t VALUES (4,1)")
        wait_for("a warning", lambda: re.search(rf"WARN .*127\.0\.0\.1:{port}", engine.output), process=engine.process)
        wait_for("a failed save in the metrics", lambda: engine.metric("tailrace_offset_save_failures_total") > 0)
        self.kinesis.wait_records("p.shop.t", 4, process=engine.process)
        self.start_redis(port)
        wait_for("a saved position", lambda: OFFSET_KEY in self.redis_command(port, "HGETALL", "metadata:debezium:offsets"),
                 process=engine.process)
        self.assertEqual(0, engine.stop(), engine.output)
        engine.start()
        self.server.sql("INSERT INTO shop.t VALUES (5,1)")
        wait_delivered(self.server, engine, self.kinesis)
        self.assertEqual(5, self.kinesis.count("p.shop.t"), "nothing is repeated: the position was saved when Redis came back")
        self.assertEqual(0, engine.stop())

    def test_stop_without_a_store_says_that_the_position_is_not_saved(self):
        port = free_port()
        redis = self.start_redis(port)
        engine = self.engine(**self.redis_properties(port), **{"tailrace.shutdown.timeout.ms": "3000"}).start()
        redis.kill()
        self.server.sql("INSERT INTO shop.t VALUES (1,1)")
        self.kinesis.wait_records("p.shop.t", 1, process=engine.process)
        code = engine.stop(10)
        self.assertIn(code, (STATE, INTERRUPTED))
        self.check_text(code, engine.output, code)

    def test_corrupt_offset_file_is_named_and_kept(self):
        path = os.path.join(self.workdir, "offsets.dat")
        for content in (b"", b"\xac\xed\x00\x05sr", b"not an offset file at all"):
            with open(path, "wb") as target:
                target.write(content)
            self.check_start(STATE, path)
            with open(path, "rb") as source:
                self.assertEqual(content, source.read())

    def test_corrupt_offset_in_redis_is_named_and_kept(self):
        port = free_port()
        self.start_redis(port)
        for value in ('{"file":"binlog.000001"', '{"file":17,"pos":4}', "[]", '{"file":"binlog.000001","pos":4,"gtids":"0-x-1"}'):
            self.redis_command(port, "HSET", "metadata:debezium:offsets", OFFSET_KEY, value)
            self.check_start(STATE, "offset", **self.redis_properties(port))
            self.assertEqual(value, self.redis_command(port, "HGET", "metadata:debezium:offsets", OFFSET_KEY).strip())

    def test_folder_of_the_offset_file_that_cannot_be_made_is_named(self):
        folder = os.path.join(self.workdir, "engine", "taken")
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        with open(folder, "w", encoding="ascii"):
            pass
        path = os.path.join(folder, "offsets.dat")
        self.check_start(STATE, folder, **{"debezium.source.offset.storage.file.filename": path})

    def test_disk_that_is_full_holds_nothing_up_and_is_told_at_the_end(self):
        small = os.path.join(self.workdir, "small")
        os.makedirs(small)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tailrace-test", small], capture_output=True, check=False).returncode:
            self.skipTest("mount of a small tmpfs is not permitted")
        self.addCleanup(subprocess.run, ["umount", small], check=False)
        path = os.path.join(small, "offsets.dat")
        engine = self.engine(**{"debezium.source.offset.storage.file.filename": path, "tailrace.shutdown.timeout.ms": "3000"}).start()
        self.server.sql("INSERT INTO shop.t VALUES (1,1)")
        wait_delivered(self.server, engine, self.kinesis)
        filler = os.open(os.path.join(small, "filler"), os.O_WRONLY | os.O_CREAT)
        try:
            while os.write(filler, b"x" * 4096):
                pass
        except OSError:
            pass
        finally:
            os.close(filler)
        self.server.sql("INSERT INTO shop.t VALUES (2,1)")
        wait_for("a warning", lambda: re.search(rf"WARN .*{path}.*make room", engine.output), process=engine.process)
        self.kinesis.wait_records("p.shop.t", 2, process=engine.process)
        code = engine.stop(10)
        self.assertIn(code, (STATE, INTERRUPTED), engine.output)
        self.check_text(code, engine.output, code)
        os.remove(os.path.join(small, "filler"))
        engine.start()
        wait_delivered(self.server, engine, self.kinesis)
        self.server.sql("INSERT INTO shop.t VALUES (3,1)")
        self.kinesis.wait_records("p.shop.t", 3, process=engine.process)
        self.assertEqual(0, engine.stop(), engine.output)


def events_of(data):
    """(offset, length) of each event of a binlog file."""
    at = 4
    while at + 19 <= len(data):
        length = struct.unpack_from("<I", data, at + 9)[0]
        yield at, length
        at += length


def with_checksum(data, at, length):
    """The file with the event's CRC-32 made right."""
    crc = zlib.crc32(bytes(data[at:at + length - 4]))
    data[at + length - 4:at + length] = struct.pack("<I", crc)
    return data


class Bytes(BadInput):
    """`tailrace decode` and bytes that no server wrote."""

    sample = "mysql97-types-full.000001"
    WRITE_ROWS, TABLE_MAP = 30, 19

    def read(self, name=None):
        with open(os.path.join(BINLOGS, name or self.sample), "rb") as source:
            return bytearray(source.read())

    def decode(self, data, name="binlog.000001"):
        path = os.path.join(self.workdir, name)
        with open(path, "wb") as target:
            target.write(data)
        code, out, err = command("decode", path)
        return code, out, err

    def check_bytes(self, data, wanted_code, *words):
        code, out, err = self.decode(data)
        self.check_text(code, err, wanted_code, "binlog.000001", *words)
        return out

    def find(self, data, kind, number=0):
        return [(at, length) for at, length in events_of(data) if data[at + 4] == kind][number]

    def test_whole_file_is_decoded(self):
        code, out, err = self.decode(self.read())
        self.assertEqual((0, ""), (code, err))
        self.assertGreater(len(out.splitlines()), 20)

    def test_truncated_file_is_told_with_its_position(self):
        data = self.read()
        at, length = self.find(data, self.WRITE_ROWS, 3)
        self.check_bytes(data[:at + length // 2], PROTOCOL, "ends inside an event")

    def test_truncated_header_is_told(self):
        data = self.read()
        at, _ = self.find(data, self.WRITE_ROWS, 3)
        self.check_bytes(data[:at + 7], PROTOCOL, "ends inside an event")

    def test_flipped_bit_is_told_with_its_position(self):
        data = self.read()
        at, _ = self.find(data, self.WRITE_ROWS, 2)
        data[at + 40] ^= 0x10
        self.check_bytes(data, PROTOCOL, str(at))

    def test_flipped_bits_anywhere_are_never_silent(self):
        """Each event's CRC covers it: whatever bit flips, decode must not end well with other output."""
        data = self.read()
        code, whole, _ = self.decode(data)
        self.assertEqual(0, code)
        plain = re.sub(r'"ts_\w+":\d+', "", whole)
        step = max(1, len(data) // 40)
        for at in range(4, len(data), step):
            changed = bytearray(data)
            changed[at] ^= 1 << (at % 8)
            code, out, err = self.decode(changed)
            self.assertTrue(code != 0 or re.sub(r'"ts_\w+":\d+', "", out) == plain, f"byte {at}: code {code}\n{err}")
            self.assertLess(code, 128, f"byte {at}: {err}")
            if code != 0:
                self.assertEqual(1, len(problem_lines(err)), f"byte {at}: {err}")

    def test_garbage_is_told(self):
        self.check_bytes(bytes(range(256)) * 16, PROTOCOL)
        self.check_bytes(b"\xfebin" + bytes(range(256)) * 16, PROTOCOL)

    def test_file_that_is_empty_missing_or_a_folder_is_told(self):
        self.check_bytes(b"", PROTOCOL)
        for path in (os.path.join(self.workdir, "none.000001"), self.workdir):
            code, out, err = command("decode", path)
            self.assertNotEqual(0, code)
            self.check_text(code, out + err, code, path, "irectory")
            self.assertEqual(1, err.count(path))

    def test_unknown_event_type_is_told(self):
        data = self.read()
        at, length = self.find(data, self.WRITE_ROWS, 1)
        data[at + 4] = 99
        self.check_bytes(with_checksum(data, at, length), UNSUPPORTED, str(at), "99")

    def test_unknown_event_that_may_be_ignored_is_passed_over(self):
        data = self.read()
        at, length = self.find(data, 35)  # PREVIOUS_GTIDS, which decoding does not need, made an unknown one
        data[at + 4] = 99
        data[at + 17] &= 0x7F
        code, _, err = self.decode(with_checksum(bytearray(data), at, length))
        self.assertEqual(UNSUPPORTED, code, err)
        data[at + 17] |= 0x80  # LOG_EVENT_IGNORABLE
        code, _, err = self.decode(with_checksum(data, at, length))
        self.assertEqual(0, code, err)

    def test_row_that_does_not_fit_its_table_is_told_with_table_and_position(self):
        data = self.read()
        at, length = self.find(data, self.WRITE_ROWS, 4)
        cut = 3
        piece = bytearray(data[at:at + length - cut])
        struct.pack_into("<I", piece, 9, length - cut)
        struct.pack_into("<I", piece, 13, at + length - cut)
        changed = data[:at] + with_checksum(piece, 0, len(piece)) + data[at + length:]
        self.check_bytes(changed, SCHEMA, str(at), "types.")

    def test_row_with_too_many_columns_is_told(self):
        data = self.read()
        at, length = self.find(data, self.WRITE_ROWS, 4)
        body = at + 19 + 8
        extra = struct.unpack_from("<H", data, body)[0]
        data[body + extra] += 1  # the count of columns
        code, out, err = self.decode(with_checksum(data, at, length))
        self.assertIn(code, (PROTOCOL, SCHEMA), err)
        self.check_text(code, err, code, str(at))

    def test_encrypted_file_is_told(self):
        shutil.copy(os.path.join(BINLOGS, "mariadb1011-encrypted.000001"), os.path.join(self.workdir, "binlog.000001"))
        code, _, err = command("decode", os.path.join(self.workdir, "binlog.000001"))
        self.check_text(code, err, UNSUPPORTED, "encrypted")


if __name__ == "__main__":
    unittest.main()
