#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the release build; see bench/README.md. Run it through bench/run, which builds first."""
import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from engine import BUILD, ROOT, Engine, Standin, wait_until  # noqa: E402
from workload import STREAM, Workload  # noqa: E402

POLL_SECONDS = 0.005
RUN_SECONDS_MAX = 300
FOREVER = 1_000_000_000


def options():
    parser = argparse.ArgumentParser(prog="bench/run", description="Measures single steps and the whole engine.")
    parser.add_argument("--mysql", action="store_true", help="MySQL instead of MariaDB")
    parser.add_argument("--quick", action="store_true", help="small inputs: tests the harness, not the engine")
    parser.add_argument("--only", default="micro,dump,bulk,single,snapshot,latency,stall,start",
                        help="parts, separated by commas (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each throughput figure (default: %(default)s)")
    parser.add_argument("--bulk-rows", type=int, default=4_000_000, help="rows in transactions of 1000")
    parser.add_argument("--single-rows", type=int, default=1_000_000, help="rows in transactions of their own")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one more property of the engine")
    parser.add_argument("--directory", default=os.path.join(ROOT, "build/bench"), help="servers' data, kept for next time")
    parser.add_argument("--json", help="where the raw figures go (default: bench/results/TIME-SERVER.json)")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.runs, chosen.bulk_rows, chosen.single_rows = min(chosen.runs, 2), 200_000, 20_000
    chosen.parts = chosen.only.split(",")
    unknown = set(chosen.parts) - {"micro", "dump", "bulk", "single", "snapshot", "latency", "stall", "start"}
    if unknown:
        parser.error(f"unknown part {', '.join(sorted(unknown))}")
    chosen.extra = [pair.split("=", 1) for pair in chosen.set]
    chosen.kind = "mysql" if chosen.mysql else "mariadb"
    return chosen


def machine():
    """What the figures belong to."""
    def out(*command):
        try:
            return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            return "unknown"
    cpu = re.search(r"^Model name: *(.*)$", out("lscpu"), re.MULTILINE)
    features = re.search(r"^Model: *(.*)$", out("lscpu"), re.MULTILINE)
    family = re.search(r"^CPU family: *(.*)$", out("lscpu"), re.MULTILINE)
    memory_kib = int(re.search(r"MemTotal: *(\d+)", open("/proc/meminfo", encoding="ascii").read()).group(1))
    return {"cpu": (cpu.group(1) if cpu else "unknown")
            + (f", family {family.group(1)} model {features.group(1)}" if family and features else ""),
            "cores": os.cpu_count(), "memory_gib": round(memory_kib / 1048576, 1), "kernel": platform.release(),
            "compiler": out("cc", "--version").split("\n")[0], "commit": out("git", "describe", "--always", "--dirty"),
            "load_at_start": os.getloadavg()[0], "tailrace": out(os.path.join(BUILD, "tailrace"), "--version")}


def median(values):
    return statistics.median(values)


def spread(values):
    """Greatest minus least, in percent of the median."""
    return 100 * (max(values) - min(values)) / median(values) if values and median(values) else 0


# --- measurements ----------------------------------------------------------------------------------


def run_micro(chosen):
    command = [os.path.join(BUILD, "tailrace-micro"), "--json"] + (["--runs", "3", "--run-ms", "50"] if chosen.quick else [])
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def dump(workload, runs):
    """The same log, read and thrown away: what the server can send. The reader is the engine's own source."""
    rates = []
    for _ in range(runs):
        done = subprocess.run([os.path.join(BUILD, "tests/source_probe"), "dump", f"port={workload.server.port}",
                               f"flavor={workload.kind}", f"file={workload.facts['first_file']}", "quiet=1",
                               f"rows={workload.facts['rows_events']}", f"seconds={RUN_SECONDS_MAX}"],
                              capture_output=True, text=True, check=False)
        facts = dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
        if done.returncode != 0 or int(facts["rows_events"]) != workload.facts["rows_events"]:
            raise RuntimeError(f"dump: {done.stdout}{done.stderr}")
        rates.append(workload.rows / (int(facts["micros"]) / 1e6))
    return {"rows_per_second": rates, "log_bytes": workload.facts["log_bytes"]}


