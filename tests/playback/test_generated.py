"""Values made anew for a run: the same wherever they are named, of the build their name asks for."""

from __future__ import annotations

import base64
import hashlib
from uuid import UUID

from playback.template import Scope, fill


def test_a_value_is_the_same_for_a_whole_run_and_another_in_the_next() -> None:
    scope, other = Scope(), Scope()
    assert fill("{{ generated.key }}", scope) == fill("{{ generated.key }}", scope) != fill("{{ generated.key }}", other)


def test_a_uuid_is_one() -> None:
    assert UUID(fill("{{ generated.key_uuid }}", Scope())).version == 4


def test_a_weak_password_is_too_short_for_any_rule_and_no_word_or_number() -> None:
    value = fill("{{ generated.refused_password_0404d7_weak }}", Scope())
    assert len(value) < 5
    assert value.isalpha()
    assert not set(value) & set("aeiouy")


def test_a_challenge_proves_its_verifier() -> None:
    scope = Scope()
    challenge, other = fill("{{ generated.code_challenge }} {{ generated.code_challenge_2 }}", scope).split()
    verifier = fill("{{ generated.code_verifier }}", scope)
    assert 43 <= len(verifier) <= 128
    assert challenge == base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    assert other != challenge
