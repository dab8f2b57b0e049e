#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Partial JSON updates of a live MySQL, from a seed: the documents that `tailrace decode` makes are the server's.

Every record's `before` must be the last `after` of its row, and the last `after` what SELECT gives.
Programs come from TAILRACE_BUILD (default build/release). The server is private and ends with the test.
"""
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
import servers  # noqa: E402

TAILRACE = os.path.join(os.environ.get("TAILRACE_BUILD", os.path.join(ROOT, "build/release")), "tailrace")
SEED = int(os.environ.get("TAILRACE_TEST_SEED", "20261122"))
ROWS, UPDATES = 12, 1500
NAMES = ["a", "b", "long name", "ü", 'q"uote', "back\\slash", "", "k1", "k22", "z" * 70, "tab\t", "dot.ted", "x[0]"]


def random_value(rng, depth=0):
    kind = rng.randrange(11 if depth < 4 else 8)
    if kind >= 9:
        return {rng.choice(NAMES): random_value(rng, depth + 1) for _ in range(rng.randrange(6))}
    if kind == 8:
        return [random_value(rng, depth + 1) for _ in range(rng.randrange(6))]
    return [None, True, False, rng.randrange(-100, 100), rng.randrange(-2**40, 2**40), rng.random() * 1000,
            "text " * rng.randrange(40), "ü☃😀"][kind]


def random_path(rng, value):
    """A path to a place in the value, perhaps a new one behind it."""
    path = "$"
    while True:
        if isinstance(value, dict) and (value or path == "$") and rng.random() < 0.8:
            name = rng.choice(list(value) + [rng.choice(NAMES)])
            path += "." + json.dumps(name, ensure_ascii=False)
            value = value.get(name)
        elif isinstance(value, list) and rng.random() < 0.8:
            index = rng.randrange(len(value) + 1)
            path += f"[{index}]"
            value = value[index] if index < len(value) else None
        else:
            return path


def literal(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


class PartialJson(unittest.TestCase):
    def setUp(self):
        if not servers.mysql_is_here():
            self.skipTest(f"no MySQL in {servers.MYSQL_ROOT}")
        self.folder = tempfile.mkdtemp(prefix="partialjson")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.server = servers.start_mysql(self.folder, servers.free_port(), [
            "--binlog-row-value-options=PARTIAL_JSON", "--binlog-row-metadata=FULL"])
        self.addCleanup(servers.remove, self.folder)
        self.addCleanup(self.server.stop)

    def test_documents_follow_the_server_through_random_updates(self):
        with self.subTest(TAILRACE_TEST_SEED=SEED):  # told when it fails
            self.follow(random.Random(SEED))

    def follow(self, rng):
        model = {i: random_value(rng, 0) for i in range(ROWS)}
        model = {i: v if isinstance(v, (dict, list)) else {"v": v} for i, v in model.items()}
        sql = ["CREATE DATABASE p; CREATE TABLE p.t (id INT PRIMARY KEY, n INT, j JSON, other JSON)"]
        for i, value in model.items():
            sql.append(f"INSERT INTO p.t VALUES ({i}, 0, {literal(json.dumps(value, ensure_ascii=False))}, '[1, 2]')")
        for _ in range(UPDATES):
            i = rng.randrange(ROWS)
            function = rng.choice(["JSON_SET", "JSON_SET", "JSON_SET", "JSON_REPLACE", "JSON_REMOVE"])
            calls = "j"
            for _ in range(rng.randrange(1, 3)):
                path = random_path(rng, model[i])
                if function == "JSON_REMOVE":
                    calls = f"JSON_REMOVE({calls}, {literal(path)})" if path != "$" else calls
                elif path != "$":
                    value = json.dumps(random_value(rng, 2), ensure_ascii=False)
                    calls = f"{function}({calls}, {literal(path)}, CAST({literal(value)} AS JSON))"
            sql.append(f"UPDATE p.t SET j = {calls}, n = n + 1 WHERE id = {i}")
        self.server.sql(";\n".join(sql))
        wanted = {i: text for i, text in self.server.rows("SELECT id, HEX(CAST(j AS CHAR)) FROM p.t")}
        name = self.server.rows("SHOW BINARY LOGS")[-1][0]
        path = os.path.join(self.server.datadir, "data", name)
        done = subprocess.run([TAILRACE, "decode", path], capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace")[-400:])
        last, updates = {}, 0
        for line in done.stdout.decode().splitlines():
            record = json.loads(line)
            row = record["after"]
            if record["op"] == "u":
                self.assertEqual(record["before"], last[row["id"]])
                updates += 1
            last[row["id"]] = row
        self.assertGreater(updates, UPDATES // 2)
        for i, text in wanted.items():
            self.assertEqual(json.loads(last[int(i)]["j"]), json.loads(bytes.fromhex(text).decode()))
        with open(path, "rb") as f:
            self.assertGreater(f.read().count(b"$."), updates // 4, "few updates were partial")


if __name__ == "__main__":
    unittest.main(verbosity=2)
