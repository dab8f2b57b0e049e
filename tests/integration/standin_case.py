# SPDX-License-Identifier: Apache-2.0
"""A test with a Kinesis stand-in of its own in judge mode: what the files that test the stand-in share."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kinesis import KinesisError, Standin  # noqa: E402


def records_of(count, size=100):
    return [(f"key-{i}", str(i).encode().ljust(size, b".")) for i in range(count)]


def entry_json(key="k", data="YQ=="):
    return {"Data": data, "PartitionKey": key}


class WithStandin(unittest.TestCase):
    options = ()

    def setUp(self):
        self.standin = Standin("--judge", "--stream", "s:4", *self.options)
        self.addCleanup(self.standin.stop)
        self.client = self.standin.client()
        self.addCleanup(self.client.connection.close)

    def refused(self, kind, call, *arguments, status=400, **parameters):
        with self.assertRaises(KinesisError) as caught:
            call(*arguments, **parameters)
        self.assertEqual((caught.exception.status, caught.exception.kind), (status, kind))
        return caught.exception

    def put_entries(self, entries, stream="s"):
        return self.client.call("PutRecords", StreamName=stream, Records=entries)
