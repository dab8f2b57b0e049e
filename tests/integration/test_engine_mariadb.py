#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The engine against MariaDB: see engine_cases.py."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
from engine import free_port  # noqa: E402
from engine_cases import EXIT, EngineCases  # noqa: E402


class MariaDb(EngineCases, unittest.TestCase):
    kind = "mariadb"
    port = None

    @classmethod
    def start_server(cls, workdir):
        cls.port = cls.port or free_port()
        return servers.start_mariadb(os.path.join(workdir, "mariadb"), cls.port,
                                     ["--binlog-row-metadata=FULL", "--binlog-row-event-max-size=67108864",
                                      "--max-allowed-packet=256M"])

    def source_form(self):
        return ('"source":{"version":"3.6.0.Final","connector":"mariadb","name":"p","ts_ms":0,"snapshot":"false","db":"shop",'
                '"sequence":null,"ts_us":0,"ts_ns":0,"table":"items","server_id":0,"gtid":"","file":"","pos":0,"row":0,'
                '"thread":null,"query":null}')

    def test_second_instance_on_the_same_redis_is_refused(self):
        """After the 30 seconds in which a dead one's lock would have run out."""
        self.make_counters()
        properties = self.use_redis()
        engine = self.engine(**properties).start()
        other = self.engine("other", **properties, **{"debezium.source.database.server.id": "5402"})
        self.assertEqual(EXIT["locked"], other.run_to_end(45), other.output)
        self.assertEqual(1, len(other.error_lines()), other.output)
        self.assertIn("metadata:debezium:offsets", other.error_lines()[0])
        self.server.sql("INSERT INTO shop.counters VALUES (1,1,'')")
        self.assert_complete(duplicates=0, process=engine.process)
        self.stop_well(engine)

    def compress(self, on):
        self.server.sql(f"SET GLOBAL log_bin_compress = {'ON' if on else 'OFF'}; SET GLOBAL log_bin_compress_min_len = 10")


if __name__ == "__main__":
    unittest.main()
