#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs Tailrace and the Kinesis stand-in as processes, for tests: start, wait for a state, stop, kill, look at what came out.

    with Standin(workdir) as kinesis:
        engine = Engine(workdir, settings(server, kinesis, workdir))
        engine.start()                      # returns when /q/health/ready says so
        server.sql("INSERT INTO d.t VALUES (1)")
        records = kinesis.wait_records("p.d.t", 1)
        assert engine.stop() == 0

Nothing here sleeps to synchronise: `wait_for` asks a condition again and again until it holds or a deadline passes.
The binaries are those of TAILRACE_BUILD (default: build/release of this clone), TAILRACE names the engine alone.
"""
import base64
import collections
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("TAILRACE_BUILD", os.path.join(ROOT, "build/release"))
TAILRACE = os.environ.get("TAILRACE", os.path.join(BUILD, "tailrace"))
STANDIN = os.path.join(BUILD, "kinesis-standin")
PREFIX = "p"
WAIT_SECONDS = float(os.environ.get("TAILRACE_TEST_WAIT", "30"))
STOP_SECONDS = 30
USER, PASSWORD = "tailrace", "pass-w0rd-of-tailrace"
GRANTS = "SELECT, RELOAD, SHOW DATABASES, REPLICATION SLAVE, REPLICATION CLIENT"
CONNECTORS = {"mariadb": "io.debezium.connector.mariadb.MariaDbConnector",
              "mysql": "io.debezium.connector.mysql.MySqlConnector"}

Record = collections.namedtuple("Record", "key data sequence")


class Trouble(AssertionError):
    """What was waited for did not come; the text ends with the log of who was waited for."""


def wait_for(what, condition, seconds=WAIT_SECONDS, process=None):
    """Returns the first true value of `condition`; raises Trouble after `seconds` or when `process` has ended."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        ended = process is not None and process.poll() is not None
        if ended and (value := condition()):
            return value
        if ended or time.monotonic() > deadline:
            how = f"the process ended with {process.returncode}" if ended else f"not within {seconds:g} s"
            raise Trouble(f"{what}: {how}")
        time.sleep(0.01)


def free_port():
    """A port of 127.0.0.1 that nobody listens at now, below those that the kernel gives to outgoing connections."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def make_workdir(name):
    """A new empty directory; `TAILRACE_TEST_KEEP=1` leaves it after the tests."""
    return tempfile.mkdtemp(prefix=f"tailrace-{name}-")


def remove_workdir(path):
    if os.environ.get("TAILRACE_TEST_KEEP") != "1":
        shutil.rmtree(path, ignore_errors=True)


def read_text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


class Process:
    """A started program with its output in a file."""

    def __init__(self, command, output, env=None, before=None):
        self.output_path = output
        with open(output, "ab") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env,
                                            start_new_session=True, preexec_fn=before)
        self.pid = self.process.pid

    def poll(self):
        return self.process.poll()

    @property
    def returncode(self):
        return self.process.returncode

    @property
    def output(self):
        return read_text(self.output_path)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=STOP_SECONDS):
        """The exit code; a process that does not end in time is killed and that is a failure."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Trouble(f"{self.output_path}: did not end within {seconds:g} s\n{self.output[-3000:]}") from None

    def kill(self):
        if self.poll() is None:
            self.process.kill()
        self.process.wait()

    def peak_rss_bytes(self):
        return int(re.search(r"VmHWM:\s+(\d+) kB", read_text(f"/proc/{self.pid}/status")).group(1)) * 1024


