"""`{{ name }}` in a profile is replaced by a value with that name. Nothing is evaluated, nothing nests.

Names: `run_id`, `config`, `origin`, `steps.<id>.<name>`, `secrets.<NAME>`, `generated.<name>`, `env.<NAME>`; `{{ "{{" }}` is two braces.
"""

from __future__ import annotations

import base64
import difflib
import hashlib
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from assembler.parts import CHALLENGE, UUID_ENDING, VERIFIER, WEAK_ENDING
from playback.errors import BadProfile

__all__ = ["Scope", "Unknown", "fill", "names_in"]

_PLACE = re.compile(r'\{\{\s*("\{\{"|[A-Za-z_][A-Za-z0-9_.-]*)\s*\}\}')
ENV_ALLOWED = "PROFILE_ENV_"


class Unknown(LookupError):
    """A name that has no value yet; `args[0]` is the name."""


@dataclass
class Scope:
    """The values that one replay knows. `steps` maps step id to what was extracted from its answer."""

    values: dict[str, str] = field(default_factory=dict)
    steps: dict[str, dict[str, str]] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    generated: dict[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """The value of `name`. Raises `Unknown`, or `BadProfile` for a name no profile can have."""
        head, _, rest = name.partition(".")
        if not rest and name in self.values:
            return self.values[name]
        if head == "steps":
            # Step ids may hold dots; the value's name does not.
            step, _, value = rest.rpartition(".")
            if value in self.steps.get(step, {}):
                return self.steps[step][value]
            raise Unknown(name)
        if head == "secrets" and rest in self.secrets:
            return self.secrets[rest]
        if head == "generated" and rest:
            if rest not in self.generated:
                self.generated[rest] = self._challenge(rest) if rest.startswith(CHALLENGE) else _made(rest)
            return self.generated[rest]
        if head == "env" and rest:
            if f"{ENV_ALLOWED}{rest}" in self.environ:
                return self.environ[f"{ENV_ALLOWED}{rest}"]
            raise BadProfile(f"{{{{ env.{rest} }}}} reads the variable {ENV_ALLOWED}{rest}, which is not set.")
        if head in ("secrets", "run_id", "config", "origin"):
            raise Unknown(name)
        near = difflib.get_close_matches(
            head, ["run_id", "config", "origin", "steps", "secrets", "generated", "env"], 1
        )
        raise BadProfile(
            f"{{{{ {name} }}}} is no name a profile knows" + (f"; did you mean {near[0]!r}?" if near else ".")
        )

    def _challenge(self, name: str) -> str:
        """What proves the verifier that belongs to it, by the method S256 (RFC 7636, 4.2)."""
        verifier = self.get(f"generated.{name.replace(CHALLENGE, VERIFIER, 1)}")
        return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _made(name: str) -> str:
    if name.startswith(VERIFIER):
        return secrets.token_urlsafe(48)  # 43 characters at least
    if name.endswith(UUID_ENDING):
        return str(uuid4())
    if name.endswith(WEAK_ENDING):
        return "".join(secrets.choice("bcdfghjkmnpqrstvwxz") for _ in range(4))
    return secrets.token_urlsafe(24)


def fill(template: str, scope: Scope, encode: Callable[[str], str] = str) -> str:
    """`template` with its places filled; `encode` is applied to each value, not to the text around it."""
    if "{{" not in template:
        return template
    return _PLACE.sub(lambda m: "{{" if m[1].startswith('"') else encode(scope.get(m[1])), template)


def names_in(value: object) -> Iterator[str]:
    """Every name used anywhere below `value` (strings, lists, dictionaries)."""
    if isinstance(value, str):
        yield from (m[1] for m in _PLACE.finditer(value) if not m[1].startswith('"'))
    elif isinstance(value, (dict, list, tuple)):
        for inner in value.values() if isinstance(value, dict) else value:
            if inner is not None:
                yield from names_in(inner)
