# SPDX-License-Identifier: Apache-2.0
"""The engine as a process: its configuration, its CPU time, its memory."""
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/integration"))
from kinesis import BUILD, Standin, cpu_seconds, wait_until  # noqa: E402,F401
import servers  # noqa: E402

CONNECTORS = {"mariadb": "io.debezium.connector.mariadb.MariaDbConnector",
              "mysql": "io.debezium.connector.mysql.MySqlConnector"}
STOP_SECONDS_MAX = 30


class Engine:
    """`tailrace run` on a workload's server and a stand-in; its offsets, configuration and log lie in `directory`."""

    def __init__(self, workload, standin, directory, name, schemas=False, extra=()):
        self.offsets = os.path.join(directory, f"{name}-offsets.dat")
        self.log_path = os.path.join(directory, f"{name}.log")
        self.http_port = servers.free_port()
        config = os.path.join(directory, f"{name}.properties")
        text = {
            "debezium.source.connector.class": CONNECTORS[workload.kind],
            "debezium.source.database.hostname": "127.0.0.1",
            "debezium.source.database.port": workload.server.port,
            "debezium.source.database.user": "tailrace",
            "debezium.source.database.password": "tailrace",
            "debezium.source.database.server.id": 184054,
            "debezium.source.topic.prefix": "bench",
            "debezium.source.database.include.list": "shop",
            "debezium.source.snapshot.mode": "no_data",
            "debezium.source.include.schema.changes": "false",
            "debezium.source.offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore",
            "debezium.source.offset.storage.file.filename": self.offsets,
            "debezium.source.offset.flush.interval.ms": 1000,
            "debezium.sink.type": "kinesis",
            "debezium.sink.kinesis.region": "eu-central-1",
            "debezium.sink.kinesis.endpoint": standin.endpoint,
            "debezium.format.schemas.enable": str(schemas).lower(),
            "quarkus.http.port": self.http_port,
        } | dict(extra)
        with open(config, "w", encoding="utf-8") as f:
            f.writelines(f"{key}={value}\n" for key, value in text.items())
        environment = dict(os.environ, AWS_ACCESS_KEY_ID="AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY="secret")
        with open(self.log_path, "wb") as log:
            self.started = time.monotonic()
            self.process = subprocess.Popen([os.path.join(BUILD, "tailrace"), "run", "-c", config], stdout=log,
                                            stderr=log, env=environment)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/q/health/ready", timeout=5) as answer:
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False

    def wait_ready(self):
        try:
            wait_until("the engine's start", self._ready, 30, self.process)
        except RuntimeError as error:
            raise RuntimeError(f"{error}:\n{self.tail_of_log()}") from error

    def tail_of_log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return "".join(f.readlines()[-8:])

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)

    def cpu_by_thread(self):
        """CPU seconds by thread name."""
        found = {}
        for thread in os.listdir(f"/proc/{self.process.pid}/task"):
            with open(f"/proc/{self.process.pid}/task/{thread}/stat", encoding="ascii", errors="replace") as f:
                text = f.read()
            fields = text.rsplit(")", 1)[1].split()
            name = text[text.index("(") + 1:text.rindex(")")]
            found[name] = found.get(name, 0) + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return found

    def _status(self, key):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii", errors="replace") as f:
            return next(int(line.split()[1]) for line in f if line.startswith(key + ":")) / 1024

    def peak_rss_mib(self):
        return self._status("VmHWM")

    def rss_mib(self):
        return self._status("VmRSS")

    def stop(self):
        """SIGTERM; the engine must save and end with 0."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(STOP_SECONDS_MAX)
        if code != 0:
            raise RuntimeError(f"the engine ended with {code}:\n{self.tail_of_log()}")
