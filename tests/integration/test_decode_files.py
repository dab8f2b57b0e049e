#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`tailrace decode` over every binary log of tests/data/binlogs: its rows are those that the server's own mysqlbinlog printed."""
import glob
import json
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "support"))
import binlog_text  # noqa: E402
from engine import command  # noqa: E402

FOLDER = os.path.join(ROOT, "tests/data/binlogs")
# Files that cannot be decoded to their end: what the engine must say, and the rows before that.
OPS = {"I": "c", "U": "u", "D": "d"}
ENDS = {
    "mariadb1011-encrypted.000001": ("the file is encrypted", 0),
    "mysql97-partial-json.000001": ("its partial JSON update has no document before it", 17),
}

UNPRINTED = {"mariadb1011-old-temporals.000001": 3}  # mysqlbinlog knows no fractions of that form, and prints no row


def records(output):
    """{table: rows in order}. A change of the key is told as a delete and a create of one row; it is one row again here."""
    tables = {}
    for line in output.splitlines():
        document = json.loads(line)
        source = document["source"]
        rows = tables.setdefault(f"{source['db']}.{source['table']}", [])
        place = (source["pos"], source["row"], source["gtid"])
        if rows and document["op"] == "c" and rows[-1][:2] == ("d", place):
            rows[-1] = ("u", place, rows[-1][2], document["after"])
        else:
            rows.append((document["op"], place, document["before"], document["after"]))
    return tables


class Files(unittest.TestCase):
    maxDiff = None

    def check_image(self, where, image, cells):
        if not cells:
            return
        self.assertIsNotNone(image, where)
        names = list(image)
        for number, cell in cells.items():
            self.assertLessEqual(number, len(names), where)
            value = image[names[number - 1]]
            self.assertTrue(binlog_text.same(value, cell), f"{where}, column {names[number - 1]}: {value!r}, mysqlbinlog has {cell}")

    def check(self, name):
        code, output, errors = command("decode", os.path.join(FOLDER, name))
        wanted = binlog_text.read_rows(os.path.join(FOLDER, name + ".txt.gz"))
        actual = records(output)
        if name in ENDS:
            text, count = ENDS[name]
            self.assertNotEqual(0, code)
            self.assertIn(text, errors)
            self.assertEqual(count, sum(map(len, actual.values())))
            wanted = wanted[:count]
        else:
            self.assertEqual((0, ""), (code, errors))
        if name in UNPRINTED:
            self.assertEqual((0, UNPRINTED[name]), (len(wanted), sum(map(len, actual.values()))))
            return
        self.assertEqual({row.table for row in wanted}, set(actual))
        for table, rows in actual.items():
            mine = [row for row in wanted if row.table == table]
            unreadable = [n for n, row in enumerate(mine) if binlog_text.UNREADABLE in [*row.before.values(), *row.after.values()]]
            if unreadable:  # mysqlbinlog lost its place there
                mine = mine[:unreadable[0] + 1]
            else:
                self.assertEqual(len(mine), len(rows), table)
            for number, (row, (op, place, before, after)) in enumerate(zip(mine, rows)):
                where = f"{name}: {table}: row {number} at {place}"
                self.assertEqual(OPS[row.op], op, where)
                self.check_image(where + " before", before, row.before)
                self.check_image(where + " after", after, row.after)


for path in sorted(glob.glob(os.path.join(FOLDER, "*.[0-9][0-9][0-9][0-9][0-9][0-9]"))):
    def test(self, name=os.path.basename(path)):
        self.check(name)
    setattr(Files, "test_" + os.path.basename(path).replace("-", "_").replace(".", "_"), test)

if __name__ == "__main__":
    unittest.main()
