# SPDX-License-Identifier: Apache-2.0
"""Tables out of records: what a consumer would build from the snapshot, the changes and the schema changes of one server.

Records are put into the order of the log by their position, after it was checked that each key's records arrived in that order
(but for replays after a restart, which must repeat what they repeat). Then they are carried out: created and read rows put in,
deleted ones removed, tables renamed, emptied and dropped as the schema-change records say.

A row is compared in the columns that have the same name and type now as when its last record was made: an ALTER rewrites the rows
of a table without a record of any.
"""
import collections
import json
import re

import rebuild_types as types
from engine import Trouble

RENAME = re.compile(r"^(?:RENAME TABLE|ALTER TABLE) `?(?:rebuild`?\.`?)?(\w+)`? (?:RENAME )?TO `?(?:rebuild`?\.`?)?(\w+)`?$", re.IGNORECASE)
BY_DATA_TYPE = {
    "int": types.Integer("INT", 32), "decimal": types.Decimal(""), "float": types.Floating(""), "bit": types.Bits(""),
    "text": types.Text("TEXT", []), "binary": types.Binary("BLOB"), "enum": types.Words("ENUM"), "time": types.Time(""),
    "datetime": types.DateTime(""), "timestamp": types.Timestamp(""), "date": types.Date(""), "year": types.Year(""),
    "json": types.Json(""), "vector": types.Vector(""), "geometry": types.Spatial("GEOMETRY"), "uuid": types.Uuid("UUID"),
}
ALIASES = {"tinyint": "int", "smallint": "int", "mediumint": "int", "bigint": "int", "double": "float", "char": "text", "varchar": "text",
           "tinytext": "text", "mediumtext": "text", "longtext": "text", "varbinary": "binary", "tinyblob": "binary", "blob": "binary",
           "mediumblob": "binary", "longblob": "binary", "set": "enum", "point": "geometry", "linestring": "geometry", "polygon": "geometry",
           "multipoint": "geometry", "multilinestring": "geometry", "multipolygon": "geometry", "geometrycollection": "geometry",
           "geomcollection": "geometry", "inet4": "uuid", "inet6": "uuid"}
ZERO_DATES = {"date": 0, "datetime": 0, "timestamp": "1970-01-01T00:00:00Z"}
KEYLESS = "default"
Row = collections.namedtuple("Row", "key values columns")


def kind_of(data_type):
    return BY_DATA_TYPE[ALIASES.get(data_type, data_type)]


class Change:
    """A record of a row or of a schema, with its place in the log."""

    def __init__(self, stream, record, number):
        self.stream, self.key, self.number = stream, record.key, number
        document = json.loads(record.data)
        source = document["source"]
        self.table = source["table"]
        self.is_schema = "ddl" in document
        self.is_snapshot = source["snapshot"] not in ("false", None)
        self.place = (int(re.search(r"(\d+)$", source["file"]).group(1)), source["pos"])
        self.row = source["row"] or 0
        self.document = document
        self.op = document.get("op")
        for name in ("ts_ms", "ts_us", "ts_ns"):
            document.pop(name, None)

    def order(self, shares_places):
        """Of one place: rows by number, a key's change before its creation; schema changes as they came, and rows that share it."""
        if shares_places:
            return (*self.place, 0, 0, self.number)
        return (*self.place, self.row, 0 if self.op == "d" else 1, self.number if self.is_schema else 0)

    def identity(self):
        if self.is_snapshot and self.key == KEYLESS:
            return self.number  # rows of a table without a key have nothing to be told apart by
        return (self.stream, self.key, self.place, self.row, self.op, self.document.get("ddl"), self.is_snapshot)


def read_changes(kinesis):
    """All records but tombstones, in order of arrival within a stream."""
    changes = []
    for stream in kinesis.report()["streams"]:
        for record in kinesis.records(stream):
            if record.data:
                changes.append(Change(stream, record, len(changes)))
    return changes


