"""Any profile that is one can be written and read again, and edited without the loss of a remark."""

from __future__ import annotations

import types
from typing import Any, Literal, Union, get_args, get_origin

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from assembler.document import Noted, dump, loads_profile
from assembler.profile import Extract, Ignore, Metadata, Profile, Step, Until, Wait
from assembler.revision import with_expectations, with_rules

QUIET = settings(
    phases=[Phase.explicit, Phase.generate], max_examples=25, deadline=None, derandomize=True, database=None
)
Words = st.SearchStrategy[str]
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
plain_text = st.from_regex(r"[a-z]{3,9}( [a-z]{3,9}|/[a-z0-9]{2}|\{\{ [a-z]+ \}\})?", fullmatch=True)
"""What no reader of YAML takes for something else."""
milliseconds = st.integers(-(10**9), 10**9).map(lambda number: number / 1000)
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**6), 10**6).map(float)


def anything(words: Words) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | words,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
        max_leaves=4,
    )


def values(annotation: Any, words: Words) -> st.SearchStrategy[Any]:
    """Values that a field of this type can have, as a document writes them."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return anything(words)
    if origin is Literal:
        return st.sampled_from(inner)
    if origin in (Union, types.UnionType):
        return st.one_of(*(values(each, words) for each in inner))
    if origin is list:
        return st.lists(values(inner[0], words), max_size=2)
    if origin is tuple:
        return st.tuples(*(values(each, words) for each in inner)).map(list)
    if origin is dict:
        return st.dictionaries(words, values(inner[1], words), max_size=2)
    if hasattr(annotation, "__metadata__"):
        return st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,9}", fullmatch=True)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return models(annotation, words)
    known: dict[Any, st.SearchStrategy[Any]] = {
        str: words, bool: st.booleans(), int: st.integers(-(2**31), 2**31),
        float: numbers if words is any_text else milliseconds, type(None): st.none(),
    }  # fmt: skip
    return known[annotation]


def models(model: type[BaseModel], words: Words) -> st.SearchStrategy[dict[str, Any]]:
    """Documents of a model; what only some combinations of its keys mean is drawn in combinations that mean something."""
    fields = {
        (field.alias or name): values(field.rebuild_annotation(), words) for name, field in model.model_fields.items()
    }
    chosen: dict[str, st.SearchStrategy[Any]] = {}
    if model is Extract:
        sources = ("json", "css", "header", "cookie", "regex", "attr")
        one = st.sampled_from(
            [
                {"json": "a.b"},
                {"css": "p"},
                {"css": "p", "attr": "id"},
                {"header": "x"},
                {"cookie": "x"},
                {"regex": "(a)"},
            ]
        )
        return st.builds(dict.__or__, _some({k: v for k, v in fields.items() if k not in sources}, {}), one)
    if model is Wait:
        needed = {"type": st.sampled_from(get_args(Wait.model_fields["type"].annotation))}
        chosen = {
            **needed,
            **{
                k: fields[k] if k == "until" else words
                for k in ("job", "endpoint", "success_state", "path", "contains")
            },
        }
        chosen["until"] = models(Until, words)
    if model is Step:
        bodies = ("form", "json", "text", "multipart", "body")
        for body in bodies:
            fields.pop(body)
        one = st.sampled_from(["", *bodies]).flatmap(
            lambda body: st.fixed_dictionaries(
                {body: values(Step.model_fields["json_" if body == "json" else body].annotation, words)} if body else {}
            )
        )
        chosen = {
            "id": fields.pop("id"),
            "path": words,
            "job": words,
            "wait": models(Wait, words),
            "command": st.just(["true"]),
        }
        fields.pop("after")
        return st.builds(dict.__or__, _some(fields, chosen), one)
    if model is Metadata:
        chosen = {"slug": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}", fullmatch=True)}
    if model is Profile:
        fields["steps"] = fields["prologue"] = st.lists(models(Step, words), max_size=2)
        return _some(fields, {"metadata": models(Metadata, words)}).map(_numbered)
    chosen |= {(f.alias or n): fields[f.alias or n] for n, f in model.model_fields.items() if f.is_required()} | chosen
    return _some(fields, chosen)


def _some(
    fields: dict[str, st.SearchStrategy[Any]], needed: dict[str, st.SearchStrategy[Any]]
) -> st.SearchStrategy[dict[str, Any]]:
    """What is needed, and three other keys at most."""
    others = sorted(fields.keys() - needed.keys())
    few = st.lists(st.sampled_from(others), max_size=3, unique=True) if others else st.just([])
    return few.flatmap(lambda keys: st.fixed_dictionaries({**needed, **{key: fields[key] for key in keys}}))


def _numbered(document: dict[str, Any]) -> dict[str, Any]:
    """Steps are told apart by their ids; each may wait for those before it."""
    earlier: list[str] = []
    for number, step in enumerate([*document.get("prologue", []), *document.get("steps", [])]):
        step["id"] = f"{step['id']}-{number}"
        if number % 2:
            step["after"] = earlier[-2:]
        earlier.append(step["id"])
    return document


def valid(document: dict[str, Any]) -> bool:
    try:
        Profile.model_validate(document)
    except ValidationError:
        return False
    return True


@given(models(Profile, any_text).filter(valid))
@QUIET
def test_what_is_written_is_the_profile(document: dict[str, Any]) -> None:
    profile = Profile.model_validate(document)
    assert loads_profile(dump(document)) == profile
    for whole in (profile.model_dump(by_alias=True), profile.model_dump(by_alias=True, exclude_defaults=True)):
        assert loads_profile(dump({"metadata": {"slug": profile.metadata.slug}, **whole})) == profile
    assert Profile.model_validate_json(profile.model_dump_json(by_alias=True)) == profile


REMARK = "a remark that no other text holds"


@given(
    models(Profile, plain_text).filter(valid),
    st.lists(st.builds(Ignore, step=plain_text, where=plain_text, why=plain_text), min_size=1, max_size=2),
    st.integers(100, 599),
)
@QUIET
def test_an_edit_keeps_every_remark_and_changes_nothing_else(
    document: dict[str, Any], rules: list[Ignore], status: int
) -> None:
    noted = {
        **document,
        "steps": [Noted({**step, "id": Noted(step["id"], REMARK)}, REMARK) for step in document.get("steps", [])],
    }
    text = dump(noted, REMARK)
    before = loads_profile(text)
    after = with_rules(text, rules)
    assert loads_profile(after) == before.model_copy(update={"ignore": [*before.ignore, *rules]})
    assert after.count(REMARK) == text.count(REMARK) == 1 + 2 * len(before.steps)
    for step in before.steps[:1]:
        changed = with_expectations(text, {step.id: {"status": status}})
        assert changed.count(REMARK) == text.count(REMARK)
        (found,) = [s for s in loads_profile(changed).steps if s.id == step.id]
        assert found.expect is not None
        assert found.expect.status == status
