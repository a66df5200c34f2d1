"""Live secrets must not reach a report: what was sent or received as one is hidden wherever it stands.

A report holds what was compared, so only known values are hidden in it. Requests, answers, logs and files that go along
with it are shown whole: in those everything is hidden, too, that is a secret by its name or shape (`recorder.redaction`).
"""

from __future__ import annotations

import base64
import html
import json
import re
import secrets as random
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

from playback.report import Report
from recorder.known import known
from recorder.marks import Mark, merged, replaced
from recorder.media import Kind
from recorder.names import Names
from recorder.pseudonyms import PSEUDONYM, Pseudonyms
from recorder.redaction import Redactor

__all__ = ["HIDDEN", "SHORTEST", "Redaction", "hide", "of_environment", "redacted"]

HIDDEN = "•••"
SHORTEST = 4  # characters of a secret; shorter ones would hide half a text
_SECRET_NAMES = ("ADMIN_PASSWORD", "RECORDER_TOKEN", "RECORDER_KEY", "PROFILE_PLAYBACK_TOKEN")
_LARGE = 1 << 16  # characters
_WORD = re.compile(r"[A-Za-z0-9+/_-]{4,}")
_SHORTEST_PROBE = 4
_STANDARD = str.maketrans("-_", "+/")
_TELLING = 8  # characters from which on a value is also looked for in escapings that few use, base64 among them


def hide(text: str, secrets: Iterable[str]) -> str:
    """`text` without any of `secrets`, in whichever usual escaping they stand."""
    if len(text) > _LARGE:
        words = "\n".join(set(_WORD.findall(text)))
        secrets = [secret for secret in secrets if _may_stand(secret, words)]
    for secret in sorted(secrets, key=len, reverse=True):
        for spelled in _spellings(secret):
            if spelled in text:
                text = text.replace(spelled, HIDDEN)
        if len(secret) >= _TELLING:
            spans = [Mark(start, end, HIDDEN, ()) for start, end in known(secret, "").find(text)]
            text = replaced(text, merged(spans)) if spans else text
    return text


def _may_stand(secret: str, words: str) -> bool:
    """False when no spelling of `secret` can stand in a text of these words: letters and digits are never escaped.

    A long replay knows thousands of tokens, and looking for each of them through a log would take minutes.
    """
    probes = [max(re.findall(r"[A-Za-z0-9]*", secret), key=len)]
    raw = secret.encode("utf-8", "surrogatepass")
    for shift in range(3):  # in base64 its letters depend on where it begins; what its neighbours change is left out
        coded = base64.b64encode(b"\0" * shift + raw, b"-_").decode()
        probes += [coded[4 if shift else 0 : -4], coded[4 if shift else 0 : -4].translate(_STANDARD)]
    return any(len(probe) < _SHORTEST_PROBE or probe in words for probe in probes)


@lru_cache(4096)
def _spellings(secret: str) -> tuple[str, ...]:
    """Longest first, so that none leaves a rest of another."""
    found = {
        secret,
        quote(secret, safe="", errors="surrogatepass"),
        quote_plus(secret, errors="surrogatepass"),
        html.escape(secret),
        html.escape(secret, quote=False),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        secret.replace("'", "'\\''"),  # in a line for the shell
    }
    return tuple(sorted(found, key=lambda spelled: (-len(spelled), spelled)))


class Redaction:
    """Hides in whole texts of one replay: what is known to be secret there, and what is one by its name or shape."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.secrets = frozenset(secrets)
        # Made for this replay and forgotten: what looks like a secret is not to be recognised anywhere else.
        self._pseudonyms = Pseudonyms(random.token_bytes(32))
        self._names = Names()

    def text(self, text: str, kind: Kind = "text") -> str:
        """`text` with every secret hidden; those that the recorder hid already stay pseudonyms."""
        hidden = hide(_utf8(text), self.secrets)
        redactor = Redactor(self._names, self._pseudonyms)
        marks = redactor.scan(hidden, kind).marks
        marks = marks + redactor.known_marks(hidden)  # a secret by its name here, and said again there
        hides = [mark._replace(text=HIDDEN) for mark in merged(marks) if not _is_hidden(hidden[mark.start : mark.end])]
        return replaced(hidden, hides)

    def headers(self, headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """The fields with every secret hidden: of cookies the names stay, of credentials the scheme."""
        shown = Redactor(self._names, self._pseudonyms).headers(
            [(name.lower(), _utf8(value)) for name, value in headers]
        )
        return [(name, hide(PSEUDONYM.sub(HIDDEN, value), self.secrets)) for name, value in shown]

    def content(self, content: bytes, kind: Kind = "text") -> bytes:
        """Text as `text` has it; in other bytes known secrets are overwritten by as many asterisks."""
        if b"\0" not in content[:8192]:
            try:
                return self.text(content.decode(), kind).encode()
            except UnicodeDecodeError:
                pass
        for secret in sorted(self.secrets, key=len, reverse=True):
            for spelled in _spellings(secret):
                raw = spelled.encode("utf-8", "surrogatepass")
                content = content.replace(raw, b"*" * len(raw))
        return content


def _utf8(text: str) -> str:
    """`text` as a file can hold it: what stands for no character (a lone surrogate) as an escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def _is_hidden(text: str) -> bool:
    return PSEUDONYM.fullmatch(text) is not None or text.strip("\"'") == HIDDEN


def of_environment(environ: Mapping[str, str]) -> set[str]:
    """Every secret that a replay may read from its environment, sent or not: the application's logs may hold it."""
    return {
        value
        for name, value in environ.items()
        if (name.startswith("PROFILE_SECRET_") or name in _SECRET_NAMES) and len(value) >= SHORTEST
    }


def redacted(report: Report, secrets: set[str]) -> None:
    """Hide `secrets` in everything the report shows of answers and requests."""
    texts: list[str] = []

    def seen(text: str) -> str:
        texts.append(text)
        return text

    _throughout(report, seen)
    # A long replay knows thousands of tokens, of which a report holds few.
    whole = "\n".join(texts)
    there = [secret for secret in secrets if hide(whole, (secret,)) != whole]
    if there:
        _throughout(report, lambda text: hide(text, there))


def _throughout(report: Report, change: Callable[[str], str]) -> None:
    """Replace every text of `report` that came from an answer or a request by what `change` makes of it."""

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return change(value)
        if isinstance(value, list):
            return [clean(v) for v in value]
        if isinstance(value, dict):
            return {clean(k): clean(v) for k, v in value.items()}
        return value

    report.error = clean(report.error)
    report.notes = clean(report.notes)
    for step in report.steps:
        step.path, step.curl, step.note = clean(step.path), clean(step.curl), clean(step.note)
        for mismatch in step.mismatches:
            mismatch.where, mismatch.message = clean(mismatch.where), clean(mismatch.message)
            mismatch.expected, mismatch.actual = clean(mismatch.expected), clean(mismatch.actual)
        stack = list(step.jobs)
        while stack:
            job = stack.pop()
            job.error = clean(job.error)
            stack.extend(job.children)
    for comparison in report.comparisons:
        comparison.summary, comparison.details = clean(comparison.summary), clean(comparison.details)
