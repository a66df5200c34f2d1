"""What the applications here keep, in one SQLite file below APP_STATE, so that several workers of a server share it.

Every new folder is a new instance: another secret key, and with SHIFT=k counted ids that start k higher. MUTANT=n
switches on regression n of the application.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

MUTANT = int(os.environ.get("MUTANT") or 0)
SHIFT = int(os.environ.get("SHIFT") or 0)


def folder() -> Path:
    """The state directory of this instance."""
    path = Path(os.environ["APP_STATE"])
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def database() -> Iterator[sqlite3.Connection]:
    """One connection for one piece of work: committed at the end, taken back on an exception."""
    connection = sqlite3.connect(folder() / "state.sqlite", timeout=60, isolation_level=None)
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    finally:
        connection.close()


def create(tables: Sequence[str], counted: Sequence[str], fill: Sequence[str] = ()) -> str:
    """Make the tables once per instance, move the counters of `counted`, run `fill`; returns the secret key."""
    with database() as db:
        db.execute("CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT)")
        if row := db.execute("SELECT value FROM setting WHERE name = 'key'").fetchone():
            return str(row["value"])
        for statement in tables:
            db.execute(statement)
        for name in counted:
            db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, SHIFT))
        for statement in fill:
            db.execute(statement)
        key = secrets.token_hex(32)
        db.execute("INSERT INTO setting VALUES ('key', ?)", (key,))
        return key
