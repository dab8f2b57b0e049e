# SPDX-License-Identifier: Apache-2.0
"""What must hold on every server: changes arrive, the position is right through stops, kills, faults and restarts.

test_engine_mariadb.py and test_engine_mysql.py run these against their server. The workload increments a counter column `n`
by one per change of a row, and the stand-in's judge follows it per key: lost, order_violations and replay_jumps must be 0.
"""
import json
import os
import re
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
from engine import (Engine, Standin, Trouble, free_port, make_user, make_workdir, remove_workdir, settings,  # noqa: E402
                    wait_delivered, wait_for)
from state import read_offset_file  # noqa: E402

STREAM = "p.shop.counters"
BIG_ROWS = int(os.environ.get("TAILRACE_TEST_BIG_ROWS", "1000000"))
RSS_BYTES_MAX = 128 << 20
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
EXIT = {"unsupported": 21, "record": 32, "state": 40, "locked": 41}


class Writer:
    """A client that runs statements in the background; on leaving, all of them were run, or enough of endless ones."""

    def __init__(self, server, statements, is_endless=True):
        self.process = subprocess.Popen(server.client("--default-character-set=utf8mb4", "--max-allowed-packet=256M"),
                                        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.statements = statements
        self.is_stopped = False
        self.is_endless = is_endless
        self.feeder = threading.Thread(target=self.feed)

    def __enter__(self):
        self.feeder.start()
        return self

    def feed(self):
        with self.process.stdin as pipe:
            for statement in self.statements:
                if self.is_stopped:
                    break
                pipe.write(statement.encode() + b";\n")

    def __exit__(self, kind, *_):
        self.is_stopped = self.is_endless or kind is not None
        self.feeder.join()
        errors = self.process.stderr.read().decode()
        self.process.stderr.close()
        if self.process.wait() != 0 and kind is None:
            raise Trouble(f"writer: {errors}")


def write_all(server, statements):
    server.sql(";\n".join(statements))


def masked(text):
    """A record with what differs from run to run replaced, for comparing two runs or a record with its expected form."""
    text = re.sub(r'"ts_(ms|us|ns)":\d+', r'"ts_\1":0', text)
    text = re.sub(r'"pos":\d+', '"pos":0', text)
    text = re.sub(r'"thread":\d+', '"thread":0', text)
    text = re.sub(r'"server_id":\d+', '"server_id":0', text)
    text = re.sub(rf'"gtid":"(?:{UUID}:\d+|\d+-\d+-\d+)"', '"gtid":""', text)
    return re.sub(r'"file":"[^"]*"', '"file":""', text)


def by_key(pairs):
    """(key, data) pairs grouped by key: within a key the order is promised, between keys there is none."""
    return sorted(pairs, key=lambda pair: pair[0])


class EngineCases:
    """Mixed into a unittest.TestCase with `kind`, start_server() and its own set-up."""

    kind = None
    maxDiff = None

    @classmethod
    def start_server(cls, workdir):
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        cls.class_workdir = make_workdir(cls.kind)
        cls.server = cls.start_server(cls.class_workdir)
        cls.addClassCleanup(remove_workdir, cls.class_workdir)
        cls.addClassCleanup(servers.remove, cls.server.datadir)
        cls.addClassCleanup(lambda: cls.server.stop())
        make_user(cls.server)

    def setUp(self):
        self.workdir = os.path.join(self.class_workdir, self.id().rsplit(".", 1)[1])
        os.makedirs(self.workdir)
        self.server.sql("DROP DATABASE IF EXISTS shop; CREATE DATABASE shop CHARACTER SET utf8mb4")
        self.kinesis = Standin(self.workdir, "--counter", "n", "--first-counter", "1", "--keep-bytes", str(256 << 20))
        self.addCleanup(self.kinesis.stop)
        self.redis = None

    # ---- helpers ---------------------------------------------------------------------------------

    def engine(self, name="engine", **more):
        engine = Engine(self.workdir, settings(self.server, self.kinesis, self.workdir, **more), name=name)
        self.addCleanup(engine.kill)
        return engine

    def make_counters(self, count=20):
        self.server.sql("CREATE TABLE shop.counters (id INT PRIMARY KEY, n BIGINT NOT NULL, pad VARCHAR(200))")
        return count

    def counting(self, keys=20, rounds=1000000, insert=True):
        """Statements that insert `keys` rows with n = 1 and then increment each, round by round."""
        if insert:
            yield "INSERT INTO shop.counters VALUES " + ",".join(f"({k},1,'first')" for k in range(keys))
        for turn in range(rounds):
            for key in range(keys):
                if key % 5 == 0:  # some transactions of several rows
                    yield f"UPDATE shop.counters SET n = n + 1, pad = 'several {turn}' WHERE id BETWEEN {key} AND {key + 4}"
                elif key % 5 == 1:
                    yield (f"BEGIN; UPDATE shop.counters SET n = n + 1 WHERE id = {key};"
                           f"UPDATE shop.counters SET n = n + 1 WHERE id = {key + 1}; COMMIT")

    def target(self):
        return {int(k): int(n) for k, n in self.server.rows("SELECT id, n FROM shop.counters")}

    def assert_complete(self, duplicates=None, process=None):
        """Every change of every key arrived, in order. `duplicates`: exactly so many, None: any number."""
        target = self.target()
        wait_for("all changes", lambda: self.kinesis.report()["judged"] - self.kinesis.report()["duplicates"]
                 >= sum(target.values()), process=process)
        report = self.kinesis.report()
        self.assertEqual((0, 0, 0), (report["lost"], report["order_violations"], report["replay_jumps"]), report)
        self.assertEqual(len(target), report["keys"])
        self.assertEqual(sum(target.values()), report["judged"] - report["duplicates"])
        last = {}
        for record in self.kinesis.records(STREAM):
            value = json.loads(record.data)["after"]
            last[value["id"]] = value["n"]
        self.assertEqual(target, last)
        if duplicates is not None:
            self.assertEqual(duplicates, report["duplicates"])

    def stop_well(self, engine):
        code = engine.stop()
        self.assertEqual(0, code, engine.output[-3000:])
        self.assertEqual([], engine.error_lines())

    def use_redis(self):
        """A Redis of this test's own, and the properties that put the position into it."""
        self.redis = servers.start_redis(os.path.join(self.workdir, "redis"), free_port())
        self.addCleanup(self.redis.stop)
        return self.redis_properties()

    def redis_properties(self):
        return {"debezium.source.offset.storage": "io.debezium.storage.redis.offset.RedisOffsetBackingStore",
                "debezium.source.offset.storage.redis.address": f"127.0.0.1:{self.redis.port}",
                "debezium.source.offset.storage.file.filename": None}

    def redis_offset(self):
        done = subprocess.run(["redis-cli", "-p", str(self.redis.port), "--raw", "HGETALL", "metadata:debezium:offsets"],
                              capture_output=True, check=True, text=True)
        lines = done.stdout.splitlines()
        return dict(zip(lines[::2], (json.loads(v) for v in lines[1::2])))

    def expire_redis_lock(self):
        """What 30 seconds do: a killed instance's lock runs out."""
        if self.redis is not None:
            subprocess.run(["redis-cli", "-p", str(self.redis.port), "DEL", "metadata:debezium:offsets:tailrace:lock:p"],
                           capture_output=True, check=True)

    def file_offset(self):
        return read_offset_file(os.path.join(self.workdir, "offsets.dat"))

    def kill_dump(self):
        """Ends the server's side of each dump connection; how many there were."""
        ids = [row[0] for row in self.server.rows("SHOW PROCESSLIST") if row[4].startswith("Binlog Dump")]
        for identity in ids:
            self.server.sql(f"KILL {identity}")
        return len(ids)

    # ---- what arrives ----------------------------------------------------------------------------

    def test_changes_arrive_in_debezium_form(self):
        self.server.sql("CREATE TABLE shop.items (id INT PRIMARY KEY, name VARCHAR(20) NOT NULL, price DECIMAL(8,2), at DATETIME(3))")
        engine = self.engine().start()
        self.server.sql("""INSERT INTO items VALUES (1,'Zoë "Z"',12.34,'2024-02-29 12:00:00.125'); UPDATE items SET price=NULL WHERE id=1;
                           UPDATE items SET id=2 WHERE id=1; DELETE FROM items WHERE id=2""", "shop")
        records = self.kinesis.wait_records("p.shop.items", 7, process=engine.process)
        self.stop_well(engine)
        full = '{"id":1,"name":"Zoë \\"Z\\"","price":"BNI=","at":1709208000125}'
        none = '{"id":1,"name":"Zoë \\"Z\\"","price":null,"at":1709208000125}'
        moved = none.replace('"id":1', '"id":2')

        def envelope(before, after, op):
            source = self.source_form()
            return f'{{"before":{before},"after":{after},{source},"transaction":null,"op":"{op}","ts_ms":0,"ts_us":0,"ts_ns":0}}'
        expected = [('{"id":1}', envelope("null", full, "c")), ('{"id":1}', envelope(full, none, "u")),
                    ('{"id":1}', envelope(none, "null", "d")), ('{"id":1}', ""), ('{"id":2}', envelope("null", moved, "c")),
                    ('{"id":2}', envelope(moved, "null", "d")), ('{"id":2}', "")]
        self.assertEqual(by_key(expected), by_key((r.key, masked(r.data)) for r in records))

    def source_form(self):
        raise NotImplementedError

    def test_schemas_are_written_when_enabled(self):
        self.server.sql("CREATE TABLE shop.items (id INT PRIMARY KEY, name VARCHAR(20))")
        engine = self.engine(**{"debezium.format.schemas.enable": "true"}).start()
        self.server.sql("INSERT INTO shop.items VALUES (7,'x')")
        record = self.kinesis.wait_records("p.shop.items", 1, process=engine.process)[0]
        self.stop_well(engine)
        key, value = json.loads(record.key), json.loads(record.data)
        self.assertEqual({"id": 7}, key["payload"])
        self.assertEqual("p.shop.items.Key", key["schema"]["name"])
        self.assertEqual("p.shop.items.Envelope", value["schema"]["name"])
        self.assertEqual({"id": 7, "name": "x"}, value["payload"]["after"])

    def test_rolled_back_work_is_not_sent(self):
        self.make_counters()
        engine = self.engine().start()
        self.server.sql("BEGIN; INSERT INTO shop.counters VALUES (1,1,''); ROLLBACK; INSERT INTO shop.counters VALUES (2,1,'')")
        self.assert_complete(duplicates=0, process=engine.process)
        self.stop_well(engine)

    # ---- position --------------------------------------------------------------------------------

    def stop_and_start(self, **more):
        self.make_counters()
        engine = self.engine(**more).start()
        with Writer(self.server, self.counting()):
            for _ in range(4):
                before = self.kinesis.count(STREAM)
                wait_for("progress", lambda: self.kinesis.count(STREAM) >= before + 300, process=engine.process)
                self.stop_well(engine)
                engine.start()
        self.assert_complete(duplicates=0, process=engine.process)
        self.stop_well(engine)

    def test_stop_and_start_repeats_nothing_with_file(self):
        self.stop_and_start()
        offsets = self.file_offset()
        self.assertEqual(['["kinesis",{"server":"p"}]'], list(offsets))
        self.check_offset(offsets['["kinesis",{"server":"p"}]'])

    def test_stop_and_start_repeats_nothing_with_redis(self):
        self.stop_and_start(**self.use_redis(), **{"tailrace.reactor": "epoll"})
        offsets = self.redis_offset()
        self.assertEqual(['["kinesis",{"server":"p"}]'], list(offsets))
        self.check_offset(offsets['["kinesis",{"server":"p"}]'])

    def check_offset(self, offset):
        """Debezium's members. The last record's: `event` and `row` say how much of its transaction was done."""
        for member in ("ts_sec", "file", "pos", "gtids", "server_id"):
            self.assertIn(member, offset)
        self.assertLessEqual(set(offset), {"ts_sec", "file", "pos", "gtids", "server_id", "event", "row"})

    def kill_under_load(self, statements=None, **more):
        """The writer goes on until the last kill, so that there is always something left to deliver."""
        self.make_counters()
        engine = self.engine(**more).start()
        with Writer(self.server, statements or self.counting()):
            for _ in range(5):
                before = self.kinesis.count(STREAM)
                wait_for("progress", lambda: self.kinesis.count(STREAM) >= before + 200, process=engine.process)
                engine.kill()
                self.expire_redis_lock()
                engine.start()
        self.assert_complete(process=engine.process)
        self.stop_well(engine)

    def test_kill_under_load_loses_nothing_with_file(self):
        self.kill_under_load()

    def test_kill_under_load_loses_nothing_with_redis(self):
        self.kill_under_load(**self.use_redis())

    def test_kill_under_load_with_a_faulty_sink_loses_nothing(self):
        self.kinesis.stop()
        self.kinesis.options += ["--fault-permille", "100", "--seed", "7"]
        self.kinesis.start()
        # Many keys, so that none is hot: the order of hot ones is relaxed where requests fail in part.
        self.kill_under_load(self.counting(keys=1000, rounds=200), **{"tailrace.sink.request.timeout.ms": "1000"})
        fired = {name: count for name, count in self.kinesis.report()["faults"].items() if count}
        self.assertTrue(fired)

    def test_kill_when_all_is_saved_repeats_nothing(self):
        self.make_counters()
        engine = self.engine().start()
        write_all(self.server, self.counting(rounds=20))
        self.assert_complete(duplicates=0, process=engine.process)
        self.server.sql("CREATE TABLE shop.other (id INT PRIMARY KEY); INSERT INTO shop.other VALUES (1)")  # the position moves on
        self.kinesis.wait_records("p.shop.other", 1, process=engine.process)
        engine.wait_health("idle")
        engine.kill()
        engine.start()
        self.server.sql("UPDATE shop.counters SET n = n + 1")
        self.assert_complete(duplicates=0, process=engine.process)
        self.stop_well(engine)

    def test_stop_and_kill_in_a_transaction_of_a_million_rows(self):
        self.stop_and_kill_in_a_transaction(BIG_ROWS)

    def test_kills_in_a_compressed_transaction(self):
        """Compressed it is so small that all of it is read at once, and an orderly stop would deliver all of it."""
        self.compress(True)
        self.addCleanup(self.compress, False)
        self.stop_and_kill_in_a_transaction(BIG_ROWS // 2, is_stopped=False)

    def stop_and_kill_in_a_transaction(self, rows, is_stopped=True):
        self.make_counters()
        engine = self.engine(**{"debezium.source.offset.flush.interval.ms": "100"}).start()
        step = rows // 100  # a hundred events, of which no two fit in a unit
        numbers = [f"SELECT id + {start}, 1, 'row' FROM shop.numbers" for start in range(0, rows, step)]
        self.server.sql("CREATE TABLE shop.numbers (id INT PRIMARY KEY); INSERT INTO shop.numbers VALUES "
                        + ",".join(f"({i})" for i in range(step)))
        wait_delivered(self.server, engine, self.kinesis)
        self.server.sql("BEGIN; INSERT INTO shop.counters " + "; INSERT INTO shop.counters ".join(numbers) + "; COMMIT")

        def reach(share):
            wait_for("progress", lambda: self.kinesis.count(STREAM) >= rows * share, process=engine.process)
        reach(0.1)
        if is_stopped:
            self.stop_well(engine)
        else:
            engine.kill()
        self.assertLess(self.kinesis.count(STREAM), rows, "ended within the transaction")
        engine.start()
        reach(0.4)
        engine.kill()
        report = self.kinesis.report()
        if is_stopped:
            self.assertEqual(0, report["duplicates"], "an orderly stop repeats nothing")
        self.assertLess(report["keys"], rows, "killed within the transaction")
        engine.start()
        wait_delivered(self.server, engine, self.kinesis)
        report = self.kinesis.report()
        self.assertEqual((rows, 0, 0), (report["keys"], report["lost"], report["order_violations"]), report)
        # What is repeated is what was not saved (saves come every 100 ms), not the transaction from its begin.
        self.assertLess(report["duplicates"], rows * 0.4)
        self.stop_well(engine)

    def test_second_instance_on_the_same_file_is_refused(self):
        self.make_counters()
        engine = self.engine().start()
        other = self.engine("other", **{"debezium.source.database.server.id": "5402"})
        self.assertEqual(EXIT["locked"], other.run_to_end(), other.output)
        self.assertEqual(1, len(other.error_lines()), other.output)
        self.assertIn("offsets.dat", other.error_lines()[0])
        self.stop_well(engine)

    def test_offset_that_another_program_wrote_stops_the_engine(self):
        self.make_counters()
        engine = self.engine(**self.use_redis()).start()
        self.server.sql("INSERT INTO shop.counters VALUES (1,1,'')")
        self.assert_complete(process=engine.process)
        wait_for("a saved position", self.redis_offset)
        subprocess.run(["redis-cli", "-p", str(self.redis.port), "HSET", "metadata:debezium:offsets", '["kinesis",{"server":"p"}]',
                        '{"ts_sec":1,"file":"binlog.000001","pos":4}'], capture_output=True, check=True)
        self.server.sql("UPDATE shop.counters SET n = n + 1")
        self.assertEqual(EXIT["state"], engine.process.wait(), engine.output)
        self.assertEqual(1, len(engine.error_lines()), engine.output)

    # ---- the source's side -----------------------------------------------------------------------

    def test_restart_of_the_server_loses_nothing(self):
        self.make_counters()
        engine = self.engine().start()
        write_all(self.server, self.counting(rounds=50))
        type(self).server = self.restart_server()
        write_all(self.server, self.counting(rounds=50, insert=False))
        self.assert_complete(duplicates=0, process=engine.process)
        self.stop_well(engine)

    def restart_server(self):
        self.server.stop()
        return self.start_server(self.class_workdir)

    def test_killed_dump_connection_is_made_again(self):
        self.make_counters()
        engine = self.engine().start()
        with Writer(self.server, self.counting()):
            for _ in range(3):
                before = self.kinesis.count(STREAM)
                wait_for("progress", lambda: self.kinesis.count(STREAM) >= before + 200, process=engine.process)
                wait_for("a dump connection", self.kill_dump, process=engine.process)
        self.assert_complete(duplicates=0, process=engine.process)
        self.stop_well(engine)

    def test_rotation_of_the_log_loses_nothing(self):
        self.make_counters()
        engine = self.engine().start()
        with Writer(self.server, self.counting()):
            for _ in range(10):
                self.server.sql("FLUSH BINARY LOGS")
        self.stop_well(engine)
        self.server.sql("FLUSH BINARY LOGS; FLUSH BINARY LOGS")
        engine.start()
        self.server.sql("FLUSH BINARY LOGS; UPDATE shop.counters SET n = n + 1")
        self.assert_complete(duplicates=0, process=engine.process)
        self.stop_well(engine)

    def test_compressed_transactions_arrive(self):
        self.make_counters()
        self.compress(True)
        try:
            engine = self.engine().start()
            with Writer(self.server, self.counting(rounds=100)):
                pass
            rows = ",".join(f"({k},1,REPEAT('x',200))" for k in range(1000, 31000))
            self.server.sql(f"INSERT INTO shop.counters VALUES {rows}")
            self.assert_complete(duplicates=0, process=engine.process)
            engine.kill()
            engine.start()
            self.server.sql("UPDATE shop.counters SET n = n + 1 WHERE id < 10")
            self.assert_complete(process=engine.process)
            self.stop_well(engine)
        finally:
            self.compress(False)

    def compress(self, on):
        raise NotImplementedError

    def test_events_of_more_than_a_packet_arrive(self):
        """An event of 20 MB travels in two packets of the protocol."""
        self.make_counters()
        engine = self.engine().start()
        rows = ",".join(f"({k},1,REPEAT(CHAR(65 + {k} % 26),180))" for k in range(100000))
        self.server.sql(f"INSERT INTO shop.counters VALUES {rows}")
        self.server.sql("UPDATE shop.counters SET n = n + 1 WHERE id = 5")
        self.assert_complete(duplicates=0, process=engine.process)
        self.stop_well(engine)

    def test_row_that_no_stream_takes_stops_by_name(self):
        self.server.sql("CREATE TABLE shop.docs (id INT PRIMARY KEY, body LONGTEXT)")
        engine = self.engine().start()
        self.server.sql("INSERT INTO shop.docs VALUES (1,'small'); INSERT INTO shop.docs VALUES (2,REPEAT('b',5000000))")
        self.assertEqual(EXIT["record"], engine.process.wait(), engine.output)
        lines = engine.error_lines()
        self.assertEqual(1, len(lines), engine.output)
        self.assertIn("p.shop.docs", lines[0])
        self.assertIn("update-max-record-size", lines[0])
        self.assertEqual(1, self.kinesis.count("p.shop.docs"))
        again = engine.run_to_end()  # the row is not skipped
        self.assertEqual(EXIT["record"], again, engine.output)
        self.assertEqual(1, self.kinesis.count("p.shop.docs"))

    def check_partial_image(self, statement, *words):
        """A row whose image lacks columns by its session's setting: everything before it is sent, and no restart passes over it."""
        self.make_counters()
        engine = self.engine().start()
        self.server.sql("INSERT INTO shop.counters VALUES (1,1,'first'); SET SESSION binlog_row_image = MINIMAL; " + statement)
        self.assertEqual(EXIT["unsupported"], engine.process.wait(), engine.output)
        lines = engine.error_lines()
        self.assertEqual(1, len(lines), engine.output)
        for word in ("shop.counters", "binlog_row_image=FULL", *words):
            self.assertIn(word, lines[0])
        self.assertEqual(1, self.kinesis.count(STREAM))
        self.assertEqual(EXIT["unsupported"], engine.run_to_end(), engine.output)

    def test_row_image_of_one_session_stops_by_name(self):
        self.check_partial_image("UPDATE shop.counters SET n = 2", "column n")

    def test_row_image_of_no_columns_stops_by_name(self):
        self.check_partial_image("SET SESSION sql_mode = ''; INSERT INTO shop.counters VALUES ()", "no columns")

    # ---- the sink's side -------------------------------------------------------------------------

    def test_stalled_sink_holds_the_memory_and_resumes(self):
        self.make_counters()
        engine = self.engine(**{"tailrace.sink.request.timeout.ms": "60000", "tailrace.health.stalled.ms": "1000"}).start()
        self.server.sql("INSERT INTO shop.counters VALUES (1,1,'first')")
        self.kinesis.wait_records(STREAM, 1, process=engine.process)
        self.kinesis.pause()
        for chunk in range(10):
            rows = ",".join(f"({k},1,REPEAT('y',200))" for k in range(1000 + chunk * 40000, 41000 + chunk * 40000))
            self.server.sql(f"INSERT INTO shop.counters VALUES {rows}")
        engine.wait_health("blocked", "stalled")
        self.assertLess(engine.process.peak_rss_bytes(), RSS_BYTES_MAX)
        self.kinesis.resume()
        target = len(self.target())
        wait_for("all rows", lambda: self.kinesis.report()["keys"] >= target, process=engine.process)
        report = self.kinesis.report()
        self.assertEqual((0, 0, 0), (report["lost"], report["order_violations"], report["duplicates"]), report)
        self.assertLess(engine.process.peak_rss_bytes(), RSS_BYTES_MAX)
        self.stop_well(engine)

    # ---- threads ---------------------------------------------------------------------------------

    def test_output_does_not_depend_on_threads(self):
        self.make_counters()
        self.server.sql("CREATE TABLE shop.others (id INT PRIMARY KEY AUTO_INCREMENT, body TEXT); CREATE TABLE shop.nokey (a INT, b TEXT)")
        engine = self.engine().start()
        self.stop_well(engine)
        statements = list(self.counting(rounds=60))
        for i in range(0, len(statements), 7):
            statements.insert(i, f"INSERT INTO shop.others (body) VALUES (REPEAT('o',{i % 900}))")
            statements.insert(i, f"INSERT INTO shop.nokey VALUES ({i},REPEAT('k',{i % 300}))")
        statements.insert(2, "INSERT INTO shop.counters VALUES (-1,1,'a')")
        write_all(self.server, statements + ["DELETE FROM shop.nokey"])
        wanted = None
        with open(os.path.join(self.workdir, "offsets.dat"), "rb") as saved:
            start = saved.read()
        plans = [("compact", 1, 1), ("spread", 1, 1), ("spread", 2, 2), ("spread", 4, 3), ("compact", 2, 2)]
        for number, (plan, decoders, shippers) in enumerate(plans):
            folder = os.path.join(self.workdir, str(number))
            os.makedirs(folder)
            for name in os.listdir(self.workdir):
                if name.startswith("offsets.dat") and not name.endswith(".lock"):
                    with open(os.path.join(self.workdir, name), "rb") as source, open(os.path.join(folder, name), "wb") as target:
                        target.write(start if name == "offsets.dat" else source.read())
            with Standin(folder) as kinesis:
                more = {"tailrace.plan": plan, "tailrace.decoders": str(decoders), "tailrace.shippers": str(shippers)}
                with Engine(folder, settings(self.server, kinesis, folder, **more)).start() as one:
                    wait_delivered(self.server, one, kinesis)
                    self.assertEqual(0, one.stop(), one.output)
                seen = {s: by_key((r.key, re.sub(r'"ts_(ms|us|ns)":\d+', "", r.data)) for r in kinesis.records(s))
                        for s in sorted(kinesis.report()["streams"])}
            self.assertGreater(sum(len(v) for v in seen.values()), 1000)
            if wanted is None:
                wanted = seen
            self.assertEqual(list(wanted), list(seen))
            for stream, records in seen.items():
                self.assertEqual(wanted[stream], records, f"{stream} with {plan}, {decoders} decoders, {shippers} shippers")


if __name__ == "__main__":
    unittest.main()