class Standin:
    """The Kinesis stand-in, in judge mode: its report, its records, its faults. `streams`: {name: shards}."""

    def __init__(self, workdir, *options, streams=None, port=None):
        self.output_path = os.path.join(workdir, "standin.log")
        self.options = ["--judge", *options]
        for name, shards in (streams or {}).items():
            self.options += ["--stream", f"{name}:{shards}"]
        self.port = port or free_port()
        self.start()

    def start(self):
        """Starts it (again: with nothing kept, on the same port)."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            known = len(read_text(self.output_path))
            self.process = Process([STANDIN, "--port", str(self.port), *self.options], self.output_path)
            try:
                wait_for("stand-in: ready", lambda start=known: "standin.ready" in self.process.output[start:], process=self.process)
                return
            except Trouble as trouble:  # the kernel may hold a predecessor's port for a moment (io_uring)
                if "cannot listen" not in self.process.output[known:] or time.monotonic() > deadline:
                    raise Trouble(f"{trouble}\n{self.process.output}") from None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            self.process.signal(signal.SIGCONT)
            self.process.signal(signal.SIGTERM)
            self.process.wait()

    def pause(self):
        """It accepts connections (the kernel does) and answers nothing."""
        self.process.signal(signal.SIGSTOP)

    def resume(self):
        self.process.signal(signal.SIGCONT)

    def _request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_SECONDS)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise Trouble(f"stand-in: {method} {path}: {answer.status} {text[:300]!r}")
        return text

    def report(self):
        return json.loads(self._request("GET", "/standin/report"))

    def set_faults(self, script):
        """Replaces the fault script; requests are counted from the start of the process."""
        self._request("POST", "/standin/faults", script.encode())

    def call(self, operation, **members):
        text = self._request("POST", "/", json.dumps(members).encode(),
                             {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"Kinesis_20131202.{operation}"})
        return json.loads(text) if text else {}

    def count(self, stream):
        return self.report()["streams"].get(stream, 0)

    def records(self, stream):
        """All records of a stream, shard by shard, in the order of arrival within a shard."""
        records = []
        for shard in self.call("ListShards", StreamName=stream)["Shards"]:
            iterator = self.call("GetShardIterator", StreamName=stream, ShardId=shard["ShardId"],
                                 ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
            while iterator:
                answer = self.call("GetRecords", ShardIterator=iterator, Limit=10000)
                records += [Record(r["PartitionKey"], base64.b64decode(r["Data"]).decode("utf-8", "surrogateescape"),
                                   int(r["SequenceNumber"])) for r in answer["Records"]]
                iterator = answer.get("NextShardIterator") if answer["Records"] else None
        return records

    def wait_records(self, stream, count, seconds=WAIT_SECONDS, process=None):
        """The stream's records once there are at least `count`."""
        try:
            wait_for(f"{count} records in {stream}", lambda: self.count(stream) >= count, seconds, process)
        except Trouble as trouble:
            more = f"\n{process.output[-3000:]}" if process is not None else ""
            raise Trouble(f"{trouble}; there are {self.count(stream)}{more}") from None
        return self.records(stream)


def settings(server, kinesis, workdir, **more):
    """The properties of a small, complete configuration. Names in `more` replace them; None drops one."""
    properties = {
        "debezium.source.connector.class": CONNECTORS[server.kind] if server else CONNECTORS["mariadb"],
        "debezium.source.database.hostname": "127.0.0.1",
        "debezium.source.database.port": str(server.port if server else 1),
        "debezium.source.database.user": USER,
        "debezium.source.database.password": PASSWORD,
        "debezium.source.database.server.id": "5401",
        "debezium.source.topic.prefix": PREFIX,
        "debezium.source.snapshot.mode": "no_data",
        "debezium.source.include.schema.changes": "false",
        "debezium.source.offset.storage.file.filename": os.path.join(workdir, "offsets.dat"),
        "debezium.source.offset.flush.interval.ms": "0",
        "debezium.sink.type": "kinesis",
        "debezium.sink.kinesis.region": "eu-central-1",
        "debezium.sink.kinesis.endpoint": kinesis.url if kinesis else "http://127.0.0.1:1",
        "debezium.format.schemas.enable": "false",
        "tailrace.streams.create": "true",
        "quarkus.http.port": "0",
    }
    properties.update(more)
    return {key: value for key, value in properties.items() if value is not None}


def write_properties(path, properties):
    with open(path, "w", encoding="utf-8") as f:
        for key, value in properties.items():
            f.write(f"{key}={value}\n")
    return path


def clean_env(**more):
    """The environment without anything that configures an engine, with the stand-in's credentials."""
    kept = {k: v for k, v in os.environ.items() if not re.match(r"(DEBEZIUM|TAILRACE|QUARKUS|AWS)_", k)}
    kept.update(AWS_ACCESS_KEY_ID="AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY="secret", AWS_EC2_METADATA_DISABLED="true",
                AWS_CONFIG_FILE="/nonexistent", AWS_SHARED_CREDENTIALS_FILE="/nonexistent")
    kept.update(more)
    return kept


