#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Snapshots of real servers through snapshot_probe: is the cut exact while others write, what is read under which
privileges, and what happens when a table or the connection goes.

Programs come from TAILRACE_BUILD (default build/release). Servers are private and end with the test.
"""
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROBE = os.path.join(os.environ.get("TAILRACE_BUILD", os.path.join(ROOT, "build/release")), "tests/snapshot_probe")
EXIT = {"auth": 10, "setup": 11, "link": 12}
WRITERS = 6
TRIALS = int(os.environ.get("TAILRACE_SNAPSHOT_TRIALS", "4"))

# Row marks (snapshot_event.h).
TRUE, FIRST_IN_TABLE, LAST_IN_TABLE, FIRST, LAST = range(5)


class Answer:
    def __init__(self, process):
        out, err = process.communicate(timeout=120)
        self.code = process.returncode
        self.out, self.err = out.decode(errors="replace"), err.decode(errors="replace")
        self.lines = self.out.splitlines()

    def all(self, word):
        return [line[len(word) + 1:] for line in self.lines if line.split(" ", 1)[0] == word]

    @property
    def position(self):
        file, pos, _, gtids = (self.all("position")[0] + " ").split(" ", 3)
        return file, int(pos), gtids.strip()

    @property
    def method(self):
        return re.search(r'snapshot\.cut method="?([^"]*?)"? file', self.err).group(1)

    @property
    def rows(self):
        return [line.split("\t") for line in self.all("row")]


def start_probe(port, **given):
    arguments = {"port": port, "columns": 2, **given}
    return subprocess.Popen([PROBE] + [f"{key}={value}" for key, value in arguments.items()], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def end(process):
    """A probe that a failed test left behind: it would hold metadata locks that the next test waits for."""
    if process.poll() is None:
        process.kill()
        process.communicate()


class Snapshots:
    """What both kinds of server must do; `server` is the class's."""

    def start(self, **given):
        process = start_probe(self.server.port, **given)
        self.addCleanup(end, process)
        return process

    def probe(self, **given):
        return Answer(self.start(**given))

    def sql(self, statements):
        return self.server.sql(statements)

    def assert_refused(self, answer, kind, *words):
        self.assertEqual(answer.code, EXIT[kind], answer.out + answer.err)
        for word in words:
            self.assertIn(word, answer.all("error")[0])

    def setUp(self):
        self.sql("DROP DATABASE IF EXISTS d; CREATE DATABASE d;")

    def logged_ids(self, file, arguments):
        """The ids of INSERTs into d.ids in the log, from `file` on."""
        folder, command = self.binlog_tool()
        files = sorted(name for name in os.listdir(folder) if re.fullmatch(r"binlog\.\d+", name) and name >= file)
        done = subprocess.run(command + ["--no-defaults", "-v", "--base64-output=decode-rows", *arguments] +
                              [os.path.join(self.log_folder_inside(), name) for name in files],
                              capture_output=True, check=True)
        ids, inside = [], False
        for line in done.stdout.decode(errors="replace").splitlines():
            if line.startswith("### INSERT INTO"):
                inside = "`d`.`ids`" in line
            elif inside and line.startswith("###   @1="):
                ids.append(int(line[9:].split()[0]))
        return ids

    def cut_under_writers(self, **given):
        """One snapshot while others insert; returns the answer, all ids, those of the snapshot and those of the log."""
        self.sql("""DROP DATABASE IF EXISTS d; CREATE DATABASE d; USE d;
            CREATE TABLE ids (id BIGINT AUTO_INCREMENT PRIMARY KEY, w INT); CREATE TABLE stop (a INT);
            DELIMITER //
            CREATE PROCEDURE write_rows(w INT) BEGIN
                WHILE (SELECT COUNT(*) FROM stop) = 0 DO INSERT INTO ids (w) VALUES (w); END WHILE;
            END //""")
        writers = [threading.Thread(target=self.sql, args=(f"CALL d.write_rows({i})",)) for i in range(WRITERS)]
        for writer in writers:
            writer.start()
        try:
            while int(self.server.rows("SELECT COUNT(*) FROM d.ids")[0][0]) < 200:
                time.sleep(0.02)
            answer = self.probe(include=r"d\.ids", values=1, **given)
            time.sleep(0.2)
        finally:
            self.sql("INSERT INTO d.stop VALUES (1)")
            for writer in writers:
                writer.join()
        self.assertEqual(answer.code, 0, answer.out[-2000:] + answer.err)
        every = {int(row[0]) for row in self.server.rows("SELECT id FROM d.ids")}
        file, pos, gtids = answer.position
        return answer, every, [int(row[0]) for row in answer.rows], self.logged_ids(file, self.log_from(pos, gtids))

    def assert_exact(self, method, **given):
        for _ in range(TRIALS):
            answer, every, snapshot, log = self.cut_under_writers(**given)
            self.assertEqual(answer.method, method)
            self.assertGreater(len(log), 0)
            self.assertEqual(len(snapshot), len(set(snapshot)))
            self.assertEqual(len(log), len(set(log)))
            self.assertEqual(set(snapshot) & set(log), set(), "rows that come twice")
            self.assertEqual(set(snapshot) | set(log), every, "rows that are lost")

    def test_the_cut_is_exact_while_others_write(self):
        self.assert_exact(self.usual_method)

    def test_the_cut_under_an_extended_lock_is_exact_and_holds_writers_up(self):
        answer, every, snapshot, log = self.cut_under_writers(locking="extended", pause_ms=300)
        self.assertEqual(set(snapshot) & set(log), set())
        self.assertEqual(set(snapshot) | set(log), every)
        self.assertGreater(len(log), 0, "the lock was given back")

    def test_rows_of_all_kinds_and_the_marks_of_tables(self):
        self.sql(r"""USE d;
            CREATE TABLE a (id INT PRIMARY KEY, v VARCHAR(20) CHARACTER SET latin1);
            CREATE TABLE b (id INT PRIMARY KEY, v INT); CREATE TABLE c (id INT PRIMARY KEY, v BLOB);
            CREATE VIEW e AS SELECT * FROM a;
            INSERT INTO a VALUES (1, 'äöü'), (2, NULL); INSERT INTO c VALUES (1, x'00ff5c');""")
        answer = self.probe(include=r"d\..*", values=1)
        self.assertEqual(answer.code, 0, answer.out + answer.err)
        self.assertEqual(answer.rows, [["1", "äöü"], ["2", "\\N"], ["1", "\\x00\N{REPLACEMENT CHARACTER}\\x5c"]])
        self.assertEqual([line.split()[:4] for line in answer.all("rows")],
                         [["d.a", str(FIRST), str(LAST_IN_TABLE), "2"], ["d.c", str(FIRST_IN_TABLE), str(LAST), "1"]])
        self.assertNotIn("`e`", answer.out)
        self.assertEqual([line.split()[0] for line in answer.all("statement")], ["0"] * len(answer.all("statement")))

    def test_without_rows_the_last_statement_is_the_last_record(self):
        self.sql("CREATE TABLE d.a (id INT PRIMARY KEY); CREATE TABLE d.b (id INT PRIMARY KEY)")
        for given in ({}, {"no_rows": 1}):
            answer = self.probe(include=r"d\..*", **given)
            self.assertEqual([line.split()[0] for line in answer.all("statement")],
                             ["0"] * (len(answer.all("statement")) - 1) + ["1"])
            self.assertEqual(answer.all("rows"), [])
            self.assertTrue(answer.out.endswith("0 rows\n"))

    def test_columns_hidden_from_a_star_are_read(self):
        self.sql(f"USE d; {self.hidden_columns}; INSERT INTO a (id, v) VALUES (1, 5);")
        answer = self.probe(include=r"d\.a", values=1, columns=4)
        self.assertEqual(answer.rows, [["1", "7", "10", "5"]], answer.out + answer.err)

    def test_the_statements_do_not_depend_on_the_servers_sql_mode(self):
        self.sql("CREATE TABLE d.a (id INT PRIMARY KEY, v VARCHAR(9) DEFAULT 'a''b\\\\' COMMENT 'c\\\\d')")
        plain = self.probe(include=r"d\..*", captured=1)
        mode = self.server.rows("SELECT @@global.sql_mode")[0][0]
        self.sql("SET GLOBAL sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'")
        try:
            other = self.probe(include=r"d\..*", captured=1)
        finally:
            self.sql(f"SET GLOBAL sql_mode = '{mode}'")
        self.assertEqual(plain.all("statement"), other.all("statement"))
        self.assertIn("CREATE TABLE `a`", plain.out)

    def test_names_that_need_quotes(self):
        self.sql(r"""CREATE TABLE d.```a'b\\"` (`x``'y` INT PRIMARY KEY, v INT); INSERT INTO d.```a'b\\"` VALUES (1, 2);""")
        answer = self.probe(include=r"d\..*", values=1)
        self.assertEqual(answer.rows, [["1", "2"]], answer.out + answer.err)

    def test_a_large_row_comes_whole_and_a_larger_one_is_refused(self):
        self.sql("CREATE TABLE d.a (id INT PRIMARY KEY, v LONGBLOB);"
                 "INSERT INTO d.a VALUES (1, 'x'), (2, REPEAT('y', 20000000)), (3, 'z')")
        answer = self.probe(include=r"d\.a", row_bytes_max=30000000)
        self.assertEqual(answer.code, 0, answer.out + answer.err)
        self.assertEqual([line.split()[3] for line in answer.all("rows")], ["1", "1", "1"])
        self.assertGreater(int(answer.all("rows")[1].split()[5]), 20000000)
        answer = self.probe(include=r"d\.a")
        self.assertNotEqual(answer.code, 0)
        self.assertIn("d.a, 1 rows read", answer.out)
        self.assertIn("tailrace.row.max.bytes", answer.out)

    def fill(self, table, doublings):
        self.sql(f"CREATE TABLE d.{table} (id BIGINT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(200));"
                 f"INSERT INTO d.{table} (v) VALUES (REPEAT('v', 150));")
        for _ in range(doublings):
            self.sql(f"INSERT INTO d.{table} (v) SELECT v FROM d.{table}")

    def test_a_killed_connection_names_the_table_and_the_rows(self):
        self.fill("a", 19)
        process = self.start(include=r"d\.a", pause_ms=3000)
        process.stdout.readline()  # the cut is made
        for name in self.server.rows("SELECT id FROM information_schema.processlist WHERE command = 'Sleep' "
                                     "AND user = 'root' AND host LIKE '127.0.0.1%'"):
            self.sql(f"KILL {name[0]}")
        answer = Answer(process)
        self.assert_refused(answer, "link", "begins anew")
        self.assertNotIn("[retry]", answer.out)

    def test_a_table_dropped_or_altered_before_it_is_read_is_named(self):
        for change in ("DROP TABLE d.b", "RENAME TABLE d.b TO d.z", "ALTER TABLE d.b MODIFY v BIGINT", "ALTER TABLE d.b DROP COLUMN v"):
            with self.subTest(change):
                self.setUp()
                self.sql("USE d; CREATE TABLE a (id INT PRIMARY KEY, v INT); CREATE TABLE b LIKE a;"
                         "INSERT INTO a VALUES (1, 1); INSERT INTO b VALUES (1, 1);")
                process = self.start(include=r"d\..*", pause_ms=1500)
                process.stdout.readline()
                self.sql(change)
                answer = Answer(process)
                self.assertNotEqual(answer.code, 0, answer.out)
                self.assertIn("snapshot of d.b, 0 rows read, was changed, renamed or dropped", answer.out)

    def test_a_table_that_was_read_may_be_altered(self):
        """Its metadata lock is given back although the view stands."""
        self.sql("USE d; CREATE TABLE a (id INT PRIMARY KEY, v INT); INSERT INTO a VALUES (1, 1);")
        self.fill("b", 20)
        process = self.start(include=r"d\..*")
        lines = []
        while not any(line.startswith(b"rows d.b") for line in lines):
            lines.append(process.stdout.readline())
            self.assertTrue(lines[-1], b"".join(lines))
        self.sql("SET lock_wait_timeout = 2; ALTER TABLE d.a ADD w INT")
        # Nobody reads the pipe meanwhile: the snapshot still runs.
        self.assertIsNone(process.poll())
        answer = Answer(process)
        self.assertEqual(answer.code, 0, answer.out[-500:] + answer.err)

    def test_a_stop_is_heard_within_a_table(self):
        self.fill("a", 20)
        answer = self.probe(include=r"d\.a", stop_after_ms=200)
        self.assertIn("stopped", answer.out)
        longest = int(re.search(r"(\d+) ms longest read", answer.out).group(1))
        self.assertLess(longest, 1000)
        self.assertEqual(answer.code, 0)

    def test_a_table_without_a_result_for_long_does_not_hold_the_port(self):
        self.sql("CREATE TABLE d.a (id INT PRIMARY KEY, v INT); INSERT INTO d.a VALUES (1, 1)")
        answer = self.probe(include=r"d\.a", override_table="d.a", values=1,
                            override_sql="SELECT v, id FROM d.a WHERE SLEEP(2) = 0")
        self.assertEqual(answer.rows, [["1", "1"]], answer.out + answer.err)
        self.assertLess(int(re.search(r"(\d+) ms longest read", answer.out).group(1)), 600)

    def test_a_select_that_leaves_out_a_column_is_named(self):
        self.sql("CREATE TABLE d.a (id INT PRIMARY KEY, v INT NOT NULL, w INT); INSERT INTO d.a VALUES (1, 1, 1)")
        answer = self.probe(include=r"d\.a", override_table="d.a", override_sql="SELECT w, id FROM d.a")
        self.assertNotEqual(answer.code, 0, answer.out)
        self.assertIn("the SELECT has no column v", answer.out)
        answer = self.probe(include=r"d\.a", override_table="d.a", values=1, override_sql="SELECT w, id, v + 1 AS v FROM d.a")
        self.assertEqual(answer.rows, [["1", "2"]], answer.out + answer.err)

    def user(self, *grants):
        """A user with just those privileges."""
        self.sql("DROP USER IF EXISTS s@'127.0.0.1'; CREATE USER s@'127.0.0.1' IDENTIFIED BY 'p';" +
                 "".join(f"GRANT {grant} TO s@'127.0.0.1';" for grant in grants))
        return {"user": "s", "password": "p"}

    def test_a_table_that_may_not_be_read_is_named_with_its_grant(self):
        self.sql("USE d; CREATE TABLE a (id INT PRIMARY KEY, v INT); CREATE TABLE b (id INT PRIMARY KEY, v INT);")
        for grant in ("INSERT ON d.b", "SELECT (id), INSERT ON d.b", "SELECT (id) ON d.b"):
            with self.subTest(grant):
                user = self.user("REPLICATION CLIENT, REPLICATION SLAVE, RELOAD ON *.*", "SELECT ON d.a", grant)
                self.assert_refused(self.probe(include=r"d\..*", **user), "auth", "GRANT SELECT ON `d`.`b`")

    def test_tls(self):
        if self.has_tls:
            self.sql("CREATE TABLE d.a (id INT PRIMARY KEY, v INT); INSERT INTO d.a VALUES (1, 1), (2, 2)")
            self.fill("b", 16)
            answer = self.probe(include=r"d\..*", tls="required")
            self.assertEqual(answer.code, 0, answer.out[-500:] + answer.err)
            self.assertIn(f"total {2 + 65536} rows", answer.out)

    def test_memory_is_flat_and_the_rate_above_the_floor(self):
        self.fill("a", 20)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        answer = Answer(self.start(include=r"d\.a"))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.assertIn(f"total {1 << 20} rows", answer.out)
        if "build/release" in PROBE:  # by its own time, not by the clock, in which others run beside it
            seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            self.assertGreater((1 << 20) / seconds, 150000)


