#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What deploy/ ships holds together: compose file, container file, service unit, example configurations."""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
from engine import (ROOT, TAILRACE, Engine, Process, Standin, clean_env, command, free_port, make_user, make_workdir, read_text,  # noqa: E402
                    remove_workdir, settings, wait_for)

DEPLOY = os.path.join(ROOT, "deploy")
COMPOSE = os.path.join(DEPLOY, "compose")
HEALTHCHECK = os.path.join(COMPOSE, "healthcheck")
UNIT = os.path.join(DEPLOY, "systemd/tailrace.service")
EXAMPLES = sorted(glob.glob(os.path.join(DEPLOY, "examples/*.properties")))
SECRETS = {"DB_PASSWORD": "s3cret-db", "REDIS_PASSWORD": "s3cret-redis", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
           "AWS_SECRET_ACCESS_KEY": "s3cret-key", "AWS_SESSION_TOKEN": "s3cret-token"}
EXPOSURE_MAX = 2.0  # of systemd-analyze security: 0 best, 10 worst


def logical_lines(path):
    """A container file's instructions, continuation lines joined, comments left out."""
    lines = [line for line in read_text(path).splitlines() if not line.lstrip().startswith("#")]
    return [line for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines() if line]


class Examples(unittest.TestCase):
    def environment(self):
        # The example's authorities are not on this machine; the environment outranks the file.
        return {**clean_env(), **SECRETS, "TAILRACE_SOURCE_TLS_CA": "/etc/ssl/certs/ca-certificates.crt"}

    def test_every_example_is_taken_as_it_is(self):
        self.assertGreaterEqual(len(EXAMPLES), 8)
        for path in EXAMPLES + [os.path.join(COMPOSE, "application.properties")]:
            with self.subTest(os.path.basename(path)):
                code, out, err = command("config", "-c", path, env=self.environment())
                self.assertEqual(0, code, err)
                self.assertIn("debezium.sink.type=kinesis", out)
                self.assertEqual("", err)  # an example holds nothing that is without effect
                self.assertNotIn("s3cret", out + err)

    def test_a_slip_in_an_example_is_seen(self):
        workdir = make_workdir("deploy")
        self.addCleanup(remove_workdir, workdir)
        path = os.path.join(workdir, "slip.properties")
        with open(path, "w", encoding="utf-8") as out:
            out.write(read_text(EXAMPLES[0]) + "debezium.source.topic.prefx=a\n")
        code, _, err = command("config", "-c", path, env=self.environment())
        self.assertEqual(3, code)
        self.assertIn("topic.prefix", err)

    def test_each_example_has_a_server_id_of_its_own(self):
        ids = [re.search(r"^debezium.source.database.server.id=(\d+)$", read_text(path), re.MULTILINE).group(1) for path in EXAMPLES]
        self.assertEqual(len(ids), len(set(ids)))


