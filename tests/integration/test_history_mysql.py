#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The engine and its schema history against MySQL with its own row metadata: see history_cases.py."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
from engine import free_port  # noqa: E402
from history_cases import HistoryCases  # noqa: E402


@unittest.skipUnless(servers.mysql_is_here(), f"no MySQL in {servers.MYSQL_ROOT}, or not root")
class MySqlHistory(HistoryCases, unittest.TestCase):
    kind = "mysql"

    @classmethod
    def start_server(cls, workdir):
        return servers.start_mysql(os.path.basename(workdir) + "-mysql", free_port())


if __name__ == "__main__":
    unittest.main()
