"""HAR 1.2, in and out: what a browser recorded becomes a draft, what was recorded opens in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assembler.har_export import export_har as exported
from assembler.har_export import source_of
from assembler.har_import import import_har as imported
from assembler.storage import write_json
from wctl.commands.record import lines
from wctl.console import Refusal, answer, refusing, say
from wctl.options import DataRoot, Slug

__all__ = ["export_har", "import_har"]


def import_har(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A HAR 1.2, as browsers and Playwright write it.")],
    slug: Annotated[str, typer.Option(metavar="SLUG", help="The draft's name.")],
    origin: Annotated[
        str | None,
        typer.Option(metavar="ORIGIN", help="Whose requests: scheme, host and port (default: that of most requests)."),
    ] = None,
    data_root: DataRoot = Path(),
) -> int:
    """Turn the traffic in a HAR into a draft profile.

    Exit code 2 when the draft has problems that keep it from being promoted.
    """
    status = imported(file, slug, data_root.absolute(), origin=origin)
    say("\n".join(lines(status)))
    answer(str(status.directory))
    return 2 if status.problems else 0


def export_har(
    slug: Slug,
    target: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Default: SLUG.har here.")] = None,
    data_root: DataRoot = Path(),
) -> int:
    """Write the recorded traffic of a profile, or else of a draft, as a HAR 1.2 that browsers open.

    Redacted as it was recorded: secrets stay pseudonyms.
    """
    with refusing(LookupError, ValueError):
        document = exported(source_of(slug, data_root.absolute()))
    target = target or Path(f"{slug}.har")
    if target.exists():
        raise Refusal(f"{target} exists; choose another name.")
    write_json(target, document)
    say(f"{len(document['log']['entries'])} requests. Open it in the network panel of a browser's developer tools.")
    answer(str(target))
    return 0