def throughput_run(workload, chosen, schemas):
    """One run from the saved position to the log's end."""
    with Standin("--sink", "--stream", STREAM + ":64") as standin:
        shutil.copyfile(workload.offsets, os.path.join(workload.directory, "run-offsets.dat"))
        with Engine(workload, standin, workload.directory, "run", schemas, chosen.extra) as engine:
            first_at = first_count = None
            deadline = time.monotonic() + RUN_SECONDS_MAX
            while True:
                report, now = standin.report(), time.monotonic()
                if report["records"] > 0 and first_at is None:
                    first_at, first_count = now, report["records"]
                if report["records"] >= workload.rows:
                    break
                if engine.process.poll() is not None or now > deadline:
                    raise RuntimeError(f"{report['records']} of {workload.rows} rows came:\n{engine.tail_of_log()}")
                time.sleep(POLL_SECONDS)
            cpu, threads, peak = engine.cpu_seconds(), engine.cpu_by_thread(), engine.peak_rss_mib()
            sink_cpu = standin.cpu_seconds()
            engine.stop()
        report = standin.report()
    if report["records"] != workload.rows:
        raise RuntimeError(f"{report['records']} records came of {workload.rows} rows")
    wall = max(now - first_at, 1e-3)
    return {"rows_per_wall_second": (workload.rows - first_count) / wall, "rows_per_cpu_second": workload.rows / cpu,
            "cpu_seconds": cpu, "wall_seconds": wall, "cores": cpu / wall, "peak_rss_mib": peak,
            "log_mb_per_second": workload.facts["log_bytes"] / 1e6 / wall,
            "body_mb_per_second": report["bytes"] / 1e6 / wall, "requests": report["put_requests"],
            "body_bytes_per_row": report["bytes"] / workload.rows, "sink_cpu_seconds": sink_cpu,
            "cpu_by_thread": threads}


def throughput(workload, chosen, schemas):
    runs = [throughput_run(workload, chosen, schemas) for _ in range(chosen.runs)]
    return {"runs": runs, "schemas": schemas, "rows": workload.rows, "rows_per_transaction": workload.rows_each,
            "log_bytes": workload.facts["log_bytes"]}


def snapshot_run(workload, chosen):
    """One run of the initial snapshot, on one connection, to the last row accepted; the log has nothing behind it."""
    rows = workload.rows + 1  # with the first one
    offsets = os.path.join(workload.directory, "snapshot-offsets.dat")
    if os.path.exists(offsets):
        os.remove(offsets)
    with Standin("--sink", "--stream", STREAM + ":64") as standin:
        mode = [("debezium.source.snapshot.mode", "initial")]
        with Engine(workload, standin, workload.directory, "snapshot", extra=mode + chosen.extra) as engine:
            first_at = None
            deadline = time.monotonic() + RUN_SECONDS_MAX
            while (count := standin.report()["records"]) < rows:
                first_at = first_at or (time.monotonic() if count > 0 else None)
                if engine.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{count} of {rows} rows came:\n{engine.tail_of_log()}")
                time.sleep(POLL_SECONDS)
            wall = max(time.monotonic() - (first_at or engine.started), 1e-3)
            cpu, peak = engine.cpu_seconds(), engine.peak_rss_mib()
            engine.stop()
        if standin.report()["records"] != rows:
            raise RuntimeError(f"{standin.report()['records']} records came of {rows} rows")
    return {"rows_per_wall_second": rows / wall, "rows_per_cpu_second": rows / cpu, "peak_rss_mib": peak}


def snapshot(workload, chosen):
    return {"rows": workload.rows + 1, "runs": [snapshot_run(workload, chosen) for _ in range(chosen.runs)]}


def start_time(workload, chosen):
    """Milliseconds from the process's start to the first record accepted, with a saved position and a log to read."""
    times = []
    for _ in range(3 if chosen.quick else 7):
        with Standin("--sink", "--stream", STREAM + ":64") as standin:
            shutil.copyfile(workload.offsets, os.path.join(workload.directory, "begin-offsets.dat"))
            with Engine(workload, standin, workload.directory, "begin", extra=chosen.extra) as engine:
                while standin.report()["records"] == 0:
                    if engine.process.poll() is not None:
                        raise RuntimeError(engine.tail_of_log())
                times.append((time.monotonic() - engine.started) * 1000)
    return {"first_event_ms": times}


def stalled(workload, chosen):
    """Peak memory while the sink takes requests and never answers."""
    faults = os.path.join(workload.directory, "hang.faults")
    with open(faults, "w", encoding="ascii") as f:
        f.write(f"1-{FOREVER} hang\n")
    seconds = 4 if chosen.quick else 25  # longer than two request timeouts
    with Standin("--sink", "--stream", STREAM + ":64", "--faults", faults) as standin:
        shutil.copyfile(workload.offsets, os.path.join(workload.directory, "stall-offsets.dat"))
        with Engine(workload, standin, workload.directory, "stall", extra=chosen.extra) as engine:
            wait_until("the first request", lambda: standin.report()["put_requests"] > 0, 30, engine.process)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                if engine.process.poll() is not None:
                    raise RuntimeError(f"the engine ended under a stalled sink:\n{engine.tail_of_log()}")
                time.sleep(0.1)
            return {"peak_rss_mib": engine.peak_rss_mib(), "rss_mib": engine.rss_mib(), "seconds": seconds,
                    "requests": standin.report()["put_requests"]}


