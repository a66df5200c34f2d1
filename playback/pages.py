"""The service's page: profiles with their last verdict, and what is being replayed now.

Every value is escaped, and the page may load and run nothing (Content-Security-Policy): profiles are written by others.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape

from playback import results
from playback.catalogue import Entry
from playback.runs import Run

__all__ = ["CSP", "index"]

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1d2433 }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #dde1ea; vertical-align: top }
small { color: #667 } code { background: #f2f4f8; padding: 0 .2rem }
.passed { color: #17692d } .failed { color: #b3261e } .error, .interrupted { color: #8a5a00 }
"""
CSP = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"
)

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Profiles</title><style>{style}</style></head>
<body><h1>Profiles</h1>{running}{table}
<p><small>To replay one: <code>wctl run-test-profile</code> and its name.</small></p>
</body></html>
"""


def index(entries: Iterable[Entry], running: Iterable[Run]) -> str:
    """The page as HTML."""
    rows = "".join(_row(entry) for entry in entries)
    head = "<tr><th>Profile</th><th>Steps</th><th>Tags</th><th>Last verdict</th></tr>"
    table = f"<table>{head}{rows}</table>" if rows else "<p>No profile has been promoted yet.</p>"
    now = ", ".join(
        f"{escape(run.slug)} <small>{run.state} since {escape(run.started_at[:19])} UTC</small>" for run in running
    )
    return _PAGE.format(style=STYLE, running=f"<p>Now: {now}</p>" if now else "", table=table)


def _row(entry: Entry) -> str:
    shown = entry.as_json()
    title = f"<br><small>{escape(str(shown['problem'] or shown['title'] or ''))}</small>"
    last, verdict = shown["last"], "<small>never replayed</small>"
    if last:
        result = escape(str(last["result"]))
        when = escape(str(last["started_at"])[:19])
        word = f'<a class="{result}" href="runs/{escape(results.short_id(last["run_id"]))}/files/{results.PAGE}">{result}</a>'
        verdict = f"{word} <small>{when} UTC, {_seconds(last['duration_s'])}</small>"
    steps = "" if shown["steps"] is None else str(shown["steps"])
    link = f'<a href="profiles/{escape(entry.slug)}">{escape(entry.slug)}</a>'
    return (
        f"<tr><td>{link}{title}</td><td>{steps}</td><td>{escape(', '.join(shown['tags']))}</td><td>{verdict}</td></tr>"
    )


def _seconds(value: object) -> str:
    return f"{value:.1f} s" if isinstance(value, (int, float)) else ""
