"""Is this the name of a secret? One rule for form fields, headers, query parameters, cookies and members of JSON.

Names are compared by their words, so that `X-CSRFToken`, `csrf_token` and `csrfToken` are one name while `footprint`
(which contains `otp`), `token_type` and `max_tokens` are none.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator

__all__ = ["Names", "words_of"]

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")

_INSIDE = (  # found anywhere in the joined words
    ("csrf", "csrf"),
    ("xsrf", "csrf"),
    ("antiforgery", "csrf"),
    ("authenticitytoken", "csrf"),
    ("verificationtoken", "csrf"),
    ("password", "password"),
    ("passwd", "password"),
    ("passphrase", "password"),
    ("passcode", "password"),
    ("apikey", "apikey"),
    ("accesskey", "apikey"),
    ("privatekey", "apikey"),
    ("secretkey", "apikey"),
    ("authkey", "apikey"),
    ("signingkey", "apikey"),
    ("encryptionkey", "apikey"),
    ("accountkey", "apikey"),
    ("subscriptionkey", "apikey"),
    ("functionskey", "apikey"),
    ("sharedkey", "apikey"),
    ("masterkey", "apikey"),
    ("sessionid", "session"),
    ("sessionkey", "session"),
    ("sessid", "session"),
    ("authorization", "authorization"),
    ("credential", "credential"),
    ("secret", "secret"),
)
_WORDS = {"otp": "otp", "totp": "otp"}  # a word of its own
_WHOLE = {"pw": "password", "pass": "password", "userpass": "password", "loginpass": "password", "jwt": "token"}
_WHOLE |= dict.fromkeys(("samlresponse", "codeverifier", "devicecode", "clientassertion"), "token")  # OAuth, SAML
_ABOUT = re.compile(  # `…_<word>` describes the secret, it is not the secret
    r"types?|counts?|polic(y|ies)|hint|ur[li]|endpoint|names?|label|title|placeholder|strength|length|len|min|max|at|in"
    r"|expir(es|y|ation)|created|updated|changed|headers?|enabled|required|requirements|valid|help|errors?|messages?"
    r"|format|param(eter)?|age|ttl|scheme|algorithm|limit|exempt|rules"
)
_ASKS = re.compile(r"has|is|show|forgot(ten)?|allow|requires?|use|enable|hide")  # `<word>_password`
_PAGES = frozenset({"next", "page", "prev", "previous", "continuation", "cursor", "sync"})  # tokens that turn pages
_NUMBERS = frozenset({"password", "otp", "apikey", "secret", "configured"})
_COOKIE = re.compile(r"sess|sid$|auth(?!or)|remember|jwt", re.IGNORECASE)

# One of these stands (in lower case) in every text that holds a secret's name: the cheap question asked first.
_NEEDLES = (
    "srf",
    "pass",
    "token",
    "key",
    "secret",
    "credential",
    "authoriz",
    "sess",
    "otp",
    "forgery",
    "pw",
    "jwt",
)
_RARE = ("samlr",)  # names that only a form or a page has
_SHAPES = ("eyj", "earer", "asic")  # of a JWT, of bearer and basic credentials; a private key is one of the needles
_MARKED = (  # signed addresses and keys that services issue, by a sign that many texts lack: it is asked for first
    (b"=", "sig="),
    (b"=", "samlr"),
    (b"_", "k_live_"),
    (b"_", "ghp_"),
    (b"-", "xox"),
)
_HASHED = re.compile(rb"\$(?:apr|[abxy]?|argon(?:id|i|d)|scrypt)\$")
_BEFORE_KEY = (
    *("api", "access", "private", "secret", "auth", "signing", "encryption", "session"),
    *("account", "subscription", "functions", "shared", "master"),
)
_PLAIN = 4096  # texts that are remembered to hold no secret's name
_NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.$"


class Names:
    """The names of secrets: the built-in ones and those of `RECORDER_REDACT`."""

    def __init__(self, extra: Iterable[str] = ()) -> None:
        extra = tuple(extra)
        foreign = {
            char for name in extra for char in name.lower() + name.upper() if char.isalpha() and not char.isascii()
        }
        self._letters = _NAME_CHARACTERS + "".join(foreign)
        self.extra = frozenset("".join(words_of(name)) for name in extra) - {""}
        self._needles = _NEEDLES + tuple(
            sorted({words_of(name)[0] for name in extra if words_of(name)} - set(_NEEDLES))
        )
        self._hints = self._needles + _SHAPES
        self._needles += _RARE
        self._passed_over = b"" if any(char.isdigit() for needle in self._hints for char in needle) else b"0123456789"
        self._plain: set[int] = set()
        """Texts of which `hinted` said False, by the hash of what was left of them."""
        self.kind = functools.lru_cache(4096)(self._kind)

    def _kind(self, name: str) -> str | None:
        """Return which kind of secret has this name, or None."""
        if not 1 < len(name) <= 128:
            return None
        words = words_of(name)
        if any("".join(words[start:]) in self.extra for start in range(len(words))):
            return "configured"
        while words and words[-1].isdigit():
            words.pop()
        if not words or _ABOUT.fullmatch(words[-1]) or (len(words) > 1 and _ASKS.fullmatch(words[0])):
            return None
        joined = "".join(words)
        for part, kind in _INSIDE:
            if part in joined and not (part == "secret" and "secretar" in joined):
                return kind
        for word in words:
            if word in _WORDS:
                return _WORDS[word]
        if joined.endswith(("token", "tokenvalue", "tokenhash")) and _PAGES.isdisjoint(words):
            return "token"
        if joined.endswith("pwd"):
            return "password"
        return _WHOLE.get(joined)

    def secret_number(self, name: str) -> bool:
        """Return whether even a number under this name is a secret (a PIN as `password`, but never `token: 5`)."""
        return self.kind(name) in _NUMBERS and name.lower() != "pass"

    def credential_cookie(self, name: str) -> bool:
        """Return whether a cookie of this name carries what logs somebody in (others may hold mere preferences)."""
        return self.kind(name) is not None or _COOKIE.search(name) is not None

    def hinted(self, text: str) -> bool:
        """Return whether a text may hold a secret's name, or what looks like a secret: False is certain, True is not.

        The one question that is asked of every text. `rfind` answers it two to four times as fast as `in` (measured,
        CPython 3.11). Most texts differ from an earlier one in their digits only; there are none in what is looked for,
        so it is asked of what is left without them, and that is remembered.
        """
        left = text.encode("utf-8", "surrogatepass").translate(None, self._passed_over)
        shape = hash(left)
        if shape in self._plain:
            return False
        rfind = left.decode("utf-8", "surrogatepass").lower().rfind
        for needle in self._hints:
            if rfind(needle) >= 0:
                return True
        for sign, needle in _MARKED:
            if sign in left and rfind(needle) >= 0:
                return True
        if (b"@" in left and b"://" in left) or (b"$" in left and _HASHED.search(left)):
            return True
        if len(self._plain) >= _PLAIN:
            self._plain.clear()
        self._plain.add(shape)
        return False

    def find(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield (start, end, kind) of every secret's name in a text, in no particular order."""
        low = text.lower()
        if len(low) != len(text):  # a few letters change their length
            low = "".join(char.lower() if char.isascii() else char for char in text)
        seen = set()
        for needle in self._needles:
            at = low.find(needle) if low.rfind(needle) >= 0 else -1
            while at >= 0:
                if needle != "key" or low[max(0, at - 13) : at].rstrip("-_. ").endswith(_BEFORE_KEY):
                    before = text[max(0, at - 100) : at]
                    stem = before[:-1] if needle == "key" and before.endswith(" ") else before  # "API key"
                    start = at - len(before) + len(stem.rstrip(self._letters))
                    after = text[at : at + 128]
                    end = at + len(after) - len(after.lstrip(self._letters))
                    if start not in seen:
                        seen.add(start)
                        kind = self.kind(text[start:end])
                        if kind is not None:
                            yield start, end, kind
                at = low.find(needle, at + len(needle))


def words_of(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]
