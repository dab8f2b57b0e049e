#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Metrics, health and alerts as an operator has them: scraped by a real Prometheus, asked in PromQL."""
import json
import math
import os
import re
import shutil
import subprocess
import sys
import unittest
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import servers  # noqa: E402
from engine import (ROOT, Engine, Process, Standin, free_port, make_user, make_workdir, remove_workdir, settings,  # noqa: E402
                    wait_delivered, wait_for)

RULES = os.path.join(ROOT, "deploy/alerts/tailrace.rules.yml")
RETENTION_S = 86400
REDIS_STORE = "io.debezium.storage.redis.offset.RedisOffsetBackingStore"


class Prometheus:
    """A Prometheus that scrapes one engine twice a second."""

    def __init__(self, workdir, target_port):
        self.port = free_port()
        config = os.path.join(workdir, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as out:
            out.write(f"global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}}\nrule_files: ['{RULES}']\n"
                      "scrape_configs:\n- job_name: tailrace\n  static_configs:\n"
                      f"  - targets: ['127.0.0.1:{target_port}']\n")
        self.process = Process(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={workdir}/tsdb",
                                f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"],
                               os.path.join(workdir, "prometheus.log"))
        wait_for("prometheus is ready", self._is_ready, process=self.process)

    def _is_ready(self):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5).status == 200
        except OSError:
            return False

    def get(self, path, **parameters):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
            return json.loads(answer.read())["data"]

    def query(self, expression):
        """The value of an expression that gives one sample; None while it gives none."""
        result = self.get("query", query=expression)["result"]
        return float(result[0]["value"][1]) if len(result) == 1 else None

    def wait(self, expression, holds, seconds=30):
        seen = []

        def look():
            seen[:] = [self.query(expression)]
            return seen[0] is not None and holds(seen[0])
        try:
            wait_for(expression, look, seconds, self.process)
        except AssertionError as error:
            raise AssertionError(f"{error}; last: {seen}") from None
        return seen[0]

    def stop(self):
        self.process.kill()


@unittest.skipUnless(shutil.which("promtool"), "no prometheus: deploy/install-deps test")
class Rules(unittest.TestCase):
    def promtool(self, *words):
        done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)

    def test_rules_are_valid(self):
        self.promtool("check", "rules", RULES)

    def test_each_alert_fires_on_what_it_is_for(self):
        self.promtool("test", "rules", os.path.join(HERE, "alerts_test.yml"))

    def test_every_alert_is_tried_and_names_metrics_that_exist(self):
        with open(RULES, encoding="utf-8") as rules, open(os.path.join(HERE, "alerts_test.yml"), encoding="utf-8") as tried, \
                open(os.path.join(ROOT, "engine/metrics.def"), encoding="utf-8") as table:
            rules, tried, table = rules.read(), tried.read(), table.read()
        names = re.findall(r"- alert: (\w+)", rules)
        self.assertGreaterEqual(len(names), 10)
        for name in names:
            self.assertIn(name, tried)
        for expression in re.findall(r"expr: (.*)", rules):
            for metric in re.findall(r"tailrace_\w+", expression):
                known = metric.replace("_bucket", "") in table or metric in ("tailrace_health_state", "tailrace_commit_to_accepted_seconds_bucket")
                self.assertTrue(known, metric)


class WithServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = make_workdir("prometheus")
        cls.addClassCleanup(remove_workdir, cls.folder)
        cls.server = servers.start_mariadb(os.path.join(cls.folder, "db"), free_port(),
                                           ("--binlog-row-metadata=FULL", f"--binlog-expire-logs-seconds={RETENTION_S}"))
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        self.workdir = make_workdir("prometheus")
        self.addCleanup(remove_workdir, self.workdir)
        self.server.sql("SET sql_log_bin=0; DROP DATABASE IF EXISTS d; CREATE DATABASE d; CREATE TABLE d.t (id INT AUTO_INCREMENT PRIMARY KEY, v TEXT)")
        make_user(self.server)
        self.kinesis = Standin(self.workdir, streams={"p.d.t": 2})
        self.addCleanup(self.kinesis.stop)

    def engine(self, **more):
        self.http_port = free_port()
        given = {"quarkus.http.port": str(self.http_port), "tailrace.source.log.interval.ms": "300",
                 "tailrace.sink.request.timeout.ms": "60000", **more}
        engine = Engine(self.workdir, settings(self.server, self.kinesis, self.workdir, **given))
        self.addCleanup(engine.kill)
        return engine

    def cause(self, engine):
        return json.loads(engine.get("/q/health")[1])["checks"][0]["data"].get("cause", "")

    def insert(self, rows):
        self.server.sql(f"INSERT INTO t (v) SELECT REPEAT('x', 100) FROM seq_1_to_{rows}", "d")


