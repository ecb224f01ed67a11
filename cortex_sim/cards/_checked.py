"""The base class of every part of a card: unknown keys are refused, fields are immutable, and errors use the card's own words."""

import types
import typing
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from cortex_sim.errors import CardError, suggestion
from cortex_sim.runtime import shown


def no_text(value: Any) -> Any:
    """Check that a number is not written as a text, which pydantic would convert."""
    if isinstance(value, str | bytes | bool):
        raise ValueError("should be a number")
    return value


def as_step(value: Any) -> Any:
    """Return the table of an integration step, which means the same in every card, so that it need not say it."""
    return {"meaning": "integration step"} | value if isinstance(value, dict) else value


Place = Annotated[int, BeforeValidator(no_text), Field(ge=0)]
Count = Annotated[int, BeforeValidator(no_text), Field(ge=1, le=10**12)]


class Checked(BaseModel):
    """A table of a card, read from a file or built in Python.

    Raises:
        CardError: what is wrong, where, and what would be right.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as problem:
            raise CardError(refusal(problem, type(self))) from None

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined] # parts of a part are checked with it, so that places are whole

    def __dir__(self) -> list[str]:
        """Return the names of a card, without those of the class that checks it, which are not for users."""
        own = {
            name
            for kind in type(self).__mro__
            if issubclass(kind, Checked) and kind is not Checked
            for name in vars(kind)
            if not name.startswith("model_")
        }
        return sorted(own | set(type(self).model_fields) | {name for name in vars(BaseModel) if name.startswith("__")})

    def __setattr__(self, name: str, value: Any) -> None:
        if name in type(self).model_fields:
            cure = "a model does not change; make another one, with .changed(...) or .with_arrays(...)"
            raise CardError(f"[{name}] of a {type(self).__name__} cannot be assigned to: {cure} (found {shown(value)}).")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        raise CardError(f"[{name}] of a {type(self).__name__} cannot be deleted: a model does not change.")

    @classmethod
    def model_validate(cls, obj: Any, **how: Any) -> Self:
        """Return a card, checked, from a mapping.

        Raises:
            CardError: what is wrong, where, and what would be right.
        """
        try:
            return super().model_validate(obj, **how)
        except ValidationError as problem:
            raise CardError(refusal(problem, cls)) from None


def refusal(problem: ValidationError, model: type[BaseModel]) -> str:
    """Return pydantic's first finding, in the card's own words."""
    error = min(problem.errors(), key=lambda error: error["type"] != "extra_forbidden")  # a mistyped key is missing under its right name
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"[{place}] is no key of a card. {suggestion(str(error['loc'][-1]), _fields(model, error['loc'][:-1]))}"
    if error["type"] == "missing":
        return f"[{place}] is missing."
    if isinstance(inner := error.get("ctx", {}).get("error"), CardError):
        return str(inner)
    if inner:
        return f"[{place}] {inner} (found {shown(error['input'])})."
    return f"[{place or model.__name__}] {error['msg'][0].lower() + error['msg'][1:]} (found {shown(error['input'])})."


def _fields(model: type[BaseModel], location: tuple[int | str, ...]) -> tuple[str, ...]:
    """Return the keys allowed in the part of a card at this location."""
    part: Any = model
    for step in location:
        if isinstance(part, type) and issubclass(part, BaseModel):
            part = _inner(part.model_fields[str(step)].annotation)
        elif typing.get_origin(part) is dict:
            part = typing.get_args(part)[1]
    return tuple(part.model_fields) if isinstance(part, type) and issubclass(part, BaseModel) else ()


def _inner(annotation: Any) -> Any:
    """Return the type inside an optional type."""
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        return next(option for option in typing.get_args(annotation) if option is not type(None))
    return annotation
