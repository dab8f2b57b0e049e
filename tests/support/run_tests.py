#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds every preset that is needed and runs the tests; prints a line per test and the sum at the end."""
import concurrent.futures
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/integration"))
import kinesis  # noqa: E402
import servers  # noqa: E402

PARTS = ["dev", "sim", "tsan", "clang", "fuzz", "integration", "quickstart"]
QUICK_PARTS = ["dev", "sim"]
NAMED_PARTS = ["mutants"]  # only by name, or with --nightly: they take long
LONG_FILES = ["rebuild", "conformance", "snapshot", "engine_mysql", "history_mysql", "engine_mariadb", "history_mariadb",
              "snapshot_engine", "takeover", "ddl_oracle", "bad_input", "check"]  # begun first, the longest of them first
INTEGRATION_JOBS_MAX = 6  # their servers and engines wait for each other's answers in time
# Their logs have 50 to 1,000 steps; 2, 7, 10, 11, 20 and 35 keep a schema history; 10, 13, 20 and 35 begin with a snapshot.
KILL_SEEDS = (2, 3, 4, 7, 10, 11, 13, 20, 35)
LONG_KILL_SEEDS = (5,)  # 3,000 steps, which take a minute and a half: with --nightly
MORE_SEEDS = (2030,)  # hot keys with tombstones that came late
MARKS_SEEDS_MIN = 500  # fewer do not hit every mark
JOBS = str(len(os.sched_getaffinity(0)))


class Tally:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, 0

    def add(self, part, name, outcome, detail=""):
        if outcome == "ok":
            self.passed += 1
        elif outcome == "SKIP":
            self.skipped += 1
        else:
            self.failed += 1
        print(f"{outcome:4}  {part}: {name}{': ' + detail if detail else ''}", flush=True)


def run(command, **options):
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", **options)


def build(tally, preset, target="all"):
    environment = dict(os.environ)
    if shutil.which("ccache"):
        environment.update(CMAKE_C_COMPILER_LAUNCHER="ccache", CMAKE_CXX_COMPILER_LAUNCHER="ccache")
    start = time.monotonic()
    for command in (["cmake", "--preset", preset], ["cmake", "--build", "--preset", preset, "-j", JOBS, "--target", target]):
        result = run(command, env=environment)
        if result.returncode != 0:
            print(result.stdout[-20000:])
            tally.add(preset, "builds without a warning", "FAIL", " ".join(command))
            return False
    tally.add(preset, "builds without a warning", "ok", f"{time.monotonic() - start:.0f} s")
    return True


def ctest(tally, preset, label_regex, *options):
    """Runs the registered tests of a preset whose label matches, those with a COST first; one line per test executable."""
    report = os.path.join(ROOT, "build", preset, "ctest.xml")
    if os.path.exists(report):
        os.remove(report)
    result = run(["ctest", "--test-dir", f"build/{preset}", "-L", label_regex, "-j", JOBS, "--output-on-failure",
                  "--output-junit", report, "--no-tests=error", *options])
    if not os.path.exists(report):
        print(result.stdout[-20000:])
        tally.add(preset, "ctest", "FAIL", "no report")
        return
    for case in xml.etree.ElementTree.parse(report).getroot().iter("testcase"):
        output = case.findtext("system-out") or ""
        name, status = case.get("name"), case.get("status")
        if case.find("skipped") is not None or status == "notrun":
            reason = re.findall(r"SKIP[:\]] *(.*)", output)
            tally.add(preset, name, "SKIP", reason[0] if reason else "no reason printed")
        elif status == "run":
            tally.add(preset, name, "ok", f"{float(case.get('time', 0)):.1f} s")
            for reason in re.findall(r"^SKIP: (.*)$", output, re.MULTILINE):
                tally.add(preset, name, "SKIP", reason)
        else:
            print(output[-20000:])
            tally.add(preset, name, "FAIL", status)


def side_by_side(tally, part, jobs):
    """Runs commands, as many at once as there are cores; one line each. jobs: (what it shows, command)."""
    def timed(job):
        start = time.monotonic()
        return job, run(job[1]), time.monotonic() - start
    with concurrent.futures.ThreadPoolExecutor(max_workers=int(JOBS)) as pool:
        for (shows, _), result, seconds in pool.map(timed, jobs):
            if result.returncode != 0:
                print(result.stdout[-20000:])
            tally.add(part, shows, "ok" if result.returncode == 0 else "FAIL", f"{seconds:.0f} s")


