# SPDX-License-Identifier: Apache-2.0
"""What a case does to a database server: held connections, and a reset to the state after a fresh start."""
import json
import subprocess

from engine import Trouble

# Put back to the server's default before every case, so that one case never colours the next.
GLOBALS = ["binlog_format", "binlog_row_image", "binlog_row_metadata", "binlog_row_value_options",
           "binlog_rows_query_log_events", "binlog_transaction_compression", "binlog_annotate_row_events",
           "log_bin_compress", "log_bin_compress_min_len", "character_set_server", "collation_server", "sql_mode",
           "time_zone", "explicit_defaults_for_timestamp", "sql_require_primary_key",
           "sql_generate_invisible_primary_key", "innodb_strict_mode", "binlog_alter_two_phase", "gtid_domain_id",
           "gtid_strict_mode", "binlog_legacy_event_pos"]
SYSTEM_SCHEMAS = ("mysql", "sys", "information_schema", "performance_schema")
SYSTEM_USERS = ("root", "PUBLIC", "mysql", "mysql.sys", "mysql.session", "mysql.infoschema", "mariadb.sys", "golden")
GTID_LADDER = ["OFF", "OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"]


class Client:
    """One connection, held by a command-line client that is fed through a pipe."""

    def __init__(self, server, tolerant=False):
        self.tolerant = tolerant
        self.batches = 0
        self.errors = []  # of the last batch
        # One pipe for both outputs, so that an error stands where it happened.
        self.process = subprocess.Popen(
            server.client("--batch", "--unbuffered", "--force", "--skip-column-names", "--binary-mode", "--comments",
                          "--default-character-set=utf8mb4", "--max-allowed-packet=256M"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, sql):
        """Sends statements, waits for their end; the lines they printed."""
        self.batches += 1
        marker = f"end-of-batch-{self.batches}"
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
        self.errors = errors
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
    admin.run("SET GLOBAL binlog_format = 'ROW'")  # MariaDB's default is another
    set_gtid_mode(admin, variables.get("gtid_mode", "ON"))
    admin.tolerant = False
    for row in admin.run("SELECT HEX(schema_name) FROM information_schema.schemata"):
        schema = bytes.fromhex(row).decode()
        if schema.lower() not in SYSTEM_SCHEMAS and not schema.startswith("#mysql50#."):  # a folder beside the databases
            admin.run("DROP DATABASE `" + schema.replace("`", "``") + "`")
    for row in admin.run("SELECT CONCAT(QUOTE(user), '@', QUOTE(host)), user FROM mysql.user"):
        account, _, user = row.partition("\t")
        if user not in SYSTEM_USERS and user:
            admin.run(f"DROP USER {account}")
    for name, value in variables.items():
        if name != "gtid_mode":
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
