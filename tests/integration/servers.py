#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Private database and Redis servers for tests: fresh data directory, own port, stopped by their own process id.

As a module:
    from servers import start_mariadb, start_mysql, start_redis
    with start_mariadb(datadir, port, ["--binlog-row-metadata=FULL"]) as server:
        server.sql("CREATE DATABASE d")            # as root, over the server's own socket
        rows = server.rows("SELECT 1, NULL")        # [["1", None]]

As a program (a data directory is made when it is missing; `stop` reads the pid file in it):
    servers.py start mariadb|mariadb-sid|mysql|redis DATADIR PORT [SERVER OPTION...]
    servers.py stop DATADIR
    servers.py sql mariadb|mariadb-sid|mysql DATADIR STATEMENT

Their data outlives a kill of the server but not of the machine: nothing is synced. With TAILRACE_SERVER_DATA=FOLDER the first
data directory of each kind is kept there, and copied for the others, which takes a quarter of the time.

MySQL comes from a Debian root directory (TAILRACE_MYSQL_ROOT, default /var/cache/tailrace/sid) and runs in it by chroot:
its data directory lies below <root>/tmp and is named by the last part of DATADIR. So does `mariadb-sid`, the newer MariaDB
(TAILRACE_MARIADB_ROOT, default /var/cache/tailrace/sid-mariadb); `mariadb` is the system's. An extra user `root@127.0.0.1`
without a password is made on all, so that any client can log in by TCP.
"""
import functools
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

MYSQL_ROOT = os.environ.get("TAILRACE_MYSQL_ROOT", "/var/cache/tailrace/sid")
MARIADB_ROOT = os.environ.get("TAILRACE_MARIADB_ROOT", "/var/cache/tailrace/sid-mariadb")
MARIADB_VERSION = "11.8"  # that the tests of `mariadb-sid` are written for
START_SECONDS_MAX = 90
STOP_SECONDS_MAX = 60


class ServerError(RuntimeError):
    """A server that did not start, stop or answer; the text ends with the tail of its log."""


def mysql_is_here():
    """Whether the MySQL root exists and may be entered."""
    return os.path.exists(MYSQL_ROOT + "/usr/sbin/mysqld") and os.geteuid() == 0


def lacks(kind):
    """Why a server of STARTERS cannot be started here; empty when it can be."""
    if kind == "mysql" and not mysql_is_here():
        return f"no MySQL in {MYSQL_ROOT}, or not root"
    return mariadb_sid_lacks() if kind == "mariadb-sid" else ""


@functools.cache
def mariadb_sid_lacks():
    """Why there is no MariaDB of MARIADB_VERSION in its root; empty when there is."""
    if not os.path.exists(MARIADB_ROOT + "/usr/sbin/mariadbd") or os.geteuid() != 0:
        return f"no MariaDB in {MARIADB_ROOT}, or not root"
    done = subprocess.run(["chroot", MARIADB_ROOT, "mariadbd", "--version"], capture_output=True, text=True, check=False)
    version = re.search(r"Ver (\d+\.\d+)", done.stdout)
    if version and version[1] == MARIADB_VERSION:
        return ""
    return f"MariaDB in {MARIADB_ROOT} is {version[1] if version else 'broken'}, not {MARIADB_VERSION}"


def datadir_in(root, name):
    """Where a server that runs in a root keeps the data named by the last part of `name`, seen from outside."""
    return os.path.join(root, "tmp", os.path.basename(name.rstrip("/")))


def mysql_datadir(name):
    """Where start_mysql(name, ...) keeps its data, seen from outside the root."""
    return datadir_in(MYSQL_ROOT, name)


def free_port():
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _read_tail(path, lines=15):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return "".join(f.readlines()[-lines:])
    except OSError:
        return ""


class Server:
    """A running server. `process` is None when it was started by another program (then only the pid is known)."""

    def __init__(self, kind, datadir, port, process=None, pid=None, root=""):
        self.kind = kind
        self.root = root
        self.datadir = datadir
        self.port = port
        self.process = process
        self.pid = process.pid if process else pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def starter(self):
        """Its name in STARTERS."""
        return "mariadb-sid" if self.kind == "mariadb" and self.root else self.kind

    @property
    def log(self):
        return os.path.join(self.datadir, "server.log")

    @property
    def socket(self):
        return os.path.join(self.datadir, "server.sock")

    def client(self, *args):
        """The command of a client that is logged in as root, with further arguments."""
        name = ["mysql", "--no-defaults"] if self.kind == "mysql" else \
            ["mariadb", "--no-defaults", "--skip-ssl"]  # 11.4's asks for TLS, of a server without it, too
        return [*_enter(self.root), *name, "-uroot", "--socket=" + self.path("server.sock"), *args]

    def path(self, file):
        """A file of the data directory as the server sees it."""
        return os.path.join(self.datadir.removeprefix(self.root), file)

    def sql(self, statements, database=None):
        """Runs statements as root; raises ServerError with the client's message. Returns the raw text output."""
        args = ["--batch", "--default-character-set=utf8mb4"] + ([database] if database else [])
        done = subprocess.run(self.client(*args), input=statements.encode(), capture_output=True, check=False)
        if done.returncode != 0:
            raise ServerError(done.stderr.decode(errors="replace").strip())
        return done.stdout.decode()

    def open_client(self):
        """A client process that runs the statements written to its `stdin`, a line each, as they come."""
        return subprocess.Popen(self.client("--batch", "--skip-column-names", "--unbuffered"), stdin=subprocess.PIPE,
                                stdout=subprocess.DEVNULL)

    def rows(self, statement, database=None):
        """Rows of one statement as lists of text; SQL NULL is None."""
        lines = self.sql(statement, database).splitlines()[1:]
        return [[None if cell == "NULL" else cell for cell in line.split("\t")] for line in lines]

    def is_alive(self):
        if self.process is not None:
            return self.process.poll() is None
        try:
            with open(f"/proc/{self.pid}/stat", encoding="ascii", errors="replace") as f:
                return f.read().rsplit(")", 1)[1].split()[0] != "Z"  # a zombie has ended
        except OSError:
            return False

    def stop(self):
        """SIGTERM, then waits; SIGKILL when it does not end in time."""
        self._end(signal.SIGTERM)

    def kill(self):
        """SIGKILL: a crash. The data directory stays for another start."""
        self._end(signal.SIGKILL)

    def pause(self):
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.pid, signal.SIGCONT)

    def _end(self, how):
        if self.pid is None or not self.is_alive():
            return
        os.kill(self.pid, how)
        deadline = time.monotonic() + STOP_SECONDS_MAX
        while self.is_alive():
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                deadline += STOP_SECONDS_MAX
            time.sleep(0.02)
        if os.path.exists(os.path.join(self.datadir, "server.pid")):
            os.unlink(os.path.join(self.datadir, "server.pid"))


