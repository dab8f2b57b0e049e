#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rebuilds a live server's tables from what Tailrace delivered of them, and compares.

    rebuild.py SEED mariadb|mariadb-sid|mysql [--keep]

A seed makes tables of random types, charsets and keys on a server with its default settings; several connections then change rows and
tables at once (rebuild_workload.py). Tailrace takes its initial snapshot in the middle of that, is stopped and killed again and again
while it goes on (tables are changed only once the snapshot is over: one that finds its tables changed stops by name), and in the end its records must make the tables that the server has (rebuild_replay.py, rebuild_types.py).
"""
import json
import os
import random
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "conformance"))
import rebuild_replay  # noqa: E402
import servers  # noqa: E402
import state_files  # noqa: E402
from database import Client  # noqa: E402
from engine import (Engine, Standin, Trouble, free_port, make_user, make_workdir, remove_workdir, settings, wait_delivered,  # noqa: E402
                    wait_for)
from rebuild_workload import CHARSETS_OF, DATABASE, Writer  # noqa: E402

WRITERS = 3
TABLES = 3  # of each writer, at first
CHANGES = 1700  # of each writer, once tables may be altered, too
CHANGES_MIN = 5000  # that must have been delivered
PAUSE_SECONDS = (0.1, 1.2)  # between two stops of the engine
PROBLEMS_SHOWN = 20


def start_server(kind, workdir, name):
    """With its defaults, but for the row format, which MariaDB has to be asked for."""
    directory = os.path.join(workdir, f"{os.path.basename(workdir)}-{name}")
    options = ["--max-binlog-size=4M", "--secure-file-priv="]
    return servers.STARTERS[kind](directory, free_port(), options)


def write_ids(server):
    """The file that LOAD DATA reads, and its name as the server sees it."""
    with open(os.path.join(server.datadir, "ids.txt"), "w", encoding="ascii") as f:
        f.write("".join(f"{number}\n" for number in range(3, 300, 17)))
    return server.path("ids.txt")


class Load:
    """The writers, each in its thread."""

    def __init__(self, seed, server):
        ids = write_ids(server)
        self.clients = [Client(server, tolerant=True) for _ in range(WRITERS)]
        self.writers = [Writer(seed, number, client, server.starter, ids) for number, client in enumerate(self.clients)]
        self.failures = []
        self.may_alter = False
        for writer in self.writers:
            writer.prepare(TABLES)
        self.threads = [threading.Thread(target=self.write, args=(writer,)) for writer in self.writers]

    def write(self, writer):
        try:
            writer.run(CHANGES, lambda: self.may_alter)
        except Exception as error:  # told by finish()
            self.failures.append(error)

    def start(self):
        for thread in self.threads:
            thread.start()

    def is_running(self):
        return any(thread.is_alive() for thread in self.threads)

    def finish(self):
        for thread in self.threads:
            thread.join()
        while self.clients:
            self.clients.pop().close()
        if self.failures:
            raise self.failures[0]


def is_snapshot_saved(engine):
    """Whether the stored position says that the snapshot is over: from then on no start takes it again."""
    path = engine.properties["debezium.source.offset.storage.file.filename"]
    entries = state_files.read_file_offsets(path) if os.path.exists(path) else []
    return any("snapshot" not in json.loads(entry["value"]) for entry in entries)


def disturb(rnd, engine, load):
    """Stops and kills the engine until the load is over. A snapshot begins anew each time, of tables that grow: it is given
    more time by and by, or it would never end on a busy machine."""
    stops = kills = 0
    patience = 1.0
    while load.is_running():
        end = time.monotonic() + rnd.uniform(*PAUSE_SECONDS) * patience
        wait_for("a pause", lambda: time.monotonic() > end or engine.process.poll() is not None)
        streams = engine.health() in ("streaming", "behind", "idle")
        load.may_alter = load.may_alter or (streams and is_snapshot_saved(engine))
        patience = 1.0 if load.may_alter else patience * 1.3
        if engine.process.poll() is not None:
            raise Trouble(f"the engine ended with {engine.process.returncode}: {engine.error_lines()}")
        if rnd.random() < 0.5 and streams:
            stops += 1
            if engine.stop() != 0:
                raise Trouble(f"the engine ended with {engine.process.returncode}: {engine.error_lines()}")
        else:
            kills += 1
            engine.kill()
        engine.launch()
    return stops, kills


def run_seed(seed, server, workdir):
    """Raises Trouble with what differs; else a line about what was done."""
    rnd = random.Random(f"{seed}/engine")
    directory = os.path.join(workdir, f"seed{seed}")
    os.makedirs(directory)
    server.sql(f"DROP DATABASE IF EXISTS {DATABASE}; CREATE DATABASE {DATABASE} CHARACTER SET {rnd.choice(CHARSETS_OF[server.starter])}")
    make_user(server, grants="SELECT, RELOAD, SHOW DATABASES, REPLICATION SLAVE, REPLICATION CLIENT, LOCK TABLES")
    load = Load(seed, server)
    with Standin(directory) as kinesis:
        engine = Engine(directory, settings(server, kinesis, directory, **{
            "debezium.source.snapshot.mode": "initial",
            "debezium.source.include.schema.changes": "true",
            "debezium.source.skipped.operations": "none",
            "debezium.source.schema.history.internal": "io.debezium.storage.file.history.FileSchemaHistory",
            "debezium.source.schema.history.internal.file.filename": os.path.join(directory, "history.dat"),
            "debezium.source.database.include.list": DATABASE}))
        try:
            load.start()
            engine.launch()
            stops, kills = disturb(rnd, engine, load)
            load.finish()
            wait_delivered(server, engine, kinesis)
            if engine.stop() != 0:
                raise Trouble(f"the engine ended with {engine.process.returncode}")
            replay = rebuild_replay.Replay(rebuild_replay.read_changes(kinesis), server.starter == "mariadb-sid")
        except Trouble as trouble:
            raise Trouble(f"{trouble}\n{chr(10).join(engine.error_lines())}") from None
        finally:
            engine.kill()
            load.may_alter = True  # what the writers wait for
            load.finish()
    problems = rebuild_replay.compare(replay, server, DATABASE)
    if problems:
        raise Trouble(f"{len(problems)} differences\n" + "\n".join(problems[:PROBLEMS_SHOWN]))
    if replay.row_changes < CHANGES_MIN:
        raise Trouble(f"only {replay.row_changes} changes")
    return f"{replay.row_changes} changes, {replay.schema_changes} schema changes, {stops} stops, {kills} kills"


def command_of(seed, kind):
    return f"tests/integration/rebuild.py {seed} {kind} --keep"


def main(arguments):
    if len(arguments) < 2 or arguments[1] not in CHARSETS_OF:
        print(__doc__, file=sys.stderr)
        return 2
    workdir = make_workdir("rebuild")
    code = 0
    with start_server(arguments[1], workdir, arguments[1]) as server:
        try:
            print(run_seed(arguments[0], server, workdir))
        except Trouble as trouble:
            print(f"seed {arguments[0]}: {trouble}")
            code = 1
    if "--keep" in arguments:
        print(f"kept: {workdir}")
    else:
        servers.remove(server.datadir)
        remove_workdir(workdir)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
