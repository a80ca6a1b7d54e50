"""What an editor tells about a key: its comment in base.yaml, else its docstring, and its safe range."""

import ast
import inspect
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from search.config.layer_values import layer_values_of_file
from search.config.layers import Layer
from search.config.reader import parse_mapping, read_source
from search.config.safe_ranges import read_policy
from search.config.schema import ALIASES, SPACE, StudyFile
from search.config.shipped import CONFIGS
from trainer.config import Feature, Fractions


def describe(definitions: dict[str, Any]) -> None:
    """Add descriptions, and the defaults of base.yaml, to the definitions of a schema, in place."""
    told = dict(_docstrings(StudyFile, "")) | {
        "space": "What is searched: a range or a list of choices for each key.",
        "provenance": "Where an exported configuration comes from; not a setting.",
    }
    for key, (comment, default) in _recommended().items():
        told[key] = comment or told.get(key, "")
        definitions[key]["default"] = default
    for key, safe in read_policy(CONFIGS / "safe_ranges.yaml").ranges.items():
        told[key] = f"{told.get(key, '')} Safe: {safe.told()}; {safe.why}.".strip()
    for alias, key in ALIASES.items():
        told[alias] = f"Another name of {key}; the smaller of the two is used."
    for name, schema in definitions.items():
        if text := told.get(name) or told.get(name.removeprefix(SPACE), ""):
            schema["description"] = text
    for model in (Feature, Fractions):
        for name, text in _docstrings(model, ""):
            definitions[model.__name__]["properties"][name]["description"] = text


def _recommended() -> dict[str, tuple[str, Any]]:
    """The comment behind each key of base.yaml, and its value."""
    source = read_source(CONFIGS / "base.yaml", "base.yaml")
    lines = source.text.splitlines()
    values = layer_values_of_file(Layer.BASE, parse_mapping(source)[0], source.shown).claims
    return {
        claim.key: (lines[claim.node.place.line - 1].partition(" # ")[2].strip(), claim.act.requested)
        for claim in values
    }


def _docstrings(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str]]:
    """The docstrings of a model's fields and of the models inside of it, by key."""
    for kind in reversed(
        [kind for kind in model.__mro__ if issubclass(kind, BaseModel) and kind is not BaseModel]
    ):
        for name, text in _below_fields(kind):
            yield f"{prefix}{name}", text
    for name, field in model.model_fields.items():
        if isinstance(inside := field.annotation, type) and issubclass(inside, BaseModel):
            yield f"{prefix}{name}", inspect.getdoc(inside) or ""
            yield from _docstrings(inside, f"{prefix}{name}.")


def _below_fields(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """The texts that stand below the fields in the source of a class: Python itself drops them."""
    (body,) = ast.parse(inspect.getsource(model)).body
    assert isinstance(body, ast.ClassDef)
    for field, text in zip(body.body, body.body[1:], strict=False):
        match field, text:
            case (ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(told)))):
                yield name, inspect.cleandoc(told)