class MariaDb(Snapshots, unittest.TestCase):
    usual_method = "the view's own position"
    has_tls = False
    hidden_columns = "CREATE TABLE a (id INT PRIMARY KEY, w INT INVISIBLE DEFAULT 7, g INT AS (v * 2), v INT)"

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="tailrace-snapshot-")
        cls.server = servers.start_mariadb(cls.folder + "/data", servers.free_port(), ["--max-allowed-packet=128M"])

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        shutil.rmtree(cls.folder)

    def binlog_tool(self):
        return self.server.datadir, ["mariadb-binlog"]

    def log_folder_inside(self):
        return self.server.datadir

    def log_from(self, pos, gtids):
        return [f"--start-position={pos}"]

    def test_gtids_are_those_of_the_position(self):
        self.sql("CREATE TABLE d.a (id INT PRIMARY KEY, v INT); INSERT INTO d.a VALUES (1, 1)")
        file, pos, gtids = self.probe(include=r"d\.a").position
        self.assertEqual([[gtids]], self.server.rows(f"SELECT BINLOG_GTID_POS('{file}', {pos})"))
        self.assertEqual([[gtids]], self.server.rows("SELECT @@global.gtid_binlog_pos"))

    def test_select_is_privilege_enough(self):
        self.assert_exact(self.usual_method, **self.user("SELECT ON *.*"))

    def test_versioned_tables_are_read_and_sequences_are_not(self):
        self.sql("CREATE TABLE d.a (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING; CREATE SEQUENCE d.s;"
                 "INSERT INTO d.a VALUES (1, 1); UPDATE d.a SET v = 2;")
        answer = self.probe(include=r"d\..*", values=1)
        self.assertEqual(answer.rows, [["1", "2"]], answer.out + answer.err)
        self.assertNotIn("`s`", answer.out)

    def test_an_engine_without_a_view_is_warned_of(self):
        self.sql("CREATE TABLE d.a (id INT PRIMARY KEY, v INT) ENGINE=MyISAM; INSERT INTO d.a VALUES (1, 2)")
        answer = self.probe(include=r"d\..*", values=1)
        self.assertEqual(answer.rows, [["1", "2"]])
        self.assertIn("snapshot.engine_without_view", answer.err)


