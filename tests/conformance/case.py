# SPDX-License-Identifier: Apache-2.0
"""One golden case, played against a server and an engine, and compared with what Debezium made of it.

Lines of stream.sql that begin with "-- @" direct the run: @wait, @session NAME, @errors on|off, @sleep MS, @env NAME=VALUE;
@stop, @start, @restart, @kill of the engine, @exit (waits for its end); @step is a heading.
"""
import json
import os
import re
import time

import compare
import database
import servers
import state_files
from engine import Engine, Standin, Trouble, free_port, wait_delivered, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = os.path.join(HERE, "cases")
ADDED = {
    "tailrace.order": "stream",  # Debezium's: the comparison is of each stream as a whole
    "tailrace.streams.create": "true",
    "tailrace.startup.wait.ms": "5000",
    "quarkus.http.port": "0",
}
# Not offered yet: transaction blocks are taken out of the expected records, and so is the stream of BEGIN and END.
DROPPED = ("debezium.source.provide.transaction.metadata",)
QUIET_SECONDS = 0.3
SETTLE_SECONDS = 60  # the lock in Redis outlives a killed engine by half of that


class Stopped(Trouble):
    """The engine stopped by itself and said why."""


class Case:
    """What stands in a case's folder."""

    def __init__(self, name):
        self.name = name
        self.folder = os.path.join(CASES, name)
        self.config = json.loads(self.text("case.json"))
        self.properties = dict(line.strip().split("=", 1) for line in self.text("application.properties").splitlines()
                               if "=" in line and not line.startswith("#"))

    def text(self, file):
        with open(os.path.join(self.folder, file), encoding="utf-8") as source:
            return source.read()

    @property
    def server_kind(self):
        """A name of servers.STARTERS: the system's MariaDB, or the newer one that the records were made with."""
        is_newer = self.config["server"].startswith(f"MariaDB {servers.MARIADB_VERSION}.")
        return "mariadb-sid" if is_newer else self.config["connector"]

    @property
    def server_options(self):
        return tuple(self.config.get("requires", {}).get("mysqld", ()))

    @property
    def without_transactions(self):
        return any(name in self.properties for name in DROPPED)

    def expected(self):
        """The records that the engine must send, as dictionaries."""
        with compare.open_text(compare.first_existing(self.folder, *compare.EXPECTED)) as source:
            for line in source:
                record = json.loads(line)
                if self.without_transactions:
                    record["data"] = without_transaction(record["data"])
                if record["data"] is not None:
                    yield record


def without_transaction(data):
    """A record as it is without provide.transaction.metadata; None when it would not be."""
    at, names = compare.body_start(data)
    if at is None or {"status", "id", "event_count"} <= names:
        return data if at is None else None
    if "op" not in names:
        return data
    places = {name: (begin, end) for name, begin, end in compare.members(data, at)}
    begin, end = places["transaction"]
    return data[:begin] + "null" + data[end:]


def all_cases():
    return sorted(name for name in os.listdir(CASES) if os.path.exists(os.path.join(CASES, name, "case.json")))