class Scraped(WithServer):
    @unittest.skipUnless(shutil.which("prometheus"), "no prometheus: deploy/install-deps test")
    def test_what_an_operator_asks(self):
        engine = self.engine().start()
        prometheus = Prometheus(self.workdir, self.http_port)
        self.addCleanup(prometheus.stop)
        prometheus.wait('up{job="tailrace"}', lambda v: v == 1)
        # Rates per stream, in and out, and the latency of commits.
        for n in range(8):
            self.insert(200)
            prometheus.wait("count_over_time(up[2m])", lambda v, scrapes=n: v > scrapes)
        prometheus.wait('rate(tailrace_records_routed_total{stream="p.d.t"}[20s])', lambda v: v > 10)
        prometheus.wait('rate(tailrace_records_acked_total{stream="p.d.t"}[20s])', lambda v: v > 10)
        prometheus.wait('rate(tailrace_record_bytes_acked_total{stream="p.d.t"}[20s])', lambda v: v > 1000)
        prometheus.wait('histogram_quantile(0.99, sum by (le) (rate(tailrace_commit_to_accepted_seconds_bucket[30s])))', lambda v: 0 < v < 20)
        wait_delivered(self.server, engine, self.kinesis)
        # All is well: nothing behind, nothing to replay, a day of headroom, one state, no alert.
        for expression, wanted in (("tailrace_lag_seconds", 0), ("tailrace_lag_bytes", 0), ("tailrace_catch_up_seconds", 0),
                                   ("tailrace_retention_headroom_seconds", RETENTION_S), ("tailrace_source_connected", 1),
                                   ("sum(tailrace_health_state)", 1), ('tailrace_health_state{state="idle"}', 1)):
            prometheus.wait(expression, lambda v, w=wanted: v == w)
        prometheus.wait("tailrace_replay_bytes", lambda v: v < 4096)
        self.assertEqual([], prometheus.get("alerts")["alerts"])
        # Kinesis stops answering while the source goes on and begins new files.
        self.kinesis.pause()
        self.insert(500)
        self.server.sql("FLUSH BINARY LOGS")
        self.insert(500)
        prometheus.wait("tailrace_lag_seconds", lambda v: 3 < v < 60)
        prometheus.wait("tailrace_lag_bytes", lambda v: v > 500 * 100)
        prometheus.wait("tailrace_replay_bytes", lambda v: v > 500 * 100)
        prometheus.wait("tailrace_catch_up_seconds", math.isinf)
        prometheus.wait("tailrace_retention_headroom_seconds", lambda v: RETENTION_S - 600 < v < RETENTION_S)
        prometheus.wait('sum(increase(tailrace_blocked_seconds_total{cause="sink"}[20s]))', lambda v: v > 1)
        prometheus.wait('sum(tailrace_blocked_seconds_total{cause!="sink"})', lambda v: v < 1)
        self.assertIn("Kinesis accepts nothing", self.cause(engine))
        self.kinesis.resume()
        prometheus.wait("tailrace_lag_seconds", lambda v: v == 0)
        prometheus.wait("tailrace_lag_bytes", lambda v: v == 0)
        # All rules were evaluated without an error, on what a real engine exposes.
        rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
        self.assertEqual({"ok"}, {rule["health"] for rule in rules}, rules)
        self.assertEqual(0, engine.stop(), engine.output)
        prometheus.wait('up{job="tailrace"}', lambda v: v == 0)


class Health(WithServer):
    def test_redis_away_is_told_at_once_and_stalls(self):
        redis = servers.start_redis(os.path.join(self.workdir, "redis"), free_port())
        self.addCleanup(redis.stop)
        engine = self.engine(**{"debezium.source.offset.storage": REDIS_STORE, "tailrace.health.stalled.ms": "2000",
                                "debezium.source.offset.storage.redis.address": f"127.0.0.1:{redis.port}"}).start()
        engine.wait_health("idle")
        redis.stop()
        self.insert(10)
        wait_for("the cause", lambda: "offset store" in self.cause(engine), process=engine.process)
        engine.wait_health("stalled")
        self.assertEqual(503, engine.status("/q/health/ready"))
        self.assertEqual(200, engine.status("/q/health/live"))
        self.assertGreater(engine.metrics()['tailrace_blocked_seconds_total{cause="store"}'], 1)
        self.kinesis.wait_records("p.d.t", 10)  # what can be delivered is
        again = servers.start_redis(os.path.join(self.workdir, "redis"), redis.port)
        self.addCleanup(again.stop)
        engine.wait_health("idle")
        self.assertEqual("", self.cause(engine))
        self.assertEqual(0, engine.stop(), engine.output)

    def test_database_away_is_told_at_once_and_stalls(self):
        server = servers.start_mariadb(os.path.join(self.workdir, "db2"), free_port(), ("--binlog-row-metadata=FULL",))
        self.addCleanup(server.stop)
        server.sql("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY)")
        make_user(server)
        self.server = server
        engine = self.engine(**{"tailrace.health.stalled.ms": "2000"}).start()
        engine.wait_health("idle")
        self.assertEqual(1, engine.metrics()["tailrace_source_connected"])
        server.stop()
        wait_for("the cause", lambda: "database is down" in self.cause(engine), process=engine.process)
        engine.wait_health("stalled")
        self.assertEqual(0, engine.metrics()["tailrace_source_connected"])
        self.assertTrue(math.isnan(engine.metrics()["tailrace_retention_headroom_seconds"]))
        engine.kill()


if __name__ == "__main__":
    unittest.main()
