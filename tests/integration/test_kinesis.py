#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The calls to Kinesis and `tailrace tail`, against kinesis-local and against our own stand-in.

kinesis-local checks the protocol but no signature; the stand-in's judge checks every signature and injects faults.
Programs come from TAILRACE_BUILD (default build/release). Servers listen on free ports and end with the test.
"""
import base64
import json
import os
import queue
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("TAILRACE_BUILD", os.path.join(ROOT, "build/release"))
TAILRACE = os.path.join(BUILD, "tailrace")
PROBE = os.path.join(BUILD, "tests/kinesis_probe")
STANDIN = os.path.join(BUILD, "kinesis-standin")
CACHE = os.environ.get("TAILRACE_CACHE", "/var/cache/tailrace")
KINESIS_LOCAL = os.path.join(CACHE, "npm/node_modules/kinesis-local")
WAIT_SECONDS = 60
EXIT = {"config": 3, "usage": 2, "auth": 30, "stream": 31, "link": 33}
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(what, seconds=WAIT_SECONDS):
    """Polls `what` until it gives something true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = what()
        if result:
            return result
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come true within {seconds} s")


def is_listening(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """A program that listens on `port` until the test ends it."""

    def __init__(self, command, port, cwd=None, environment=None):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, cwd=cwd, stdout=self.log, stderr=self.log,
                                        env=dict(os.environ, **(environment or {})))
        try:
            wait_until(lambda: self.process.poll() is not None or is_listening(port))
            if self.process.poll() is not None:
                self.log.seek(0)
                raise AssertionError(f"{command[0]} ended: {self.log.read()[-2000:].decode(errors='replace')}")
        except AssertionError:
            self.stop()
            raise

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


class Case(unittest.TestCase):
    """What both servers share: an endpoint, a folder without anybody's AWS files, and the programs."""
    endpoint = ""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="tr_kinesis_")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.properties = os.path.join(self.folder, "application.properties")
        self.write_properties()
        self.variables = {}

    def write_properties(self, *lines):
        with open(self.properties, "w", encoding="utf-8") as f:
            f.write("debezium.sink.type=kinesis\ndebezium.sink.kinesis.region=eu-west-1\n" + "".join(
                line + "\n" for line in lines))

    def environment(self):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "DEBEZIUM_", "TAILRACE_"))}
        return {**clean, "HOME": self.folder, "AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": self.endpoint, **KEYS,
                **self.variables}

    def call(self, *command, code=0):
        done = subprocess.run(command, capture_output=True, timeout=120, check=False, env=self.environment())
        self.error = done.stderr.decode()
        self.assertEqual(done.returncode, code, self.error)
        return done.stdout.decode().splitlines()

    def probe(self, *words, code=0):
        return self.call(PROBE, *words, code=code)

    def tail(self, *words, code=0):
        return self.call(TAILRACE, "tail", "-c", self.properties, *words, code=code)


class Follower:
    """A tail that runs beside the test."""

    def __init__(self, case, *words):
        self.process = subprocess.Popen([TAILRACE, "tail", "-c", case.properties, *words], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env=case.environment())
        self.lines = queue.Queue()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.decode().rstrip("\n"))

    def next_line(self):
        return self.lines.get(timeout=WAIT_SECONDS)

    def line_or_none(self):
        try:
            return self.lines.get(timeout=0.3)
        except queue.Empty:
            return None

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.thread.join()
        self.process.stdout.close()
        self.process.stderr.close()


@unittest.skipUnless(os.path.exists(os.path.join(KINESIS_LOCAL, "main.js")) and shutil.which("node"),
                     "kinesis-local is not installed: deploy/install-deps test")
