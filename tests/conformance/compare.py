#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the records (and the state) of a run with the expected ones of a case.

    compare.py EXPECTED ACTUAL

Both may be folders of one case, folders of many cases, or .jsonl files.  Records are compared
per stream, in order, byte for byte, after values that legitimately differ between two runs have
been masked.  A mask replaces one value at one known place; every other byte must be equal, the
order of members and the text of numbers included.  Masked values are not forgotten:

    times           must be numbers, ts_us and ts_ns must be the same instant as ts_ms
    file and pos    must map one to one and in the same order (equal stays equal, less stays less)
    thread          must map one to one
    server_id       must map one to one, 0 stays 0
    gtid, tx id     the uuid (MariaDB: the server id) maps one to one, the numbers must be equal
    version         is ignored

Exit code 1 on any difference.
"""

import argparse
import difflib
import gzip
import json
import os
import re
import sys

# Where the masked values are, by kind of document.  "source" is the block of 3.x and 2.3.
SOURCE = {
    "source.version": "version", "source.ts_ms": "ms", "source.ts_us": "us", "source.ts_ns": "ns",
    "source.server_id": "server", "source.gtid": "gtid", "source.file": "file",
    "source.pos": "pos", "source.thread": "thread",
}
CHANGE = dict(SOURCE, **{"ts_ms": "ms", "ts_us": "us", "ts_ns": "ns", "transaction.id": "txid"})
SCHEMA_CHANGE = dict(SOURCE, ts_ms="ms")
TRANSACTION = {"id": "txid", "ts_ms": "ms"}
HEARTBEAT = {"ts_ms": "ms"}
TRANSACTION_KEY = {"id": "txid"}

STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')
SCALAR = re.compile(r'[^\s,\]}]+')
BRACKETS = re.compile(r'[\[\]{}"]')
BLANK = re.compile(r'\s*')
UUID = re.compile(r'[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}')
MARIADB_GTID = re.compile(r'\b(\d+)-(\d+)-(\d+)\b')
INSTANT = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z')
FILE_POSITION = re.compile(r'file=([^,]*),pos=(\d+)')


class NotJson(Exception):
    pass


def skip_value(text, at):
    """The end of the JSON value that starts at `at`."""
    head = text[at:at + 1]
    if head == '"':
        found = STRING.match(text, at)
    elif head and head in "{[":
        depth = 0
        while True:
            found = BRACKETS.search(text, at)
            if not found:
                raise NotJson
            mark = found.group()
            if mark == '"':
                found = STRING.match(text, found.start())
                if not found:
                    raise NotJson
            elif mark in "{[":
                depth += 1
            else:
                depth -= 1
                if depth == 0:
                    return found.end()
            at = found.end()
    else:
        found = SCALAR.match(text, at)
    if not found:
        raise NotJson
    return found.end()


def members(text, at):
    """(name, start, end) of each member of the object that starts at `at`."""
    if text[at:at + 1] != "{":
        return
    at = BLANK.match(text, at + 1).end()
    while text[at:at + 1] != "}":
        found = STRING.match(text, at)
        if not found:
            raise NotJson
        name = json.loads(found.group(), strict=False)
        at = BLANK.match(text, found.end()).end()
        if text[at:at + 1] != ":":
            raise NotJson
        at = BLANK.match(text, at + 1).end()
        end = skip_value(text, at)
        yield name, at, end
        at = BLANK.match(text, end).end()
        if text[at:at + 1] == ",":
            at = BLANK.match(text, at + 1).end()
        elif text[at:at + 1] != "}":
            raise NotJson


class Masker:
    """Replaces masked values in one text and remembers what they were."""

    def __init__(self):
        self.tokens = []

    def gtid(self, value):
        def uuid(match):
            self.tokens.append(("uuid", match.group().lower()))
            return "@uuid"

        def domain(match):
            self.tokens.append(("server", int(match[2])))
            return "%s-@server-%s" % (match[1], match[3])
        masked, count = UUID.subn(uuid, value)
        return masked if count else MARIADB_GTID.sub(domain, value)

    def transaction_id(self, value):
        found = FILE_POSITION.fullmatch(value)
        if found:
            self.position(found[1], int(found[2]))
            return "file=@file,pos=@pos"
        return self.gtid(value)

    def position(self, file, pos):
        number = re.search(r"(\d+)$", file)
        self.tokens.append(("pos", (int(number[1]) if number else -1, pos)))

    def mask(self, kind, value, state):
        """The replacement for a parsed value, or None to leave it as it is."""
        if kind == "version" and isinstance(value, str):
            return '"@version"'
        if kind in ("ms", "us", "ns") and isinstance(value, int) and value > 10 ** 11:
            scale = {"ms": 1, "us": 1000, "ns": 1000000}[kind]
            if kind == "ms":
                state["ms"] = value
            elif "ms" in state and value // scale != state["ms"]:
                return '"@time-of-another-instant"'
            return '"@time"'
        if kind == "time" and isinstance(value, int) and value > 10 ** 8:
            return '"@time"'
        if kind == "server" and isinstance(value, int) and value != 0:
            self.tokens.append(("server", value))
            return '"@server"'
        if kind == "thread" and isinstance(value, int):
            self.tokens.append(("thread", value))
            return '"@thread"'
        if kind == "gtid" and isinstance(value, str):
            return json.dumps(self.gtid(value))
        if kind == "txid" and isinstance(value, str):
            return json.dumps(self.transaction_id(value))
        if kind == "file" and isinstance(value, str):
            state["file"] = value
            return '"@file"'
        if kind == "pos" and isinstance(value, int):
            self.position(state.get("file", ""), value)
            return '"@pos"'
        if kind == "signal_id" and isinstance(value, str) and UUID.match(value):
            return json.dumps(self.gtid(value))
        if kind == "signal_data" and isinstance(value, str) and "WindowTimestamp" in value:
            return json.dumps(INSTANT.sub("@instant", value))
        if kind == "any":
            return '"@any"'
        return None

    def apply(self, text, at, masks, prefix="", edits=None):
        """Collects edits (start, end, replacement) for the object at `at`."""
        state = {}
        for name, start, end in members(text, at):
            path = prefix + name
            kind = masks.get(path)
            if kind:
                try:
                    value = json.loads(text[start:end], strict=False)
                except ValueError:
                    continue
                replacement = self.mask(kind, value, state)
                if replacement is not None:
                    edits.append((start, end, replacement))
            elif any(known.startswith(path + ".") for known in masks):
                self.apply(text, start, masks, path + ".", edits)

    def rewrite(self, text, at, masks):
        edits = []
        self.apply(text, at, masks, "", edits)
        for start, end, replacement in reversed(edits):
            text = text[:start] + replacement + text[end:]
        return text


def body_start(text):
    """Where the payload starts: the "payload" of a document with schema, or the document."""
    if not text.startswith("{"):
        return None, ()
    places = {name: start for name, start, _ in members(text, 0)}
    if set(places) == {"schema", "payload"}:
        at = places["payload"]
        return at, {name for name, _, _ in members(text, at)}
    return 0, set(places)


def masks_of(names, key, extra):
    if {"op", "source"} <= names:
        masks = CHANGE
    elif {"source", "databaseName", "ddl"} <= names:
        masks = SCHEMA_CHANGE
    elif {"status", "id", "event_count"} <= names:
        masks = TRANSACTION
    elif names == {"ts_ms"} and '"serverName"' in key:
        masks = HEARTBEAT
    else:
        masks = {}
    return dict(masks, **extra) if extra else masks


class Record:
    """One record: its masked text, and the values that the masks covered."""

    def __init__(self, line, extra):
        fields = json.loads(line)
        self.stream = fields["stream"]
        self.raw = line
        masker = Masker()
        data, key = fields.get("data"), fields["partition_key"]
        if data:
            try:
                at, names = body_start(data)
                if at is not None:
                    masks = masks_of(names, key, extra.get("masks"))
                    if masks:
                        data = masker.rewrite(data, at, masks)
                    if {"status", "id", "event_count"} <= names or extra.get("key_masks"):
                        key_at, _ = body_start(key)
                        if key_at is not None:
                            key = masker.rewrite(key, key_at, extra.get("key_masks") or TRANSACTION_KEY)
            except NotJson:
                pass
        if data is None:
            data = "base64:" + fields["data_b64"]
        self.tokens = masker.tokens
        self.text = "%s | %s" % (key, data)
        if "explicit_hash_key" in fields:
            self.text = fields["explicit_hash_key"] + " | " + self.text


class StateDocument:
    """An offset or history document: member order is free, the rest is as for records."""

    MASKS = {
        "ts_sec": "time", "ts_ms": "time", "file": "file", "pos": "pos", "server_id": "server",
        "gtids": "gtid", "transaction_id": "txid",
    }

    def __init__(self, text):
        masker = Masker()
        self.raw = text
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            self.text, self.tokens = text, []
            return
        place = document["position"] if isinstance(document.get("position"), dict) else document
        if "ts_ms" in document:
            document["ts_ms"] = "@time"
        state = {}
        for name in sorted(place):
            kind = self.MASKS.get(name)
            if kind:
                replacement = masker.mask(kind, place[name], state)
                if replacement is not None:
                    place[name] = json.loads(replacement)
        self.tokens = masker.tokens
        self.text = json.dumps(document, sort_keys=True, ensure_ascii=False)


def offset_document(entry, exact):
    """The value of an offset.  Not exact: only which of the lasting members it has.

    Debezium's Kinesis sink marks a batch stream by stream, so which record of the last batch the
    stored offset belongs to depends on how batches fell; only cases made for it compare it exactly.
    """
    text = entry["value"] or ""
    if exact:
        return StateDocument(text)
    try:
        value = json.loads(text)
    except ValueError:
        return StateDocument(text)
    return StateDocument(json.dumps(sorted(n for n in ("file", "pos", "gtids", "server_id", "snapshot") if n in value)))


class Mapping:
    """That masked values of the two sides correspond one to one."""

    def __init__(self):
        self.there, self.back = {}, {}

    def problem(self, expected, actual):
        if len(expected) != len(actual):
            return "another number of masked values"
        for (kind, left), (other, right) in zip(expected, actual):
            if kind != other:
                return "%s against %s" % (kind, other)
            known = self.there.setdefault((kind, left), right)
            if known != right:
                return "%s %s was %s before and is %s now" % (kind, left, known, right)
            known = self.back.setdefault((kind, right), left)
            if known != left:
                return "%s %s stands for both %s and %s" % (kind, right, known, left)
        return None

    def order_problems(self):
        pairs = sorted((left, right) for (kind, left), right in self.there.items() if kind == "pos")
        return ["position %s is before %s, but %s is not before %s" % (a[0], b[0], a[1], b[1])
                for a, b in zip(pairs, pairs[1:]) if a[1] >= b[1]]


class Report:
    def __init__(self):
        self.lines = []
        self.equal = 0
        self.failed = 0

    def difference(self, text):
        self.failed += 1
        if self.failed <= 40:
            self.lines.append(text)
        elif self.failed == 41:
            self.lines.append("... more differences are counted, not shown")


def clip(text, at):
    begin, end = max(0, at - 70), at + 130
    return ("..." if begin else "") + text[begin:end] + ("..." if end < len(text) else "")


def show(where, expected, actual):
    at = next((i for i, (a, b) in enumerate(zip(expected, actual)) if a != b),
              min(len(expected), len(actual)))
    return "%s: differs at character %d\n      expected %s\n      actual   %s" % (
        where, at, clip(expected, at), clip(actual, at))


def compare_lists(where, expected, actual, mapping, report):
    left, right = [r.text for r in expected], [r.text for r in actual]
    if left == right:
        steps = [("equal", 0, len(left), 0, len(right))]
    elif len(left) == len(right):
        steps = [("equal" if a == b else "replace", i, i + 1, i, i + 1)
                 for i, (a, b) in enumerate(zip(left, right))]
    else:
        steps = difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes()
    for kind, a, b, c, d in steps:
        if kind == "equal":
            for i in range(b - a):
                problem = mapping.problem(expected[a + i].tokens, actual[c + i].tokens)
                if problem:
                    report.difference("%s #%d: %s" % (where, a + i + 1, problem))
                else:
                    report.equal += 1
            continue
        for i in range(max(b - a, d - c)):
            if a + i < b and c + i < d:
                report.difference(show("%s #%d" % (where, a + i + 1), left[a + i], right[c + i]))
            elif a + i < b:
                report.difference("%s #%d is missing: %s" % (where, a + i + 1, clip(left[a + i], 0)))
            else:
                report.difference("%s has a record too many after #%d: %s" % (where, b, clip(right[c + i], 0)))


EXPECTED = ("expected.jsonl", "expected.jsonl.gz")


def open_text(path):
    return gzip.open(path, "rt", encoding="utf-8") if path.endswith(".gz") else open(path, encoding="utf-8")


def load_records(path, extra):
    streams = {}
    with open_text(path) as source:
        for line in source:
            record = Record(line, extra)
            streams.setdefault(record.stream, []).append(record)
    return streams


def once(records):
    """Without exact repeats (cases that end an engine by force)."""
    seen, kept = set(), []
    for record in records:
        mark = (record.text, tuple(record.tokens))
        if mark not in seen:
            seen.add(mark)
            kept.append(record)
    return kept


def compare_records(expected_path, actual_path, config, report, mapping):
    expected = load_records(expected_path, config)
    actual = load_records(actual_path, config)
    for stream in sorted(set(expected) | set(actual)):
        left, right = expected.get(stream, []), actual.get(stream, [])
        if stream in config.get("loose_streams", []):
            # Only the kinds of records count, not how many there are.
            if {r.text for r in left} != {r.text for r in right}:
                report.difference("stream %s: other kinds of records" % stream)
            continue
        if config.get("repeats") == "ignored":
            left, right = once(left), once(right)
        if not left or not right:
            report.difference("stream %s: %d records expected, %d seen" % (stream, len(left), len(right)))
            continue
        compare_lists("stream " + stream, left, right, mapping, report)


def first_existing(folder, *names):
    for name in names:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return path
    return None


def load_state(folder):
    offsets, history = [], []
    path = first_existing(folder, "offsets.json")
    if path:
        with open(path, encoding="utf-8") as source:
            offsets = json.load(source)
    path = first_existing(folder, "history.jsonl")
    if path:
        with open(path, encoding="utf-8") as source:
            history = source.read().splitlines()
    return offsets, history


def compare_case(expected, actual, records_only=False):
    """Compares two folders of one case."""
    report, mapping = Report(), Mapping()
    config = {}
    if os.path.exists(os.path.join(expected, "case.json")):
        with open(os.path.join(expected, "case.json"), encoding="utf-8") as source:
            config = json.load(source)
    left = first_existing(expected, *EXPECTED, "actual.jsonl")
    right = first_existing(actual, "actual.jsonl", *EXPECTED)
    if not left or not right:
        report.difference("no records in %s" % (actual if left else expected))
        return report
    compare_records(left, right, config, report, mapping)
    if not records_only and config.get("state", True):
        (offsets, history), (our_offsets, our_history) = load_state(expected), load_state(actual)
        compare_lists("offset keys", [StateDocument(e["key"]) for e in offsets],
                      [StateDocument(e["key"]) for e in our_offsets], mapping, report)
        exact = config.get("offsets") == "exact"
        compare_lists("offset values", [offset_document(e, exact) for e in offsets],
                      [offset_document(e, exact) for e in our_offsets], mapping, report)
        compare_lists("history", [StateDocument(h) for h in history],
                      [StateDocument(h) for h in our_history], mapping, report)
    for problem in mapping.order_problems():
        report.difference(problem)
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("expected")
    parser.add_argument("actual")
    parser.add_argument("--records-only", action="store_true", help="leave offsets and history out")
    options = parser.parse_args()

    pairs = []
    if os.path.isfile(options.expected):
        report, mapping = Report(), Mapping()
        compare_records(options.expected, options.actual, {}, report, mapping)
        for problem in mapping.order_problems():
            report.difference(problem)
        pairs.append((os.path.basename(options.expected), report))
    elif first_existing(options.expected, *EXPECTED, "actual.jsonl"):
        pairs.append((os.path.basename(os.path.abspath(options.expected)),
                      compare_case(options.expected, options.actual, options.records_only)))
    else:
        for name in sorted(os.listdir(options.expected)):
            folder = os.path.join(options.expected, name)
            if first_existing(folder, *EXPECTED):
                pairs.append((name, compare_case(folder, os.path.join(options.actual, name),
                                                 options.records_only)))
    passed = failed = 0
    for name, report in pairs:
        for line in report.lines:
            print("   ", line)
        if report.failed:
            failed += 1
            print("%s: DIFFERENT, %d equal, %d differences" % (name, report.equal, report.failed))
        else:
            passed += 1
            print("%s: equal (%d)" % (name, report.equal))
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
