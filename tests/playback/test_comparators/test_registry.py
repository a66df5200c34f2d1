"""Names, params, and files that are missing, empty, unreadable or no files at all."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType

import pytest

import playback.comparators
from playback.comparators import (
    Comparator,
    Comparison,
    Params,
    compare,
    default_method,
    methods,
    registry,
    validate_params,
)

BUILT_IN = [
    "archive_diff",
    "exact_hash",
    "json_exact",
    "json_tolerance",
    "raster_stats",
    "sqlite_diff",
    "tabular_diff",
    "text_diff",
]
PARSING = [method for method in BUILT_IN if method not in ("exact_hash", "text_diff")]


def test_public_names_exist():
    assert all(hasattr(playback.comparators, name) for name in playback.comparators.__all__)
    assert set(BUILT_IN) <= set(methods())


def test_a_comparison_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Comparison("passed", "").result = "failed"


def test_an_unknown_method_names_the_nearest_and_all(pair):
    with pytest.raises(ValueError, match=r"no comparator 'json_exat'; did you mean 'json_exact'\?.* text_diff"):
        compare("json_exat", *pair("a.json"), {})


@pytest.mark.parametrize("method", BUILT_IN)
def test_every_method_refuses_an_unknown_param(method):
    with pytest.raises(ValueError, match=rf"^{method}: there is no param 'tolerence'; "):
        validate_params(method, {"tolerence": 1})


@pytest.mark.parametrize(
    ("method", "params", "sentence"),
    [
        ("exact_hash", {"tolerance": 1}, r"no param 'tolerance'; it takes none\.$"),
        ("json_tolerance", {"tolerence": 1}, r"did you mean 'tolerance'\? Valid are: relative, tolerance\.$"),
        ("json_tolerance", {"tolerance": -1}, r"'tolerance' must be a finite number of at least 0, .* not -1\.$"),
        ("json_tolerance", {"tolerance": float("inf")}, "'tolerance' must be a finite number"),
        ("json_tolerance", {"tolerance": float("nan")}, "'tolerance' must be a finite number"),
        ("json_tolerance", {"tolerance": True}, "'tolerance' must be a finite number"),
        ("json_tolerance", {"tolerance": "narrow"}, "'tolerance' must be a finite number"),
        ("json_tolerance", {"tolerance": {"runoff": 1}}, "as in /outlets/"),
        ("json_tolerance", {"relative": 1}, r"'relative' must be true .* or false, not 1\.$"),
        ("json_tolerance", {1: 1}, "no param '1'"),
        ("text_diff", {"ignore_lines": "^a"}, r"'ignore_lines' must be a list of valid regular expressions"),
        ("text_diff", {"ignore_lines": ["("]}, r"'ignore_lines' must be a list of valid regular expressions, not '\('"),
        ("tabular_diff", {"delimiter": "; "}, "'delimiter' must be one character"),
        ("tabular_diff", {"key": 3}, "'key' must be a column name or a list of them, not 3"),
        ("tabular_diff", {"tolerance": {"runoff": "much"}}, "'tolerance.runoff' must be a finite number .* not 'much'"),
        (
            "tabular_diff",
            {"tolerance": {"runoff": {"absolut": 1}}},
            "no param 'tolerance.runoff.absolut'; did you mean 'abs",
        ),
        (
            "tabular_diff",
            {"tolerance": {"runoff": {"relative": -1}}},
            "'tolerance.runoff.relative' must be a finite number",
        ),
        (
            "tabular_diff",
            {"tolerance": {"runoff": {}}},
            "'tolerance.runoff' must be .* absolute, relative or both, not {}",
        ),
        ("tabular_diff", {"tolerance": {1: 1}}, "'tolerance' must be a finite number .* by place"),
        ("tabular_diff", {"tolerance": [1]}, "'tolerance' must be a finite number .* by place"),
        ("json_tolerance", {"tolerance": {"$.a.b": 1}}, "JSON pointer.* not '\\$.a.b'; did you mean '/a/b'"),
        ("raster_stats", {"tolerance": {"mean": {"relativ": 1}}}, "'tolerance.mean.relativ'; did you mean 'relative'"),
        ("raster_stats", {"tolerance": {"bands": {2: {"maen": 1}}}}, "'tolerance.bands.2.maen'; did you mean 'mean'"),
        (
            "raster_stats",
            {"tolerance": {"bands": {2: {"mean": "x"}}}},
            "'tolerance.bands.2.mean' must be a finite number",
        ),
        ("raster_stats", {"tolerance": {"bands": {0: {"mean": 1}}}}, "by the number of the band"),
        ("raster_stats", {"tolerance": {"bands": 2}}, "'tolerance.bands' must be a mapping"),
        ("raster_stats", {"tolerance": {"maen": 1}}, r"no param 'tolerance.maen'; did you mean 'mean'\?"),
        (
            "raster_stats",
            {"tolerance": {"mean": -1}},
            r"'tolerance.mean' must be a finite number of at least 0, .* not -1",
        ),
        ("raster_stats", {"tolerance": {"cells": 1.5}}, "'tolerance.cells' must be a fraction below 1 or a whole"),
        ("raster_stats", {"tolerance": {}}, "'tolerance' must be a mapping with at least one of"),
        ("raster_stats", {"tolerance": 0.5}, "'tolerance' must be a mapping with at least one of"),
        ("sqlite_diff", {"ignore_table": []}, "did you mean 'ignore_tables'"),
        ("sqlite_diff", {"ignore_columns": "a"}, "'ignore_columns' must be a list of column names"),
    ],
)
def test_unfit_params_are_refused_by_name(method, params, sentence):
    with pytest.raises(ValueError, match=sentence) as refusal:
        validate_params(method, params)
    assert str(refusal.value).startswith(f"{method}: ")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("exact_hash", {}),
        ("json_tolerance", MappingProxyType({"tolerance": 0, "relative": True})),
        ("json_tolerance", {"tolerance": "1e-6"}),  # what YAML 1.1 makes of 1e-6
        ("json_tolerance", {"tolerance": {"/a/*": "1e-6", "/**": 1}}),
        ("tabular_diff", {"key": "id", "tolerance": {"x": 0.1}, "delimiter": "\t", "ignore_columns": ["at"]}),
        ("raster_stats", {"tolerance": {"mean": 0.05, "max": 0.10}}),
        ("tabular_diff", {"tolerance": {"x": {"absolute": "1e-6", "relative": 0.1}}}),
        ("raster_stats", {"tolerance": {"cells": 3}}),
        ("raster_stats", {"tolerance": {"cells": "1e3", "max": {"relative": 0.01}}}),
        ("raster_stats", {"tolerance": {"bands": {1: {"mean": 1}, "2": {"max": {"relative": 1}}}}}),
        ("raster_stats", {"tolerance": None}),
    ],
)
def test_fit_params_are_accepted(method, params):
    """And no others beside them."""
    validate_params(method, params)
    with pytest.raises(ValueError, match="tolerances"):
        validate_params(method, {**params, "tolerances": 1})


def test_bad_params_are_refused_before_the_files_are_looked_at(pair):
    with pytest.raises(ValueError, match="tolerance"):
        compare("exact_hash", *pair("missing"), {"tolerance": 1})


@pytest.mark.parametrize("method", BUILT_IN)
@pytest.mark.parametrize("role", ["expected", "actual"])
class TestUnusableFiles:
    """Whatever the method, whichever the side."""

    @pytest.fixture
    def usable(self, role, pair) -> tuple[Path, Path]:
        """The path of the side under test, then that of the other, which holds a few bytes."""
        expected, actual = pair("soil.txt")
        broken, sound = (expected, actual) if role == "expected" else (actual, expected)
        sound.write_text("sound\n")
        return broken, sound

    def sentence(self, method, role, broken, sound) -> str:
        outcome = compare(method, *((broken, sound) if role == "expected" else (sound, broken)), {})
        assert outcome.result == "failed"
        return outcome.summary

    def test_missing(self, method, role, usable):
        assert self.sentence(method, role, *usable) == f"The {role} file soil.txt is missing."

    def test_below_a_file(self, method, role, usable):
        _, sound = usable
        assert self.sentence(method, role, sound / "soil.txt", sound) == f"The {role} file soil.txt is missing."

    def test_empty(self, method, role, usable):
        usable[0].write_bytes(b"")
        assert self.sentence(method, role, *usable) == f"The {role} file soil.txt is empty."

    def test_folder(self, method, role, usable):
        usable[0].mkdir()
        assert self.sentence(method, role, *usable) == f"The {role} file soil.txt is not a regular file."

    def test_pipe_that_nobody_writes_to(self, method, role, usable):
        os.mkfifo(usable[0])
        assert self.sentence(method, role, *usable) == f"The {role} file soil.txt is not a regular file."


@pytest.mark.parametrize("method", BUILT_IN)
def test_two_empty_files_are_equal_bytes_and_nothing_else(judge, method):
    outcome = judge(method, b"", b"")
    assert outcome.result == ("failed" if method in PARSING else "passed")
    assert ("is empty" in outcome.summary) == (method in PARSING)


@pytest.mark.parametrize("method", [m for m in PARSING if m != "tabular_diff"])
@pytest.mark.parametrize(
    "junk", [b"\x00\xff\xfe\x80" * 99, b"PK\x03\x04junk", b"SQLite format 3\0" + b"\7" * 99, b"II*\0\1"]
)
def test_junk_fails_even_against_itself(judge, method, junk):
    outcome = judge(method, junk, junk)
    assert outcome.result == "failed"
    assert outcome.summary.startswith("The expected file expected cannot be read as ")


def test_an_unreadable_file_is_attributed_to_its_side(judge):
    assert judge("json_exact", "1", "{").summary.startswith("The actual file actual cannot be read as JSON: ")
    assert judge("json_exact", "{", "1").summary.startswith("The expected file expected cannot be read as JSON: ")


def test_no_comparator_writes_to_the_files(pair):
    for path in (paths := pair("a.csv")):
        path.write_text("a,b\n1,2\n")
        path.chmod(0o400)
    before = [path.stat() for path in paths]
    for method in BUILT_IN:
        compare(method, *paths, {})
    assert [(s.st_mtime_ns, s.st_size) for s in before] == [
        (s.st_mtime_ns, s.st_size) for s in (path.stat() for path in paths)
    ]


@pytest.mark.parametrize(
    ("name", "content", "method"),
    [
        ("a.json", b"{}", "json_exact"),
        ("A.JSON", b"[1]", "json_exact"),
        ("a.json", b"{} {}", "exact_hash"),  # JSON lines by another name
        ("a.csv", b"a,b\n1,2\n", "tabular_diff"),
        ("a.tsv", b"a\tb\n", "tabular_diff"),
        ("a.csv", b"a,b\n\xff,2\n", "exact_hash"),
        ("a.log", b"started\n", "text_diff"),
        ("a.log", b"", "text_diff"),
        ("a.csv", b"", "exact_hash"),
        ("_defaults.toml", b"[a]\n", "text_diff"),
        ("page.html", b"<p>", "text_diff"),
        ("a.db", b"not SQLite", "exact_hash"),
        ("a.tif", b"not a raster", "exact_hash"),
        ("a.tar.gz", b"not an archive", "exact_hash"),
        ("a.parquet", b"PAR1", "exact_hash"),
        ("noext", b"x", "exact_hash"),
    ],
)
def test_the_default_method_goes_by_suffix_and_content(tmp_path, name, content, method):
    path = tmp_path / name
    path.write_bytes(content)
    assert default_method(path) == method
    assert compare(method, path, path, {}).result == "passed"


def test_the_default_method_of_a_missing_file_is_exact_hash(tmp_path):
    assert default_method(tmp_path / "a.json") == "exact_hash"


class Installed:
    """Puts entry points in the place of those of installed packages."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, **names: str) -> None:
        entries = importlib.metadata.EntryPoints(
            importlib.metadata.EntryPoint(name, value, registry.ENTRY_POINTS) for name, value in names.items()
        )
        self._monkeypatch.setattr(registry, "entry_points", entries.select)


