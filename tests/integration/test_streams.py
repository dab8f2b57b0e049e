#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`tailrace streams`: what it lists, creates and estimates, against the stand-in and kinesis-local."""
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
from engine import (Engine, Standin, command, free_port, make_user, make_workdir, remove_workdir, settings, wait_delivered, wait_for,  # noqa: E402
                    write_properties)
from kinesis import KinesisLocal  # noqa: E402

WISH = {"tailrace.streams.mode": "provisioned", "tailrace.streams.shards": "2", "tailrace.streams.retention.hours": "48",
        "tailrace.streams.tags": "team=data platform,env=test"}


class Streams(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = make_workdir("streams")
        cls.addClassCleanup(remove_workdir, cls.folder)
        cls.server = servers.start_mariadb(os.path.join(cls.folder, "db"), free_port(), ("--binlog-row-metadata=FULL",))
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        self.workdir = make_workdir("streams")
        self.addCleanup(remove_workdir, self.workdir)
        self.server.sql("SET sql_log_bin=0; DROP DATABASE IF EXISTS d; CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v TEXT);"
                        "CREATE TABLE d.u (id INT PRIMARY KEY)")
        make_user(self.server)
        self.kinesis = Standin(self.workdir)
        self.addCleanup(self.kinesis.stop)

    def path(self, **more):
        given = settings(self.server, self.kinesis, self.workdir, **{"tailrace.streams.create": "false", **more})
        return write_properties(os.path.join(self.workdir, "streams.properties"), given)

    def streams(self, *words, want=0, **more):
        code, out, err = command("streams", "-c", self.path(**more), *words)
        self.assertEqual(want, code, out + err)
        return out if want == 0 else out + err

    def line(self, out, name):
        return re.search(rf"^{re.escape(name)} .*$", out, re.MULTILINE).group(0)

    def test_created_streams_are_like_the_wish(self):
        out = self.streams("--create", "--tags", **WISH)
        for name in ("p.d.t", "p.d.u"):
            self.assertRegex(self.line(out, name), "created .* ACTIVE .* provisioned +2 shards, kept 48 h, .*, not encrypted")
        self.assertEqual(2, out.count("    tags: team=data platform, env=test\n"), out)
        out = self.streams("--tags")
        self.assertRegex(self.line(out, "p.d.t"), " there .* kept 48 h")
        self.assertEqual(2, out.count("    tags: team=data platform, env=test\n"), out)

    def test_what_exists_is_left_as_it_is(self):
        self.kinesis.call("CreateStream", StreamName="p.d.t", ShardCount=3)
        out = self.streams("--create", "--tags", **WISH)
        self.assertRegex(self.line(out, "p.d.t"), " there .* 3 shards, kept 24 h")
        self.assertRegex(out, r"p\.d\.t .*\n    tags: none\n")
        self.assertRegex(self.line(out, "p.d.u"), "created .* 2 shards, kept 48 h")

    def test_on_demand(self):
        out = self.streams("--create", **{**WISH, "tailrace.streams.mode": "on-demand"})
        self.assertIn(" on-demand ", self.line(out, "p.d.t"))
        self.assertNotIn("tags", out)

    def test_streams_created_while_running_are_like_the_wish_too(self):
        engine = Engine(self.workdir, settings(self.server, self.kinesis, self.workdir, **WISH)).start()
        self.addCleanup(engine.kill)
        self.server.sql("CREATE TABLE d.later (id INT PRIMARY KEY); INSERT INTO d.later VALUES (1)")
        self.kinesis.wait_records("p.d.later", 1, process=engine.process)

        def summary(name):
            return self.kinesis.call("DescribeStreamSummary", StreamName=name)["StreamDescriptionSummary"]
        for name in ("p.d.t", "p.d.later"):
            # Records need not wait for the retention.
            wait_for(f"{name}: 48 h", lambda n=name: summary(n)["RetentionPeriodHours"] == 48, process=engine.process)
            self.assertEqual(2, summary(name)["OpenShardCount"], name)
            self.assertEqual([{"Key": "team", "Value": "data platform"}, {"Key": "env", "Value": "test"}],
                             self.kinesis.call("ListTagsForStream", StreamName=name)["Tags"])
        self.assertEqual(0, engine.stop(), engine.output)

    def test_estimate_of_a_rate(self):
        out = self.streams("--create", "--rate", "10000", "--record-bytes", "1024")
        # 13 shards: 13 * 730 * 0.015 + 26,280 million units * 0.014; on-demand 730 * 0.04 + 25,062.56 GiB * 0.08.
        self.assertEqual(2, out.count("    estimate: 10000.0 records/s of 1024 bytes: 13 shards, $510.27 a month provisioned, $2034.20 on-demand\n"), out)
        self.assertIn("sum of 2 estimates: 26 shards, $1020.54 a month provisioned, $4068.41 on-demand", out)
        self.assertRegex(out, r"list prices of us-east-1, \d{4}, 730 h a month")

    def test_estimate_of_what_was_measured(self):
        port = str(free_port())
        engine = Engine(self.workdir, settings(self.server, self.kinesis, self.workdir, **{"quarkus.http.port": port})).start()
        self.addCleanup(engine.kill)
        self.server.sql("INSERT INTO d.t SELECT seq, REPEAT('x', 1000) FROM seq_1_to_3000", "d")
        wait_delivered(self.server, engine, self.kinesis, quiet_seconds=1.2)
        out = self.streams("--measured", **{"quarkus.http.port": port})
        rate, size = re.search(r"p\.d\.t .*\n    estimate: ([\d.]+) records/s of (\d+) bytes: \d+ shards, \$", out).groups()
        uptime = 3000 / float(rate)
        self.assertTrue(1 < uptime < 120, out)
        self.assertTrue(1300 < int(size) < 3000, out)
        self.assertRegex(out, r"p\.d\.u .*\n    estimate: none, its rate is not known yet\n")
        self.assertIn("sum of 1 estimates", out)
        self.assertEqual(0, engine.stop(), engine.output)
        self.assertIn("is an instance running", self.streams("--measured", want=4, **{"quarkus.http.port": port}))

    def test_wrong_words_are_named(self):
        for words, wanted in ((["--rate", "x", "--record-bytes", "1"], "--rate x"), (["--rate", "5"], "belong together"),
                              (["--rate", "-1", "--record-bytes", "5"], "--rate -1"), (["--record-bytes", "5"], "belong together"),
                              (["--rate", "1", "--record-bytes", "1", "--measured"], "give one of them")):
            self.assertIn(wanted, self.streams(*words, want=2))
        self.assertIn("not a list of tags", self.streams(want=3, **{"tailrace.streams.tags": "a"}))

    def test_against_kinesis_local(self):
        try:
            local = KinesisLocal(self.workdir)
        except FileNotFoundError as error:
            self.skipTest(str(error))
        self.addCleanup(local.stop)
        there = {**WISH, "debezium.sink.kinesis.endpoint": local.endpoint}
        self.assertIn("missing", self.streams(want=31, **there))
        out = self.streams("--create", "--tags", **there)
        self.assertRegex(self.line(out, "p.d.t"), "created .* ACTIVE .* 2 shards, kept 48 h")
        out = self.streams("--tags", **there)
        self.assertRegex(self.line(out, "p.d.t"), " there .* ACTIVE .* 2 shards, kept 48 h")
        self.assertEqual(2, out.count("    tags: env=test, team=data platform\n"), out)


if __name__ == "__main__":
    unittest.main()
