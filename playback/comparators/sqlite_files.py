"""Reading an SQLite file without ever writing to it or beside it."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from .comparison import reading

Row = tuple[object, ...]

# What is the application's own: SQLite keeps its bookkeeping (sequences, statistics) in tables of this prefix.
_OWN = "sqlite_master WHERE name NOT LIKE 'sqlite~_%' ESCAPE '~'"
_SIDECARS = ("-wal", "-journal")


@dataclass(frozen=True)
class Table:
    """An ordinary table: the names of its columns, and of those of its primary key, in their order."""

    name: str
    columns: list[str]
    keys: list[str]


class Database:
    """An open SQLite file. Every method raises Unreadable where the file is not SQLite, or is corrupt."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        # SQLite stores whatever bytes it is given as text.
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        ((self.encoding,),) = self._all("PRAGMA encoding")

    def schema(self, ignored: list[str]) -> dict[str, str]:
        """The SQL of every table, index, view and trigger, but those of `ignored` tables, and the user version."""
        ((version,),) = self._all("PRAGMA user_version")
        parts = {"the text encoding": str(self.encoding), "user_version": str(version)}
        for kind, name, table, sql in self._all(f"SELECT type, name, tbl_name, sql FROM {_OWN}"):
            if table not in ignored:
                parts[f"{kind} {name}"] = " ".join(str(sql).split())
        return parts

    def tables(self) -> dict[str, Table]:
        """The ordinary tables by name. A virtual table may need a module that is not at hand."""
        names = self._all(f"SELECT name FROM {_OWN} AND type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL %'")
        return {str(name): self._table(str(name)) for (name,) in names}

    def _table(self, name: str) -> Table:
        columns = self._all("SELECT name, pk FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid", name)
        keys = sorted((place, column) for column, place in columns if place)
        return Table(name, [str(column) for column, _ in columns], [str(column) for _, column in keys])

    def rows(self, table: str, columns: list[str]) -> Iterator[Row]:
        """`columns` of all rows, in the order of `rank`."""
        names = [_quoted(name) for name in columns]
        order = ", ".join(f"{name} COLLATE BINARY" for name in names)
        query = f"SELECT {', '.join(names) or 'NULL'} FROM {_quoted(table)} ORDER BY {order or 1}"
        with reading(self.path, "SQLite", sqlite3.Error):
            yield from self._connection.execute(query)

    def rank(self, row: Row) -> list[tuple[int, object]]:
        """What sorts as SQLite sorts: NULL, numbers, text, blobs (sqlite.org/datatype3.html, section 4.1)."""
        return [self._rank(value) for value in row]

    def _rank(self, value: object) -> tuple[int, object]:
        if value is None:
            return 0, 0
        if isinstance(value, str):  # compared by the bytes in which the file holds it
            encoding, errors = str(self.encoding), "surrogateescape" if self.encoding == "UTF-8" else "surrogatepass"
            return 2, value.encode(encoding, errors)
        return (3, value) if isinstance(value, bytes) else (1, value)

    def _all(self, query: str, *values: str) -> list[Row]:
        with reading(self.path, "SQLite", sqlite3.Error):
            return self._connection.execute(query, values).fetchall()


@contextmanager
def opened(path: Path) -> Iterator[Database]:
    """The database at `path`, read-only and immutable: no lock, no journal, no shared memory file."""
    with tempfile.TemporaryDirectory() as folder:
        sidecars = [each for suffix in _SIDECARS if (each := path.with_name(path.name + suffix)).exists()]
        if any(each.stat().st_size for each in sidecars):
            # An application that still runs, or was killed, leaves its last rows here. Opened as immutable they would
            # not be seen, opened otherwise they would be moved into the file: so it happens in a copy.
            copies = [Path(shutil.copy(each, folder)) for each in (path, *sidecars)]
            uri = copies[0].as_uri()
        else:
            uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        with reading(path, "SQLite", sqlite3.Error):
            connection = sqlite3.connect(uri, uri=True)
        with closing(connection):
            yield Database(path, connection)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
