#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Servers with lower_case_table_names=1: statements, lists and rows name tables in any case; records and streams have the server's names,
in lower case. (Debezium stops at rows of a table that a statement in mixed case made, and sends those of a renamed one to a stream of that
spelling.)"""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
from engine import (PREFIX, Engine, Standin, free_port, make_user, make_workdir, remove_workdir, settings,  # noqa: E402
                    wait_delivered)

HISTORY = "debezium.source.schema.history.internal"
SETUP = """CREATE DATABASE Shop; CREATE DATABASE OTHER; USE Shop;
CREATE TABLE Orders (Id INT PRIMARY KEY, MixedCol INT); CREATE TABLE items (id INT PRIMARY KEY); CREATE TABLE OTHER.Xx (id INT PRIMARY KEY);
CREATE TABLE `ÄÖ` (id INT PRIMARY KEY); INSERT INTO Orders VALUES (1,1); INSERT INTO ITEMS VALUES (1); INSERT INTO other.XX VALUES (1)"""
WHILE_IT_RUNS = """INSERT INTO ORDERS VALUES (2,2); ALTER TABLE oRDERS ADD Z INT; INSERT INTO orders VALUES (3,3,3);
CREATE TABLE NewTab (ID INT PRIMARY KEY, v INT); INSERT INTO newtab VALUES (1,1); RENAME TABLE NEWTAB TO Newer; INSERT INTO newer VALUES (2,2);
CREATE TABLE LikeIt LIKE ORDERS; INSERT INTO LIKEIT VALUES (1,1,1); ALTER TABLE Likeit RENAME TO LikedIT, DROP COLUMN z;
INSERT INTO LikedIt VALUES (2,2); INSERT INTO `äö` VALUES (1)"""
WHILE_IT_DOES_NOT = """ALTER TABLE ITEMS ADD COLUMN Extra INT; INSERT INTO Items VALUES (2,2); DROP TABLE LIKEDIT;
ALTER TABLE Newer CHANGE V W BIGINT; UPDATE NEWER SET w=5 WHERE ID=1; CREATE TABLE `Öl Ж` (Id INT PRIMARY KEY); INSERT INTO `öL ж` VALUES (1);
ALTER TABLE `ÖL Ж` ADD v INT; INSERT INTO `ÖL ж` VALUES (2,2); TRUNCATE TABLE Orders; INSERT INTO ORDERS VALUES (4,4,4)"""
WANTED = {"orders": [{"Id": 1, "MixedCol": 1}, {"Id": 2, "MixedCol": 2}, {"Id": 3, "MixedCol": 3, "Z": 3}, {"Id": 4, "MixedCol": 4, "Z": 4}],
          "items": [{"id": 1}, {"id": 2, "Extra": 2}], "newtab": [{"ID": 1, "v": 1}], "newer": [{"ID": 2, "v": 2}, {"ID": 1, "W": 5}],
          "likeit": [{"Id": 1, "MixedCol": 1, "Z": 1}], "likedit": [{"Id": 2, "MixedCol": 2}], "äö": [{"id": 1}],
          "öl ж": [{"Id": 1}, {"Id": 2, "v": 2}]}


class LowerCaseCases:
    """Mixed into a unittest.TestCase with `kind` and start_server()."""

    @classmethod
    def setUpClass(cls):
        cls.class_workdir = make_workdir("lower-" + cls.kind)
        cls.addClassCleanup(remove_workdir, cls.class_workdir)
        cls.server = cls.start_server(cls.class_workdir)
        cls.addClassCleanup(servers.remove, cls.server.datadir)
        cls.addClassCleanup(lambda: cls.server.stop())
        make_user(cls.server)

    def setUp(self):
        self.workdir = os.path.join(self.class_workdir, self.id().rsplit(".", 1)[1])
        os.makedirs(self.workdir)
        self.server.sql("DROP DATABASE IF EXISTS shop; DROP DATABASE IF EXISTS other; " + SETUP)
        self.kinesis = Standin(self.workdir)
        self.addCleanup(self.kinesis.stop)

    def run_through(self, **more):
        """The rows after each change, by table."""
        engine = Engine(self.workdir, settings(self.server, self.kinesis, self.workdir, **{
            "debezium.source.snapshot.mode": "initial", "debezium.source.include.schema.changes": "true", "tailrace.order": "stream",
            HISTORY: "io.debezium.storage.file.history.FileSchemaHistory",
            HISTORY + ".file.filename": os.path.join(self.workdir, "history.dat"), **more}))
        self.addCleanup(engine.kill)
        for statements in (WHILE_IT_RUNS, WHILE_IT_DOES_NOT):
            if statements is WHILE_IT_DOES_NOT:
                self.server.sql(statements, "shop")
            engine.start()
            if statements is WHILE_IT_RUNS:
                self.server.sql(statements, "shop")
            wait_delivered(self.server, engine, self.kinesis)
            self.assertEqual(0, engine.stop(), engine.output[-3000:])
            self.assertEqual([], engine.error_lines())
        rows = {}
        for stream in self.kinesis.report()["streams"]:
            for record in self.kinesis.records(stream) if stream != PREFIX else ():
                value = json.loads(record.data) if record.data else {}
                if value.get("after"):
                    rows.setdefault((value["source"]["db"], value["source"]["table"]), []).append(value["after"])
        return rows

    def shop(self, *tables):
        return {("shop", table): WANTED[table] for table in tables}

    def test_all_tables(self):
        self.assertEqual({**self.shop(*WANTED), ("other", "xx"): [{"id": 1}]}, self.run_through())

    def test_lists_are_matched_in_any_case(self):
        rows = self.run_through(**{"debezium.source.table.include.list": "Shop\\\\.Orders,SHOP\\\\.(Newer|ITEMS),shop\\\\.LIKE.*,Shop\\\\.Öl.*"})
        self.assertEqual(self.shop("orders", "newer", "items", "likeit", "likedit", "öl ж"), rows)

    def test_only_captured_tables_are_kept(self):
        rows = self.run_through(**{"debezium.source.table.include.list": "Shop\\\\.Orders,SHOP\\\\.Items",
                                   HISTORY + ".store.only.captured.tables.ddl": "true"})
        self.assertEqual(self.shop("orders", "items"), rows)

    def test_a_select_of_ones_own_is_found_by_the_servers_name(self):
        name = "debezium.source.snapshot.select.statement.overrides"
        rows = self.run_through(**{"debezium.source.database.include.list": "SHOP", name: "shop.orders,shop.items",
                                   name + ".shop.orders": "SELECT * FROM Shop.ORDERS WHERE ID > 1",
                                   name + ".shop.items": "SELECT ID FROM Shop.ITEMS"})
        self.assertEqual({**self.shop(*WANTED), ("shop", "orders"): WANTED["orders"][1:]}, rows)


class LowerCaseMariaDb(LowerCaseCases, unittest.TestCase):
    kind = "mariadb"

    @classmethod
    def start_server(cls, workdir):
        return servers.start_mariadb(os.path.join(workdir, "mariadb"), free_port(), ["--lower-case-table-names=1"])


@unittest.skipUnless(servers.mysql_is_here(), f"no MySQL in {servers.MYSQL_ROOT}, or not root")
class LowerCaseMySql(LowerCaseCases, unittest.TestCase):
    kind = "mysql"

    @classmethod
    def start_server(cls, workdir):
        return servers.start_mysql(os.path.basename(workdir) + "-lower", free_port(), ["--lower-case-table-names=1"])


if __name__ == "__main__":
    unittest.main()