def shares(program, name, first, count):
    """Jobs that run `count` seeds, a share for each core."""
    ends = [first + count * i // int(JOBS) for i in range(int(JOBS) + 1)]
    return [(f"{end - start} {name} seeds from {start}", [program, "--first", str(start), "--count", str(end - start)])
            for start, end in zip(ends, ends[1:]) if end > start]


def simulate(tally, preset, fixed, fresh, kill_seeds=()):
    """Fixed seeds 1..fixed, then `fresh` seeds from the clock; a failing seed prints the command that replays it. With
    `kill_seeds`: their short runs killed at each step, and streams through 1, 2 and 4 decoders."""
    program = f"build/{preset}/tests/sim/tailrace-sim"
    first_fresh = int(time.time()) % 1_000_000_000 * 1000
    jobs = []
    if fixed >= MARKS_SEEDS_MIN:  # in one process, which counts the marks
        jobs.append((f"{fixed} fixed seeds from 1", [program, "--first", "1", "--count", str(fixed), "--unreachable",
                                                     "tests/sim/unreachable_marks.txt"]))
    else:
        jobs += shares(program, "fixed", 1, fixed)
    jobs += shares(program, "fresh", first_fresh, fresh)
    if kill_seeds:
        jobs += [(f"killed at each step, seed {seed}", [program, "--kill-each-step", "--first", str(seed), "--count", "1"])
                 for seed in kill_seeds]
        jobs += [(f"seed {seed}", [program, "--seed", str(seed)]) for seed in MORE_SEEDS]
        jobs.append(("output does not depend on decoders, 100 seeds", [program, "--compare", "--first", "1", "--count", "100"]))
    side_by_side(tally, f"sim ({preset})", jobs)


def mutants(tally):
    """Bugs that the simulation must see (tests/sim/mutants)."""
    result = run(["tests/sim/mutants/run", "--jobs", JOBS])
    seen = 0
    for outcome, name, detail in re.findall(r"^(ok|FAIL) +mutant (\w+): (.*)$", result.stdout, re.MULTILINE):
        seen += 1
        tally.add("mutants", name, outcome, detail)
    if seen == 0:
        print(result.stdout[-8000:])
        tally.add("mutants", "run", "FAIL", f"exit code {result.returncode}")


def fuzz(tally, seconds):
    jobs = []
    for target in sorted(glob.glob(os.path.join(ROOT, "build/fuzz/tests/**/fuzz_*"), recursive=True)):
        if not os.access(target, os.X_OK) or os.path.isdir(target):
            continue
        name = os.path.basename(target)
        corpus = os.path.join(ROOT, "build/fuzz/corpus", name)
        os.makedirs(corpus, exist_ok=True)
        seeds = os.path.join(ROOT, "tests/fuzz/seeds", name[len("fuzz_"):])
        jobs.append((name, [target, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048",
                            f"-artifact_prefix={corpus}-", corpus] + ([seeds] if os.path.isdir(seeds) else [])))
    side_by_side(tally, "fuzz", jobs)


def integration(tally):
    """Each file in tests/integration is a unittest program with servers of its own; twice as many run at once as there
    are cores, since they wait for half of their time, the long ones first. -v prints a line per test."""
    paths = glob.glob(os.path.join(ROOT, "tests/integration/test_*.py"))
    rank = {f"test_{name}.py": i for i, name in enumerate(LONG_FILES)}
    paths.sort(key=lambda path: (rank.get(os.path.basename(path), len(rank)), path))
    with tempfile.TemporaryDirectory() as server_data, \
            concurrent.futures.ThreadPoolExecutor(max_workers=min(2 * int(JOBS), INTEGRATION_JOBS_MAX)) as pool:
        for done in concurrent.futures.as_completed([pool.submit(run_file, path, server_data) for path in paths]):
            path, seconds, result = done.result()
            tell_file(tally, f"integration/{os.path.basename(path)}", seconds, result)


def run_file(path, server_data):
    environment = dict(os.environ, TAILRACE=os.path.join(ROOT, "build/release/tailrace"),
                       TAILRACE_BUILD=os.path.join(ROOT, "build/release"), TAILRACE_SERVER_DATA=server_data)
    start = time.monotonic()
    try:
        result = run([sys.executable, path, "-v"], env=environment, timeout=900)
        return path, time.monotonic() - start, result
    except subprocess.TimeoutExpired as expired:
        output = expired.stdout or b""
        text = output if isinstance(output, str) else output.decode(errors="replace")
        return path, time.monotonic() - start, subprocess.CompletedProcess(path, None, text)


def tell_file(tally, part, seconds, result):
    if result.returncode is None:
        print(result.stdout[-8000:])
        tally.add(part, "ends within 15 minutes", "FAIL", f"{seconds:.0f} s")
        return
    print(f"      {part}: {seconds:.0f} s", flush=True)
    seen = 0
    for name, outcome in re.findall(r"^(test\w+)[^\n]*?(?:\n[^\n]+)??\.\.\. (ok|FAIL|ERROR|skipped .*)$",
                                    result.stdout, re.MULTILINE):
        seen += 1
        if outcome.startswith("skipped"):
            tally.add(part, name, "SKIP", outcome[8:].strip(" '\""))
        else:
            tally.add(part, name, "ok" if outcome == "ok" else "FAIL")
    if result.returncode != 0 or seen == 0:
        print(result.stdout[-20000:])
        if seen == 0 or not re.search(r"\.\.\. (FAIL|ERROR)", result.stdout):
            tally.add(part, "runs", "FAIL", f"exit code {result.returncode}")


def quickstart(tally):
    def shows(what, *options):
        start = time.monotonic()
        result = run(["deploy/quickstart", "--check", *options], timeout=600)
        if result.returncode != 0:
            print(result.stdout[-20000:])
        tally.add("quickstart", what, "ok" if result.returncode == 0 else "FAIL", f"{time.monotonic() - start:.0f} s")

    shows("deploy/quickstart shows events and stops")
    if servers.mysql_is_here():
        shows("--mysql shows events and stops", "--mysql")
    else:
        tally.add("quickstart", "--mysql shows events and stops", "SKIP", "no MySQL root: deploy/install-deps mysql")
    with tempfile.TemporaryDirectory() as directory:
        try:
            other = kinesis.KinesisLocal(directory)
        except FileNotFoundError as error:
            tally.add("quickstart", "--endpoint shows only its own events, also the second time", "SKIP", str(error))
        else:
            try:
                for what in ("--endpoint shows events and stops", "--endpoint shows only its own events the second time"):
                    shows(what, "--endpoint", f"http://127.0.0.1:{other.port}")
            finally:
                other.stop()
    code, left = interrupt_quickstart()
    # 1 when a child that had the signal first failed before the shell had it: then it ends by that, and stops all as well.
    is_ok = code in (130, 1) and left == []
    tally.add("quickstart", "Ctrl-C stops all it started", "ok" if is_ok else "FAIL", f"exit code {code}, left {left}")


def interrupt_quickstart():
    """Its exit code after SIGINT to it and its children, as a terminal does it, and which of them still run."""
    folder = os.path.join(ROOT, "build/quickstart")
    pids = {}
    process = subprocess.Popen(["deploy/quickstart"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               start_new_session=True)
    deadline = time.monotonic() + 300
    while "tailrace" not in pids and process.poll() is None and time.monotonic() < deadline:
        for path in glob.glob(folder + "/*.pid"):
            try:
                with open(path, encoding="ascii") as text:
                    pids[os.path.basename(path)[:-4]] = int(text.read())
            except (OSError, ValueError):  # not written yet, or deleted
                pass
        time.sleep(0.01)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    return process.wait(120), [name for name, pid in pids.items() if servers.Server(name, "", 0, pid=pid).is_alive()]


def main():
    arguments = sys.argv[1:]
    nightly, quick = "--nightly" in arguments, "quick" in arguments
    if nightly:
        os.environ.setdefault("TAILRACE_DDL_SEED", str(int(time.time())))
    unknown = [a for a in arguments if a not in PARTS + NAMED_PARTS + ["quick", "--nightly"]]
    if unknown:
        print(f"tests/run: unknown part \"{unknown[0]}\": want {' '.join(PARTS + NAMED_PARTS)}, quick or --nightly")
        return 2
    parts = [a for a in arguments if a in PARTS + NAMED_PARTS] or \
        (QUICK_PARTS if quick else PARTS + NAMED_PARTS if nightly else PARTS)
    tally = Tally()
    if "dev" in parts and build(tally, "dev"):
        ctest(tally, "dev", "unit|stage|property")
    if "sim" in parts and ("dev" in parts or build(tally, "dev")):
        kill_seeds = () if quick else LONG_KILL_SEEDS + KILL_SEEDS if nightly else KILL_SEEDS
        simulate(tally, "dev", 60 if quick else 500, 60 if quick else 5000 if nightly else 500, kill_seeds)
    if "mutants" in parts:
        mutants(tally)
    if "tsan" in parts and build(tally, "tsan"):
        ctest(tally, "tsan", "unit|property", "-LE", "one_thread")
        simulate(tally, "tsan", 100, 0)
    if "clang" in parts:
        build(tally, "clang")
    if "fuzz" in parts and build(tally, "fuzz", "fuzzers"):
        fuzz(tally, 600 if nightly else 8)
    if ("integration" in parts or "quickstart" in parts) and build(tally, "release", "programs"):
        if "integration" in parts:
            integration(tally)
        if "quickstart" in parts:
            quickstart(tally)
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