def _wait(server, answers):
    deadline = time.monotonic() + START_SECONDS_MAX
    while not answers():
        if not server.is_alive() or time.monotonic() > deadline:
            server.kill()
            raise ServerError(f"{server.kind} on port {server.port} did not start:\n{_read_tail(server.log)}")
        time.sleep(0.05)
    with open(os.path.join(server.datadir, "server.pid"), "w", encoding="ascii") as f:
        f.write(f"{server.kind} {server.pid} {server.port}\n")
    return server


def _sql_answers(server):
    def answers():
        try:
            server.sql("SELECT 1")
            return True
        except ServerError:
            return False
    return answers


def _enter(root):
    return ["chroot", root] if root else []


def _run(command, log):
    with open(log, "ab") as out:
        return subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True)


def _with_defaults(defaults, options):
    """Options given by the caller replace defaults of the same name, or drop them by --skip-NAME."""
    def key(option):
        return option.split("=")[0].lstrip("-").replace("_", "-")
    given = {key(option) for option in options}
    given |= {name.removeprefix("skip-") for name in given}
    return [option for option in defaults if key(option) not in given] + list(options)


BINLOG_DEFAULTS = ["--server-id=7", "--log-bin=binlog", "--binlog-format=ROW", "--binlog-row-image=FULL"]


