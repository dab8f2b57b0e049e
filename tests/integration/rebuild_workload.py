# SPDX-License-Identifier: Apache-2.0
"""What the rebuild test does to a server: tables of random types and keys, rows, transactions and statements that change tables.

A `Writer` owns some tables and a connection; several write at once. It draws from its own generator, so that a seed gives the
same statements again (which of two writers comes first is the server's matter). Statements that the server refuses are part of
the game: only what it took enters the writer's idea of a table.
"""
import random
import re

from rebuild_types import CHARSETS_OF, Spatial, Text, Words, draw_key_kind, draw_kind

DATABASE = "rebuild"
IDS = 300
ROWS_MAX = 12
KEYS = ["primary", "primary", "primary", "composite", "composite", "other", "unique", "none"]


class Column:
    def __init__(self, name, kind, rnd, is_required):
        self.name, self.kind = name, kind
        self.is_required = is_required and not isinstance(kind, Spatial)  # MariaDB fills old rows with what is no geometry
        self.type = kind.declare(rnd)

    def declaration(self):
        return f"{self.name} {self.type} {'NOT NULL' if self.is_required else 'NULL'}"

    def literal(self, rnd):
        return "NULL" if not self.is_required and rnd.random() < 0.15 else self.kind.literal(rnd)


class Table:
    """`id` is there always; the key is one of KEYS."""

    def __init__(self, name, key, columns):
        self.name, self.key, self.columns = name, key, columns
        self.id = "id"

    def copy(self, name, key=None):
        twin = Table(name, key or self.key, [column for column in self.columns])
        twin.id = self.id
        return twin

    def free_columns(self):
        """Those that are in no key."""
        return [column for column in self.columns if not column.name.startswith("k")]


