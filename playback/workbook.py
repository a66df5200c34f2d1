"""The sheets of an .xlsx workbook as tables: texts where they are shown, dates as dates.

A sheet holds numbers of texts in a list of all texts, and days since 1900. Told as rows under their headings they are
compared like any other answer: an id by its column's name, a time by the clocks.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree

__all__ = ["Sheets", "read_sheets"]

_BOOK = "xl/workbook.xml"
_DATES = {14, 15, 16, 17, 22}
"""Numbers of the built-in formats that show a day."""

_LAST = 2_958_465
"""31 December 9999."""


@dataclass(frozen=True)
class Sheets:
    """Each sheet's table as JSON by the sheet's name, and the members of the archive that were read for them."""

    tables: dict[str, bytes]
    read: set[str]


def read_sheets(members: Mapping[str, bytes]) -> Sheets | None:
    """The sheets of a workbook, or None where the archive is none. Raises ValueError for one that cannot be read."""
    if _BOOK not in members or any(b"<!DOCTYPE" in members[n] or b"<!ENTITY" in members[n] for n in members if n.endswith("ml")):
        return None
    try:
        return _read(members)
    except (ElementTree.ParseError, IndexError, OverflowError) as error:
        raise ValueError(str(error)) from error


def _read(members: Mapping[str, bytes]) -> Sheets:
    book = ElementTree.fromstring(members[_BOOK])
    epoch = datetime(1904, 1, 1) if _has_date1904(book) else datetime(1899, 12, 30)
    targets = {
        link.get("Id"): posixpath.normpath(posixpath.join("/xl", link.get("Target", ""))).lstrip("/")
        for link in ElementTree.fromstring(members["xl/_rels/workbook.xml.rels"])
    }
    texts = _texts(members.get("xl/sharedStrings.xml"))
    dated = _date_styles(members.get("xl/styles.xml"))
    tables: dict[str, bytes] = {}
    read = {"xl/sharedStrings.xml"}
    for sheet in book.findall(".//{*}sheet"):
        reference = next((value for name, value in sheet.attrib.items() if name.endswith("}id")), None)
        target = targets.get(reference, "")
        if target in members:
            rows = _rows(ElementTree.fromstring(members[target]), texts, dated, epoch)
            tables[sheet.get("name", target)] = json.dumps(_under_headings(rows)).encode()
            read.add(target)
    return Sheets(tables, read)


def _has_date1904(book: ElementTree.Element) -> bool:
    return any(each.get("date1904") in ("1", "true") for each in book.findall(".//{*}workbookPr"))


def _texts(source: bytes | None) -> list[str]:
    items = ElementTree.fromstring(source).findall("{*}si") if source else []
    return ["".join(t.text or "" for t in item.findall(".//{*}t")) for item in items]


def _date_styles(source: bytes | None) -> set[str]:
    """The numbers of the cell styles that show a day."""
    if not source:
        return set()
    root = ElementTree.fromstring(source)
    dates = set(_DATES)
    for each in root.findall(".//{*}numFmt"):
        shown = re.sub(r'"[^"]*"|\\.|\[[^\]]*\]', "", each.get("formatCode", ""))
        if re.search(r"[dy]", shown, re.IGNORECASE):
            dates.add(int(each.get("numFmtId", "-1")))
    cells = root.find("{*}cellXfs")
    styles = enumerate(cells if cells is not None else ())
    return {str(number) for number, style in styles if int(style.get("numFmtId", "0")) in dates}


def _rows(sheet: ElementTree.Element, texts: list[str], dated: set[str], epoch: datetime) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for row in sheet.findall(".//{*}row"):
        cells: list[Any] = []
        for number, cell in _placed(row):
            cells += [None] * (number - len(cells))
            cells.append(_value(cell, texts, dated, epoch))
        rows.append(cells)
    return rows


def _placed(row: ElementTree.Element) -> Iterator[tuple[int, ElementTree.Element]]:
    """Each cell with the number of its column; cells without a reference follow one another."""
    number = -1
    for cell in row.findall(".//{*}c"):
        letters = re.match(r"[A-Z]{1,3}", cell.get("r", ""))
        number += 1
        if letters:
            number = 0
            for letter in letters[0]:
                number = number * 26 + ord(letter) - ord("A") + 1
            number -= 1
        yield number, cell


def _value(cell: ElementTree.Element, texts: list[str], dated: set[str], epoch: datetime) -> Any:
    kind = cell.get("t", "n")
    shown = _shown(cell, cell.findtext("{*}v"), kind, texts, cell.get("s") in dated, epoch)
    formula = cell.findtext("{*}f")
    return shown if formula is None else {"formula": formula, "value": shown}


def _shown(cell: ElementTree.Element, value: str | None, kind: str, texts: list[str], day: bool, epoch: datetime) -> Any:
    if kind == "inlineStr":
        return "".join(t.text or "" for t in cell.findall(".//{*}t"))
    if value is None or kind in ("str", "e", "d"):
        return value
    if kind == "s":
        return texts[int(value)]
    if kind == "b":
        return value == "1"
    number = float(value)
    if day and 1 <= number <= _LAST:
        then = epoch + timedelta(milliseconds=round(number * 86_400_000))
        return then.date().isoformat() if number.is_integer() else then.isoformat(timespec="milliseconds")
    return int(number) if number.is_integer() else number


def _under_headings(rows: list[list[Any]]) -> list[Any]:
    """Each row by the names of its columns, where the first row names them all."""
    if len(rows) < 2:
        return rows
    heads, *others = rows
    named = all(isinstance(head, str) and head for head in heads) and len(set(heads)) == len(heads)
    if not named or any(len(row) > len(heads) for row in others):
        return rows
    return [heads, *(dict(zip(heads, row, strict=False)) for row in others)]
