#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The tables of character sets against the servers' own CONVERT: every byte, every pair, every sequence of three and four.

Programs come from TAILRACE_BUILD (default build/release). Servers are private and end with the test.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(ROOT, "tests/support"))
import generate_charsets  # noqa: E402
import servers  # noqa: E402

PROBE = os.path.join(os.environ.get("TAILRACE_BUILD", os.path.join(ROOT, "build/release")), "tests/charset_probe")


def probe(*args):
    return subprocess.run([PROBE, *args], check=True, capture_output=True).stdout.decode()


class Charsets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="charsets")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)

    def start(self, kind):
        if servers.lacks(kind):
            self.skipTest(servers.lacks(kind))
        folder = os.path.join(self.folder, os.path.basename(self.folder) + kind)
        server = servers.STARTERS[kind](folder, servers.free_port())
        self.addCleanup(servers.remove, folder)
        self.addCleanup(server.stop)
        generate_charsets.numbers(server)
        return server

    def compare(self, kind):
        server = self.start(kind)
        here = {name for name, in server.rows("SELECT character_set_name FROM information_schema.character_sets")}
        compared = 0
        for name, _, width in generate_charsets.CHARSETS:
            if name not in here:
                continue
            with self.subTest(charset=name):
                want = generate_charsets.server_codes(server, name, width)
                pairs = [line.split() for line in probe("codes", name).splitlines()]
                self.assertEqual({bytes.fromhex(raw): int(code, 16) for raw, code in pairs}, want)
                compared += len(want)
        self.assertGreater(compared, 100_000)
        known = {name for name, _, _ in generate_charsets.CHARSETS}
        known |= {"ascii", "binary", "utf8mb3", "utf8mb4", "ucs2", "utf16", "utf16le", "utf32"}
        self.assertEqual(here - known, set(), "a character set of the server that we do not know")

    def test_mysql_reads_every_sequence_as_we_do(self):
        self.compare("mysql")

    def test_mariadb_reads_every_sequence_as_we_do(self):
        self.compare("mariadb")

    def collations(self, kind):
        server = self.start(kind)
        table = "collation_character_set_applicability" if server.kind == "mariadb" else "collations"
        name = "full_collation_name" if server.kind == "mariadb" else "collation_name"
        rows = server.rows(f"SELECT id, character_set_name, {name} FROM information_schema.{table} WHERE id IS NOT NULL ORDER BY {name}")
        answers = [line.split(" ") for line in probe("collation", server.kind, *[row[0] for row in rows]).splitlines()]
        self.assertEqual([[row[0], *answer] for row, answer in zip(rows, answers)], rows)
        self.assertGreater(len(rows), 200)

    def test_mysql_collations_have_the_character_set_and_name_we_say(self):
        self.collations("mysql")

    def test_mariadb_collations_have_the_character_set_and_name_we_say(self):
        self.collations("mariadb")

    def test_newer_mariadb_collations_have_the_character_set_and_name_we_say(self):
        self.collations("mariadb-sid")


if __name__ == "__main__":
    unittest.main(verbosity=2)
