#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Kinesis stand-in as a process, and a small client for it (or for any other Kinesis): for tests and benchmarks.

    with Standin("--judge", "--stream", "s:2") as standin:
        client = standin.client()
        client.put("s", [("key", b"data")])
        standin.report()["records"]

The client signs with a SigV4 of its own, written from the published algorithm; it shares nothing with the program.
"""
import base64
import datetime
import hashlib
import hmac
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("TAILRACE_BUILD", os.path.join(HERE, "../../build/release"))
START_SECONDS_MAX = 20


class KinesisError(RuntimeError):
    """An answer that is not 200: its status, its error's type and its text."""

    def __init__(self, status, kind, message, headers):
        super().__init__(f"{status} {kind}: {message}")
        self.status, self.kind, self.message, self.headers = status, kind, message, headers


def sign(secret, access_key, region, host, target, body, token=None, now=None):
    """The headers of a signed POST / of Kinesis. Source: AWS, "Create a signed AWS API request"."""
    now = now or datetime.datetime.now(datetime.timezone.utc)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    headers = {"Content-Type": "application/x-amz-json-1.1", "Host": host, "X-Amz-Date": stamp, "X-Amz-Target": target}
    if token:
        headers["X-Amz-Security-Token"] = token
    names = sorted(name.lower() for name in headers)
    values = {name.lower(): value for name, value in headers.items()}
    canonical = "\n".join(["POST", "/", "", *(f"{name}:{values[name]}" for name in names), "", ";".join(names),
                           hashlib.sha256(body).hexdigest()])
    scope = f"{day}/{region}/kinesis/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in (day, region, "kinesis", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    headers["Authorization"] = (f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={';'.join(names)}, "
                                f"Signature={signature}")
    return headers


class Client:
    """One connection. `connection` is an http.client.HTTPConnection that has not been used."""

    def __init__(self, connection, access_key="AKIDEXAMPLE", secret="secret", region="eu-central-1", token=None):
        self.connection = connection
        self.access_key, self.secret, self.region, self.token = access_key, secret, region, token

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def headers(self, operation, body, now=None):
        host = f"{self.connection.host}:{self.connection.port}"
        return sign(self.secret, self.access_key, self.region, host, "Kinesis_20131202." + operation, body,
                    self.token, now)

    def send(self, operation, body, headers=None):
        """A raw call; returns (status, headers, body). Raises what http.client raises, with the connection closed."""
        headers = headers or self.headers(operation, body)
        try:
            self.connection.request("POST", "/", body, headers)
            answer = self.connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except Exception:
            self.connection.close()
            raise

    def call(self, operation, **parameters):
        """A call; its answer as a dictionary. Raises KinesisError for anything but 200."""
        status, headers, body = self.send(operation, json.dumps(parameters).encode())
        if status == 200:
            return json.loads(body) if body else {}
        try:
            answer = json.loads(body)
        except ValueError:
            answer = {}
        kind = answer.get("__type", headers.get("x-amzn-ErrorType", "")).split("#")[-1]
        raise KinesisError(status, kind, answer.get("message", answer.get("Message", "")), headers)

    def put(self, stream, records):
        """PutRecords of [(key, data bytes)]; the answer."""
        entries = [{"Data": base64.b64encode(data).decode(), "PartitionKey": key} for key, data in records]
        return self.call("PutRecords", StreamName=stream, Records=entries)

    def shards(self, stream):
        return self.call("ListShards", StreamName=stream)["Shards"]

    def read_shard(self, stream, shard_id, kind="TRIM_HORIZON", **start):
        """Every record from there to the shard's present end: [(key, data bytes)]."""
        return [(record["PartitionKey"], base64.b64decode(record["Data"]))
                for record in self.read_shard_records(stream, shard_id, kind, **start)]

    def read_shard_records(self, stream, shard_id, kind="TRIM_HORIZON", **start):
        iterator = self.call("GetShardIterator", StreamName=stream, ShardId=shard_id, ShardIteratorType=kind,
                             **start)["ShardIterator"]
        records = []
        while iterator:
            answer = self.call("GetRecords", ShardIterator=iterator)
            records += answer["Records"]
            iterator = answer["NextShardIterator"] if answer["Records"] or answer["MillisBehindLatest"] else None
        return records

    def read_all(self, stream):
        """Every record of the stream, shard by shard."""
        return [record for shard in self.shards(stream) for record in self.read_shard(stream, shard["ShardId"])]