class KinesisLocal(Case):
    @classmethod
    def setUpClass(cls):
        plain, cls.tls_port = free_port(), free_port()
        cls.endpoint = f"http://127.0.0.1:{plain}"
        cls.server = Server(["node", "main.js"], plain, cwd=KINESIS_LOCAL, environment={
            "KINESIS_MOCK_PLAIN_PORT": str(plain), "KINESIS_MOCK_TLS_PORT": str(cls.tls_port),
            "AWS_REGION": "eu-west-1", "SHARD_LIMIT": "1000", "LOG_LEVEL": "ERROR"})
        cls.addClassCleanup(cls.server.stop)

    def api(self, operation, **body):
        """A call of the test's own; kinesis-local wants a signature but does not look at it."""
        request = urllib.request.Request(self.endpoint, json.dumps(body).encode(), {
            "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Kinesis_20131202." + operation,
            "X-Amz-Date": "20260115T120000Z",
            "Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260115/eu-west-1/kinesis/aws4_request, "
                             "SignedHeaders=host;x-amz-date, Signature=00"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"{}")

    def is_active(self, stream):
        summary = self.api("DescribeStreamSummary", StreamName=stream)["StreamDescriptionSummary"]
        return summary["StreamStatus"] == "ACTIVE"

    def put(self, stream, *records):
        answer = self.api("PutRecords", StreamName=stream, Records=[
            {"Data": base64.b64encode(data.encode()).decode(), "PartitionKey": key} for key, data in records])
        self.assertEqual(answer["FailedRecordCount"], 0)

    def test_streams_are_listed_and_created(self):
        lines = self.probe("streams", "ensure.a", "ensure.b", code=EXIT["stream"])
        self.assertEqual([line.split() for line in lines], [["ensure.a", "missing"], ["ensure.b", "missing"]])
        self.assertIn('streams "ensure.a", "ensure.b" do not exist in region eu-west-1:', self.error)
        self.assertIn("tailrace streams --create", self.error)
        lines = self.probe("create", "3", "ensure.a", "ensure.b", "ensure.a")
        self.assertEqual(len(lines), 3)
        self.assertTrue(any(line.startswith("ensure.a ") and " created " in line for line in lines), lines)
        self.assertTrue(all(" ACTIVE " in line and " 3 shards" in line for line in lines), lines)
        lines = self.probe("streams", "ensure.b", "ensure.a")
        self.assertTrue(all(" there " in line for line in lines), lines)
        names = self.probe("names")
        self.assertIn("ensure.a", names)
        self.assertIn("ensure.b", names)

    def test_on_demand_streams_are_created_without_a_shard_count(self):
        lines = self.probe("create", "0", "demand.a")
        self.assertIn(" on-demand ", lines[0])

    def test_shards_are_read_over_all_pages(self):
        self.probe("create", "120", "pages.a")  # kinesis-local gives 100 a page
        lines = self.probe("shards", "pages.a")
        self.assertEqual(lines[-1], "open 120 of 120, whole")
        self.assertEqual(lines[0].split()[1], "0" * 16)

    def test_records_come_back_as_they_were_put(self):
        self.probe("create", "2", "put.a")
        answer = json.loads(self.probe("put", "put.a", "k1", '{"a":1}', "", "plain é")[0])
        self.assertEqual(answer["FailedRecordCount"], 0)
        self.assertEqual(len(answer["Records"]), 3)
        self.assertEqual(self.tail("put.a", "--no-follow"), ['{"a":1}', "null", "plain é"])
        self.assertEqual(self.tail("put.a", "--limit", "2"), ['{"a":1}', "null"])
        records = [json.loads(line) for line in self.tail("put.a", "--keys", "--no-follow")]
        self.assertEqual([r["data"] for r in records], [{"a": 1}, None, "plain é"])
        self.assertEqual([r["sequenceNumber"] for r in records], [r["SequenceNumber"] for r in answer["Records"]])
        self.assertEqual({r["partitionKey"] for r in records}, {"k1"})
        self.assertEqual({r["shardId"] for r in records}, {r["ShardId"] for r in answer["Records"]})

    def test_aggregated_records_are_taken_apart(self):
        self.probe("create", "1", "aggregate.a")
        # Keys k1 and k2; records (k1, one), (k1, two), (k2, nothing): as aws-kinesis-agg 4.2.8 reads them.
        aggregate = bytes.fromhex("f3899ac20a026b310a026b321201351a0708001a036f6e651a0708001a0374776f1a06080110001a00"
                                  "dc843005efb1f68f05d9cafde500a94b")
        self.put("aggregate.a", ("k", "before"))
        self.api("PutRecord", StreamName="aggregate.a", PartitionKey="a", Data=base64.b64encode(aggregate).decode())
        self.put("aggregate.a", ("k", "after"))
        self.assertEqual(self.tail("aggregate.a", "--no-follow"), ["before", "one", "two", "null", "after"])
        self.assertEqual(self.tail("aggregate.a", "--limit", "2"), ["before", "one"])
        seen = [json.loads(line) for line in self.tail("aggregate.a", "--keys", "--no-follow")]
        self.assertEqual([(r["partitionKey"], r.get("subSequenceNumber"), r["data"]) for r in seen],
                         [("k", None, "before"), ("k1", "0", "one"), ("k1", "1", "two"), ("k2", "2", None), ("k", None, "after")])
        self.assertEqual(len({r["sequenceNumber"] for r in seen}), 3)

    def test_large_records_and_many_are_read(self):
        self.probe("create", "4", "large.a")
        sent = [("k%d" % (i % 50), json.dumps({"n": i, "text": "x" * (500_000 if i == 7 else 10)}))
                for i in range(1200)]
        for i in range(0, len(sent), 400):
            self.put("large.a", *sent[i:i + 400])
        seen = [json.loads(line) for line in self.tail("large.a", "--keys", "--no-follow")]
        for key in {k for k, _ in sent}:
            self.assertEqual([r["data"] for r in seen if r["partitionKey"] == key],
                             [json.loads(d) for k, d in sent if k == key])
        self.assertEqual(len(seen), len(sent))

    def test_latest_prints_only_what_comes_later(self):
        self.probe("create", "2", "latest.a")
        self.put("latest.a", ("k1", "before"), ("k2", "before"))
        follower = Follower(self, "latest.a", "--from", "latest")
        self.addCleanup(follower.stop)
        line = None
        while line is None:
            self.put("latest.a", ("k1", "later"), ("k2", "later"))
            line = follower.line_or_none()
        self.assertEqual(line, "later")

    def test_at_begins_at_a_time(self):
        self.probe("create", "1", "time.a")
        self.put("time.a", ("k", "first"))
        middle = time.time() + 0.2
        wait_until(lambda: time.time() > middle + 0.2)
        self.put("time.a", ("k", "second"))
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(middle)) + ".%03dZ" % int(middle % 1 * 1000)
        self.assertEqual(self.tail("time.a", "--from", at, "--no-follow"), ["second"])
        self.assertEqual(self.tail("time.a", "--from", "0", "--no-follow"), ["first", "second"])

    def test_closed_shards_are_followed_to_their_children_in_order(self):
        self.probe("create", "1", "split.a")
        self.put("split.a", *[(f"k{i}", f"a{i}") for i in range(10)])
        follower = Follower(self, "split.a")
        self.addCleanup(follower.stop)
        self.assertEqual([follower.next_line() for _ in range(10)], [f"a{i}" for i in range(10)])
        self.api("SplitShard", StreamName="split.a", ShardToSplit="shardId-000000000000",
                 NewStartingHashKey=str(1 << 127))
        wait_until(lambda: self.is_active("split.a"))
        self.put("split.a", *[(f"k{i}", f"b{i}") for i in range(10)])
        self.assertEqual(sorted(follower.next_line() for _ in range(10)), [f"b{i}" for i in range(10)])
        self.api("MergeShards", StreamName="split.a", ShardToMerge="shardId-000000000001",
                 AdjacentShardToMerge="shardId-000000000002")
        wait_until(lambda: self.is_active("split.a"))
        self.put("split.a", ("k", "c"))
        self.assertEqual(follower.next_line(), "c")
        # From the beginning, all generations: parents before children.
        lines = self.tail("split.a", "--no-follow")
        self.assertEqual([line[0] for line in lines], ["a"] * 10 + ["b"] * 10 + ["c"])
        self.assertEqual(self.probe("shards", "split.a")[-1], "open 1 of 4, whole")

    def test_unknown_stream_is_named(self):
        self.tail("nowhere.a", "--no-follow", code=EXIT["stream"])
        self.assertRegex(self.error, r'^tailrace: stream "nowhere.a": .*ResourceNotFoundException.*\n$')

    def test_certificate_of_an_unknown_authority_is_refused(self):
        self.endpoint = f"https://127.0.0.1:{self.tls_port}"
        self.tail("any.a", "--no-follow", code=EXIT["link"])
        self.assertIn("certificate", self.error)

    def test_usage_errors_name_the_argument(self):
        for words, text in [(["a", "--limit", "0"], "--limit 0"), (["a", "--from", "noon"], "--from noon"),
                            (["a", "--latest"], "--latest"), ([], "STREAM"),
                            (["a b"], '"a b"')]:
            self.tail(*words, code=EXIT["usage"])
            self.assertIn(text, self.error)

    def test_missing_region_profile_and_keys_are_named(self):
        self.variables = {"AWS_REGION": ""}
        self.probe("names", code=EXIT["config"])
        self.assertIn("debezium.sink.kinesis.region", self.error)
        self.variables = {"AWS_PROFILE": "nobody"}
        self.probe("names", code=EXIT["config"])
        self.assertIn('"nobody"', self.error)
        self.variables = {"AWS_ACCESS_KEY_ID": ""}
        self.probe("names", code=EXIT["auth"])
        self.assertIn("AWS_ACCESS_KEY_ID", self.error)


