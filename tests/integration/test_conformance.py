#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Debezium's golden cases, one test each: see tests/conformance/run.py."""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "conformance"))
import run  # noqa: E402
import servers  # noqa: E402
from engine import free_port, make_workdir, remove_workdir  # noqa: E402


class Cases:
    kind = None

    @classmethod
    def setUpClass(cls):
        cls.workdir = make_workdir("conformance")
        cls.addClassCleanup(remove_workdir, cls.workdir)
        cls.server = run.start_server(cls.kind, cls.workdir, free_port())
        cls.addClassCleanup(servers.remove, cls.server.datadir)
        cls.addClassCleanup(cls.server.stop)

    def check(self, name):
        good, text = run.check_case(name, self.server, self.workdir)
        self.assertTrue(good, text)


class MariaDb(Cases, unittest.TestCase):
    kind = "mariadb"


@unittest.skipUnless(servers.mysql_is_here(), f"no MySQL in {servers.MYSQL_ROOT}, or not root")
class MySql(Cases, unittest.TestCase):
    kind = "mysql"


class Known(unittest.TestCase):
    def test_list_of_differences_names_cases(self):
        self.assertEqual(set(), set(run.known_differences()) - set(run.all_cases()))


for case in run.all_cases():
    def test(self, name=case):
        self.check(name)
    setattr(MariaDb if run.is_mariadb(case) else MySql, f"test_{case}", test)

if __name__ == "__main__":
    unittest.main()