class Standin:
    """A running kinesis-standin; ports are the system's choice."""

    def __init__(self, *options, port=0):
        program = os.path.join(BUILD, "kinesis-standin")
        self.process = subprocess.Popen([program, "--port", str(port), *options], stderr=subprocess.PIPE, text=True,
                                        errors="replace")
        self.port = self.tls_port = None
        first = self.process.stderr.readline()
        found = re.search(r"standin\.ready.* port=(\d+) tls_port=(-?\d+)", first)
        if found is None:
            rest = self.process.communicate(timeout=START_SECONDS_MAX)[1]
            raise RuntimeError(f"kinesis-standin did not start: {first}{rest}")
        self.port, self.tls_port = int(found.group(1)), int(found.group(2))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends it by SIGTERM; returns its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(START_SECONDS_MAX)
        self.process.stderr.close()
        return code

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def client(self, timeout=30, **credentials):
        return Client(http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout), **credentials)

    def _page(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise KinesisError(answer.status, path, text.decode(errors="replace"), answer.headers)
        return text

    def report(self):
        return json.loads(self._page("GET", "/standin/report"))

    def set_faults(self, script):
        """Replaces the script; requests are counted from the stand-in's start."""
        self._page("POST", "/standin/faults", script.encode())

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)


def cpu_seconds(pid):
    """User and system time of a process so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def make_certificate(directory):
    """A self-signed certificate for 127.0.0.1: (certificate, key), or None where openssl is missing."""
    if shutil.which("openssl") is None:
        return None
    certificate, key = os.path.join(directory, "standin.crt"), os.path.join(directory, "standin.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
                    "-out", certificate, "-keyout", key], check=True, capture_output=True)
    return certificate, key


def wait_until(what, probe, seconds=60.0, process=None):
    """Asks `probe` again and again; its first true value. Fails by name when time is up or `process` has ended."""
    deadline = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{what}: the process ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.02)


KINESIS_LOCAL = os.path.join(os.environ.get("TAILRACE_CACHE", "/var/cache/tailrace"), "npm/node_modules/kinesis-local")


class KinesisLocal:
    """A running kinesis-local (kinesis-mock, the engine inside LocalStack), with no streams."""

    def __init__(self, directory):
        if not os.path.exists(os.path.join(KINESIS_LOCAL, "main.js")) or shutil.which("node") is None:
            raise FileNotFoundError(f"no kinesis-local in {KINESIS_LOCAL}, or no node: deploy/install-deps test")
        self.port, tls_port = free_port(), free_port()
        environment = dict(os.environ, KINESIS_MOCK_PLAIN_PORT=str(self.port), KINESIS_MOCK_TLS_PORT=str(tls_port),
                           LOG_LEVEL="ERROR")
        self.log_path = os.path.join(directory, "kinesis-local.log")
        with open(self.log_path, "wb") as log:
            # It reads its certificate from the working directory.
            self.process = subprocess.Popen(["node", "main.js"], cwd=KINESIS_LOCAL, env=environment, stdout=log,
                                            stderr=log)
        try:
            wait_until("kinesis-local", self._answers, 60, self.process)
        except RuntimeError:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(START_SECONDS_MAX)

    def _answers(self):
        try:
            with self.client() as client:
                client.call("ListStreams")
            return True
        except (OSError, http.client.HTTPException):
            return False

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def client(self, timeout=30, **credentials):
        return Client(http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout), **credentials)


def free_port():
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