def check_order(changes, shares_places):
    """Per key each place is first seen in the order of the log, and a repetition says what it said the first time.

    Where the rows of a transaction share one place, they are not told from their repetitions, which stay.
    """
    newest, seen, repeated = {}, {}, []
    for change in changes:
        key = (change.stream, change.key, change.is_snapshot)
        known = seen.get(change.identity())
        if known is None:
            seen[change.identity()] = change
            place = (change.place, 0 if shares_places else change.row)
            if not change.is_snapshot and not change.is_schema and change.key != KEYLESS:
                if place < newest.get(key, place):
                    raise Trouble(f"{change.stream} {change.key}: {place} came first after {newest[key]}")
                newest[key] = place
        elif shares_places and not change.is_snapshot and not change.is_schema:
            repeated.append(change)
        elif not change.is_snapshot and known.document != change.document:
            raise Trouble(f"{change.stream} {change.key} at {change.place}: repeated as {change.document}, was {known.document}")
    return list(seen.values()) + repeated


class Replay:
    """What the records make of each table: rows by key; of a table without a key the images, counted; and its columns.

    An image of a table without a key can be laid beside the server's rows only while no ALTER has changed the table; the
    number of its rows can always. Neither can where its rows are not told from their repetitions (`shares_places`).
    """

    def __init__(self, changes, shares_places=False):
        self.shares_places = shares_places
        changes = check_order(changes, shares_places)
        cut = max((change.place for change in changes if change.is_snapshot), default=None)
        # A start that finds no finished snapshot stored takes another one: it stands for all that lies before.
        kept = [change for change in changes if cut is None or (change.place == cut if change.is_snapshot else change.place >= cut)]
        self.tables, self.bags, self.columns, self.altered = {}, {}, {}, {}
        self.row_changes = sum(change.op in ("c", "u", "d") for change in kept)
        self.schema_changes = sum(change.is_schema and not change.is_snapshot for change in kept)
        for change in sorted(kept, key=lambda c: (not c.is_snapshot, not (c.is_snapshot and c.is_schema), c.order(shares_places))):
            if change.is_schema:
                self.change_schema(change.document)
            else:
                self.change_row(change)

    def change_schema(self, document):
        stores = (self.tables, self.bags, self.columns, self.altered)
        renamed = RENAME.match(document["ddl"])
        if renamed:
            for store in stores:
                if renamed[1] in store:
                    store[renamed[2]] = store.pop(renamed[1])
        for change in document["tableChanges"]:
            name = re.fullmatch(r'"(\w+)"\."(.*)"', change["id"])[2]
            if change["type"] in ("CREATE", "DROP"):
                for store in stores:
                    store.pop(name, None)
            if change.get("table"):
                columns = {column["name"]: (column["typeExpression"], column["length"], column["scale"], column["charsetName"],
                                            str(column["enumValues"]), column["optional"]) for column in change["table"]["columns"]}
                self.altered[name] = self.altered.get(name, False) or columns != self.columns.get(name, columns)
                self.columns[name] = columns

    def change_row(self, change):
        columns = self.columns.get(change.table, {})
        before, after = change.document.get("before"), change.document.get("after")
        for image in (before, after):
            if image is not None and columns and list(image) != list(columns):
                raise Trouble(f"{change.table} at {change.place}: columns {list(image)}, its schema has {list(columns)}")
        if change.op == "t":
            self.tables.pop(change.table, None)
            self.bags.pop(change.table, None)
        elif change.key == KEYLESS and self.shares_places:
            pass
        elif change.key == KEYLESS:
            bag = self.bags.setdefault(change.table, collections.Counter())
            for image, count in ((before, -1), (after, 1)):
                if image is not None:
                    bag[json.dumps(image, sort_keys=True)] += count
        else:
            # The key's values, not its names: a key column may have been renamed since.
            key = json.dumps(list(json.loads(change.key).values()))
            rows = self.tables.setdefault(change.table, {})
            if change.op == "d":
                rows.pop(key, None)
            else:
                rows[key] = Row(change.key, after, columns)


