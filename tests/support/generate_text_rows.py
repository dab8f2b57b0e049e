#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/data/text_rows/CASE.txt: rows of a snapshot as a live server sends them, and what Debezium made of them.

    generate_text_rows.py mysql|mariadb SOCKET EXPECTED.jsonl[.gz] SETUP.sql OUT.txt [SETTING=VALUE]

SETTING=VALUE is noted in the first line: what the records were made with.

The set-up is run on the server (whose other databases must be its own), each captured table is read as the snapshot
reads it (snapshot_event.h), and the rows are joined by key with the records "op":"r" that a real Debezium sent.
Lines, fields separated by tabs:

    table  DATABASE  its SHOW CREATE TABLE, \\n and \\\\ escaped
    schemas  of key and value, up to the payload; empty: there are none
    row    cells in hexadecimal separated by blanks, "-" is NULL   key   `after` of the record
"""
import gzip
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mysql_client


def records(path):
    """(database, table) -> schema of the key, schema of the value, [(key, `after`)] in their order, all as text."""
    result = {}
    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as f:
        for line in f:
            record = json.loads(line)
            text = record["data"]
            source = re.search(r'"source":\{"version".*?"db":"(.*?)".*?"table":"(.*?)"', text)
            if '"op":"r"' not in text or source is None:
                continue
            key = record["partition_key"]
            key = "" if key == "default" else key
            at = text.index('{"before":null,"after":')
            end = text.rindex(',"source":{"version"')
            key_at = key.index('"payload":') + 10 if key.startswith('{"schema":') else 0
            rows = result.setdefault((source.group(1), source.group(2)), (key[:key_at], text[:at], []))[2]
            rows.append((key[key_at:len(key) - (key_at != 0)], text[at + 23:end]))
    return result


def main(kind, socket, expected, setup, out, setting=""):
    with open(setup, encoding="utf-8") as f:
        sql = f.read()
    client = mysql_client.Client(socket)
    own = {"mysql", "sys", "information_schema", "performance_schema"}
    for row in client.texts("SHOW DATABASES"):
        if row[0] not in own:
            client.query(f"DROP DATABASE `{row[0]}`")
    command = ["mysql", "--no-defaults", "-uroot", "--socket=" + socket, "--default-character-set=utf8mb4"]
    subprocess.run(command, input=sql.encode(), check=True)
    client.query("SET NAMES utf8mb4")
    client.query("SET time_zone = '+00:00'")
    lines = []
    for (database, table), (key_schema, value_schema, wanted) in sorted(records(expected).items()):
        create = client.texts(f"SHOW CREATE TABLE `{database}`.`{table}`")[0][1]
        lines.append("table\t%s\t%s" % (database, create.replace("\\", "\\\\").replace("\n", "\\n")))
        lines.append(f"schemas\t{key_schema}\t{value_schema}")
        columns = [row[0] for row in client.texts(
            f"SELECT column_name FROM information_schema.columns WHERE table_schema='{database}' AND "
            f"table_name='{table}' ORDER BY ordinal_position")]
        rows = client.query("SELECT %s FROM `%s`.`%s`" % (", ".join(f"`{c}`" for c in columns), database, table))
        if len(rows) != len(wanted):
            sys.exit(f"{database}.{table}: {len(rows)} rows, {len(wanted)} records")
        for row, (key, after) in zip(rows, wanted):
            cells = " ".join("-" if cell is None else cell.hex() or "." for cell in row)
            lines.append(f"row\t{cells}\t{key}\t{after}")
    with open(out, "w", encoding="utf-8") as f:
        f.write(f"# {kind} {setting}; made by tests/support/generate_text_rows.py\n")
        f.write("".join(line + "\n" for line in lines))


if __name__ == "__main__":
    main(*sys.argv[1:])
