# SPDX-License-Identifier: Apache-2.0
"""Prepared logs on real servers: narrow rows (5 columns, about 120 B) under FULL row metadata, and the position before
them, so that every run reads the same bytes."""
import json
import os
import shutil

from engine import Engine, Standin
from kinesis import wait_until
import servers

STREAM = "bench.shop.orders"
SERVER_OPTIONS = ["--binlog-row-metadata=FULL", "--sync-binlog=0", "--innodb-flush-log-at-trx-commit=0",
                  "--innodb-buffer-pool-size=512M", "--max-binlog-size=1073741824"]
OWN_OPTIONS = {"mariadb": ["--innodb-log-file-size=1G", "--binlog-annotate-row-events=OFF"],
               "mysql": ["--innodb-redo-log-capacity=1G", "--binlog-expire-logs-seconds=0"]}
STARTERS = {"mariadb": servers.start_mariadb, "mysql": servers.start_mysql}

SETUP = """
CREATE DATABASE shop CHARACTER SET utf8mb4;
CREATE TABLE shop.orders (id BIGINT NOT NULL PRIMARY KEY, account INT NOT NULL, at_us BIGINT NOT NULL,
                          name VARCHAR(40), note VARCHAR(120)) ENGINE=InnoDB;
SET SESSION sql_log_bin = 0;
CREATE DATABASE local_only;
CREATE TABLE local_only.numbers (n INT PRIMARY KEY);
INSERT INTO local_only.numbers WITH RECURSIVE r (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM r WHERE n < 999)
                               SELECT n FROM r;
CREATE USER tailrace@'%' IDENTIFIED BY 'tailrace';
GRANT SELECT, RELOAD, SHOW DATABASES, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO tailrace@'%';
DELIMITER //
CREATE PROCEDURE local_only.fill(first_id BIGINT, transactions INT, rows_each INT)
BEGIN
    DECLARE done INT DEFAULT 0;
    WHILE done < transactions DO
        INSERT INTO shop.orders
        SELECT first_id + done * rows_each + n, (n * 7919 + done) % 2000000, UNIX_TIMESTAMP(NOW(6)) * 1000000,
               SUBSTRING('seven wizards boil quartz and vex the judge', 1 + n % 17, 14 + n % 13),
               SUBSTRING('the quick brown fox jumps over the lazy dog while seven wizards boil quartz and vex the judge of my black sphinx forever', 1 + done % 19, 72 + n % 13)
        FROM local_only.numbers WHERE n < rows_each;
        SET done = done + 1;
    END WHILE;
END//
DELIMITER ;
SET SESSION sql_log_bin = 1;
"""
FIRST_ROW = "INSERT INTO shop.orders VALUES (0, 0, UNIX_TIMESTAMP(NOW(6)) * 1000000, 'first', NULL)"


class Workload:
    """A server whose log holds `rows` changes behind a saved position; kept below `directory` for the next time."""

    def __init__(self, name, kind, rows, rows_each, directory):
        self.name, self.kind, self.rows, self.rows_each = name, kind, rows, rows_each
        self.directory = os.path.join(directory, f"{kind}-{name}-{rows}")
        self.offsets = os.path.join(self.directory, "start-offsets.dat")
        self.marker = os.path.join(self.directory, "prepared.json")
        self.server = None
        self.facts = {}

    def __enter__(self):
        if not os.path.exists(self.marker):
            servers.remove(os.path.join(self.directory, self._datadir_name()))
            shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory, exist_ok=True)
        datadir = os.path.join(self.directory, self._datadir_name())
        self.server = STARTERS[self.kind](datadir, servers.free_port(), SERVER_OPTIONS + OWN_OPTIONS[self.kind])
        try:
            if not os.path.exists(self.marker):
                self._prepare()
            with open(self.marker, encoding="utf-8") as f:
                self.facts = json.load(f)
        except BaseException:
            self.server.stop()
            raise
        return self

    def __exit__(self, *_):
        self.server.stop()

    def _datadir_name(self):
        # MySQL's directory lies inside its root and is named by its last part alone.
        return f"tailrace-bench-{self.kind}-{self.name}-{self.rows}"

    def _log_bytes(self):
        return {row[0]: int(row[1]) for row in self.server.rows("SHOW BINARY LOGS")}

    def _prepare(self):
        print(f"  preparing {self.rows:,} rows in transactions of {self.rows_each} on {self.kind}", flush=True)
        self.server.sql(SETUP)
        self._save_start()
        self.server.sql("FLUSH BINARY LOGS")
        before = set(self._log_bytes())
        newest = max(before)
        self.server.sql(f"CALL local_only.fill(1, {self.rows // self.rows_each}, {self.rows_each})")
        logs = {name: size for name, size in self._log_bytes().items() if name not in before or name == newest}
        found = int(self.server.rows("SELECT COUNT(*) FROM shop.orders")[0][0])
        if found != self.rows + 1:
            raise RuntimeError(f"prepared {found} rows, wanted {self.rows + 1}")
        with open(self.marker, "w", encoding="utf-8") as f:
            json.dump({"rows": self.rows, "rows_per_transaction": self.rows_each, "first_file": newest,
                       "log_bytes": sum(logs.values()), "rows_events": self._count_rows_events(sorted(logs)),
                       "server": self.server.rows("SELECT VERSION()")[0][0]}, f)

    def _count_rows_events(self, files):
        """How many a dump brings; one per transaction of one row, else by a walk over the headers."""
        if self.rows_each == 1:
            return self.rows
        count = 0
        for name in files:
            with open(self._log_path(name), "rb") as f:
                at = 4
                while len(header := os.pread(f.fileno(), 19, at)) == 19:
                    count += header[4] in (23, 24, 25, 30, 31, 32)
                    at += int.from_bytes(header[9:13], "little")
        return count

    def _log_path(self, name):
        return os.path.join(self.server.datadir, "data" if self.kind == "mysql" else "", name)

    def _save_start(self):
        """The position after the first row, saved by the engine itself: what every measured run starts from."""
        with Standin("--sink", "--stream", STREAM + ":64") as standin:
            with Engine(self, standin, self.directory, "prepare") as engine:
                engine.wait_ready()
                self.server.sql(FIRST_ROW)
                wait_until("the first row", lambda: standin.report()["records"] == 1, 30, engine.process)
                engine.stop()
            shutil.copyfile(engine.offsets, self.offsets)