def _make_data(kind, data, command):
    """Makes a data directory by a command of the server's, or from the copy that was kept of another."""
    def make():
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode != 0:
            raise ServerError(f"{' '.join(command)}: {(done.stderr or done.stdout).decode(errors='replace')}")
    kept = os.environ.get("TAILRACE_SERVER_DATA")
    if not kept:
        make()
        return
    copy = os.path.join(kept, kind)
    with open(copy + ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(copy):
            make()
            shutil.copytree(data, copy + ".part", ignore=shutil.ignore_patterns("auto.cnf"))  # the server's own UUID
            os.rename(copy + ".part", copy)
            return
    shutil.copytree(copy, data, dirs_exist_ok=True)


def start_mariadb(datadir, port, options=(), root=""):
    """A MariaDB of the system (or of a root directory) on 127.0.0.1:port with row logging on; `options` are server options."""
    if root:
        datadir = datadir_in(root, datadir)
    server = Server("mariadb", datadir, port, root=root)
    inside = server.path("").rstrip("/")
    new = not os.path.isdir(os.path.join(datadir, "mysql"))
    os.makedirs(datadir, exist_ok=True)
    if new:
        _make_data("mariadb" + root.replace("/", "-"), datadir,
                   [*_enter(root), "mariadb-install-db", "--no-defaults", "--datadir=" + inside, "--user=root",
                    "--auth-root-authentication-method=normal", "--skip-test-db", "--force"])
    # A tmpdir of its own: a server that starts removes the temporary tables it finds there, other servers' too.
    os.makedirs(datadir.rstrip("/") + "-tmp", exist_ok=True)  # beside it: a folder inside would be listed as a database
    command = [*_enter(root), "mariadbd", "--no-defaults", "--user=root", "--datadir=" + inside,
               "--socket=" + server.path("server.sock"), f"--port={port}", "--bind-address=127.0.0.1",
               "--tmpdir=" + inside + "-tmp", "--pid-file=" + server.path("mariadbd.pid")]
    defaults = BINLOG_DEFAULTS + ["--innodb-buffer-pool-size=64M", "--innodb-log-file-size=64M",
                                  "--innodb-flush-log-at-trx-commit=2", "--innodb-flush-method=nosync",
                                  "--debug-no-sync=1", "--skip-name-resolve=1"]
    server = Server("mariadb", datadir, port, _run(command + _with_defaults(defaults, options), server.log), root=root)
    _wait(server, _sql_answers(server))
    if new:
        server.sql("SET sql_log_bin=0; CREATE USER IF NOT EXISTS root@127.0.0.1;"
                   "GRANT ALL ON *.* TO root@127.0.0.1 WITH GRANT OPTION")
    return server


def start_mariadb_sid(datadir, port, options=()):
    """start_mariadb() with the newer MariaDB of the Debian root. Needs root (chroot)."""
    if mariadb_sid_lacks():
        raise ServerError(f"{mariadb_sid_lacks()} (TAILRACE_MARIADB_ROOT): make it with deploy/install-deps test")
    return start_mariadb(datadir, port, options, MARIADB_ROOT)


def start_mysql(datadir, port, options=()):
    """MySQL from the Debian root on 127.0.0.1:port with row logging and GTIDs on. Needs root (chroot)."""
    if not mysql_is_here():
        raise ServerError(f"no MySQL in {MYSQL_ROOT} (TAILRACE_MYSQL_ROOT), or not root: make it with debootstrap")
    outside = mysql_datadir(datadir)
    inside = os.path.join("/tmp", os.path.basename(outside))
    os.makedirs(outside, exist_ok=True)
    base = ["chroot", MYSQL_ROOT, "/usr/sbin/mysqld", "--no-defaults", "--user=root", "--datadir=" + inside + "/data"]
    new = not os.path.isdir(os.path.join(outside, "data"))
    if new:
        kept = [option for option in options if option.startswith("--lower-case-table-names")]  # for good
        _make_data("-".join(("mysql", *kept)), outside + "/data",
                   base + kept + ["--initialize-insecure", "--innodb-flush-method=nosync"])
    server = Server("mysql", outside, port, root=MYSQL_ROOT)
    command = base + [f"--port={port}", "--bind-address=127.0.0.1", "--socket=" + inside + "/server.sock",
                      "--pid-file=" + inside + "/mysqld.pid", "--mysqlx=OFF", "--secure-file-priv="]
    defaults = BINLOG_DEFAULTS[:2] + ["--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--binlog-row-image=FULL",
                                      "--innodb-buffer-pool-size=64M", "--innodb-redo-log-capacity=64M",
                                      "--innodb-flush-log-at-trx-commit=2", "--innodb-flush-method=nosync",
                                      "--sync-binlog=0", "--skip-name-resolve=1"]
    server = Server("mysql", outside, port, _run(command + _with_defaults(defaults, options), server.log), root=MYSQL_ROOT)
    _wait(server, _sql_answers(server))
    if new:
        server.sql("SET sql_log_bin=0; CREATE USER IF NOT EXISTS root@'127.0.0.1';"
                   "GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION")
    return server


def start_redis(datadir, port, options=()):
    """A Redis on 127.0.0.1:port that keeps nothing on disk unless `options` say so."""
    os.makedirs(datadir, exist_ok=True)
    server = Server("redis", datadir, port)
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", datadir, "--save", "",
               "--appendonly", "no", *options]
    server = Server("redis", datadir, port, _run(command, server.log))

    def answers():
        done = subprocess.run(["redis-cli", "-p", str(port), "ping"], capture_output=True, check=False)
        return b"PONG" in done.stdout or b"NOAUTH" in done.stdout
    return _wait(server, answers)


