"""What every group of settings has in common."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Section(BaseModel):
    """A frozen, strict group of settings: unknown keys and wrong types are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def as_tuple(value: object) -> object:
    """A list of YAML as the tuple that a frozen setting holds."""
    return tuple(value) if isinstance(value, list) else value


def is_default(value: object) -> bool:
    """Whether a later setting has the value that its absence means: null, false or nothing in it."""
    return not value


Names = Annotated[str | tuple[str, ...], BeforeValidator(as_tuple, json_schema_input_type=str | list[str])]
"""One name, or a list of them."""
