"""Options that several commands have, spelled once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

__all__ = ["AsJson", "BaseUrl", "DataRoot", "EnvFile", "Junit", "OverlayName", "Slug", "Verbose"]

Slug: TypeAlias = Annotated[str, typer.Argument(metavar="SLUG", help="Name of the profile.")]
DataRoot: TypeAlias = Annotated[
    Path, typer.Option(envvar="PROFILE_DATA_ROOT", metavar="DIR", help="Directory that holds profiles/.")
]
BaseUrl: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Where the application answers (default: PROFILE_PLAYBACK_BASE_URL)."),
]
EnvFile: TypeAlias = Annotated[
    Path | None, typer.Option(metavar="FILE", help="KEY=VALUE lines: secrets and settings of the replay.")
]
OverlayName: TypeAlias = Annotated[
    str | None, typer.Option("--overlay", metavar="NAME", help="The profile's overlay for another environment.")
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Write the result to stdout, as JSON.")]
Junit: TypeAlias = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML, too.")]
Verbose: TypeAlias = Annotated[bool, typer.Option("--verbose", "-v", help="Show every event of the replay.")]