class Run:
    """A case against one server, which is reset first. The stand-in and the Redis, if it needs one, are its own."""

    def __init__(self, case, server, workdir):
        self.case, self.server, self.redis = case, server, None
        self.workdir = os.path.join(workdir, case.name)
        os.makedirs(self.workdir)
        self.environment = dict(case.config.get("placeholders", {}))
        self.sessions = {}
        # Streams there from the start, but for what is not expected: their creation is paced, and takes its time.
        self.kinesis = Standin(self.workdir, streams={record["stream"]: 1 for record in case.expected()})
        self.engine = Engine(self.workdir, {})

    @property
    def address_of_redis(self):
        return f"127.0.0.1:{self.redis.port}" if self.redis else ""

    def properties(self):
        values = {"MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": str(self.server.port), "MYSQL_USER": "golden",
                  "MYSQL_PASSWORD": "golden", "KINESIS_ENDPOINT": self.kinesis.url, "STATE_DIR": self.workdir,
                  "SERVER_ID": "5400", "REDIS_ADDRESS": self.address_of_redis, **self.environment}
        properties = {**self.case.properties, **ADDED}
        return {key: re.sub(r"\$\{([A-Z_0-9]+)\}", lambda m: values.get(m[1], m[0]), value)
                for key, value in properties.items() if key not in DROPPED}

    def apply(self, text):
        session, batch = self.session("main"), []

        def flush():
            if "".join(batch).strip():
                session.run("\n".join(batch))
            batch.clear()
        for line in text.split("\n"):
            directive = re.match(r"--\s*@(\w+)\s*(.*?)\s*$", line)
            if directive is None:
                batch.append(line)
                continue
            flush()
            word, argument = directive.groups()
            if word == "session":
                session = self.session(argument)
            elif word == "errors":
                session.tolerant = argument == "on"
            elif word == "sleep":
                time.sleep(int(argument) / 1000)
            elif word == "env":
                name, _, value = argument.partition("=")
                self.environment[name] = value
            elif word != "step":
                self.direct(word)
        flush()

    def direct(self, word):
        """What a directive does to the engine."""
        if word in ("wait", "stop", "restart"):
            self.settle()
        if word in ("stop", "restart") and self.is_running() and self.engine.stop() != 0:
            raise Trouble(f"ended with {self.engine.process.returncode}\n{self.engine.output[-2000:]}")
        if word == "kill":
            self.engine.kill()
        if word in ("start", "restart"):
            self.start()
        if word == "exit":
            wait_for("the engine ends", lambda: not self.is_running())
        if word not in ("wait", "stop", "restart", "kill", "start", "exit"):
            raise Trouble(f"unknown directive @{word}")

    def start(self):
        self.engine.properties = self.properties()
        self.engine.launch()
        self.settle()

    def is_running(self):
        return self.engine.process.poll() is None

    def settle(self):
        """Until everything is delivered, or, where the case allows it, the engine has ended."""
        if self.case.config.get("may_end") and not self.is_running():
            return
        try:
            if self.case.config.get("ready") != "quiet":
                wait_delivered(self.server, self.engine, self.kinesis, QUIET_SECONDS, SETTLE_SECONDS)
            else:
                self.wait_quiet()
        except Trouble:
            if not self.case.config.get("may_end") or self.is_running():
                raise

    def wait_quiet(self):
        """Until the engine that reads no log has sent something and then nothing for a while."""
        last = [None, 0.0]

        def is_quiet():
            count = self.kinesis.report()["records"]
            if count != last[0]:
                last[:] = [count, time.monotonic()]
            return not self.is_running() or (count > 0 and time.monotonic() - last[1] > 4 * QUIET_SECONDS)
        wait_for("all is delivered", is_quiet)

    def session(self, name):
        if name not in self.sessions:
            self.sessions[name] = database.Client(self.server)
        return self.sessions[name]

    def go(self):
        """Runs it; the report of the comparison."""
        try:
            if self.case.config.get("redis"):
                self.redis = servers.start_redis(os.path.join(self.workdir, "redis"), free_port())
            database.reset(self.server, self.case.config.get("globals", {}))
            setup = database.Client(self.server, tolerant="-- @errors on" in self.case.text("setup.sql"))
            setup.run(self.case.text("setup.sql"))
            setup.close()
            self.start()
            self.apply(self.case.text("stream.sql"))
            self.direct("stop")
            return self.compare()
        except Trouble as trouble:
            errors = self.engine.error_lines() if self.engine.process else []
            if errors:
                raise Stopped("\n".join(errors)) from None
            raise trouble
        finally:
            self.engine.kill()
            for session in self.sessions.values():
                session.close()
            self.kinesis.stop()
            if self.redis:
                self.redis.stop()

    def compare(self):
        """Lays both sides out as compare.py reads them: WORKDIR/expected and WORKDIR/actual."""
        expected, actual = (os.path.join(self.workdir, side) for side in ("expected", "actual"))
        os.makedirs(expected)
        os.makedirs(actual)
        write_records(os.path.join(expected, "expected.jsonl"), self.case.expected())
        write_records(os.path.join(actual, "actual.jsonl"),
                      ({"stream": stream, "partition_key": record.key, "data": record.data}
                       for stream in self.kinesis.report()["streams"] for record in self.kinesis.records(stream)))
        for file in ("case.json", "offsets.json", "history.jsonl"):
            if os.path.exists(os.path.join(self.case.folder, file)):
                with open(os.path.join(expected, file), "w", encoding="utf-8") as target:
                    target.write(self.case.text(file))
        offsets, history = self.state()
        with open(os.path.join(actual, "offsets.json"), "w", encoding="utf-8") as target:
            json.dump(offsets, target)
        with open(os.path.join(actual, "history.jsonl"), "w", encoding="utf-8") as target:
            target.writelines(line + "\n" for line in history)
        report = compare.compare_case(expected, actual)
        if self.redis:
            self.compare_redis(report)
        if report.equal == 0 and report.failed == 0 and not self.case.config.get("may_end"):
            report.difference("nothing was compared")
        return report

    def state(self):
        """(offsets, history) as the engine left them."""
        if self.redis:
            redis = state_files.Redis(self.address_of_redis)
            return state_files.redis_offsets(redis), state_files.redis_history(redis)
        offsets, history = os.path.join(self.workdir, "offsets.dat"), os.path.join(self.workdir, "history.dat")
        lines = []
        if os.path.exists(history):
            with open(history, encoding="utf-8") as source:
                lines = source.read().splitlines()
        return state_files.read_file_offsets(offsets) if os.path.exists(offsets) else [], lines

    def compare_redis(self, report):
        """Debezium's keys are there, of its types and with its fields; what stands in them is compared as state."""
        dump = state_files.redis_dump(state_files.Redis(self.address_of_redis))
        for key, entry in json.loads(self.case.text("redis.json")).items():
            ours = dump.get(key, {})
            for member in ("type", "ttl"):
                if ours.get(member) != entry[member]:
                    report.difference(f"redis {key}: {member} is {ours.get(member)}, expected {entry[member]}")
            ours, theirs = ([fields[::2] for fields in side.get("fields", []) + side.get("entries", [])] for side in (ours, entry))
            if ours != theirs:
                report.difference(f"redis {key}: fields {ours}, expected {theirs}")


def write_records(path, records):
    with open(path, "w", encoding="utf-8") as target:
        for record in records:
            target.write(json.dumps(record) + "\n")
