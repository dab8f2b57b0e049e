#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The stand-in's faults: every kind fires, and does what its help says; scripts, seeds and files of them."""
import datetime
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kinesis import BUILD, KinesisError, Standin  # noqa: E402
from standin_case import WithStandin, entry_json, records_of  # noqa: E402

FOREVER = 1_000_000_000


class Faults(WithStandin):
    """One request under the fault; what the client saw, and what was applied."""

    KINDS = set()  # filled by the tests below: see the last one

    def under(self, kind, value="", count=10):
        self.standin.set_faults(f"1-{FOREVER} {kind} {value}\n")
        self.sent = records_of(count)
        try:
            return self.client.put("s", self.sent)
        finally:
            self.assertEqual(self.standin.report()["faults"][kind], 1)
            self.standin.set_faults("# none\n")

    def applied(self, count):
        """Records kept, as GetRecords and the report have them."""
        kept = self.client.read_all("s")
        self.assertEqual(len(kept), count)
        self.assertEqual(self.standin.report()["records"], count)
        return kept

    def all_applied(self):
        self.assertEqual(sorted(self.applied(len(self.sent))), sorted(self.sent))

    def test_partial(self):
        self.check_share("partial", "InternalFailure", 30)

    def test_throttle(self):
        self.check_share("throttle", "ProvisionedThroughputExceededException", 30)

    def check_share(self, kind, code, share):
        answer = self.under(kind, share, 500)
        failed = [e for e in answer["Records"] if "ErrorCode" in e]
        self.assertEqual({e["ErrorCode"] for e in failed}, {code})
        self.assertTrue(all("SequenceNumber" in e and "ShardId" in e for e in answer["Records"] if e not in failed))
        self.assertEqual(answer["FailedRecordCount"], len(failed))
        self.assertTrue(90 <= len(failed) <= 210, len(failed))  # 150 and more than 5 standard deviations
        kept = self.applied(500 - len(failed))
        wanted = [r for r, e in zip(self.sent, answer["Records"]) if "ErrorCode" not in e]
        self.assertEqual(sorted(kept), sorted(wanted))
        self.assertEqual(self.standin.report()["refused_entries"], len(failed))

    def test_partial_by_default_and_of_all(self):
        self.assertTrue(0 < self.under("partial", "", 500)["FailedRecordCount"] < 150)
        self.standin.set_faults(f"1-{FOREVER} throttle 100")
        self.assertEqual(self.client.put("s", records_of(7))["FailedRecordCount"], 7)

    def test_throttle_all(self):
        self.refused("ThrottlingException", self.under, "throttle-all")
        self.applied(0)

    def test_500(self):
        self.refused("InternalFailure", self.under, "500", status=500)
        self.applied(0)

    def test_500_applied(self):
        self.refused("InternalFailure", self.under, "500-applied", status=500)
        self.all_applied()

    def test_503(self):
        self.refused("ServiceUnavailable", self.under, "503", status=503)
        self.applied(0)

    def test_lost(self):
        with self.assertRaises(http.client.RemoteDisconnected):
            self.under("lost")
        self.applied(0)

    def test_lost_applied(self):
        with self.assertRaises(http.client.RemoteDisconnected):
            self.under("lost-applied")
        self.all_applied()

    def test_half(self):
        with self.assertRaises(http.client.IncompleteRead):
            self.under("half")
        self.all_applied()

    def test_garbage(self):
        with self.assertRaises(ValueError):
            self.under("garbage")
        self.all_applied()

    def test_short(self):
        answer = self.under("short")
        self.assertEqual((len(answer["Records"]), answer["FailedRecordCount"]), (9, 0))
        self.all_applied()

    def test_reset(self):
        """Half of the body is enough to be reset; the rest was never sent."""
        self.standin.set_faults(f"1-{FOREVER} reset")
        body = json.dumps({"StreamName": "s", "Records": [entry_json()] * 100}).encode()
        head = "".join(f"{k}: {v}\r\n" for k, v in self.client.headers("PutRecords", body).items())
        with socket.create_connection(("127.0.0.1", self.standin.port), 20) as link:
            link.sendall(f"POST / HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:len(body) // 2])
            with self.assertRaises(ConnectionResetError):
                link.recv(65536)
        self.assertEqual(self.standin.report()["faults"]["reset"], 1)
        self.applied(0)

    def test_stall(self):
        start = time.monotonic()
        answer = self.under("stall", 300)
        self.assertGreaterEqual(time.monotonic() - start, 0.3)
        self.assertEqual(answer["FailedRecordCount"], 0)
        self.all_applied()

    def test_hang(self):
        patient, self.client = self.client, self.standin.client(timeout=0.5)
        with self.assertRaises(TimeoutError):
            self.under("hang")
        self.client = patient
        self.all_applied()

    def test_expired(self):
        self.refused("ExpiredTokenException", self.under, "expired")
        self.applied(0)

    def test_denied(self):
        self.refused("AccessDeniedException", self.under, "denied")
        self.applied(0)

    def test_not_found(self):
        self.refused("ResourceNotFoundException", self.under, "not-found")
        self.applied(0)

    def test_clock(self):
        error = self.refused("InvalidSignatureException", self.under, "clock", 900, status=403)
        date = datetime.datetime.strptime(error.headers["Date"], "%a, %d %b %Y %H:%M:%S GMT")
        ahead = date.replace(tzinfo=datetime.timezone.utc) - datetime.datetime.now(datetime.timezone.utc)
        self.assertTrue(890 < ahead.total_seconds() < 910, ahead)
        self.assertIn("expired", error.message)
        self.applied(0)

    def test_split(self):
        self.assertEqual(self.under("split", "", 100)["FailedRecordCount"], 0)
        self.all_applied()
        shards = self.client.shards("s")
        self.assertEqual(len(shards), 6)
        self.assertEqual([s["ShardId"] for s in shards if "EndingSequenceNumber" in s["SequenceNumberRange"]],
                         ["shardId-000000000000"])
        self.assertEqual(self.client.read_shard("s", "shardId-000000000000"), [])

    def test_each_kind_of_the_help_has_its_test(self):
        help_text = subprocess.run([os.path.join(BUILD, "kinesis-standin"), "--help"], check=True, text=True,
                                   capture_output=True).stdout
        kinds = re.findall(r"^  ([a-z0-9-]+) ", help_text.split("faults:\n")[1], re.MULTILINE)
        self.assertGreater(len(kinds), 15)
        self.assertEqual(set(kinds), set(self.standin.report()["faults"]))
        self.assertEqual([k for k in kinds if not hasattr(self, "test_" + k.replace("-", "_"))], [])

    def test_a_script_hits_the_requests_that_it_names(self):
        self.standin.set_faults("# two of five\n2 500\n4-5 throttle-all\n")
        outcomes = []
        for _ in range(6):
            try:
                self.client.put("s", records_of(1))
                outcomes.append("ok")
            except KinesisError as error:
                outcomes.append(error.status)
        self.assertEqual(outcomes, ["ok", 500, "ok", 400, 400, "ok"])


class FaultFiles(unittest.TestCase):
    def test_a_script_may_come_from_a_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=".faults") as script:
            script.write("1 503\n")
            script.flush()
            with Standin("--judge", "--stream", "s:1", "--faults", script.name) as standin:
                with standin.client() as client:
                    with self.assertRaises(KinesisError):
                        client.put("s", records_of(1))
                    client.put("s", records_of(1))

    def test_a_seed_draws_the_same_faults_again(self):
        def outcomes(seed):
            seen = []
            with Standin("--judge", "--stream", "s:1", "--fault-permille", "500", "--seed", seed) as standin:
                for _ in range(40):
                    with standin.client(timeout=5) as client:
                        try:
                            seen.append(client.put("s", records_of(2))["FailedRecordCount"])
                        except (OSError, http.client.HTTPException, KinesisError, ValueError) as error:
                            seen.append(type(error).__name__)
                return seen, {k: n for k, n in standin.report()["faults"].items() if n > 0}
        first = outcomes("7")
        self.assertEqual(first, outcomes("7"))
        self.assertNotEqual(first, outcomes("8"))
        self.assertTrue(8 < sum(first[1].values()) < 32, first[1])

    def test_bad_options_are_refused_with_a_code(self):
        program = os.path.join(BUILD, "kinesis-standin")
        for options in (["--nonsense"], ["--stream", "bad name:1"], ["--stream", "s:0"], ["--faults", "/nonexistent"],
                        ["--port", "0", "--tls-port", "0"]):
            with self.subTest(options):
                done = subprocess.run([program, *options], capture_output=True, text=True, timeout=20, check=False)
                self.assertGreater(done.returncode, 0)
                self.assertIn("ERROR", done.stderr)


if __name__ == "__main__":
    unittest.main()