def stop(datadir):
    """Stops the server that `servers.py start` left running in that directory."""
    for where in (datadir, mysql_datadir(datadir), datadir_in(MARIADB_ROOT, datadir)):
        path = os.path.join(where, "server.pid")
        if os.path.exists(path):
            with open(path, encoding="ascii") as f:
                kind, pid, port = f.read().split()
            Server(kind, where, int(port), pid=int(pid)).stop()


def remove(datadir):
    """Deletes a stopped server's data."""
    places = [datadir, datadir_in(MARIADB_ROOT, datadir)] + ([mysql_datadir(datadir)] if mysql_is_here() else [])
    for place in places:
        shutil.rmtree(place, ignore_errors=True)
        shutil.rmtree(place.rstrip("/") + "-tmp", ignore_errors=True)


STARTERS = {"mariadb": start_mariadb, "mariadb-sid": start_mariadb_sid, "mysql": start_mysql, "redis": start_redis}
ROOTS = {"mariadb-sid": MARIADB_ROOT, "mysql": MYSQL_ROOT}


def main(args):
    if len(args) >= 4 and args[0] == "start" and args[1] in STARTERS:
        server = STARTERS[args[1]](args[2], int(args[3]), args[4:])
        print(f"pid={server.pid} port={server.port} socket={server.socket} datadir={server.datadir}")
    elif len(args) == 2 and args[0] == "stop":
        stop(args[1])
    elif len(args) == 4 and args[0] == "sql":
        root = ROOTS.get(args[1], "")
        where = datadir_in(root, args[2]) if root else args[2]
        print(Server(args[1].removesuffix("-sid"), where, 0, root=root).sql(args[3]), end="")
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ServerError as error:
        sys.exit(f"servers.py: {error}")
