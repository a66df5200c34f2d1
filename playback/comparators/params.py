"""Parameters of comparators: declared as strict models, refused with a sentence a person can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from .numeric import parse_number


class Params(BaseModel):
    """Base of all params. Every field has a description that completes the sentence "… must be"."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


ParamsT = TypeVar("ParamsT", bound=Params)


def _number_from_text(value: object) -> object:
    number = parse_number(value) if isinstance(value, str) else None
    return value if number is None else number


# YAML 1.1 reads 1e-6 (no point) as text; whoever writes it means the number.
Tolerance = Annotated[float, Field(ge=0, allow_inf_nan=False), BeforeValidator(_number_from_text)]
TOLERANCE = "a finite number of at least 0"


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
    for part in map(str, error["loc"]):
        path.append(part)
        if part not in model.model_fields:
            return f"there is no param {'.'.join(path)!r}; {nearest(part, model.model_fields)}."
        field = model.model_fields[part]
        wanted = str(field.description)
        inner = _inner_model(field)
        if inner is None:  # the rest of `loc` names pydantic's own branches
            break
        model = inner
    return f"param {'.'.join(path)!r} must be {wanted}, not {error['input']!r}."


def _inner_model(field: FieldInfo) -> type[Params] | None:
    choices = (field.annotation, *get_args(field.annotation))
    return next((each for each in choices if isinstance(each, type) and issubclass(each, Params)), None)
