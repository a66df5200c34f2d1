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
        parser = configparser.RawConfigParser()
        for name in (DEFAULTS, f"{config}.cfg"):
            with (directory / name).open(encoding="utf-8") as file:
                parser.read_file(file)

        def value(section: str, key: str) -> str:
            return _value(parser[section][key])

        return cls(
            title=value("general", "name"),
            dem=value("general", "dem"),
            cover=value("landuse", "cover"),
            source_area=float(value("watershed", "csa")),
            longest_slope=float(value("watershed", "clip_hillslope_length")),
            erodibility=float(value("soils", "erodibility")),
            erosivity=float(value("climate", "rainfall_erosivity")),
            model=value("wepp", "bin"),
        )


def _value(written: str) -> str:
    """A value in double quotes is a TOML string, which these files keep within JSON's rules; any other is bare."""
    if written.startswith('"'):
        return str(json.JSONDecoder().raw_decode(written)[0])
    return written.split("#")[0].strip()
