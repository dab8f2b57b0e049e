#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The engine and its schema history against MariaDB with its own row metadata: see history_cases.py."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
from engine import free_port  # noqa: E402
from history_cases import HistoryCases  # noqa: E402


class MariaDbHistory(HistoryCases, unittest.TestCase):
    kind = "mariadb"

    @classmethod
    def start_server(cls, workdir):
        return servers.start_mariadb(os.path.join(workdir, "mariadb"), free_port())


if __name__ == "__main__":
    unittest.main()