class Compose(unittest.TestCase):
    def setUp(self):
        try:
            import yaml
        except ImportError:
            self.skipTest("no python3-yaml: deploy/install-deps test")
        self.whole = yaml.safe_load(read_text(os.path.join(COMPOSE, "compose.yaml")))
        self.services = self.whole["services"]

    def test_services_are_complete(self):
        self.assertEqual({"mysql", "redis", "localstack", "tailrace"}, set(self.services))
        for name, service in self.services.items():
            with self.subTest(name):
                self.assertTrue("image" in service or "build" in service)
                if "image" in service:
                    self.assertRegex(service["image"], r":[\d.]+$")  # pinned
                if name != "tailrace":  # the image brings its own
                    self.assertIn(service["healthcheck"]["test"][0], ("CMD", "CMD-SHELL"))
                self.assertNotIn("depends_on", service)  # Tailrace waits by itself

    def test_what_it_mounts_and_builds_exists(self):
        for service in self.services.values():
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                if source.startswith("."):
                    self.assertTrue(os.path.isfile(os.path.join(COMPOSE, source)), source)
                else:
                    self.assertIn(source, self.whole["volumes"])
        build = self.services["tailrace"]["build"]
        context = os.path.normpath(os.path.join(COMPOSE, build["context"]))
        self.assertEqual(ROOT, context)
        self.assertTrue(os.path.isfile(os.path.join(context, build["dockerfile"])))

    def test_the_configuration_names_the_services(self):
        given = dict(line.split("=", 1) for line in read_text(os.path.join(COMPOSE, "application.properties")).splitlines()
                     if line and not line.startswith("#"))
        self.assertIn(given["debezium.source.database.hostname"], self.services)
        self.assertIn(given["debezium.source.offset.storage.redis.address"].split(":")[0], self.services)
        self.assertIn(re.match(r"http://([^:]+):4566", given["debezium.sink.kinesis.endpoint"]).group(1), self.services)
        self.assertGreaterEqual(int(given["tailrace.startup.wait.ms"]), 60000)
        sql = read_text(os.path.join(COMPOSE, "mysql.sql"))
        self.assertIn(f"'{given['debezium.source.database.user']}'@'%' IDENTIFIED BY '{given['debezium.source.database.password']}'", sql)
        # Time to drain is longer than what the engine takes at most.
        self.assertEqual("15s", self.services["tailrace"]["stop_grace_period"])

    def test_tailrace_may_do_little(self):
        tailrace = self.services["tailrace"]
        self.assertEqual((["ALL"], ["no-new-privileges:true"], True),
                         (tailrace["cap_drop"], tailrace["security_opt"], tailrace["read_only"]))


class Container(unittest.TestCase):
    def setUp(self):
        self.lines = logical_lines(os.path.join(COMPOSE, "Containerfile"))
        start = next(i for i, line in enumerate(self.lines) if i > 0 and line.startswith("FROM "))
        self.build, self.run_stage = self.lines[:start], self.lines[start:]

    def test_stages_and_user(self):
        self.assertEqual(["FROM debian:12-slim AS build", "FROM debian:12-slim"], [x for x in self.lines if x.startswith("FROM")])
        self.assertIn("RUN deploy/install-deps build", self.build)  # one list of packages, not two
        self.assertIn("USER tailrace", self.run_stage)
        after = self.run_stage[self.run_stage.index("USER tailrace"):]
        self.assertFalse([line for line in after if line.startswith(("RUN", "COPY", "ADD"))])
        self.assertTrue([line for line in after if line.startswith("HEALTHCHECK") and "/usr/lib/tailrace/healthcheck" in line])

    def test_what_it_copies_exists(self):
        for line in self.lines:
            if line.startswith("COPY ") and "--from" not in line:
                for source in line.split()[1:-1]:
                    self.assertTrue(os.path.exists(os.path.join(ROOT, source)), source)
        for tool in ("cmake", "install-deps"):
            self.assertTrue([line for line in self.build if tool in line])

    def test_its_libraries_are_those_the_program_is_linked_with(self):
        needed = re.findall(r"NEEDED.*\[(.*)\]", subprocess.run(["readelf", "-d", TAILRACE], capture_output=True, text=True,
                                                              check=True).stdout)
        paths = dict(re.findall(r"^\s*(\S+) => (\S+)", subprocess.run(["ldd", TAILRACE], capture_output=True, text=True,
                                                                     check=True).stdout, re.MULTILINE))
        packages = set()
        for library in needed:
            # The package may know the file below /usr/lib or /lib, which are one directory.
            names = [paths[library], "/usr" + paths[library]]
            owners = [subprocess.run(["dpkg-query", "-S", name], capture_output=True, text=True, check=False).stdout for name in names]
            packages.add(next(owner for owner in owners if owner).split(":")[0])
        listed = set(re.search(r"--no-install-recommends\s+(.*?)\s*&&", "\n".join(self.run_stage)).group(1).split())
        always = {"libc6", "libgcc-s1"}  # parts of every Debian
        self.assertEqual(packages - always, listed - {"ca-certificates"})

    def test_its_packages_exist(self):
        if not shutil.which("apt-cache"):
            self.skipTest("no apt-cache")
        listed = re.search(r"--no-install-recommends\s+(.*?)\s*&&", "\n".join(self.run_stage)).group(1).split()
        known = subprocess.run(["apt-cache", "show", "--no-all-versions", *listed], capture_output=True, text=True, check=False).stdout
        self.assertEqual(set(listed), set(re.findall(r"^Package: (\S+)", known, re.MULTILINE)))

    def test_scripts_parse(self):
        for path, shell in ((HEALTHCHECK, "bash"), (os.path.join(DEPLOY, "install-deps"), "sh"), (os.path.join(DEPLOY, "quickstart"), "bash")):
            done = subprocess.run([shell, "-n", path], capture_output=True, text=True, check=False)
            self.assertEqual((0, ""), (done.returncode, done.stderr))
            self.assertTrue(os.access(path, os.X_OK), path)


