#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The engine against MySQL: see engine_cases.py."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
from engine import free_port  # noqa: E402
from engine_cases import EngineCases  # noqa: E402


@unittest.skipUnless(servers.mysql_is_here(), f"no MySQL in {servers.MYSQL_ROOT}, or not root")
class MySql(EngineCases, unittest.TestCase):
    kind = "mysql"
    port = None

    @classmethod
    def start_server(cls, workdir):
        cls.port = cls.port or free_port()
        return servers.start_mysql(os.path.basename(workdir) + "-mysql", cls.port,
                                   ["--binlog-row-metadata=FULL", "--binlog-row-event-max-size=67108864",
                                    "--max-allowed-packet=256M"])

    def source_form(self):
        return ('"source":{"version":"3.6.0.Final","connector":"mysql","name":"p","ts_ms":0,"snapshot":"false","db":"shop",'
                '"sequence":null,"ts_us":0,"ts_ns":0,"table":"items","server_id":0,"gtid":"","file":"","pos":0,"row":0,'
                '"thread":0,"query":null}')

    def set_gtid_mode(self, *steps):
        for mode in steps:
            self.server.sql(f"SET GLOBAL gtid_mode = {mode}")

    def test_kill_under_load_without_gtids_loses_nothing(self):
        self.set_gtid_mode("ON_PERMISSIVE", "OFF_PERMISSIVE", "OFF")
        self.addCleanup(self.set_gtid_mode, "OFF_PERMISSIVE", "ON_PERMISSIVE", "ON")
        self.kill_under_load()

    def test_stop_and_start_without_gtids_repeats_nothing(self):
        self.set_gtid_mode("ON_PERMISSIVE", "OFF_PERMISSIVE", "OFF")
        self.addCleanup(self.set_gtid_mode, "OFF_PERMISSIVE", "ON_PERMISSIVE", "ON")
        self.stop_and_start()

    def compress(self, on):
        self.server.sql(f"SET GLOBAL binlog_transaction_compression = {'ON' if on else 'OFF'}")


if __name__ == "__main__":
    unittest.main()
