#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs Debezium's golden cases against Tailrace and compares what is streamed, byte for byte.

    run.py [--keep] [CASE...]          all cases of cases/ that a server is there for; the last line is N passed, N failed, N skipped

A case is a folder of cases/: set-up SQL, SQL that is streamed, the properties, and the records that Debezium Server 3.6 sent
for it (see README.md). Tailrace runs with the case's properties, but for what it does not offer yet (CHANGED, DROPPED below),
on a server with FULL row metadata, and only the streamed changes (op c, u, d, t and tombstones) are compared, by compare.py's rules:
all of them, per stream, in order per partition key (between keys Tailrace, like Kinesis itself, promises none). A case that stands in KNOWN.md must
differ in exactly as many records as are written there.

Lines of stream.sql that begin with "-- @" direct the run: @wait, @session NAME, @errors on|off, @stop, @start, @restart;
@step is a heading.
"""
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))
sys.path.insert(0, HERE)
import compare  # noqa: E402
import servers  # noqa: E402
from engine import Engine, Standin, Trouble, free_port, make_workdir, remove_workdir, wait_delivered  # noqa: E402

CASES = os.path.join(HERE, "cases")
CHANGED = {
    "debezium.source.snapshot.mode": "no_data",
    "debezium.source.include.schema.changes": "false",
    "tailrace.streams.create": "true",
    "tailrace.startup.wait.ms": "5000",
    "quarkus.http.port": "0",
}
DROPPED = ("debezium.source.provide.transaction.metadata",)  # its block is taken out of the expected records, too
GLOBALS = ["binlog_format", "binlog_row_image", "binlog_row_value_options", "binlog_rows_query_log_events",
           "binlog_transaction_compression", "log_bin_compress", "log_bin_compress_min_len", "character_set_server",
           "collation_server", "sql_mode", "time_zone", "explicit_defaults_for_timestamp", "gtid_domain_id",
           "gtid_strict_mode", "innodb_strict_mode"]
SYSTEM_SCHEMAS = ("mysql", "sys", "information_schema", "performance_schema")
GTID_LADDER = ["OFF", "OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"]


class Stopped(Trouble):
    """The engine stopped by itself and said why."""


class Client:
    """One connection, held by a command-line client that is fed through a pipe."""

    serial = 0

    def __init__(self, server, tolerant=False):
        self.tolerant = tolerant
        # One pipe for both outputs, so that an error stands where it happened.
        self.process = subprocess.Popen(
            server.client("--batch", "--unbuffered", "--force", "--skip-column-names", "--binary-mode", "--comments",
                          "--default-character-set=utf8mb4", "--max-allowed-packet=256M"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, sql):
        """Sends statements, waits for their end; the lines they printed."""
        Client.serial += 1
        marker = f"end-of-batch-{Client.serial}"
        lines, errors = [], []
        self.process.stdin.write(sql.encode() + f"\n;SELECT '{marker}';\n".encode())
        self.process.stdin.flush()
        for raw in self.process.stdout:
            line = raw.decode(errors="replace").rstrip("\n")
            if line == marker:
                break
            if not line.startswith("ERROR "):
                lines.append(line)
            elif "Query was empty" not in line and "No query specified" not in line:
                errors.append(line)
        else:
            raise Trouble(f"the client ended: {errors}")
        if errors and not self.tolerant:
            raise Trouble("; ".join(errors))
        return lines

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)


def reset(server, variables):
    """As after a fresh start: no schema, variables at their defaults but `variables`, an empty log."""
    admin = Client(server, tolerant=True)
    admin.run("SET SESSION sql_log_bin = 0; SET SESSION foreign_key_checks = 0;")
    for row in admin.run("XA RECOVER FORMAT='SQL'" if server.kind == "mariadb" else "XA RECOVER CONVERT XID"):
        fields = row.split("\t")
        bytes_of_xid = fields[3][2:]
        cut = int(fields[1]) * 2
        admin.run(f"XA ROLLBACK {fields[3]}" if server.kind == "mariadb" else
                  f"XA ROLLBACK 0x{bytes_of_xid[:cut]},0x{bytes_of_xid[cut:] or '00'},{fields[0]}")
    for name in GLOBALS:
        admin.run(f"SET GLOBAL {name} = DEFAULT")
    admin.run("SET GLOBAL binlog_format = 'ROW'; SET GLOBAL binlog_row_metadata = 'FULL'")
    set_gtid_mode(admin, variables.get("gtid_mode", "ON"))
    admin.tolerant = False
    for row in admin.run("SELECT HEX(schema_name) FROM information_schema.schemata"):
        schema = bytes.fromhex(row).decode()
        if schema.lower() not in SYSTEM_SCHEMAS and not schema.startswith("#mysql50#."):  # a folder beside the databases
            admin.run("DROP DATABASE `" + schema.replace("`", "``") + "`")
    for name, value in variables.items():
        if name not in ("gtid_mode", "binlog_row_metadata"):
            admin.run(f"SET GLOBAL {name} = {json.dumps(value)}")
    admin.run("CREATE USER IF NOT EXISTS golden@'%' IDENTIFIED BY 'golden'; GRANT ALL ON *.* TO golden@'%' WITH GRANT OPTION")
    if server.kind == "mariadb":
        admin.run("RESET MASTER; SET GLOBAL gtid_slave_pos = ''")
    else:
        admin.run("RESET BINARY LOGS AND GTIDS")
    admin.close()


def set_gtid_mode(admin, wanted):
    """MySQL's gtid_mode moves one step at a time; MariaDB has none."""
    rows = admin.run("SELECT @@GLOBAL.gtid_mode")
    if not rows or rows[0] not in GTID_LADDER:
        return
    here, there = GTID_LADDER.index(rows[0]), GTID_LADDER.index(wanted)
    if wanted == "ON":
        admin.run("SET GLOBAL enforce_gtid_consistency = ON")
    while here != there:
        here += 1 if here < there else -1
        admin.run(f"SET GLOBAL gtid_mode = {GTID_LADDER[here]}")
    if wanted == "OFF":
        admin.run("SET GLOBAL enforce_gtid_consistency = OFF")