class Writer:
    def __init__(self, seed, number, client, server_kind, ids_file):
        self.random = random.Random(f"{seed}/{number}")
        self.number, self.client, self.server_kind, self.ids_file = number, client, server_kind, ids_file
        self.serial = 0
        self.changes = 0
        self.tables = []
        client.run(f"USE {DATABASE}; SET SESSION innodb_lock_wait_timeout=2; SET SESSION lock_wait_timeout=20; "
                   "SET SESSION sql_mode=CONCAT(@@sql_mode, ',NO_ZERO_DATE,NO_ZERO_IN_DATE')")  # no date that is none

    # --- talking to the server

    def execute(self, sql):
        """Whether the server took it."""
        self.client.run(sql)
        return not self.client.errors

    def change(self, sql):
        """A statement that changes rows; they are counted."""
        lines = self.client.run(f"{sql};\nSELECT ROW_COUNT()")
        if lines and lines[-1].isdigit():
            self.changes += int(lines[-1])

    def fresh(self, prefix):
        self.serial += 1
        return f"{prefix}{self.number}_{self.serial}"

    # --- tables

    def create_table(self):
        rnd = self.random
        key = rnd.choice(KEYS)
        columns = [Column(self.fresh("c"), draw_kind(rnd, self.server_kind), rnd, rnd.random() < 0.3)
                   for _ in range(rnd.randrange(1, 9))]
        constraint = {"primary": "PRIMARY KEY (id)", "unique": "UNIQUE KEY (id)", "none": ""}.get(key)
        if constraint is None:
            other = Column(self.fresh("k"), draw_key_kind(rnd, self.server_kind), rnd, True)
            columns.append(other)
            constraint = f"PRIMARY KEY ({other.name}{'' if key == 'other' else ', id'})"
        rnd.shuffle(columns)
        table = Table(self.fresh("t"), key, columns)
        parts = [f"id {rnd.choice(['INT', 'BIGINT', 'MEDIUMINT UNSIGNED'])} NOT NULL"] + [c.declaration() for c in columns]
        rnd.shuffle(parts)
        default = rnd.choice(["", f" DEFAULT CHARACTER SET {rnd.choice(CHARSETS_OF[self.server_kind])}"])
        if self.execute(f"CREATE TABLE {table.name} ({', '.join(parts + [constraint] * bool(constraint))}){default}"):
            self.tables.append(table)
            self.insert(table, rows=rnd.choice([0, 5, 150]))

    def insert(self, table, rows, verb="INSERT IGNORE", end=""):
        if rows == 0:
            return
        names = ", ".join([table.id] + [column.name for column in table.columns])
        values = ", ".join("(" + ", ".join([str(self.random.randrange(IDS))] + [c.literal(self.random) for c in table.columns]) + ")"
                           for _ in range(rows))
        self.change(f"{verb} INTO {table.name} ({names}) VALUES {values}{end}")

    # --- rows

    def some_rows(self, table):
        first = self.random.randrange(IDS)
        return f"WHERE {table.id} BETWEEN {first} AND {first + self.random.choice([0, 0, 5, 40])}"

    def assignments(self, table):
        columns = table.free_columns()
        chosen = self.random.sample(columns, min(len(columns), self.random.randrange(1, 4)))
        return ", ".join(f"{column.name} = {column.literal(self.random)}" for column in chosen)

    def write(self, table):
        """One statement that changes rows."""
        rnd = self.random
        dice = rnd.random()
        assignments = self.assignments(table)
        if dice < 0.3 or not assignments:
            self.insert(table, rnd.randrange(1, ROWS_MAX))
        elif dice < 0.36:
            self.insert(table, rnd.randrange(1, ROWS_MAX), "REPLACE")
        elif dice < 0.42:
            self.insert(table, rnd.randrange(1, ROWS_MAX), "INSERT", f" ON DUPLICATE KEY UPDATE {assignments}")
        elif dice < 0.72:
            self.change(f"UPDATE {table.name} SET {assignments} {self.some_rows(table)}")
        elif dice < 0.82:
            self.change(f"UPDATE IGNORE {table.name} SET {table.id} = {table.id} + {rnd.choice([1, -1, 50])} {self.some_rows(table)}")
        elif dice < 0.94:
            self.change(f"DELETE FROM {table.name} {self.some_rows(table)}")
        elif dice < 0.97:
            sets = ", ".join(f"{column.name} = {column.literal(rnd)}" for column in table.columns)
            self.change(f"LOAD DATA INFILE '{self.ids_file}' {rnd.choice(['REPLACE', 'IGNORE'])} INTO TABLE {table.name} ({table.id}) SET {sets}")
        else:
            self.copy_rows(table)

    def copy_rows(self, table):
        names = ", ".join(column.name for column in table.columns)
        self.change(f"INSERT IGNORE INTO {table.name} ({table.id}, {names}) SELECT {table.id} + 7, {names} FROM {table.name} {self.some_rows(table)} LIMIT 20")

    def transaction(self):
        rnd = self.random
        self.execute("BEGIN")
        for _ in range(rnd.randrange(1, 8)):
            if rnd.random() < 0.15:
                self.execute("SAVEPOINT s")
                self.write(rnd.choice(self.tables))
                self.execute("ROLLBACK TO SAVEPOINT s")
            self.write(rnd.choice(self.tables))
        self.execute(rnd.choice(["COMMIT", "COMMIT", "COMMIT", "ROLLBACK"]))

    # --- statements that change tables

    def add_column(self, table):
        rnd = self.random
        column = Column(self.fresh("c"), draw_kind(rnd, self.server_kind), rnd, rnd.random() < 0.3)
        place = rnd.choice(["", " FIRST", f" AFTER {table.id}"])
        if self.execute(f"ALTER TABLE {table.name} ADD COLUMN {column.declaration()}{place}"):
            table.columns.append(column)

    def drop_column(self, table):
        columns = table.free_columns()
        if len(columns) > 1:
            column = self.random.choice(columns)
            if self.execute(f"ALTER TABLE {table.name} DROP COLUMN {column.name}"):
                table.columns.remove(column)

    def modify_column(self, table):
        rnd = self.random
        for old in rnd.sample(table.free_columns(), min(1, len(table.free_columns()))):
            kind = type(old.kind)(old.kind.name, CHARSETS_OF[self.server_kind]) if isinstance(old.kind, Text) else \
                rnd.choice([old.kind, draw_kind(rnd, self.server_kind)])
            new = Column(old.name, kind, rnd, rnd.random() < 0.2)
            if self.execute(f"ALTER TABLE {table.name} MODIFY COLUMN {new.declaration()}{rnd.choice(['', ' FIRST'])}"):
                table.columns[table.columns.index(old)] = new

    def rename_column(self, table):
        rnd = self.random
        for old in rnd.sample(table.free_columns(), min(1, len(table.free_columns()))):
            new = Column(self.fresh("c"), old.kind, rnd, old.is_required)
            new.type = old.type
            how = f"CHANGE COLUMN {old.name} {new.declaration()}" if rnd.random() < 0.5 else f"RENAME COLUMN {old.name} TO {new.name}"
            if self.execute(f"ALTER TABLE {table.name} {how}"):
                table.columns[table.columns.index(old)] = new

    def rename_id(self, table):
        name = self.fresh("id")
        if self.execute(f"ALTER TABLE {table.name} RENAME COLUMN {table.id} TO {name}"):
            table.id = name

    def several_at_once(self, table):
        rnd = self.random
        columns = table.free_columns()
        new = Column(self.fresh("c"), draw_kind(rnd, self.server_kind), rnd, False)
        old = rnd.choice(columns) if len(columns) > 1 else None
        drop = f", DROP COLUMN {old.name}" if old else ""
        if self.execute(f"ALTER TABLE {table.name} ADD COLUMN {new.declaration()}{drop}, COMMENT = 'x', ADD INDEX ({table.id})"):
            table.columns.append(new)
            if old:
                table.columns.remove(old)

    def convert(self, table):
        charsets = ["utf8mb4", "utf8mb3", "latin1", "utf16"]
        if any(isinstance(column.kind, Words) for column in table.columns):
            if self.server_kind == "mysql":
                return  # MySQL 9.7 may spoil the members of ENUM and SET by it, which no statement tells
            charsets.remove("utf16")
        charset = self.random.choice(charsets)
        if self.execute(f"ALTER TABLE {table.name} CONVERT TO CHARACTER SET {charset}"):
            for column in table.columns:
                if isinstance(column.kind, Text):
                    column.kind.charset = charset
                    column.type = re.sub(r"CHARACTER SET \w+", f"CHARACTER SET {charset}", column.type)

    def rename_table(self, table):
        name = self.fresh("t")
        how = f"ALTER TABLE {table.name} RENAME TO {name}" if self.random.random() < 0.5 else f"RENAME TABLE {table.name} TO {name}"
        if self.execute(how):
            table.name = name

    def swap_tables(self, table):
        other = self.random.choice(self.tables)
        if other is not table:
            spare = self.fresh("t")
            if self.execute(f"RENAME TABLE {table.name} TO {spare}, {other.name} TO {table.name}, {spare} TO {other.name}"):
                table.name, other.name = other.name, table.name

    def drop_table(self, table):
        if self.execute(f"DROP TABLE {table.name}"):
            self.tables.remove(table)
            self.create_table()

    def create_again(self, table):
        """Another table under the name of one that was dropped."""
        if self.execute(f"DROP TABLE {table.name}"):
            self.tables.remove(table)
            self.create_table()
            if self.tables and self.execute(f"RENAME TABLE {self.tables[-1].name} TO {table.name}"):
                self.tables[-1].name = table.name

    def create_as_select(self, table):
        names = ", ".join([table.id] + [column.name for column in table.columns])
        twin = table.copy(self.fresh("t"), "none")
        if len(self.tables) < 6 and self.execute(f"CREATE TABLE {twin.name} AS SELECT {names} FROM {table.name}"):
            self.tables.append(twin)

    def truncate(self, table):
        self.execute(f"TRUNCATE TABLE {table.name}")

    def rebuild_in_place(self, table):
        self.execute(self.random.choice([f"ALTER TABLE {table.name} FORCE", f"ALTER TABLE {table.name} ADD INDEX ({table.id})",
                                         f"CREATE INDEX {self.fresh('i')} ON {table.name} ({table.id})",
                                         f"ALTER DATABASE {DATABASE} CHARACTER SET {self.random.choice(['utf8mb4', 'latin1'])}"]))

    def ghost(self, table, with_triggers):
        """The way of gh-ost, or of pt-online-schema-change: a copy is changed, filled and put in the table's place."""
        rnd = self.random
        copy, old = self.fresh("_t"), self.fresh("_t")
        new = Column(self.fresh("c"), draw_kind(rnd, self.server_kind), rnd, False)
        names = ", ".join([table.id] + [column.name for column in table.columns])
        if not self.execute(f"CREATE TABLE {copy} LIKE {table.name}") or \
                not self.execute(f"ALTER TABLE {copy} ADD COLUMN {new.declaration()}"):
            self.execute(f"DROP TABLE IF EXISTS {copy}")
            return
        if with_triggers:
            values = ", ".join("NEW." + name for name in names.split(", "))
            self.execute(f"CREATE TRIGGER {copy}_i AFTER INSERT ON {table.name} FOR EACH ROW REPLACE INTO {copy} ({names}) VALUES ({values})")
            self.execute(f"CREATE TRIGGER {copy}_d AFTER DELETE ON {table.name} FOR EACH ROW DELETE IGNORE FROM {copy} WHERE {table.id} <=> OLD.{table.id}")
        for _ in range(3):
            self.write(table)
        self.change(f"INSERT IGNORE INTO {copy} ({names}) SELECT {names} FROM {table.name}")
        if self.execute(f"RENAME TABLE {table.name} TO {old}, {copy} TO {table.name}"):
            table.columns.append(new)
            self.execute(f"DROP TABLE {old}")

    def alter(self):
        table = self.random.choice(self.tables)
        what = self.random.choice([
            self.add_column, self.add_column, self.drop_column, self.modify_column, self.modify_column, self.rename_column,
            self.rename_id, self.several_at_once, self.convert, self.rename_table, self.swap_tables, self.swap_tables, self.drop_table,
            self.create_again, self.create_as_select, self.truncate, self.rebuild_in_place,
            lambda chosen: self.ghost(chosen, False), lambda chosen: self.ghost(chosen, True)])
        what(table)

    # --- the whole

    def prepare(self, tables):
        while len(self.tables) < tables:
            self.create_table()

    def run(self, changes, may_alter):
        """Until so many rows were changed since tables may be, too."""
        end = None
        while end is None or self.changes < end:
            if end is None and may_alter():
                end = self.changes + changes
            if not self.tables:
                self.create_table()
            dice = self.random.random()
            if dice < 0.12 and end is not None:
                self.alter()
            elif dice < 0.4:
                self.transaction()
            elif dice < 0.404:
                self.execute("FLUSH BINARY LOGS")
            else:
                self.write(self.random.choice(self.tables))
