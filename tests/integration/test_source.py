#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Login, TLS, server checks, table models and dumps against real servers, through source_probe.

Programs come from TAILRACE_BUILD (default build/release). Servers are private and end with the test.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROBE = os.path.join(os.environ.get("TAILRACE_BUILD", os.path.join(ROOT, "build/release")), "tests/source_probe")
EXIT = {"auth": 10, "setup": 11, "link": 12, "gone": 13, "clash": 14}
WAIT_SECONDS = 30


class Answer:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err
        self.lines = out.splitlines()

    def value(self, key):
        for line in self.lines:
            if line.startswith(key + " "):
                return line[len(key) + 1:]
        return None


def arguments(command, given):
    return [PROBE, command] + [f"{key}={value}" for key, value in given.items()]


def probe(command, **given):
    done = subprocess.run(arguments(command, given), capture_output=True, timeout=120, check=False)
    return Answer(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


class Dump:
    """A dump that runs beside the test; lines are read as they come."""

    def __init__(self, **given):
        self.process = subprocess.Popen(arguments("dump", given), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.lines = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.stdout.close()
        self.process.wait()

    def wait_for(self, word):
        for line in iter(self.process.stdout.readline, b""):
            self.lines.append(line.decode(errors="replace").rstrip())
            if word in self.lines[-1]:
                return self.lines[-1]
        raise AssertionError(f"the dump ended without {word!r}:\n" + "\n".join(self.lines[-20:]))

    def end(self):
        self.lines += [line.decode(errors="replace").rstrip() for line in self.process.stdout]
        return self.process.wait(WAIT_SECONDS)


def make_certificates(folder):
    """A CA, a server certificate for localhost, and a CA that signed nothing."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)
    for name in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", f"{name}-key.pem", "-out",
                f"{name}.pem", "-subj", f"/CN=tailrace test {name}")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "request.pem", "-subj",
            "/CN=localhost")
    openssl("x509", "-req", "-days", "2", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca-key.pem",
            "-CAcreateserial", "-out", "cert.pem")


class MariaDb(unittest.TestCase):
    flavor = "mariadb"

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="tailrace-source-")
        make_certificates(cls.folder)
        cls.server = servers.start_mariadb(
            cls.folder + "/data", servers.free_port(),
            [f"--ssl-ca={cls.folder}/ca.pem", f"--ssl-cert={cls.folder}/cert.pem", f"--ssl-key={cls.folder}/key.pem",
             "--max-allowed-packet=128M", "--plugin-load-add=auth_ed25519"])
        cls.server.sql("""
            CREATE USER n@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('native pw');
            CREATE USER e@'%' IDENTIFIED VIA ed25519 USING PASSWORD('ed pw');
            CREATE USER nothing@'%' IDENTIFIED BY 'pw';
            GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO n@'%'; GRANT REPLICATION SLAVE ON *.* TO e@'%';
            CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v LONGBLOB);""")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        shutil.rmtree(cls.folder)

    def run_probe(self, command, **given):
        return probe(command, port=self.server.port, flavor=self.flavor, **given)

    def start_dump(self, **given):
        return Dump(port=self.server.port, flavor=self.flavor, **given)

    def position(self):
        answer = self.run_probe("position")
        self.assertEqual(answer.code, 0, answer.out)
        return answer

    def assert_error(self, answer, kind, *words):
        self.assertEqual(answer.code, EXIT[kind], answer.out + answer.err)
        error = [line for line in answer.lines if line.startswith("error ")]
        self.assertEqual(len(error), 1, answer.out)
        for word in words:
            self.assertIn(word, error[0])

    # --- login and TLS

    def test_native_password_logs_in(self):
        answer = self.run_probe("login", user="n", password="native pw")
        self.assertEqual(answer.code, 0, answer.out)
        self.assertEqual(answer.value("user"), "n@%")
        self.assertEqual(answer.value("tls"), "none")

    def test_ed25519_logs_in(self):
        answer = self.run_probe("login", user="e", password="ed pw")
        self.assertEqual(answer.code, 0, answer.out)
        self.assertEqual(answer.value("user"), "e@%")

    def test_a_wrong_password_is_named_and_not_shown(self):
        answer = self.run_probe("login", user="n", password="secret-word")
        self.assert_error(answer, "auth", "1045", '"n"', "database.password")
        self.assertNotIn("secret-word", answer.out + answer.err)

    def test_an_unreachable_server_is_a_link_error(self):
        answer = probe("login", port=servers.free_port())
        self.assert_error(answer, "link", "127.0.0.1")

    def test_an_unreachable_server_is_tried_again_at_start(self):
        answer = probe("dump", port=servers.free_port(), startup_wait_ms=1000)
        self.assert_error(answer, "link")
        self.assertGreaterEqual(answer.err.count("link.retry"), 2)

    def test_tls_modes_that_accept_the_certificate(self):
        for mode, given in (("preferred", {}), ("required", {}), ("trust", {}),
                            ("verify_ca", {"ca": self.folder + "/ca.pem"}),
                            ("verify_identity", {"ca": self.folder + "/ca.pem", "host": "localhost"})):
            with self.subTest(mode):
                answer = self.run_probe("login", tls=mode, **given)
                self.assertEqual(answer.code, 0, answer.out)
                self.assertNotEqual(answer.value("tls"), "none")

    def test_tls_modes_that_refuse_the_certificate(self):
        for mode, given in (("verify_ca", {"ca": self.folder + "/other.pem"}), ("verify_ca", {}),
                            ("verify_identity", {"ca": self.folder + "/ca.pem", "host": "127.0.0.1"}),
                            ("preferred", {"ca": self.folder + "/other.pem"}),
                            ("required", {"ca": self.folder + "/nowhere.pem"})):
            with self.subTest(mode, **given):
                self.assert_error(self.run_probe("login", tls=mode, **given), "link", "TLS", "certificate")

    # --- facts and checks

    def test_facts_and_checks_pass_on_a_good_server(self):
        answer = self.run_probe("facts")
        self.assertEqual(answer.code, 0, answer.out)
        self.assertEqual(answer.value("flavor"), self.flavor)
        self.assertEqual(answer.value("server_id"), "7")

    def test_our_server_id_must_not_be_the_servers(self):
        self.assert_error(self.run_probe("facts", server_id=7), "clash", "database.server.id = 7")

    def test_a_missing_grant_is_named_by_the_check_and_by_the_dump(self):
        self.assert_error(self.run_probe("facts", user="nothing", password="pw"), "auth", "GRANT REPLICATION SLAVE")
        self.assert_error(self.run_probe("dump", user="nothing", password="pw"), "auth", "GRANT REPLICATION SLAVE")

    def test_settings_that_lose_rows_are_refused_with_the_statement(self):
        for setting, bad in (("binlog_format", "MIXED"), ("binlog_row_image", "MINIMAL")):
            before = self.server.rows(f"SELECT @@global.{setting}")[0][0]
            self.server.sql(f"SET GLOBAL {setting} = '{bad}'")
            try:
                self.assert_error(self.run_probe("facts"), "setup", f"SET GLOBAL {setting}")
            finally:
                self.server.sql(f"SET GLOBAL {setting} = '{before}'")

    def test_a_position_on_the_server_is_available(self):
        at = self.position()
        for given in ({"file": at.value("file"), "pos": at.value("pos")}, {"gtids": at.value("gtids")}):
            answer = self.run_probe("check", **given)
            self.assertEqual(answer.code, 0, answer.out)

    def test_a_position_not_on_the_server_is_gone(self):
        at = self.position()
        self.assert_error(self.run_probe("check", file="binlog.009999", pos=4), "gone", "binlog.009999")
        self.assert_error(self.run_probe("check", file=at.value("file"), pos=2**31), "gone", "restored")
        self.assert_error(self.run_probe("check", gtids=self.future_gtids(at)), "gone", "never executed")

    def future_gtids(self, at):
        domain, server_id, number = at.value("gtids").split("-")
        return f"{domain}-{server_id}-{int(number) + 1000000}"

    def test_table_models_have_types_defaults_and_keys(self):
        self.server.sql("""CREATE DATABASE m; CREATE TABLE m.t (
            id INT UNSIGNED NOT NULL AUTO_INCREMENT, b DECIMAL(10,2) DEFAULT 1.50,
            c ENUM('a','b''c','d\\\\e') DEFAULT 'b''c', e VARCHAR(30) CHARSET latin1 DEFAULT 'it''s',
            f DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6), h BIT(8) DEFAULT b'101', i BINARY(4) DEFAULT 'ab', l JSON,
            g INT GENERATED ALWAYS AS (b + 1) VIRTUAL, n VARCHAR(5) DEFAULT NULL, p TIME(3) NOT NULL,
            PRIMARY KEY (p, id), KEY k (id), UNIQUE KEY u (e)) DEFAULT CHARSET=utf8mb4;
            CREATE TABLE m.u (a INT, b INT NOT NULL, c INT NOT NULL, UNIQUE KEY x (a), UNIQUE KEY y (c, b));
            CREATE TABLE m.`no ``key'` (a INT); CREATE VIEW m.v AS SELECT 1""")
        answer = self.run_probe("tables", database="m")
        self.server.sql("DROP DATABASE m")
        self.assertEqual(answer.code, 0, answer.out)
        self.assertIn("table t charset utf8mb4 key p id", answer.lines)
        self.assertIn("table u charset " + self.server_charset, " ".join(answer.lines))
        self.assertIn(" key c b\n", answer.out)
        self.assertIn("table no `key' charset", answer.out)
        self.assertNotIn("table v", answer.out)
        for wanted in ("column id INT", "column b DECIMAL length=0 precision=10 scale=2 charset=0 null default=<1.50>",
                       "[a] [b'c] [d\\e] default=<b''c>", "column e VARCHAR length=30 precision=0 scale=0 charset=2 null",
                       "default=<it''s>", "default=<b'101'>", "default=<ab\\0\\0>", "null generated",
                       "column n VARCHAR length=5 precision=0 scale=0 charset=1 null\n",
                       "column p TIME length=0 precision=0 scale=3 charset=0\n"):
            self.assertIn(wanted, answer.out)
        self.assertRegex(answer.out, r"column f DATETIME .* scale=6 .* expression=<(?i:current_timestamp\(6\))>")
        self.assertRegex(answer.out, self.json_column)

    server_charset = ""
    json_column = "column l TEXT"

    # --- dumps

    def insert(self, count=1):
        key = int(self.server.rows("SELECT COALESCE(MAX(id), 0) FROM d.t")[0][0])
        for i in range(count):
            self.server.sql(f"INSERT INTO d.t VALUES ({key + 1 + i}, 'x')")

    def test_a_dump_by_file_and_position_brings_what_follows(self):
        at = self.position()
        self.insert(3)
        answer = self.run_probe("dump", file=at.value("file"), pos=at.value("pos"), rows=3)
        self.assertEqual(answer.code, 0, answer.out)
        self.assertEqual(answer.value("rows_events"), "3")

    def test_a_dump_by_gtid_brings_what_is_missing(self):
        at = self.position()
        self.insert(3)
        answer = self.run_probe("dump", gtids=at.value("gtids"), rows=3)
        self.assertEqual(answer.code, 0, answer.out)
        self.assertEqual(answer.value("rows_events"), "3")

    def test_a_dump_follows_new_changes_and_new_files(self):
        at = self.position()
        with self.start_dump(file=at.value("file"), pos=at.value("pos"), rows=2) as dump:
            dump.wait_for("event 15")
            self.insert()
            self.server.sql("FLUSH BINARY LOGS")
            self.insert()
            self.assertEqual(dump.end(), 0, dump.lines)

    def test_a_dump_works_inside_tls(self):
        at = self.position()
        self.server.sql("INSERT INTO d.t SELECT MAX(id) + 1, REPEAT('z', 3000000) FROM d.t")
        answer = self.run_probe("dump", file=at.value("file"), pos=at.value("pos"), tls="required")
        self.assertEqual(answer.code, 0, answer.out)
        self.assertGreater(int(answer.value("event_bytes")), 3000000)
        self.assertNotIn("tls=none", answer.err)

    def test_an_event_of_several_packets_comes_in_pieces(self):
        at = self.position()
        self.server.sql("SET max_statement_time = 0; INSERT INTO d.t SELECT MAX(id) + 1, REPEAT('z', 40000000) FROM d.t"
                        if self.flavor == "mariadb" else
                        "INSERT INTO d.t SELECT MAX(id) + 1, REPEAT('z', 40000000) FROM d.t")
        answer = self.run_probe("dump", file=at.value("file"), pos=at.value("pos"), seconds=60)
        self.assertEqual(answer.code, 0, answer.out)
        self.assertIn("pieces", answer.out)
        self.assertGreater(int(answer.value("event_bytes")), 40000000)

    def test_a_killed_dump_connects_again(self):
        at = self.position()
        with self.start_dump(file=at.value("file"), pos=at.value("pos"), server_id=5151) as dump:
            dump.wait_for("event 15")
            for row in self.server.rows("SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'"):
                try:
                    self.server.sql(f"KILL {row[0]}")
                except servers.ServerError:
                    pass  # an earlier test's, ended meanwhile
            self.assertIn("source_link", dump.wait_for("down "))
            dump.wait_for("event 15")
            self.insert()
            self.assertEqual(dump.end(), 0, dump.lines)

    def test_a_second_reader_with_our_server_id_is_a_clash(self):
        at = self.position()
        with self.start_dump(file=at.value("file"), pos=at.value("pos"), server_id=6161) as first:
            first.wait_for("event 15")
            with self.start_dump(file=at.value("file"), pos=at.value("pos"), server_id=6161) as second:
                second.wait_for("event 15")
                self.assertEqual(first.end(), EXIT["clash"], first.lines)
                self.assertIn("database.server.id", "\n".join(first.lines))
                self.insert()
                self.assertEqual(second.end(), 0, second.lines)

    def test_a_purged_file_is_gone(self):
        at = self.position()
        self.insert()
        self.server.sql("FLUSH BINARY LOGS")
        newest = self.position().value("file")
        self.server.sql(f"PURGE BINARY LOGS TO '{newest}'")
        for _ in range(100):  # MariaDB purges only what no dump and no engine recovery needs any more
            if self.server.rows("SHOW BINARY LOGS")[0][0] == newest:
                break
            time.sleep(0.1)
            self.server.sql(f"PURGE BINARY LOGS TO '{newest}'")
        self.assert_error(self.run_probe("check", file=at.value("file"), pos=at.value("pos")), "gone")
        self.assert_error(self.run_probe("dump", file=at.value("file"), pos=at.value("pos")), "gone", "1236")
        self.assert_error(self.run_probe("dump", gtids=at.value("gtids")), "gone", "1236")

    def test_a_position_inside_an_event_or_behind_the_end_is_refused(self):
        at = self.position()
        self.assert_error(self.run_probe("dump", file=at.value("file"), pos=2**30), "gone", "1236")

    def test_the_server_stops_and_the_dump_waits_for_it(self):
        at = self.position()
        with self.start_dump(file=at.value("file"), pos=at.value("pos"), server_id=7171, seconds=60) as dump:
            dump.wait_for("event 15")
            self.server.kill()
            dump.wait_for("down ")
            dump.wait_for("link.retry")
            type(self).server = self.restart()
            self.insert()
            self.assertEqual(dump.end(), 0, dump.lines)

    def restart(self):
        return servers.start_mariadb(
            self.folder + "/data", self.server.port,
            [f"--ssl-ca={self.folder}/ca.pem", f"--ssl-cert={self.folder}/cert.pem", f"--ssl-key={self.folder}/key.pem",
             "--max-allowed-packet=128M", "--plugin-load-add=auth_ed25519"])


class WithoutTlsOrLog(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="tailrace-source-")
        cls.server = servers.start_mariadb(cls.folder + "/data", servers.free_port(), ["--skip-log-bin", "--skip-ssl"])

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        shutil.rmtree(cls.folder)

    def test_preferred_tls_goes_on_in_clear_with_one_warning(self):
        answer = probe("login", port=self.server.port, tls="preferred")
        self.assertEqual(answer.code, 0, answer.out)
        self.assertEqual(answer.value("tls"), "none")
        self.assertEqual(answer.err.count("source.tls_missing"), 1)

    def test_required_tls_is_refused_by_name(self):
        answer = probe("login", port=self.server.port, tls="required")
        self.assertEqual(answer.code, EXIT["link"], answer.out)
        self.assertIn("the server offers no TLS", answer.out)

    def test_a_server_without_a_binary_log_is_refused_by_name(self):
        answer = probe("facts", port=self.server.port)
        self.assertEqual(answer.code, EXIT["setup"], answer.out)
        self.assertIn("log_bin = OFF", answer.out)
        answer = probe("position", port=self.server.port, flavor="mariadb")
        self.assertEqual(answer.code, EXIT["setup"], answer.out)
        answer = probe("dump", port=self.server.port, flavor="mariadb")
        self.assertEqual(answer.code, EXIT["setup"], answer.out)


@unittest.skipUnless(servers.mysql_is_here(), "no MySQL root (TAILRACE_MYSQL_ROOT), or not root")
class MySql(MariaDb):
    flavor = "mysql"
    json_column = "column l JSON"

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="tailrace-source-")
        cls.server = servers.start_mysql(cls.folder, servers.free_port(), ["--max-allowed-packet=128M"])
        data = os.path.join(servers.mysql_datadir(cls.folder), "data")
        shutil.copy(data + "/ca.pem", cls.folder + "/ca.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", "other-key.pem",
                        "-out", "other.pem", "-subj", "/CN=tailrace test other"], cwd=cls.folder, check=True,
                       capture_output=True)
        cls.server.sql("""
            CREATE USER n@'%' IDENTIFIED BY 'native pw'; CREATE USER nothing@'%' IDENTIFIED BY 'pw';
            GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO n@'%';
            CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v LONGBLOB);""")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        servers.remove(cls.folder)

    def restart(self):
        return servers.start_mysql(self.folder, self.server.port, ["--max-allowed-packet=128M"])

    def future_gtids(self, at):
        return at.value("gtids").split(":")[0] + ":1-1000000"

    test_ed25519_logs_in = None  # MySQL has none
    test_native_password_logs_in = None  # gone in MySQL 9

    def test_caching_sha2_logs_in_with_and_without_the_servers_cache(self):
        self.server.sql("ALTER USER n@'%' IDENTIFIED BY 'native pw'")  # empties its cache entry: full exchange
        for _ in range(2):
            answer = self.run_probe("login", user="n", password="native pw")
            self.assertEqual(answer.code, 0, answer.out)
            self.assertEqual(answer.value("tls"), "none")
        self.server.sql("ALTER USER n@'%' IDENTIFIED BY 'native pw'")
        answer = self.run_probe("login", user="n", password="native pw", tls="required")
        self.assertEqual(answer.code, 0, answer.out)

    def test_tls_modes_that_accept_the_certificate(self):
        for mode, given in (("preferred", {}), ("required", {}), ("verify_ca", {"ca": self.folder + "/ca.pem"})):
            with self.subTest(mode):
                answer = self.run_probe("login", tls=mode, **given)
                self.assertEqual(answer.code, 0, answer.out)
                self.assertNotEqual(answer.value("tls"), "none")

    def test_partial_json_without_documents_is_refused_with_the_statement(self):
        self.server.sql("SET GLOBAL binlog_row_value_options = 'PARTIAL_JSON', GLOBAL binlog_row_image = 'NOBLOB'")
        try:
            self.assert_error(self.run_probe("facts"), "setup", "SET GLOBAL binlog_row_image = 'FULL'")
        finally:
            self.server.sql("SET GLOBAL binlog_row_value_options = '', GLOBAL binlog_row_image = 'FULL'")

    def test_a_gtid_position_on_a_server_without_gtids_is_gone(self):
        at = self.position()
        for mode in ("ON_PERMISSIVE", "OFF_PERMISSIVE"):
            self.server.sql(f"SET GLOBAL gtid_mode = {mode}")
        try:
            self.assert_error(self.run_probe("check", gtids=at.value("gtids")), "gone", "gtid_mode")
        finally:
            for mode in ("ON_PERMISSIVE", "ON"):
                self.server.sql(f"SET GLOBAL gtid_mode = {mode}")


if __name__ == "__main__":
    unittest.main()