def read_properties(path):
    with open(path, encoding="utf-8") as source:
        pairs = [line.strip().partition("=") for line in source]
    return {key: value for key, _, value in pairs if key and not key.startswith("#")}


def read_case(name):
    folder = os.path.join(CASES, name)
    with open(os.path.join(folder, "case.json"), encoding="utf-8") as source:
        config = json.load(source)
    texts = {}
    for file in ("setup.sql", "stream.sql"):
        with open(os.path.join(folder, file), encoding="utf-8") as source:
            texts[file] = source.read()
    return folder, config, texts


def streamed_only(data):
    """What of an expected record this engine sends: None for snapshot and schema records, else its text, transaction null."""
    if data == "":
        return data
    at, names = compare.body_start(data)
    if at is None or not {"op", "source"} <= names:
        return None
    places = {name: (begin, end) for name, begin, end in compare.members(data, at)}
    begin, end = places["op"]
    if data[begin:end] not in ('"c"', '"u"', '"d"', '"t"'):
        return None
    begin, end = places["transaction"]
    return data[:begin] + "null" + data[end:]


def write_by_key(path, records):
    """Writes records as compare.py reads them, those of one key together in their order."""
    with open(path, "w", encoding="utf-8") as target:
        for record in sorted(records, key=lambda r: (r["stream"], r["partition_key"])):
            target.write(json.dumps(record) + "\n")


def expected_records(folder):
    path = compare.first_existing(folder, *compare.EXPECTED)
    with compare.open_text(path) as source:
        for line in source:
            record = json.loads(line)
            data = streamed_only(record["data"])
            if data is not None:
                yield dict(record, data=data)


