from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from rag.errors import IndexDamaged
from rag.schema import FILE, SCHEMA, Filters, connect, translated


def test_the_tables_hold_together(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.executescript(SCHEMA)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_a_connection_keeps_promises_and_wipes_what_is_deleted(tmp_path: Path) -> None:
    connection = connect(tmp_path / FILE)
    settings = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("foreign_keys", "synchronous")}
    assert (settings, connection.execute("PRAGMA secure_delete").fetchone()[0]) == (
        {"foreign_keys": 1, "synchronous": 2}, 1,
    )  # fmt: skip
    connection.close()


def test_what_sqlite_raises_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(IndexDamaged, match="cannot be used"), translated(tmp_path):
        raise sqlite3.DatabaseError("disk I/O error")


def test_filters_without_a_condition_are_none() -> None:
    assert (bool(Filters()), bool(Filters(houses=("Citi",)))) == (False, True)
