#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Kinesis stand-in over real HTTP: every check can fail, every limit refuses. What it says here is what the engine's own
tests rely on. Its faults are in test_standin_faults.py."""
import base64
import datetime
import hashlib
import http.client
import json
import os
import socket
import ssl
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kinesis import Client, KinesisError, Standin, make_certificate  # noqa: E402
from standin_case import WithStandin, entry_json, records_of  # noqa: E402

MIB = 1024 * 1024
FOREVER = 1_000_000_000


class Accepting(WithStandin):
    def test_keeps_what_it_accepts_and_gives_it_back(self):
        sent = [("plain", b"\x00\x01\xff"), ('quote"back\\slash\n', b""), ("unicode \u00e9\u20ac\U0001f600", b"x" * 1000)]
        answer = self.client.put("s", sent)
        self.assertEqual(answer["FailedRecordCount"], 0)
        self.assertEqual(len(answer["Records"]), 3)
        self.assertEqual(sorted(self.client.read_all("s")), sorted(sent))
        self.assertEqual(self.standin.report()["records"], 3)

    def test_routes_by_md5_of_the_key(self):
        shards = self.client.shards("s")
        ranges = [(int(s["HashKeyRange"]["StartingHashKey"]), int(s["HashKeyRange"]["EndingHashKey"]), s["ShardId"])
                  for s in shards]
        self.assertEqual((ranges[0][0], ranges[-1][1]), (0, 2**128 - 1))
        self.assertTrue(all(a[1] + 1 == b[0] for a, b in zip(ranges, ranges[1:])))
        sent = records_of(100)
        answer = self.client.put("s", sent)
        used = set()
        for (key, _), entry in zip(sent, answer["Records"]):
            hashed = int.from_bytes(hashlib.md5(key.encode()).digest(), "big")
            wanted = next(shard for low, high, shard in ranges if low <= hashed <= high)
            self.assertEqual(entry["ShardId"], wanted)
            used.add(wanted)
        self.assertEqual(len(used), 4)

    def test_routes_by_an_explicit_hash_key(self):
        last = str(2**128 - 1)
        answer = self.put_entries([dict(entry_json(), ExplicitHashKey="0"), dict(entry_json(), ExplicitHashKey=last)])
        self.assertEqual([e["ShardId"][-1] for e in answer["Records"]], ["0", "3"])

    def test_numbers_grow_within_a_shard(self):
        first = self.client.put("s", records_of(200))["Records"]
        second = self.client.put("s", records_of(200))["Records"]
        newest = {}
        for entry in first + second:
            self.assertGreater(int(entry["SequenceNumber"]), newest.get(entry["ShardId"], 0))
            newest[entry["ShardId"]] = int(entry["SequenceNumber"])

    def test_takes_everything_up_to_its_limits(self):
        self.assertEqual(self.client.put("s", records_of(500))["FailedRecordCount"], 0)
        self.client.put("s", [("\u20ac" * 256, b"256 characters, 768 bytes")])
        self.client.put("s", [("k" * 24, b"x" * (MIB - 24))])
        self.client.put("s", [(str(i) * 10, b"x" * (MIB - 10)) for i in range(5)])
        self.assertEqual(self.standin.report()["records"], 507)
        self.assertEqual(self.standin.report()["limit_failures"], 0)

    def test_reads_a_request_that_comes_byte_by_byte(self):
        body = json.dumps({"StreamName": "s", "Records": [entry_json()]}).encode()
        head = "".join(f"{k}: {v}\r\n" for k, v in self.client.headers("PutRecords", body).items())
        message = f"POST / HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        with socket.create_connection(("127.0.0.1", self.standin.port), 20) as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(len(message)):
                link.sendall(message[i:i + 1])
            self.assertTrue(link.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n"))


class Refusing(WithStandin):
    """Nothing of a refused request is applied, and the report counts it."""

    def tearDown(self):
        report = self.standin.report()
        self.assertEqual(report["records"], 0)
        self.assertEqual(self.client.read_all("s"), [])

    def limit(self, kind, entries):
        before = self.standin.report()["limit_failures"]
        self.refused(kind, self.put_entries, entries)
        report = self.standin.report()
        self.assertEqual(report["limit_failures"], before + 1)
        self.assertIn(kind, report["last_refusal"])

    def test_refuses_501_records(self):
        self.limit("ValidationException", [entry_json()] * 501)

    def test_refuses_no_records(self):
        self.limit("ValidationException", [])

    def test_refuses_a_key_of_257_characters_or_none(self):
        self.limit("ValidationException", [entry_json("k" * 257)])
        self.limit("ValidationException", [entry_json("")])
        self.limit("ValidationException", [entry_json(), entry_json("\u20ac" * 257)])

    def test_refuses_a_record_over_1_mib(self):
        data = base64.b64encode(b"x" * (MIB - 3)).decode()
        self.limit("ValidationException", [entry_json(), entry_json("four", data)])

    def test_refuses_more_than_5_mib_in_all(self):
        data = base64.b64encode(b"x" * (MIB - 10)).decode()
        self.limit("InvalidArgumentException", [entry_json("k" * 10, data)] * 5 + [entry_json("k", "")])

    def test_refuses_bad_base64(self):
        for text in ("YQ=", "YQ", "Y*==", "YQ==YQ==", "YQ=a", "=YQ=", "====", "\u00e9\u00e9\u00e9\u00e9"):
            with self.subTest(text):
                self.limit("SerializationException", [entry_json(data=text)])

    def test_refuses_missing_members(self):
        self.limit("ValidationException", [{"Data": "YQ=="}])
        self.limit("ValidationException", [{"PartitionKey": "k"}])

    def test_refuses_a_bad_explicit_hash_key(self):
        for text in ("-1", "x", str(2**128), "1" * 60):
            with self.subTest(text):
                self.limit("InvalidArgumentException", [dict(entry_json(), ExplicitHashKey=text)])

    def test_refuses_an_unknown_stream(self):
        self.refused("ResourceNotFoundException", self.put_entries, [entry_json()], stream="other")

    def test_refuses_what_is_not_json(self):
        whole = json.dumps({"StreamName": "s", "Records": [entry_json()]}).encode()
        for body in (b"", b"[]", whole[:-1], whole + b"}", whole.replace(b"[", b"")):
            with self.subTest(body):
                self.assertEqual(self.client.send("PutRecords", body)[0], 400)

    def test_refuses_other_operations_and_content_types(self):
        self.refused("UnknownOperationException", self.client.call, "MakeCoffee")
        body = json.dumps({"StreamName": "s", "Records": [entry_json()]}).encode()
        headers = dict(self.client.headers("PutRecords", body))
        headers["Content-Type"] = "application/json"
        self.assertEqual(self.client.send("PutRecords", body, headers)[0], 404)

    def test_refuses_a_bad_fault_script(self):
        with self.assertRaises(KinesisError):
            self.standin.set_faults("1 explode")


class Reading(WithStandin):
    def put_numbers(self, first, count):
        """One shard's worth: every record has the same key."""
        answer = self.client.put("s", [("one key", str(i).encode()) for i in range(first, first + count)])
        return answer["Records"][0]["ShardId"], [e["SequenceNumber"] for e in answer["Records"]]

    def numbers(self, shard, kind, **start):
        return [int(data) for _, data in self.client.read_shard("s", shard, kind, **start)]

    def test_starts_where_the_iterator_says(self):
        shard, sequences = self.put_numbers(0, 10)
        self.assertEqual(self.numbers(shard, "TRIM_HORIZON"), list(range(10)))
        self.assertEqual(self.numbers(shard, "LATEST"), [])
        self.assertEqual(self.numbers(shard, "AT_SEQUENCE_NUMBER", StartingSequenceNumber=sequences[7]), [7, 8, 9])
        self.assertEqual(self.numbers(shard, "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=sequences[7]), [8, 9])
        latest = self.client.call("GetShardIterator", StreamName="s", ShardId=shard, ShardIteratorType="LATEST")
        self.put_numbers(10, 3)
        answer = self.client.call("GetRecords", ShardIterator=latest["ShardIterator"])
        self.assertEqual([base64.b64decode(r["Data"]) for r in answer["Records"]], [b"10", b"11", b"12"])

    def test_starts_at_a_time(self):
        shard, _ = self.put_numbers(0, 3)
        arrived = self.client.read_shard_records("s", shard)[-1]["ApproximateArrivalTimestamp"]
        self.assertEqual(self.numbers(shard, "AT_TIMESTAMP", Timestamp=arrived - 1), [0, 1, 2])
        self.assertEqual(self.numbers(shard, "AT_TIMESTAMP", Timestamp=arrived + 1), [])

    def test_gives_at_most_what_was_asked_for(self):
        shard, _ = self.put_numbers(0, 10)
        iterator = self.client.call("GetShardIterator", StreamName="s", ShardId=shard,
                                    ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        sizes = []
        for _ in range(4):
            answer = self.client.call("GetRecords", ShardIterator=iterator, Limit=4)
            sizes.append((len(answer["Records"]), answer["MillisBehindLatest"] > 0))
            iterator = answer["NextShardIterator"]
        self.assertEqual(sizes, [(4, True), (4, True), (2, False), (0, False)])

    def test_refuses_bad_iterators(self):
        self.refused("ValidationException", self.client.call, "GetShardIterator", StreamName="s",
                     ShardId="shardId-000000000000", ShardIteratorType="SOMEWHERE")
        self.refused("ResourceNotFoundException", self.client.call, "GetShardIterator", StreamName="s",
                     ShardId="shardId-000000000099", ShardIteratorType="LATEST")
        self.refused("InvalidArgumentException", self.client.call, "GetRecords", ShardIterator="nonsense")
        self.refused("InvalidArgumentException", self.client.call, "GetRecords", ShardIterator="s|0|0", Limit=10001)

    def test_a_split_closes_the_parent_and_its_children_go_on(self):
        shard, _ = self.put_numbers(0, 5)
        self.client.call("SplitShard", StreamName="s", ShardToSplit=shard, NewStartingHashKey="0")
        new_shard, _ = self.put_numbers(5, 5)
        self.assertNotEqual(new_shard, shard)
        self.assertEqual(self.numbers(shard, "TRIM_HORIZON"), list(range(5)))
        self.assertEqual(self.numbers(new_shard, "TRIM_HORIZON"), list(range(5, 10)))
        shards = {s["ShardId"]: s for s in self.client.shards("s")}
        self.assertEqual(shards[new_shard]["ParentShardId"], shard)
        self.assertIn("EndingSequenceNumber", shards[shard]["SequenceNumberRange"])
        self.assertNotIn("EndingSequenceNumber", shards[new_shard]["SequenceNumberRange"])
        children = sorted(s for s in shards if shards[s].get("ParentShardId") == shard)
        self.assertEqual(len(children), 2)
        iterator = self.client.call("GetShardIterator", StreamName="s", ShardId=shard,
                                    ShardIteratorType="LATEST")["ShardIterator"]
        answer = self.client.call("GetRecords", ShardIterator=iterator)
        self.assertIsNone(answer["NextShardIterator"])
        self.assertEqual(sorted(c["ShardId"] for c in answer["ChildShards"]), children)
        now_open = self.client.call("ListShards", StreamName="s", ShardFilter={"Type": "AT_LATEST"})["Shards"]
        self.assertEqual(len(now_open), 5)
        self.assertNotIn(shard, [s["ShardId"] for s in now_open])
        self.refused("InvalidArgumentException", self.client.call, "SplitShard", StreamName="s", ShardToSplit=shard,
                     NewStartingHashKey="0")

    def test_makes_and_describes_streams(self):
        self.client.call("CreateStream", StreamName="new", ShardCount=3)
        self.refused("ResourceInUseException", self.client.call, "CreateStream", StreamName="new", ShardCount=3)
        self.refused("ValidationException", self.client.call, "CreateStream", StreamName="not/valid", ShardCount=1)
        summary = self.client.call("DescribeStreamSummary", StreamName="new")["StreamDescriptionSummary"]
        self.assertEqual((summary["StreamStatus"], summary["OpenShardCount"]), ("ACTIVE", 3))
        self.assertEqual(summary["MaxRecordSizeInKiB"], 1024)
        self.assertEqual(self.client.call("ListStreams")["StreamNames"], ["s", "new"])
        self.refused("ResourceNotFoundException", self.client.call, "DescribeStreamSummary", StreamName="other")
        by_arn = self.client.call("DescribeStreamSummary", StreamARN=summary["StreamARN"])
        self.assertEqual(by_arn["StreamDescriptionSummary"]["StreamName"], "new")


class Refereeing(WithStandin):
    options = ("--counter", "n", "--first-counter", "1")

    def put_counters(self, key, numbers):
        self.client.put("s", [(key, b'{"before":null,"after":{"id":1,"n":%d}}' % n) for n in numbers])
        return self.standin.report()

    def verdict(self, report):
        return [report[k] for k in ("duplicates", "replay_jumps", "order_violations", "lost")]

    def test_order_is_fine(self):
        self.assertEqual(self.verdict(self.put_counters("a", range(1, 100))), [0, 0, 0, 0])
        self.assertEqual(self.verdict(self.put_counters("b", range(1, 100))), [0, 0, 0, 0])
        self.assertEqual(self.standin.report()["keys"], 2)

    def test_sees_a_duplicate(self):
        self.assertEqual(self.verdict(self.put_counters("a", [1, 2, 3, 2, 3, 4])), [2, 0, 0, 0])

    def test_sees_a_swap(self):
        self.assertEqual(self.verdict(self.put_counters("a", [1, 3, 2, 4])), [0, 0, 1, 0])

    def test_sees_a_gap(self):
        self.assertEqual(self.verdict(self.put_counters("a", [1, 2, 5])), [0, 0, 0, 2])

    def test_sees_a_missing_start(self):
        self.assertEqual(self.verdict(self.put_counters("a", [2, 3])), [0, 0, 0, 1])

    def test_sees_a_replay_with_a_hole(self):
        self.assertEqual(self.verdict(self.put_counters("a", [1, 2, 3, 4, 2, 4, 5])), [2, 1, 0, 0])


class Timing(WithStandin):
    options = ("--latency", "at_us")

    def test_measures_from_a_column_to_acceptance(self):
        now_us = time.time_ns() // 1000
        self.client.put("s", [("k", b'{"after":{"at_us":%d}}' % (now_us - late_us))
                              for late_us in [20_000] * 99 + [500_000]])
        report = self.standin.report()
        self.assertEqual(report["latency_samples"], 100)
        self.assertTrue(20_000 <= report["latency_p50_us"] < 400_000, report)
        self.assertEqual(report["latency_p50_us"] // 100_000, report["latency_p99_us"] // 100_000)


class Signatures(WithStandin):
    options = ("--access-key", "AKIDTEST", "--secret-key", "s3cret/+", "--region", "ap-south-1")
    right = {"access_key": "AKIDTEST", "secret": "s3cret/+", "region": "ap-south-1"}

    def call_with(self, **changes):
        with self.standin.client(**(self.right | changes)) as client:
            return client.put("s", records_of(3))

    def wrong(self, text, **changes):
        before = self.standin.report()["signature_failures"]
        error = self.refused("InvalidSignatureException", self.call_with, status=403, **changes)
        self.assertIn(text, error.message)
        self.assertEqual(self.standin.report()["signature_failures"], before + 1)

    def test_a_right_one_passes(self):
        self.assertEqual(self.call_with()["FailedRecordCount"], 0)
        self.assertEqual(self.standin.report()["signature_failures"], 0)

    def test_every_part_is_checked(self):
        self.wrong("Signature does not match", secret="s3cret/-")
        self.wrong("Credential", access_key="AKIDOTHER")
        self.wrong("Credential", region="eu-central-1")
        self.wrong("X-Amz-Security-Token", token="unexpected")
        self.assertEqual(self.standin.report()["records"], 0)

    def raw(self, change=lambda headers, body: body, now=None):
        body = json.dumps({"StreamName": "s", "Records": [entry_json()]}).encode()
        with self.standin.client(**self.right) as client:
            headers = client.headers("PutRecords", body, now)
            body = change(headers, body)
            return client.send("PutRecords", body, headers)[0]

    def test_what_was_changed_after_signing_is_refused(self):
        def other_body(_, body):
            return body.replace(b"YQ==", b"Yg==")

        def other_target(headers, body):
            headers["X-Amz-Target"] = "Kinesis_20131202.PutRecord"
            return body

        def no_authorization(headers, body):
            del headers["Authorization"]
            return body

        def unsigned_header(headers, body):
            headers["Authorization"] = headers["Authorization"].replace("host;", "")
            return body
        self.assertEqual(self.raw(), 200)
        for change in (other_body, other_target, no_authorization, unsigned_header):
            with self.subTest(change.__name__):
                self.assertEqual(self.raw(change), 403)
        self.assertEqual(self.standin.report()["records"], 1)

    def test_the_date_is_checked(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        for minutes, status in ((-6, 403), (-4, 200), (4, 200), (6, 403)):
            with self.subTest(minutes):
                self.assertEqual(self.raw(now=now + datetime.timedelta(minutes=minutes)), status)

    def test_other_operations_are_checked_too(self):
        with self.standin.client(**(self.right | {"secret": "wrong"})) as client:
            self.refused("InvalidSignatureException", client.call, "ListStreams", status=403)


class SessionTokens(Signatures):
    """The same with a session token."""
    options = (*Signatures.options, "--session-token", "t" * 500)
    right = Signatures.right | {"token": "t" * 500}

    def test_a_missing_token_is_refused(self):
        self.wrong("X-Amz-Security-Token", token=None)


class ShardLimits(WithStandin):
    options = ("--limits",)

    def test_throttles_above_1000_records_a_second_and_shard(self):
        start = time.monotonic()
        answers = [self.client.put("s", [("one key", b"x")] * 500) for _ in range(6)]
        elapsed = time.monotonic() - start
        failed = sum(a["FailedRecordCount"] for a in answers)
        self.assertEqual([a["FailedRecordCount"] for a in answers[:2]], [0, 0])
        self.assertGreaterEqual(3000 - failed, 1000)
        self.assertLessEqual(3000 - failed, 1000 * (1 + elapsed) + 1)
        codes = {e.get("ErrorCode") for a in answers for e in a["Records"]}
        self.assertEqual(codes, {None, "ProvisionedThroughputExceededException"} if failed else {None})
        self.assertGreater(failed, 0)
        self.assertEqual(self.standin.report()["records"], 3000 - failed)

    def test_throttles_above_1_mib_a_second_and_shard(self):
        start = time.monotonic()
        answers = [self.client.put("s", [("one key", b"x" * (MIB // 2))]) for _ in range(12)]
        elapsed = time.monotonic() - start
        failed = sum(a["FailedRecordCount"] for a in answers)
        self.assertGreater(failed, 0)
        self.assertLessEqual((12 - failed) / 2, 1 + elapsed + 1)  # the last one may overdraw

    def test_other_shards_keep_their_own_allowance(self):
        self.client.put("s", [("one key", b"x")] * 500)
        self.client.put("s", [("one key", b"x")] * 500)
        busy = self.client.put("s", [("one key", b"x")] * 500)["Records"][-1]
        keys = [f"k{i}" for i in range(64)]
        answer = self.client.put("s", [(key, b"x") for key in keys])
        self.assertEqual(busy.get("ErrorCode"), "ProvisionedThroughputExceededException")
        self.assertTrue(20 < 64 - answer["FailedRecordCount"])


class Tls(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        files = make_certificate(self.directory.name)
        if files is None:
            self.skipTest("no openssl program to make a certificate with")
        self.certificate, key = files
        self.standin = Standin("--judge", "--stream", "s:2", "--tls-port", "0", "--cert", self.certificate, "--key", key,
                               "--access-key", "AKIDEXAMPLE", "--secret-key", "secret")
        self.addCleanup(self.standin.stop)

    def client(self):
        context = ssl.create_default_context(cafile=self.certificate)
        return Client(http.client.HTTPSConnection("127.0.0.1", self.standin.tls_port, timeout=30, context=context))

    def test_serves_the_same_over_tls(self):
        with self.client() as client:
            sent = records_of(500) + [("large", os.urandom(MIB - 5))]
            client.put("s", sent[:500])
            client.put("s", sent[500:])
            self.assertEqual(sorted(client.read_all("s")), sorted(sent))
            self.assertEqual(client.call("ListStreams")["StreamNames"], ["s"])

    def test_takes_a_full_request_over_tls(self):
        with self.client() as client:
            sent = [(str(i) * 10, os.urandom(MIB - 10)) for i in range(5)]
            self.assertEqual(client.put("s", sent)["FailedRecordCount"], 0)
        self.assertEqual(self.standin.report()["records"], 5)

    def test_faults_act_on_tls_connections(self):
        for kind in ("lost-applied", "reset", "half"):
            self.standin.set_faults(f"1-{FOREVER} {kind}")
            with self.client() as client, self.assertRaises((OSError, http.client.HTTPException)):
                client.put("s", records_of(10))
            self.assertEqual(self.standin.report()["faults"][kind], 1)
        self.assertEqual(self.standin.report()["records"], 20)

    def test_a_plain_request_on_the_tls_port_ends_the_connection(self):
        with socket.create_connection(("127.0.0.1", self.standin.tls_port), 20) as link:
            link.sendall(b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
            try:
                answer = link.recv(65536)
            except ConnectionResetError:
                answer = b""
            self.assertNotIn(b"HTTP/1.1", answer)
        with self.client() as client:
            client.put("s", records_of(1))


class Sink(unittest.TestCase):
    """Sink mode is never what a benchmark measures."""

    def setUp(self):
        self.standin = Standin("--sink", "--stream", "s:64")
        self.addCleanup(self.standin.stop)

    def message(self, count, size):
        data = base64.b64encode(b"x" * size).decode()
        body = json.dumps({"StreamName": "s", "Records": [entry_json(f"key-{i:08d}", data) for i in range(count)]},
                          separators=(",", ":")).encode()
        with self.standin.client() as client:
            head = "".join(f"{k}: {v}\r\n" for k, v in client.headers("PutRecords", body).items())
        return f"POST / HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def pour(self, message, requests):
        """Sends the same message again and again on one connection; every answer is read."""
        with socket.create_connection(("127.0.0.1", self.standin.port), 60) as link:
            room = bytearray(256 * 1024)
            for _ in range(requests):
                link.sendall(message)
                seen = b""
                while not seen.endswith(b"]}"):
                    seen = seen[-2:] + bytes(memoryview(room)[:link.recv_into(room)])

    def test_takes_a_million_small_records_a_second_on_one_core(self):
        message = self.message(500, 100)
        rates = []
        for _ in range(3):
            before = self.standin.cpu_seconds()
            self.pour(message, 2000)
            rates.append(1_000_000 / (self.standin.cpu_seconds() - before))
        self.assertEqual(self.standin.report()["records"], 3_000_000)
        self.assertGreater(max(rates), 1_000_000, f"records per CPU second: {[round(r) for r in rates]}")

    def test_answers_one_entry_per_record(self):
        with self.standin.client() as client:
            for count in (1, 2, 499, 500):
                answer = client.put("s", records_of(count))
                self.assertEqual((len(answer["Records"]), answer["FailedRecordCount"]), (count, 0))
            with self.assertRaises(KinesisError):
                client.put("s", records_of(501))
            with self.assertRaises(KinesisError):
                client.put("s", [])
        self.assertEqual(self.standin.report()["records"], 1002)

    def test_stops_cleanly_with_connections_open(self):
        with self.standin.client() as client:
            client.put("s", records_of(1))
            self.assertEqual(self.standin.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
