"""Whether letters are spelt as words are: which letter may follow which, told from what English text and programs hold."""

from __future__ import annotations

import base64
import itertools
import re

__all__ = ["misspelt"]

_ROWS = """
a:abcdfgiklmnprstuvwxy b:aeijlorsuy c:acdehiklmorstu d:abcdefilorstuy e:abcdefgiklmnopqrstuvwxy f:aefilorstuy
g:aehilmnorstu h:aeilortu i:abcdefgklmnoprstvxz j:aeou k:aeiostu l:abcdefiloprstuvy m:abeilmopsu
n:acdefghiklmnoprstuvy o:abcdefgiklmnoprstuvw p:acdehiloprstuy q:u r:abcdefgiklmnoprstuvy s:acefhiklmnopqrstuwy
t:abcdefhilmnoprstuwy u:abcdefgilmnoprst v:aeio w:aehinorsw x:aceipt y:aegilmnoprstw z:e
"""
_FOLLOWERS = {row[0]: row[2:] for row in _ROWS.split()}
"""Behind each letter those that make up 97 in a hundred pairs of neighbours in words."""
_CHUNK = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SHORTEST = 8
_FEWEST_CHUNKS = 3
_FEWEST_LETTERS = 5
_FEWEST_PAIRS = 4


def misspelt(token: str) -> bool:
    """True for letters in irregular case, or with digits among them, that follow one another as they hardly do in words.

    A word in one case, or with one capital, is never called so, however foreign it looks.
    """
    chunks = _CHUNK.findall(token)
    letters = sum(map(len, chunks))
    if len(token) < _SHORTEST or letters < _FEWEST_LETTERS or _readable(token):
        return False
    if len(chunks) >= _FEWEST_CHUNKS and not token.isupper() and not token.islower():
        return _unusual(token) >= 0.3
    return re.search(r"\d[A-Za-z]", token) is not None and _unusual(token) >= 0.45


def _readable(token: str) -> bool:
    """True for a text in base64: it says something, and may say something else."""
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_").decode("ascii").isprintable()
    except ValueError:
        return False


def _unusual(token: str) -> float:
    """The share of neighbours that hardly ever are. Where words are put together there are few."""
    runs = re.findall(r"[a-z]+", token.lower())
    pairs = [(a, b) for run in runs for a, b in itertools.pairwise(run)]
    return sum(b not in _FOLLOWERS[a] for a, b in pairs) / len(pairs) if len(pairs) >= _FEWEST_PAIRS else 0.0