def write_paced(workload, rows_per_second, seconds, first_id):
    """Single-row transactions at a steady pace through one connection; at_us is the server's time of the statement."""
    client = workload.server.open_client()
    tick, per_tick = (0.001, rows_per_second // 1000) if rows_per_second >= 1000 else (1 / rows_per_second, 1)
    start, row_id = time.monotonic(), first_id
    for i in range(int(seconds / tick)):
        ahead = start + i * tick - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        lines = "".join(f"INSERT INTO shop.orders VALUES ({row_id + k},{k},UNIX_TIMESTAMP(NOW(6))*1000000,'paced name',"
                        f"'paced note of a row that is as long as the others are, more or less, in the end');\n"
                        for k in range(per_tick))
        client.stdin.write(lines.encode())
        client.stdin.flush()
        row_id += per_tick
    elapsed = time.monotonic() - start
    client.stdin.close()
    if client.wait(60) != 0:
        raise RuntimeError("the writer's client failed")
    return row_id - first_id, elapsed


def latency(workload, chosen, rows_per_second):
    """From just before the insert (its commit included) to the sink's acceptance."""
    seconds = 3 if chosen.quick else 20
    with Standin("--judge", "--stream", STREAM + ":64", "--latency", "at_us") as standin:
        with Engine(workload, standin, workload.directory, f"latency-{rows_per_second}", extra=chosen.extra) as engine:
            engine.wait_ready()
            first_id = int(workload.server.rows("SELECT MAX(id) FROM shop.orders")[0][0]) + 1
            count, elapsed = write_paced(workload, rows_per_second, seconds, first_id)
            wait_until("the last row", lambda: standin.report()["records"] >= count, 30, engine.process)
            cpu = engine.cpu_seconds()
            engine.stop()
        report = standin.report()
        os.unlink(engine.offsets)
    return {"rows_per_second": count / elapsed, "samples": report["latency_samples"],
            "p50_ms": report["latency_p50_us"] / 1000, "p99_ms": report["latency_p99_us"] / 1000,
            "cpu_seconds": cpu, "seconds": elapsed, "load_at_end": os.getloadavg()[0]}


# --- report ----------------------------------------------------------------------------------------


def verdict(value, floor, at_least):
    return "" if floor is None else ("met" if (value >= floor if at_least else value <= floor) else "MISSED")


def line(what, values, unit, floor=None, at_least=True, note=""):
    value = median(values)
    shown = f"{value:,.0f}" if value >= 100 else f"{value:,.2f}"
    wanted = "" if floor is None else f"{'>=' if at_least else '<='} {floor:,g}"
    spread_text = f"{spread(values):.0f} %" if len(values) > 1 else ""
    print(f"{what:<58} {shown:>13} {unit:<10} {spread_text:>6}  {wanted:>12} {verdict(value, floor, at_least):<6} {note}".rstrip())
    return {"what": what, "value": value, "unit": unit, "floor": floor,
            "met": None if floor is None else verdict(value, floor, at_least) == "met"}


def report_throughput(figures, name, result, floor):
    runs = result["runs"]

    def of(key):
        return [run[key] for run in runs]
    label = f"{name}, schemas {'on' if result['schemas'] else 'off'}"
    figures.append(line(f"{label}: rows per engine CPU second", of("rows_per_cpu_second"), "rows", floor))
    figures.append(line(f"{label}: rows per second", of("rows_per_wall_second"), "rows"))
    figures.append(line(f"{label}: log read", of("log_mb_per_second"), "MB/s"))
    figures.append(line(f"{label}: request bodies sent", of("body_mb_per_second"), "MB/s",
                        note=f"{runs[0]['body_bytes_per_row']:.0f} B a row"))
    figures.append(line(f"{label}: cores used", of("cores"), "cores"))


def print_report(chosen, results):
    figures = []
    host = results["machine"]
    print(f"\n{host['cpu']}, {host['cores']} cores, {host['memory_gib']} GiB, Linux {host['kernel']}, {host['compiler']}")
    print(f"{host['tailrace'].splitlines()[0]}, commit {host['commit']}; {results.get('server', chosen.kind)}; "
          f"load at start {host['load_at_start']:.1f}")
    print("Server, engine and sink share this machine: only ratios between lines of one run mean anything elsewhere.")
    if host["load_at_start"] > host["cores"] / 2:
        print("The machine was busy with other things: times by the clock, latency above all, measure those too.")
    if chosen.quick:
        print("Quick: inputs are too small for the figures to mean anything.")
    print(f"\n{'':<58} {'median':>13} {'':<10} {'spread':>6}  {'floor':>12}")
    if "micro" in results:
        for case in results["micro"]["cases"]:
            figures.append(line(case["name"], case["runs"], case["item"] + "/s", case["floor"] or None))
    for name in ("bulk", "single"):
        label = "1000-row transactions" if name == "bulk" else "single-row transactions"
        if f"dump_{name}" in results:
            figures.append(line(f"{label}: the server's log read and thrown away",
                                results[f"dump_{name}"]["rows_per_second"], "rows/s"))
        for key in ("off", "on"):
            if f"{name}_{key}" in results:
                floor = 60_000 if key == "on" else 300_000 if name == "bulk" else 200_000
                report_throughput(figures, label, results[f"{name}_{key}"], floor)
    if "snapshot" in results:
        runs = results["snapshot"]["runs"]
        figures.append(line("snapshot, one connection: rows per second", [run["rows_per_wall_second"] for run in runs],
                            "rows", 150_000))
        figures.append(line("snapshot: rows per engine CPU second", [run["rows_per_cpu_second"] for run in runs], "rows"))
        figures.append(line("snapshot: peak RSS", [max(run["peak_rss_mib"] for run in runs)], "MiB", 128, False))
    peaks = [run["peak_rss_mib"] for name in ("bulk", "single") for key in ("off", "on")
             for run in results.get(f"{name}_{key}", {}).get("runs", [])]
    if peaks:
        figures.append(line("peak RSS at full load", [max(peaks)], "MiB", 128, False))
    if "stall" in results:
        figures.append(line("peak RSS, sink stalled", [results["stall"]["peak_rss_mib"]], "MiB", 128, False))
    for rate in ("1000", "10000"):
        if f"latency_{rate}" in results:
            result = results[f"latency_{rate}"]
            note = f"{result['samples']:,} rows at {result['rows_per_second']:,.0f}/s, load {result['load_at_end']:.1f}"
            figures.append(line(f"insert to accepted at {int(rate):,} rows/s, p50", [result["p50_ms"]], "ms", note=note))
            figures.append(line(f"insert to accepted at {int(rate):,} rows/s, p99", [result["p99_ms"]], "ms",
                                10 if rate == "1000" else None, False, note))
    if "start" in results:
        figures.append(line("start to first event accepted", results["start"]["first_event_ms"], "ms", 500, False))
    missed = [figure["what"] for figure in figures if figure["met"] is False]
    print(f"\n{sum(f['met'] is True for f in figures)} floors met, {len(missed)} missed"
          + (": " + "; ".join(missed) if missed else ""))
    return figures


def measure_workload(chosen, results, name, rows, rows_each):
    wanted = name in chosen.parts
    of_name = ("latency", "stall", "start") if name == "single" else ("snapshot",)
    extras = [part for part in of_name if part in chosen.parts]
    if not wanted and not extras:
        return
    with Workload(name, chosen.kind, rows, rows_each, chosen.directory) as workload:
        results["server"] = f"{chosen.kind} {workload.facts['server']}"
        if wanted:
            if "dump" in chosen.parts:
                print(f"  {name}: dump", flush=True)
                results[f"dump_{name}"] = dump(workload, chosen.runs)
            for schemas in (False, True):
                print(f"  {name}: schemas {'on' if schemas else 'off'}", flush=True)
                results[f"{name}_{'on' if schemas else 'off'}"] = throughput(workload, chosen, schemas)
        for part in extras:
            print(f"  {part}", flush=True)
            if part == "start":
                results["start"] = start_time(workload, chosen)
            elif part == "snapshot":
                results["snapshot"] = snapshot(workload, chosen)
            elif part == "stall":
                results["stall"] = stalled(workload, chosen)
    if "latency" in extras:  # a log of its own: it grows
        with Workload("latency", chosen.kind, 1000, 1, chosen.directory) as workload:
            for rate in (1000, 10000):
                results[f"latency_{rate}"] = latency(workload, chosen, rate)


def main():
    chosen = options()
    results = {"machine": machine(), "options": {k: v for k, v in vars(chosen).items() if k != "extra"}}
    os.makedirs(chosen.directory, exist_ok=True)
    if "micro" in chosen.parts:
        print("  micro", flush=True)
        results["micro"] = run_micro(chosen)
    measure_workload(chosen, results, "bulk", chosen.bulk_rows, 1000)
    measure_workload(chosen, results, "single", chosen.single_rows, 1)
    results["figures"] = print_report(chosen, results)
    stamp = time.strftime("%Y-%m-%dT%H%M")
    path = chosen.json or (os.path.join(chosen.directory, "quick.json") if chosen.quick else
                           os.path.join(ROOT, "bench/results", f"{stamp}-{chosen.kind}.json"))
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(results, f, indent=1)
        f.write("\n")
    print(f"raw figures: {os.path.relpath(path, ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
