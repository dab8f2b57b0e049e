#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kinesis-local as a second opinion: one request of each kind to it and to the stand-in. Both must answer with the same
status, the same error and the same members of the same types, so that what passes against the stand-in is not a habit of
the stand-in alone."""
import base64
import json
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kinesis import KinesisLocal, Standin, wait_until


def shape(value):
    """What a client may rely on: members and types; a null member is an absent one; lists by their first element."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


class BothAnswerAlike(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.directory.cleanup)
        try:
            cls.local = KinesisLocal(cls.directory.name)
        except FileNotFoundError as error:
            raise unittest.SkipTest(str(error)) from error
        cls.addClassCleanup(cls.local.stop)
        cls.standin = Standin("--judge")
        cls.addClassCleanup(cls.standin.stop)

    def setUp(self):
        self.clients = [self.local.client(), self.standin.client()]
        for client in self.clients:
            self.addCleanup(client.connection.close)
        self.stream = self.id().rsplit(".", 1)[1]
        self.both("CreateStream", StreamName=self.stream, ShardCount=2)
        self.settle()

    def settle(self):
        for client in self.clients:
            wait_until(f"{self.stream} active", lambda c=client: c.call(
                "DescribeStreamSummary", StreamName=self.stream)["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE")

    def both(self, operation, **parameters):
        """Calls both with the same request; compares; returns the answers (kinesis-local's, the stand-in's)."""
        return self.both_with(operation, [parameters, parameters])

    def both_with(self, operation, parameters):
        answers = []
        for client, own in zip(self.clients, parameters):
            status, _, body = client.send(operation, json.dumps(own).encode())
            answers.append((status, json.loads(body) if body else {}))
        (local_status, local), (standin_status, standin) = answers
        self.assertEqual(standin_status, local_status, (local, standin))
        if local_status != 200:
            self.assertEqual(standin["__type"], local["__type"])
            self.assertEqual(type(standin["message"]), type(local["message"]))
            return local, standin
        wanted, found = shape(local), shape(standin)
        # What only newer services say, and the stand-in's limit that kinesis-local leaves null.
        found.get("StreamDescriptionSummary", {}).pop("MaxRecordSizeInKiB", None)
        if "StreamSummaries" not in wanted:
            found.pop("StreamSummaries", None)
        self.assertEqual(found, wanted)
        return local, standin

    def test_create_stream(self):
        self.both("CreateStream", StreamName=self.stream, ShardCount=2)  # it exists

    def test_list_streams(self):
        for answer in self.both("ListStreams"):
            self.assertIn(self.stream, answer["StreamNames"])
            self.assertFalse(answer["HasMoreStreams"])

    def test_describe_stream_summary(self):
        for answer in self.both("DescribeStreamSummary", StreamName=self.stream):
            self.assertEqual(answer["StreamDescriptionSummary"]["OpenShardCount"], 2)
        self.both("DescribeStreamSummary", StreamName="absent")

    def test_list_shards(self):
        for answer in self.both("ListShards", StreamName=self.stream):
            self.assertEqual([s["ShardId"] for s in answer["Shards"]],
                             ["shardId-000000000000", "shardId-000000000001"])
        self.both("ListShards", StreamName="absent")

    def test_put_records(self):
        keys = [f"key {i}" for i in range(50)]
        entries = [{"Data": base64.b64encode(key.encode()).decode(), "PartitionKey": key} for key in keys]
        local, standin = self.both("PutRecords", StreamName=self.stream, Records=entries)
        self.assertEqual([e["ShardId"] for e in local["Records"]], [e["ShardId"] for e in standin["Records"]])
        self.assertEqual((local["FailedRecordCount"], standin["FailedRecordCount"]), (0, 0))
        self.both("PutRecords", StreamName="absent", Records=entries)

    def test_get_records(self):
        keys = ["plain", 'quote"back\\slash', "unicode \u00e9\u20ac\U0001f600"]
        entries = [{"Data": base64.b64encode(key.encode()).decode(), "PartitionKey": key} for key in keys]
        self.both("PutRecords", StreamName=self.stream, Records=entries)
        for kind in ("TRIM_HORIZON", "LATEST"):
            for shard in ("shardId-000000000000", "shardId-000000000001"):
                iterators = self.both("GetShardIterator", StreamName=self.stream, ShardId=shard, ShardIteratorType=kind)
                local, standin = self.both_with("GetRecords", iterators)
                self.assertEqual([(r["PartitionKey"], r["Data"]) for r in standin["Records"]],
                                 [(r["PartitionKey"], r["Data"]) for r in local["Records"]])
        self.both("GetShardIterator", StreamName="absent", ShardId="shardId-000000000000", ShardIteratorType="LATEST")

    def test_split_shard(self):
        self.both("SplitShard", StreamName=self.stream, ShardToSplit="shardId-000000000000",
                  NewStartingHashKey=str(2**126))
        self.settle()
        for answer in self.both("ListShards", StreamName=self.stream):
            shards = {s["ShardId"]: s for s in answer["Shards"]}
            self.assertEqual(len(shards), 4)
            self.assertIsNotNone(shards["shardId-000000000000"]["SequenceNumberRange"]["EndingSequenceNumber"])
            self.assertEqual(shards["shardId-000000000003"]["ParentShardId"], "shardId-000000000000")
        iterators = self.both("GetShardIterator", StreamName=self.stream, ShardId="shardId-000000000000",
                              ShardIteratorType="TRIM_HORIZON")
        for answer in self.both_with("GetRecords", iterators):
            self.assertIsNone(answer["NextShardIterator"])
            self.assertEqual(sorted(c["ShardId"] for c in answer["ChildShards"]),
                             ["shardId-000000000002", "shardId-000000000003"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
