"""Parameters of comparators: declared as strict models, refused with a sentence a person can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

UNFIT = "unfit"
"""The type of an error whose context has the sentence `said`, with `{}` for the name of the param."""


class Params(BaseModel):
    """Base of all params. Every field has a description that completes the sentence "… must be"."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


ParamsT = TypeVar("ParamsT", bound=Params)


def read_params(method: str, model: type[ParamsT], given: Mapping[str, object]) -> ParamsT:
    """`given` as checked params of `method`.

    Raises ValueError with one sentence that names the key, and the nearest valid key when it is unknown.
    """
    try:
        return model.model_validate(dict(given))
    except ValidationError as fault:
        raise ValueError(f"{method}: {_sentence(model, fault.errors()[0])}") from None


def nearest(name: str, valid: Iterable[str]) -> str:
    """The words `did you mean …` with the nearest of `valid`, and all of them."""
    names = sorted(valid)
    if not names:
        return "it takes none"
    return f"did you mean {difflib.get_close_matches(name, names, 1, 0.0)[0]!r}? Valid are: {', '.join(names)}"


def _sentence(model: type[Params], error: Any) -> str:
    path: list[str] = []
    wanted = "known"
    parts = iter(map(str, error["loc"]))
    for part in parts:
        path.append(part)
        if part not in model.model_fields:
            return f"there is no param {'.'.join(path)!r}; {nearest(part, model.model_fields)}."
        field = model.model_fields[part]
        wanted = str(field.description)
        inner, mapped = _inner_model(field.annotation)
        if inner is None:  # the rest of `loc` names pydantic's own branches
            break
        if mapped and error["loc"][-1] == "[key]":  # pydantic's word for a name that is not fit
            break
        model = inner
        if mapped:  # a mapping of models: the next part is a name that the user chose
            path.extend(islice(parts, 1))
    if error["type"] == UNFIT:
        return str(error["ctx"]["said"]).replace("{}", ".".join(path), 1)
    return f"param {'.'.join(path)!r} must be {wanted}, not {error['input']!r}."


def _inner_model(annotation: object) -> tuple[type[Params] | None, bool]:
    """The model within the type of a field, and whether the field maps names to such models."""
    if isinstance(annotation, type) and issubclass(annotation, Params):
        return annotation, False
    for choice in get_args(annotation):
        inner, mapped = _inner_model(choice)
        if inner is not None:
            return inner, mapped or get_origin(annotation) is dict
    return None, False
