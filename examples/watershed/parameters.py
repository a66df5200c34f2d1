"""The parameters of a run: `_defaults.toml`, overridden by `<config>.cfg`, both read from the run's own directory.

Despite its name, `_defaults.toml` is not strict TOML: values such as `bin=rusle_1997` stand without quotes.
"""

from __future__ import annotations

import configparser
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

DEFAULTS = "_defaults.toml"


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the computation needs to know.

    `source_area` in ha, `longest_slope` in m, `erodibility` (K) in t ha h / (ha MJ mm), `erosivity` (R) in
    MJ mm / (ha h yr).
    """

    title: str
    dem: str
    cover: str
    source_area: float
    longest_slope: float
    erodibility: float
    erosivity: float
    model: str

    @classmethod
    def read(cls, directory: Path, config: str) -> Self:
        """Raises OSError when a file is missing, KeyError when a parameter is, ValueError when one is no number."""
        parser = configparser.RawConfigParser(inline_comment_prefixes=("#",))
        for name in (DEFAULTS, f"{config}.cfg"):
            with (directory / name).open(encoding="utf-8") as file:
                parser.read_file(file)
        return cls(
            title=_text(parser["general"].get("name", config)),
            dem=_text(parser["general"]["dem"]),
            cover=_text(parser["landuse"]["cover"]),
            source_area=float(parser["watershed"]["csa"]),
            longest_slope=float(parser["watershed"]["clip_hillslope_length"]),
            erodibility=float(parser["soils"]["erodibility"]),
            erosivity=float(parser["climate"]["rainfall_erosivity"]),
            model=_text(parser["wepp"]["bin"]),
        )


def _text(value: str) -> str:
    """A value in double quotes is a TOML string, which these files keep within JSON's rules; any other is bare."""
    return str(json.loads(value)) if value.startswith('"') else value
