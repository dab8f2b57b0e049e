#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs Debezium's golden cases against Tailrace and compares records, offsets and schema history byte for byte.

    run.py [--keep] [CASE...]          all cases of cases/ that a server is there for; the last line is N passed, N failed, N skipped

A case is a folder of cases/: set-up SQL, SQL that is streamed, the properties, and the records and state that Debezium Server 3.6
made of it (see README.md). Tailrace runs with the case's properties, but for what it does not offer yet (case.DROPPED), on a server
with its own defaults, and everything is compared by compare.py's rules. A case that stands in KNOWN.md must differ in exactly as
many places as are written there; those that are not run stand there, too. Servers work side by side, one case at a time each.
"""
import collections
import concurrent.futures
import os
import queue
import re
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))
sys.path.insert(0, HERE)
import servers  # noqa: E402
from case import Case, Run, Stopped, all_cases  # noqa: E402
from engine import Trouble, free_port, make_workdir, remove_workdir  # noqa: E402

MYSQL_SERVERS = 2  # there are three times as many cases of MySQL's
Outcome = collections.namedtuple("Outcome", "good text")


def known_differences():
    """{case: (differing places, reason)} of KNOWN.md's first table; no number: the engine stops by name."""
    with open(os.path.join(HERE, "KNOWN.md"), encoding="utf-8") as source:
        rows = re.findall(r"^\| `(\w+)` \| (\d+|stops) \| (.*) \|$", source.read(), re.MULTILINE)
    return {case: (None if count == "stops" else int(count), reason) for case, count, reason in rows}


def cases_not_run():
    """{case: reason} of KNOWN.md's second table."""
    with open(os.path.join(HERE, "KNOWN.md"), encoding="utf-8") as source:
        return dict(re.findall(r"^\| `(\w+)` \| ([^|\n]*) \|$", source.read(), re.MULTILINE))


def start_server(kind, workdir, name, options):
    server_id = 7 if kind == "mysql" else 1011  # some cases set others for a session
    directory = os.path.join(workdir, f"{os.path.basename(workdir)}-{name}")
    return servers.STARTERS[kind](directory, free_port(), ["--log-bin=binlog", f"--server-id={server_id}", *options])


def check_case(case, server, workdir):
    """The outcome of one case: whether all is as it should be, and what is to be said."""
    count, reason = known_differences().get(case.name, (0, ""))
    try:
        report = Run(case, server, workdir).go()
    except Stopped as stopped:
        return Outcome(count is None, f"stops: {reason or stopped}")
    except Trouble as trouble:
        return Outcome(False, f"FAILED: {trouble}")
    if report.failed == count:
        return Outcome(True, f"{report.equal} equal" + (f", {count} differ as known: {reason}" if count else ""))
    lines = "\n".join("    " + line for line in report.lines)
    known = "stops" if count is None else f"{count or 'none'} differ"
    return Outcome(False, f"{report.failed} differ, {report.equal} equal; KNOWN.md says: {known}\n{lines}")


class Suite:
    """All chosen cases, run by a thread per server. `outcome(name)` waits for a case's; `close()` for all."""

    def __init__(self, names, report=lambda name, outcome: None):
        self.workdir = make_workdir("conformance")
        self.report = report
        self.outcomes = {name: concurrent.futures.Future() for name in names}
        self.threads = []
        groups = {}
        for name in names:
            case = Case(name)
            groups.setdefault((case.server_kind, case.server_options), []).append(case)
        for (kind, options), group in groups.items():
            self.start_group(kind, options, group)

    def start_group(self, kind, options, group):
        if servers.lacks(kind):
            for case in group:
                self.finish(case.name, Outcome(None, servers.lacks(kind)))
            return
        work = queue.SimpleQueue()
        for case in group:
            work.put(case)
        for number in range(MYSQL_SERVERS if kind == "mysql" and len(group) > 10 else 1):
            name = f"{kind}{len(self.threads)}"
            thread = threading.Thread(target=self.run_all, args=(kind, name, options, work))
            thread.start()
            self.threads.append(thread)

    def run_all(self, kind, name, options, work):
        """One server's thread: takes cases until there are none."""
        try:
            with start_server(kind, self.workdir, name, options) as server:
                while True:
                    try:
                        case = work.get_nowait()
                    except queue.Empty:
                        break
                    try:
                        self.finish(case.name, check_case(case, server, self.workdir))
                    except Exception as error:  # a case must never be waited for in vain
                        self.finish(case.name, Outcome(False, f"FAILED: {error!r}"))
            servers.remove(server.datadir)
        except servers.ServerError as error:
            while not work.empty():
                self.finish(work.get().name, Outcome(False, f"FAILED: {error}"))

    def finish(self, name, outcome):
        self.report(name, outcome)
        self.outcomes[name].set_result(outcome)

    def outcome(self, name):
        return self.outcomes[name].result()

    def close(self, keep=False):
        for thread in self.threads:
            thread.join()
        if not keep:
            remove_workdir(self.workdir)


def main(arguments):
    names = [a for a in arguments if a != "--keep"] or all_cases()
    tally = collections.Counter()

    def report(name, outcome):
        word = {True: "ok  ", False: "FAIL", None: "SKIP"}[outcome.good]
        tally[word] += 1
        print(f"{word} {name}: {outcome.text}", flush=True)
    suite = Suite(names, report)
    suite.close("--keep" in arguments)
    if "--keep" in arguments:
        print(f"kept: {suite.workdir}")
    if len(arguments) == 0:
        for name, reason in cases_not_run().items():
            report(name, Outcome(None, reason))
    print(f"{tally['ok  ']} passed, {tally['FAIL']} failed, {tally['SKIP']} skipped")
    return 1 if tally["FAIL"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