@unittest.skipUnless(servers.mysql_is_here(), "no MySQL root")
class MySql(Snapshots, unittest.TestCase):
    usual_method = "global read lock"
    has_tls = True
    hidden_columns = "CREATE TABLE a (id INT PRIMARY KEY, w INT DEFAULT 7 INVISIBLE, g INT AS (v * 2), v INT)"

    @classmethod
    def setUpClass(cls):
        cls.folder = f"tailrace-snapshot-{os.getpid()}"
        cls.server = servers.start_mysql(cls.folder, servers.free_port(), ["--max-allowed-packet=128M"])

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        servers.remove(cls.folder)

    def binlog_tool(self):
        return self.server.datadir + "/data", ["chroot", servers.MYSQL_ROOT, "mysqlbinlog"]

    def log_folder_inside(self):
        return os.path.join("/tmp", os.path.basename(self.server.datadir), "data")

    def log_from(self, pos, gtids):
        self.by_gtid = getattr(self, "by_gtid", False)
        return [f"--exclude-gtids={gtids}"] if self.by_gtid else [f"--start-position={pos}"]

    def without_gtids(self):
        for mode in ("ON_PERMISSIVE", "OFF_PERMISSIVE", "OFF"):
            self.sql(f"SET GLOBAL gtid_mode = {mode}")
        self.addCleanup(self.sql, "".join(f"SET GLOBAL gtid_mode = {mode};"
                                          for mode in ("OFF_PERMISSIVE", "ON_PERMISSIVE", "ON")))

    MANAGED = "REPLICATION SLAVE, REPLICATION CLIENT ON *.*"

    def test_without_reload_nothing_is_lost(self):
        """The executed set, then the view: what is committed in between comes twice, nothing is missing."""
        user = self.user(self.MANAGED, "SELECT ON *.*")
        for by_gtid in (True, False):
            self.by_gtid = by_gtid
            for _ in range(TRIALS):
                answer, every, snapshot, log = self.cut_under_writers(**user)
                self.assertEqual(answer.method, "executed GTIDs, no lock")
                self.assertEqual(every - set(snapshot) - set(log), set(), "rows that are lost")
                if by_gtid:  # file and pos are a little earlier still
                    self.assertLess(len(set(snapshot) & set(log)), 200)

    def test_without_reload_and_gtids_the_cut_is_exact_by_the_tables_locks(self):
        self.without_gtids()
        self.assert_exact("read locks of the tables", **self.user(self.MANAGED, "SELECT, LOCK TABLES ON *.*"))

    def test_without_any_way_to_an_exact_cut_the_grants_are_named(self):
        self.without_gtids()
        self.sql("CREATE TABLE d.a (id INT PRIMARY KEY, v INT)")
        user = self.user(self.MANAGED, "SELECT ON *.*")
        self.assert_refused(self.probe(include=r"d\.a", **user), "auth", "GRANT RELOAD ON *.*", "LOCK TABLES")
        answer = self.probe(include=r"d\.a", no_rows=1, **user)
        self.assertEqual(answer.code, 0, answer.out)

    def test_without_replication_client_the_grant_is_named(self):
        self.sql("CREATE TABLE d.a (id INT PRIMARY KEY, v INT)")
        self.assert_refused(self.probe(include=r"d\.a", **self.user("SELECT, RELOAD ON *.*")), "auth",
                            "REPLICATION CLIENT")

    def locked(self, table):
        """A client that holds a table's lock until it is ended."""
        client = self.server.open_client()
        self.addCleanup(end, client)
        client.stdin.write(f"LOCK TABLES {table} WRITE; SELECT SLEEP(60);\n".encode())
        client.stdin.flush()
        while not self.server.rows("SELECT id FROM information_schema.processlist WHERE info LIKE '%SLEEP(60)%' "
                                   "AND id <> CONNECTION_ID()"):
            time.sleep(0.05)
        return client

    def test_a_lock_that_is_not_to_be_had_is_given_up(self):
        self.sql("CREATE TABLE d.a (id INT PRIMARY KEY, v INT); CREATE TABLE d.b LIKE d.a")
        client = self.locked("d.b")
        answer = self.probe(include=r"d\.a", captured=1, lock_timeout_ms=1000)
        end(client)
        self.assertNotEqual(answer.code, 0)
        self.assertIn("snapshot.lock.timeout.ms", answer.out)
        self.assertIn("[retry]", answer.out)

    def test_a_locked_table_is_named(self):
        self.sql("CREATE TABLE d.a (id INT PRIMARY KEY, v INT)")
        client = self.locked("d.a")
        answer = self.probe(include=r"d\.a", lock_timeout_ms=1000)
        end(client)
        self.assertNotEqual(answer.code, 0)
        self.assertIn("table d.a is locked", answer.out)
        self.assertIn("[retry]", answer.out)

    def test_generated_invisible_keys_are_columns(self):
        self.sql("SET sql_generate_invisible_primary_key = ON; CREATE TABLE d.a (v INT); INSERT INTO d.a VALUES (5);")
        answer = self.probe(include=r"d\.a", values=1)
        self.assertEqual(answer.rows, [["1", "5"]], answer.out + answer.err)
        self.assertIn("my_row_id", answer.out)


if __name__ == "__main__":
    unittest.main()