class Judge(Case):
    """The stand-in with signatures checked."""

    @classmethod
    def setUpClass(cls):
        cls.certificates = tempfile.mkdtemp(prefix="tr_kinesis_tls_")
        cls.addClassCleanup(shutil.rmtree, cls.certificates, ignore_errors=True)

        def openssl(*words):
            subprocess.run(["openssl", *words], cwd=cls.certificates, check=True, capture_output=True)
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", "key.pem", "-out", "cert.pem",
                "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")

    def start(self, *words, faults=""):
        script = os.path.join(self.folder, "faults")
        with open(script, "w", encoding="utf-8") as f:
            f.write(faults)
        port, self.tls_port = free_port(), free_port()
        server = Server([STANDIN, "--judge", "--port", str(port), "--tls-port", str(self.tls_port),
                         "--cert", os.path.join(self.certificates, "cert.pem"),
                         "--key", os.path.join(self.certificates, "key.pem"),
                         "--access-key", KEYS["AWS_ACCESS_KEY_ID"], "--secret-key", KEYS["AWS_SECRET_ACCESS_KEY"],
                         "--region", "eu-west-1", "--stream", "s:2", "--faults", script, *words], port)
        self.addCleanup(server.stop)
        self.endpoint = f"http://127.0.0.1:{port}"

    def test_signatures_are_accepted(self):
        self.start()
        self.probe("put", "s", "k1", '{"a":1}', "")
        self.assertEqual(self.tail("s", "--no-follow"), ['{"a":1}', "null"])
        self.assertIn("s", self.probe("names"))
        self.assertEqual(self.probe("shards", "s")[-1], "open 2 of 2, whole")
        self.probe("create", "2", "new.a")

    def test_session_tokens_are_signed(self):
        self.start("--session-token", "FwoGZXIv+/TOKEN==")
        self.probe("names", code=EXIT["auth"])
        self.variables = {"AWS_SESSION_TOKEN": "FwoGZXIv+/TOKEN=="}
        self.assertIn("s", self.probe("names"))

    def test_refused_keys_are_an_error_by_name_without_a_secret(self):
        self.start()
        self.variables = {"AWS_SECRET_ACCESS_KEY": "not-the-secret"}
        self.tail("s", "--no-follow", code=EXIT["auth"])
        self.assertIn("keys of environment refused", self.error)
        self.assertNotIn("not-the-secret", self.error)
        self.assertNotIn("Signature=", self.error)

    def test_keys_come_from_settings_and_profiles(self):
        self.start()
        self.variables = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
        self.write_properties(f"tailrace.aws.access.key.id={KEYS['AWS_ACCESS_KEY_ID']}",
                              f"tailrace.aws.secret.access.key={KEYS['AWS_SECRET_ACCESS_KEY']}")
        self.tail("s", "--no-follow")
        os.mkdir(os.path.join(self.folder, ".aws"))
        with open(os.path.join(self.folder, ".aws/credentials"), "w", encoding="utf-8") as f:
            f.write(f"[p]\naws_access_key_id = {KEYS['AWS_ACCESS_KEY_ID']}\n"
                    f"aws_secret_access_key = {KEYS['AWS_SECRET_ACCESS_KEY']}\n")
        self.write_properties("debezium.sink.kinesis.credentials.profile=p")
        self.tail("s", "--no-follow")

    def test_tls_needs_the_right_authority_and_name(self):
        self.start()
        self.endpoint = f"https://localhost:{self.tls_port}"
        self.probe("names", code=EXIT["link"])
        self.assertIn("certificate", self.error)
        self.variables = {"PROBE_CA": os.path.join(self.certificates, "cert.pem")}
        self.assertIn("s", self.probe("names"))
        self.endpoint = f"https://127.0.0.1:{self.tls_port}"  # not in the certificate
        self.probe("names", code=EXIT["link"])
        self.assertIn("TLS", self.error)
        self.variables = {"PROBE_CA": "/nowhere.pem"}
        self.probe("names", code=EXIT["config"])
        self.assertIn("/nowhere.pem", self.error)

    def test_transient_faults_are_retried(self):
        for fault in ("throttle-all", "500", "503", "lost", "half", "reset"):
            with self.subTest(fault=fault):
                self.start(faults=f"1-2 {fault}\n")
                self.probe("put", "s", "k", "text")
                self.assertIn("text", self.tail("s", "--no-follow"))

    def test_expired_token_and_clock_are_tried_once_more(self):
        for fault in ("expired", "clock 100"):
            with self.subTest(fault=fault):
                self.start(faults=f"1 {fault}\n")
                self.probe("put", "s", "k", "text")
        self.start(faults="1-2 expired\n")
        self.probe("put", "s", "k", "text", code=EXIT["auth"])
        self.assertIn("ExpiredTokenException", self.error)

    def test_denied_call_names_the_right_that_is_missing(self):
        self.start(faults="1 denied\n")
        self.probe("put", "s", "k", "text", code=EXIT["auth"])
        self.assertIn("allow kinesis:PutRecords", self.error)


if __name__ == "__main__":
    unittest.main(verbosity=2)