@pytest.fixture
def installed(monkeypatch) -> Installed:
    return Installed(monkeypatch)


def _same_size(expected, actual, params, artifacts):
    result = "passed" if expected.stat().st_size == actual.stat().st_size else "failed"
    return Comparison(result, "Sizes were compared.")


def _breaks(expected, actual, params, artifacts):
    raise RuntimeError("out of paper")


class TestThirdParties:
    @pytest.fixture(autouse=True)
    def module(self, monkeypatch):
        """Make this module importable by a plain name, as an installed package is."""
        monkeypatch.setitem(sys.modules, "comparators_of_others", sys.modules[__name__])

    def test_an_installed_comparator_is_used(self, installed, judge):
        installed(same_size="comparators_of_others:SAME_SIZE")
        assert "same_size" in methods()
        assert judge("same_size", "ab", "cd").result == "passed"
        assert judge("same_size", "ab", "c").result == "failed"
        with pytest.raises(ValueError, match="same_size: there is no param 'x'; it takes none"):
            validate_params("same_size", {"x": 1})

    def test_it_cannot_replace_a_built_in(self, installed, judge):
        installed(exact_hash="comparators_of_others:SAME_SIZE")
        assert judge("exact_hash", "ab", "cd").result == "failed"

    def test_one_that_breaks_is_failed_and_shows_where(self, installed, judge):
        installed(breaks="comparators_of_others:BREAKS")
        outcome = judge("breaks", "a", "a")
        assert outcome.result == "failed"
        assert outcome.summary == "breaks broke on actual: RuntimeError: out of paper."
        assert any("_breaks" in line for line in outcome.details)

    def test_one_that_cannot_be_loaded_is_refused(self, installed):
        installed(gone="comparators_of_nobody:X")
        with pytest.raises(ValueError, match=r"Comparator 'gone' \(comparators_of_nobody:X\) cannot be loaded"):
            validate_params("gone", {})

    def test_one_that_is_something_else_is_refused(self, installed):
        installed(odd="comparators_of_others:BUILT_IN")
        with pytest.raises(ValueError, match=r"'odd' is a list, not a playback\.comparators\.Comparator"):
            validate_params("odd", {})


SAME_SIZE = Comparator(Params, _same_size)
BREAKS = Comparator(Params, _breaks)


def test_rasterio_is_loaded_only_for_rasters():
    code = (
        "import sys, playback.comparators as c; c.validate_params('json_exact', {}); print('rasterio' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