def expected(data_type, is_nullable, cell):
    """What a record says of a cell. A zero date, which ADD COLUMN … NOT NULL leaves in old rows, is null, or where that may not be the epoch."""
    if cell is None or (cell.startswith("0000-00-00") and data_type in ZERO_DATES and is_nullable):
        return None
    if cell.startswith("0000-00-00") and data_type in ZERO_DATES:
        return ZERO_DATES[data_type]
    return kind_of(data_type).expected(cell)


def compare(replay, server, database):
    """Differences between the replay and the server's tables, as lines."""
    problems = []
    names = [row[0] for row in server.rows(f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{database}'")]
    for name in names:
        facts = server.rows(
            "SELECT column_name, LOWER(data_type), is_nullable = 'YES' FROM information_schema.columns "
            f"WHERE table_schema = '{database}' AND table_name = '{name}' ORDER BY ordinal_position")
        columns = {column: data_type for column, data_type, _ in facts}
        selected = ", ".join(kind_of(data_type).select(column) for column, data_type in columns.items())
        source = [{column: expected(data_type, is_nullable == "1", cell) for (column, data_type, is_nullable), cell in zip(facts, row)}
                  for row in server.rows(f"SET time_zone = '+00:00'; SELECT {selected} FROM {database}.{name}")]
        if replay.columns and list(replay.columns.get(name, {})) != list(columns):
            problems.append(f"{name}: columns {list(replay.columns.get(name, {}))}, the server has {list(columns)}")
        keys = [row[0] for row in server.rows(
            "SELECT column_name FROM information_schema.statistics WHERE non_unique = 0 AND "
            f"table_schema = '{database}' AND table_name = '{name}' ORDER BY index_name, seq_in_index")]
        if keys:
            problems += compare_table(name, columns, keys, source, replay)
        elif not replay.shares_places:
            problems += compare_bag(name, columns, source, replay)
    for name, rows in [*replay.tables.items(), *replay.bags.items()]:
        if name not in names and (sum(rows.values()) if isinstance(rows, collections.Counter) else len(rows)) > 0:
            problems.append(f"{name}: {len(rows)} rows of a table that is not there")
    return problems


def compare_table(name, data_types, key_columns, source, replay):
    current = replay.columns.get(name, {})

    def key_of(text):  # a key column called id… may have another name today
        named = {column if column in data_types else next(k for k in key_columns if k.startswith("id")): value
                 for column, value in json.loads(text).items()}
        return tuple(kind_of(data_types[column]).normalise(named[column]) for column in key_columns)

    mine = {key_of(row.key): {column: kind_of(data_types[column]).normalise(value) for column, value in row.values.items()
                              if column in data_types and row.columns.get(column) == current.get(column)}
            for row in replay.tables.get(name, {}).values()}
    theirs = {tuple(row[column] for column in key_columns): row for row in source}
    problems = []
    if len(mine) != len(replay.tables.get(name, {})):
        problems.append(f"{name}: {len(replay.tables[name])} keys make {len(mine)}")
    for key in sorted(set(mine) | set(theirs), key=repr):
        if key not in mine or key not in theirs:
            problems.append(f"{name} {key}: {'missing' if key in theirs else 'should not be there'}: {theirs.get(key, mine.get(key))}")
        else:
            problems += [f"{name} {key}: {column} is {value!r}, the server has {theirs[key][column]!r}"
                         for column, value in mine[key].items() if value != theirs[key][column]]
    return problems


def compare_bag(name, data_types, source, replay):
    bag = replay.bags.get(name, collections.Counter())
    if sum(bag.values()) != len(source):
        return [f"{name}: {sum(bag.values())} rows, the server has {len(source)}"]
    if replay.altered.get(name):
        return []
    mine = collections.Counter()
    for text, count in bag.items():
        row = json.loads(text)
        mine[repr({column: kind_of(data_types[column]).normalise(row[column]) for column in data_types})] += count
    theirs = collections.Counter(repr(row) for row in source)
    mine.subtract(theirs)
    return [f"{name}: {'too many' if count > 0 else 'too few'} ({count}) of {row}" for row, count in mine.items() if count != 0]