class Run:
    """One case against one server and one stand-in, both private."""

    def __init__(self, name, server, workdir):
        self.name, self.server = name, server
        self.folder, self.config, self.texts = read_case(name)
        self.workdir = os.path.join(workdir, name)
        os.makedirs(self.workdir)
        self.sessions = {}
        # Streams there from the start, but for what is not expected: their creation is paced, and takes its time.
        self.kinesis = Standin(self.workdir, streams={record["stream"]: 1 for record in expected_records(self.folder)})
        self.engine = Engine(self.workdir, self.properties())

    def properties(self):
        values = {"MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": str(self.server.port), "MYSQL_USER": "golden",
                  "MYSQL_PASSWORD": "golden", "KINESIS_ENDPOINT": self.kinesis.url, "STATE_DIR": self.workdir,
                  "SERVER_ID": "5400"}
        properties = read_properties(os.path.join(self.folder, "application.properties"))
        properties.update(CHANGED)
        return {key: re.sub(r"\$\{([A-Z_]+)\}", lambda m: values[m[1]], value)
                for key, value in properties.items() if key not in DROPPED}

    def apply(self, text):
        session, batch = self.session("main"), []

        def flush():
            if "".join(batch).strip():
                session.run("\n".join(batch))
            batch.clear()
        for line in text.split("\n"):
            directive = re.match(r"--\s*@(\w+)\s*(.*?)\s*$", line)
            if directive is None:
                batch.append(line)
                continue
            flush()
            word, argument = directive.groups()
            if word == "session":
                session = self.session(argument)
            elif word == "errors":
                session.tolerant = argument == "on"
            elif word in ("wait", "stop", "restart", "start"):
                self.direct(word)
            elif word != "step":
                raise Trouble(f"{self.name}: unknown directive {line}")
        flush()

    def direct(self, word):
        if word != "start":
            wait_delivered(self.server, self.engine, self.kinesis)
        if word in ("stop", "restart") and self.engine.stop() != 0:
            raise Trouble(f"{self.name}: ended with {self.engine.process.returncode}\n{self.engine.output[-2000:]}")
        if word in ("start", "restart"):
            self.engine.start()

    def session(self, name):
        if name not in self.sessions:
            self.sessions[name] = Client(self.server)
        return self.sessions[name]

    def go(self):
        """Runs it; the report of the comparison."""
        try:
            reset(self.server, self.config.get("globals", {}))
            setup = Client(self.server, tolerant="-- @errors on" in self.texts["setup.sql"])
            setup.run(self.texts["setup.sql"])
            setup.close()
            self.engine.start()
            self.apply(self.texts["stream.sql"])
            self.direct("stop")
            return self.compare()
        except Trouble as trouble:
            errors = self.engine.error_lines() if self.engine.process else []
            if errors:
                raise Stopped("\n".join(errors)) from None
            raise trouble
        finally:
            self.engine.kill()
            for session in self.sessions.values():
                session.close()
            self.kinesis.stop()

    def compare(self):
        expected, actual = (os.path.join(self.workdir, f"{side}.jsonl") for side in ("expected", "actual"))
        write_by_key(expected, expected_records(self.folder))
        write_by_key(actual, ({"stream": stream, "partition_key": record.key, "data": record.data}
                              for stream in self.kinesis.report()["streams"] for record in self.kinesis.records(stream)))
        report, mapping = compare.Report(), compare.Mapping()
        compare.compare_records(expected, actual, self.config, report, mapping)
        for problem in mapping.order_problems():
            report.difference(problem)
        if report.equal == 0 and report.failed == 0:
            report.difference("nothing was compared")
        return report


def known_differences():
    """{case: (differing records, reason)} of KNOWN.md's table; no number: the engine stops by name."""
    with open(os.path.join(HERE, "KNOWN.md"), encoding="utf-8") as source:
        rows = re.findall(r"^\| `(\w+)` \| (\d+|stops) \| (.*) \|$", source.read(), re.MULTILINE)
    return {case: (None if count == "stops" else int(count), reason) for case, count, reason in rows}


def all_cases():
    return sorted(name for name in os.listdir(CASES) if os.path.exists(os.path.join(CASES, name, "case.json")))


def is_mariadb(name):
    return read_case(name)[1]["connector"] == "mariadb"


def start_server(kind, workdir, port):
    options = ["--log-bin=binlog", "--binlog-row-metadata=FULL", "--server-id=7"]
    if kind == "mariadb":
        options[-1] = "--server-id=1011"  # some cases set others for a session
        return servers.start_mariadb(os.path.join(workdir, "mariadb"), port, options)
    return servers.start_mysql(os.path.join(workdir, os.path.basename(workdir) + "-mysql"), port, options)


def check_case(name, server, workdir):
    """(whether all is as it should be, text)."""
    count, reason = known_differences().get(name, (0, ""))
    try:
        report = Run(name, server, workdir).go()
    except Stopped as stopped:
        return count is None, f"stops: {reason or stopped}"
    except Trouble as trouble:
        return False, f"FAILED: {trouble}"
    if report.failed == count:
        return True, f"{report.equal} equal" + (f", {count} differ as known: {reason}" if count else "")
    lines = "\n".join("    " + line for line in report.lines)
    return False, f"{report.failed} differ, {report.equal} equal; KNOWN.md says {count or 'none differs' if count is not None else 'stops'}\n{lines}"


def main(arguments):
    names = [a for a in arguments if a != "--keep"] or all_cases()
    workdir = make_workdir("conformance")
    passed = failed = skipped = 0
    for kind in ("mariadb", "mysql"):
        chosen = [name for name in names if is_mariadb(name) == (kind == "mariadb")]
        if not chosen:
            continue
        if kind == "mysql" and not servers.mysql_is_here():
            print(f"SKIP: {len(chosen)} cases of MySQL: no {servers.MYSQL_ROOT}, or not root")
            skipped += len(chosen)
            continue
        with start_server(kind, workdir, free_port()) as server:
            for name in chosen:
                good, text = check_case(name, server, workdir)
                print(f"{'ok  ' if good else 'FAIL'} {name}: {text}", flush=True)
                passed, failed = passed + good, failed + (not good)
        if kind == "mysql":
            servers.remove(server.datadir)
    if "--keep" in arguments:
        print(f"kept: {workdir}")
    else:
        remove_workdir(workdir)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
