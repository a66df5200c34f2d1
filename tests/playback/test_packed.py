"""Downloads that hold when they were made: two of them differ in bytes, and only a difference in what they say counts."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
import zipfile
import zlib

import pytest

from playback.answers import Comparer
from playback.bijection import Bijection, Moment

RECORDED, LIVE = 1_790_000_000.0, 1_790_090_000.0
AT_FIRST, LATER = "2026-09-21T14:13:20", "2026-09-22T15:13:20"
DAY, NEXT_DAY = 46286.592592592594, 46287.634259259259


def differing(recorded: bytes, live: bytes, bijection: Bijection | None = None) -> list[str]:
    comparer = Comparer(bijection or Bijection(), Moment(RECORDED, LIVE), "step")
    comparer.body("application/octet-stream", recorded, live)
    comparer.settle()
    return [mismatch.where for mismatch in comparer.mismatches]


def zipped(members: dict[str, str | bytes], year: int = 2026) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), content)
    return target.getvalue()


def tarred(members: dict[str, str], mtime: int) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), mtime
            archive.addfile(entry, io.BytesIO(content.encode()))
    return gzip.compress(target.getvalue(), mtime=mtime)


def workbook(*rows: tuple[object, ...], made: str = AT_FIRST, styled: str = "yyyy-mm-dd hh:mm") -> bytes:
    """A workbook as a library writes it: texts in a list of their own; a float is a day, shown by the second style."""
    texts = list(dict.fromkeys(str(v) for row in rows for v in row if isinstance(v, str)))

    def cell(value: object) -> str:
        if isinstance(value, str):
            return f'<c t="s"><v>{texts.index(value)}</v></c>'
        return f'<c s="1"><v>{value!r}</v></c>' if isinstance(value, float) else f"<c><v>{value}</v></c>"

    main, office = "http://schemas.openxmlformats.org/spreadsheetml/2006/main", "http://schemas.openxmlformats.org/officeDocument"
    relation = f"{office}/2006/relationships"
    sheet = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
    return zipped({
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{relation}"><sheets>'
        '<sheet name="Orders" sheetId="1" r:id="a"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": '<Relationships><Relationship Id="a" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{sheet}</sheetData></worksheet>',
        "xl/sharedStrings.xml": f'<sst xmlns="{main}">{"".join(f"<si><t>{t}</t></si>" for t in texts)}</sst>',
        "xl/styles.xml": f'<styleSheet xmlns="{main}"><numFmts><numFmt numFmtId="164" formatCode="{styled}"/></numFmts>'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="164"/></cellXfs></styleSheet>',
        "docProps/core.xml": f"<core><created>{made}Z</created></core>",
    })  # fmt: skip


def pdf(*lines: str, made: str, identity: str, compressed: bool = True) -> bytes:
    drawn = "\n".join(f"({line}) Tj" for line in lines).encode()
    content = zlib.compress(drawn) if compressed else drawn
    kind = b"/Filter /FlateDecode " if compressed else b""
    head = f"%PDF-1.4\n1 0 obj\n<< /CreationDate (D:{made}Z) >>\nendobj\n2 0 obj\n".encode()
    table = b"xref\n0 2\n0000000000 65535 f \n0000000009 00000 n \n"
    end = f"trailer\n<< /ID [<{identity}><{identity}>] >>\nstartxref\n{len(head) + len(content)}\n%%EOF\n".encode()
    return head + kind + b"/Length %d >>\nstream\n" % len(content) + content + b"\nendstream\nendobj\n" + table + end


def test_members_are_compared_and_not_when_they_were_packed() -> None:
    assert not differing(zipped({"a.csv": "x;1\n", "b.txt": AT_FIRST}), zipped({"b.txt": LATER, "a.csv": "x;1\n"}, 2027))
    assert differing(zipped({"a.csv": "x;1\n"}), zipped({"a.csv": "x;2\n"}, 2027)) == ["body:a.csv » line 1"]


def test_a_member_that_is_missing_or_is_called_otherwise_differs() -> None:
    assert differing(zipped({"a": "1", "b": "2"}), zipped({"a": "1"})) == ["body:members"]
    assert differing(zipped({"old": "1"}), zipped({"new": "1"})) == ["body:members"]


def test_a_member_named_by_an_id_is_the_one_of_that_id() -> None:
    known = Bijection()
    known.bind_number("order", "17", "42")
    assert not differing(zipped({"17.txt": "x"}), zipped({"42.txt": "x"}), known)
    assert differing(zipped({"17.txt": "x"}), zipped({"43.txt": "x"}), known)


def test_archives_within_archives_are_opened() -> None:
    assert not differing(zipped({"in": zipped({"a": "1"})}), zipped({"in": zipped({"a": "1"}, 2027)}))
    assert differing(zipped({"in": zipped({"a": "1"})}), zipped({"in": zipped({"a": "2"})})) == ["body:in » a » line 1"]


@pytest.mark.parametrize("head", ["", "data:application/zip;base64,"])
def test_a_download_inside_a_document(head: str) -> None:
    def sent(content: str, year: int) -> bytes:
        return json.dumps({"file": head + base64.b64encode(zipped({"a": content}, year)).decode()}).encode()

    assert not differing(sent("1", 2026), sent("1", 2027))
    assert differing(sent("1", 2026), sent("2", 2027)) == ["body:/file » a » line 1"]


def test_tar_and_gzip() -> None:
    assert not differing(tarred({"a": "1"}, 1), tarred({"a": "1"}, 2))
    assert differing(tarred({"a": "1"}, 1), tarred({"a": "2"}, 2)) == ["body:a » line 1"]
    assert not differing(gzip.compress(b"log", mtime=1), gzip.compress(b"log", mtime=2))
    assert differing(gzip.compress(b"log", mtime=1), gzip.compress(b"leg", mtime=2)) == ["body:content » line 1"]


def test_a_workbook_is_told_row_by_row() -> None:
    recorded = workbook(("ID", "Item", "When"), (17, "bolt", DAY), (18, "nut", DAY))
    assert not differing(recorded, workbook(("ID", "Item", "When"), (42, "bolt", NEXT_DAY), (43, "nut", NEXT_DAY), made=LATER))
    other = workbook(("ID", "Item", "When"), (17, "bolt", NEXT_DAY), (18, "bolt", NEXT_DAY), made=LATER)
    assert differing(recorded, other) == ["body:Orders » /2/Item"]


@pytest.mark.parametrize("number", [6, 4.5])
def test_a_changed_cell_is_found(number: float) -> None:
    recorded = workbook(("Item", "Amount"), ("bolt", 5), styled="0.00")
    assert differing(recorded, workbook(("Item", "Amount"), ("bolt", number), styled="0.00")) == ["body:Orders » /1/Amount"]


def test_a_day_that_did_not_move_with_the_clock_is_found() -> None:
    assert differing(workbook(("When",), (DAY,)), workbook(("When",), (NEXT_DAY + 3,))) == ["body:Orders » /1/When"]


def test_a_row_more_is_found() -> None:
    assert differing(workbook(("Item",), ("bolt",)), workbook(("Item",), ("bolt",), ("nut",))) == ["body:Orders » "]


@pytest.mark.parametrize("compressed", [True, False])
def test_a_pdf_by_what_it_draws(compressed: bool) -> None:
    recorded = pdf("Total 25.50 EUR", made="20260921141320", identity="0a" * 16, compressed=compressed)
    later = pdf("Total 25.50 EUR", made="20260922151320", identity="0b" * 16, compressed=compressed)
    wrong = pdf("Total 26.50 EUR", made="20260922151320", identity="0b" * 16, compressed=compressed)
    assert not differing(recorded, later)
    assert len(differing(recorded, wrong)) == 1


def test_what_cannot_be_opened_is_compared_by_its_bytes() -> None:
    damaged = zipped({"a": "1"})[:-8]
    assert differing(damaged, zipped({"a": "1"})) == ["body"]
    assert differing(zipped({"a": "1"}), damaged) == ["body"]
    locked = pdf("x", made="20260921141320", identity="0a" * 16).replace(b"/ID", b"/Encrypt 9 0 R /ID")
    assert differing(locked, locked.replace(b"0a", b"0b")) == ["body"]


def test_a_number_filled_with_zeros_is_that_number() -> None:
    known = Bijection()
    known.bind_number("invoice", "1", "22")
    assert not differing(b"INV-2026-00001", b"INV-2026-00022", known)
    assert differing(b"INV-2026-00002", b"INV-2026-00022", known) == ["body:line 1"]


def test_numbers_of_processes_are_masked_and_small_ones_called_so_are_not() -> None:
    assert not differing(b'{"pid": 17664, "worker_pid": 200}', b'{"pid": 17723, "worker_pid": 301}')
    assert differing(b'{"pid": 3}', b'{"pid": 4}') == ["body:/pid"]


def test_tags_are_a_set_and_steps_are_a_list() -> None:
    assert not differing(b'{"tags": ["zoe", "ash"]}', b'{"tags": ["ash", "zoe"]}')
    assert differing(b'{"tags": ["zoe", "ash"]}', b'{"tags": ["ash", "bob"]}')
    assert differing(b'{"steps": ["zoe", "ash"]}', b'{"steps": ["ash", "zoe"]}')