class Unit(unittest.TestCase):
    def setUp(self):
        self.workdir = make_workdir("unit")
        self.addCleanup(remove_workdir, self.workdir)
        self.text = read_text(UNIT)

    def test_systemd_understands_it(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("no systemd-analyze")
        here = os.path.join(self.workdir, "tailrace.service")
        with open(here, "w", encoding="utf-8") as out:  # the program is not installed on this machine
            out.write(re.sub(r"^Documentation=.*\n", "", self.text, flags=re.MULTILINE).replace("/usr/bin/tailrace", TAILRACE))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", here], capture_output=True, text=True, check=False)
        own = [line for line in (done.stdout + done.stderr).splitlines() if "tailrace.service" in line]
        self.assertEqual((0, []), (done.returncode, own), done.stderr)
        done = subprocess.run(["systemd-analyze", "security", "--offline=yes", here], capture_output=True, text=True, check=False)
        self.assertLess(float(re.search(r"exposure level for tailrace.service: ([\d.]+)", done.stdout).group(1)), EXPOSURE_MAX)

    def test_each_exit_code_is_either_restarted_or_not(self):
        documented = {int(code) for code in re.findall(r"\| (\d+) \|", read_text(os.path.join(ROOT, "README.md")).split("## Exit codes")[1]
                                                       .split("##")[0])} - {0}
        stays_down = {int(code) for code in re.search(r"^RestartPreventExitStatus=(.*)$", self.text, re.MULTILINE).group(1).split()}
        comment = re.search(r"(# A peer that is away.*?)Restart=on-failure", self.text, re.DOTALL).group(1)
        starts_again = {int(code) for code in re.findall(r"\b(\d+)\b", comment)}
        self.assertEqual(documented, stays_down | starts_again)
        self.assertFalse(stays_down & starts_again)


class Waiting(unittest.TestCase):
    """One `up`: the peers come after Tailrace, their names too."""

    def setUp(self):
        self.workdir = make_workdir("deploy")
        self.addCleanup(remove_workdir, self.workdir)

    def test_a_name_that_nobody_knows_yet_is_waited_for(self):
        ready = {"debezium.source.database.port": "3306", "debezium.source.database.user": "u", "debezium.source.topic.prefix": "p",
                 "debezium.source.database.server.id": "7", "debezium.sink.type": "kinesis", "debezium.sink.kinesis.region": "r",
                 "debezium.source.connector.class": "io.debezium.connector.mysql.MySqlConnector", "quarkus.http.port": "0",
                 "debezium.source.snapshot.mode": "no_data", "tailrace.startup.wait.ms": "2000",
                 "debezium.source.offset.storage.file.filename": os.path.join(self.workdir, "offsets"),
                 "tailrace.aws.access.key.id": "a", "tailrace.aws.secret.access.key": "b"}
        redis = {"debezium.source.offset.storage": "io.debezium.storage.redis.offset.RedisOffsetBackingStore",
                 "debezium.source.offset.storage.redis.retry.max.attempts": "1",  # the store's own patience; then ours
                 "debezium.source.offset.storage.redis.address": "redis.invalid:6379"}
        for name, more, code in (("database", {"debezium.source.database.hostname": "mysql.invalid"}, 12),
                                 ("redis", {**redis, "debezium.source.database.hostname": "mysql.invalid"}, 40)):
            with self.subTest(name):
                engine = Engine(self.workdir, {**ready, **more})
                self.addCleanup(engine.kill)
                begin = time.monotonic()
                self.assertEqual(code, engine.run_to_end(), engine.output[-2000:])
                self.assertGreater(time.monotonic() - begin, 1.9)
                self.assertRegex(engine.output, "start.waiting|store_redis.retry")
                self.assertLessEqual(engine.output.count("start.waiting"), 1)  # not a line per try

    @unittest.skipUnless(servers.mysql_is_here(), f"no MySQL in {servers.MYSQL_ROOT}, or not root")
    def test_the_compose_configuration_runs_when_its_peers_come_after_it(self):
        ports = {name: free_port() for name in ("mysql", "redis", "kinesis", "http")}
        environment = {**clean_env(), "DEBEZIUM_SOURCE_DATABASE_HOSTNAME": "127.0.0.1", "DEBEZIUM_SOURCE_DATABASE_PORT": str(ports["mysql"]),
                       "DEBEZIUM_SOURCE_OFFSET_STORAGE_REDIS_ADDRESS": f"127.0.0.1:{ports['redis']}",
                       "DEBEZIUM_SOURCE_SCHEMA_HISTORY_INTERNAL_REDIS_ADDRESS": f"127.0.0.1:{ports['redis']}",
                       "DEBEZIUM_SINK_KINESIS_ENDPOINT": f"http://127.0.0.1:{ports['kinesis']}", "QUARKUS_HTTP_PORT": str(ports["http"])}
        # The image's server has the defaults, and runs mysql.sql before it listens at a port.
        data = f"{os.path.basename(self.workdir)}-mysql"
        server = servers.start_mysql(data, ports["mysql"], ())
        self.addCleanup(servers.remove, server.datadir)
        self.addCleanup(server.stop)
        server.sql("CREATE DATABASE inventory")  # MYSQL_DATABASE does
        server.sql(read_text(os.path.join(COMPOSE, "mysql.sql")))
        server.stop()
        engine = Process([TAILRACE, "run", "-c", os.path.join(COMPOSE, "application.properties")],
                         os.path.join(self.workdir, "engine.log"), env=environment)
        self.addCleanup(engine.kill)
        wait_for("it waits", lambda: "store_redis.retry" in engine.output, process=engine)
        redis = servers.start_redis(os.path.join(self.workdir, "redis"), ports["redis"])
        self.addCleanup(redis.stop)
        wait_for("it waits for MySQL", lambda: "start.waiting" in engine.output, process=engine)
        server = servers.start_mysql(data, ports["mysql"], ())
        self.addCleanup(server.stop)
        kinesis = Standin(self.workdir, port=ports["kinesis"])
        self.addCleanup(kinesis.stop)
        records = kinesis.wait_records("demo.inventory.orders", 2, seconds=60, process=engine)
        self.assertEqual(["r", "r"], [json.loads(record.data)["op"] for record in records])
        server.sql("INSERT INTO orders (item) VALUES ('rope')", "inventory")
        records = kinesis.wait_records("demo.inventory.orders", 3, process=engine)
        self.assertEqual(["c", "r", "r"], sorted(json.loads(record.data)["op"] for record in records))
        check = subprocess.run([HEALTHCHECK], env=environment, check=False)
        self.assertEqual(0, check.returncode)
        engine.signal(15)
        self.assertEqual(0, engine.wait(), engine.output[-2000:])

    def test_the_health_check_follows_the_engine(self):
        server = servers.start_mariadb(os.path.join(self.workdir, "db"), free_port(), ("--binlog-row-metadata=FULL",))
        self.addCleanup(server.stop)
        make_user(server)
        server.sql("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY)")
        with Standin(self.workdir, streams={"p.d.t": 1}) as kinesis:
            port = free_port()
            engine = Engine(self.workdir, settings(server, kinesis, self.workdir, **{"quarkus.http.port": str(port)}))
            self.addCleanup(engine.kill)

            def check():
                return subprocess.run([HEALTHCHECK], env={**os.environ, "QUARKUS_HTTP_PORT": str(port)}, capture_output=True,
                                      check=False).returncode
            self.assertNotEqual(0, check())
            engine.start()
            wait_for("healthy", lambda: check() == 0)
            self.assertEqual(0, engine.stop())
            self.assertNotEqual(0, check())


if __name__ == "__main__":
    unittest.main()