class Engine:
    """`tailrace run` with a generated application.properties. One object may be started again and again."""

    def __init__(self, workdir, properties, env=None, name="engine"):
        self.workdir = workdir
        self.properties = dict(properties)
        self.env = clean_env(**(env or {}))
        self.properties_path = os.path.join(workdir, f"{name}.properties")
        self.output_path = os.path.join(workdir, f"{name}.log")
        self.process = None
        self.output_start = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def launch(self, before=None):
        """Starts the process and returns at once. `before` runs in the child before the program."""
        assert self.process is None or self.process.poll() is not None
        write_properties(self.properties_path, self.properties)
        self.output_start = len(read_text(self.output_path))
        self.process = Process([TAILRACE, "run", "-c", self.properties_path], self.output_path, self.env, before)
        return self

    def start(self, seconds=WAIT_SECONDS):
        """Starts it and waits until it streams."""
        self.launch()
        return self.wait_ready(seconds)

    def wait_ready(self, seconds=WAIT_SECONDS):
        try:
            wait_for("ready", lambda: self.status("/q/health/ready") == 200, seconds, self.process)
        except Trouble as trouble:
            raise Trouble(f"{trouble}\n{self.output[-4000:]}") from None
        return self

    @property
    def output(self):
        """What the last start has printed so far."""
        return read_text(self.output_path)[self.output_start:]

    @property
    def http_port(self):
        """Where it listens, as it says itself; 0 while it has not."""
        found = re.search(r"http\.listening .*?port=(\d+)", self.output)
        return int(found.group(1)) if found else 0

    def get(self, path):
        """(status, text) of an HTTP page; (0, "") while nothing answers."""
        port = self.http_port
        if port == 0:
            return 0, ""
        url = f"http://127.0.0.1:{port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def status(self, path):
        return self.get(path)[0]

    def health(self):
        """The state's name, as the health page says it; "" while nothing answers."""
        text = self.get("/q/health")[1]
        found = re.search(r'"state"\s*:\s*"(\w+)"', text)
        return found.group(1) if found else ""

    def wait_health(self, *states, seconds=WAIT_SECONDS):
        return wait_for(f"health {' or '.join(states)}", lambda: self.health() in states, seconds, self.process)

    def metrics(self):
        """{name{labels}: value} of /metrics."""
        values = {}
        for line in self.get("/metrics")[1].splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                values[name] = float(value)
        return values

    def metric(self, name):
        """The sum of a metric over its labels."""
        return sum(v for k, v in self.metrics().items() if k.split("{")[0] == name)

    def stop(self, seconds=STOP_SECONDS):
        """SIGTERM; the exit code."""
        self.process.signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self):
        """SIGKILL; also for one that has ended or was never started."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.signal(signal.SIGCONT)
            self.process.kill()

    def run_to_end(self, seconds=WAIT_SECONDS, before=None):
        """Starts it and waits for its end; the exit code."""
        return self.launch(before).process.wait(seconds)

    def error_lines(self):
        return [line for line in self.output.splitlines() if re.match(r"\S+ ERROR ", line)]


def command(*words, env=None, seconds=60, **options):
    """Runs a command of the engine to its end: (exit code, stdout, stderr)."""
    done = subprocess.run([TAILRACE, *words], env=env or clean_env(), stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=seconds, check=False, **options)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def wait_delivered(server, engine, kinesis, quiet_seconds=0.3, seconds=WAIT_SECONDS):
    """Until the server has sent its whole log, the engine has nothing left to do, and no record came for a while."""
    last = [None, 0.0]

    def all_sent():
        states = [row[6] or "" for row in server.rows("SHOW PROCESSLIST") if row[4].startswith("Binlog Dump")]
        return bool(states) and all("has sent all binlog" in state for state in states)

    def is_quiet():
        count = kinesis.report()["records"] if engine.health() == "idle" else None
        if count is None or count != last[0]:
            last[:] = [count, time.monotonic()]
        if count is None or time.monotonic() - last[1] < quiet_seconds:
            return False
        last[0] = None  # asked once per quiet time: a client is started for it
        return all_sent()
    wait_for("all is delivered", is_quiet, seconds, engine.process)


def make_user(server, user=USER, password=PASSWORD, grants=GRANTS):
    """The engine's account, made without touching the log."""
    server.sql(f"SET sql_log_bin=0; DROP USER IF EXISTS {user}@'%'; CREATE USER {user}@'%' IDENTIFIED BY '{password}';"
               f"GRANT {grants} ON *.* TO {user}@'%'")


if __name__ == "__main__":
    print(__doc__, file=sys.stderr)
    sys.exit(2)
