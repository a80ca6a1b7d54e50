"""The page of the Python API, from the signatures and docstrings of what `ballast` exports."""

import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import ballast
from search.config.json_schema import field_texts

_INTRO = """# Python API

All that `import ballast` offers. [Ballast in a notebook](../notebook.md) is a whole session. What is wrong is
raised as one of [`ballast.errors`](#errors), with every problem in one text.
"""
_LINE = 100
_NOISE = re.compile(r"\b(?:collections\.abc|typing|os|pathlib)\.|<class '(\w+)'>")
"""Modules of the standard library before the names of types, and what Python prints around a protocol."""
_HEADING = re.compile(r"^(Args|Returns|Raises|Attributes|Yields):$", re.MULTILINE)


def api_page() -> str:
    """The page: functions, classes with their properties and methods, and errors."""
    public = {
        name: getattr(ballast, name) for name in ballast.__all__ if name not in ("__version__", "errors")
    }
    functions = {name: value for name, value in public.items() if inspect.isfunction(value)}
    classes = {name: value for name, value in public.items() if inspect.isclass(value)}
    return "\n".join(
        [
            _INTRO,
            "## Functions\n",
            *(_function(f"ballast.{name}", value) for name, value in functions.items()),
            *(part for name, value in classes.items() for part in _class(name, value)),
            "## Errors\n",
            _markdown(ballast.errors),
            *(_error(name) for name in ballast.errors.__all__),
            "",
        ]
    )


def _function(name: str, function: Any) -> str:
    return f"### `{name}`\n\n```python\n{_signature(name, function)}\n```\n\n{_markdown(function)}"


def _signature(name: str, function: Any) -> str:
    """The call, a line for each parameter if it has several; types as they are written in the source."""
    signature = inspect.signature(function)
    parameters = [each for each in signature.parameters.values() if each.name != "self"]
    given = [_unquoted(str(each), each.annotation) for each in parameters]
    kinds = [each.kind for each in parameters]
    if inspect.Parameter.KEYWORD_ONLY in kinds:
        given.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    result = signature.return_annotation
    returned = f" -> {_unquoted(inspect.formatannotation(result), result)}"
    call = f"{name}({', '.join(given)}){returned}"
    if len(call) > _LINE:
        call = "\n".join((f"{name}(", *(f"    {each}," for each in given), f"){returned}"))
    return _NOISE.sub(r"\1", call)


def _unquoted(text: str, annotation: Any) -> str:
    """The text of a type that is written in quotes, without them."""
    return text.replace(repr(annotation), annotation) if isinstance(annotation, str) else text


def _class(name: str, of: type) -> Iterator[str]:
    yield f"## `{name}`\n\n{_markdown(of)}"
    fields: list[str] = []
    properties: list[str] = []
    methods: list[str] = []
    for key, text in field_texts(of):
        fields.append(f"- `{key}`: {_one_line(text)}")
    for key, member in vars(of).items():
        if key.startswith("_") or not inspect.getdoc(member):
            continue
        if isinstance(member, property):
            properties.append(f"- `{key}`: {_first_words(member)}")
        elif inspect.isfunction(member):
            methods.append(_function(f"{name}.{key}", member))
    if fields or properties:
        yield "\n".join([*fields, *properties, ""])
    yield from methods


def _first_words(member: Any) -> str:
    return _one_line(_HEADING.split(inspect.getdoc(member) or "")[0])


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _error(name: str) -> str:
    value = getattr(ballast.errors, name)
    text = _first_words(value) if inspect.isclass(value) else "The three roots, for `except`."
    return f"- `ballast.errors.{name}`: {text}"


def _markdown(documented: Any) -> str:
    """A docstring as Markdown: its sections are lists."""
    text, *sections = _HEADING.split(inspect.getdoc(documented) or "")
    parts = [text.strip(), ""]
    for heading, body in zip(sections[::2], sections[1::2], strict=True):
        parts += [f"**{heading}**", "", _section(body), ""]
    return "\n".join(parts)


def _section(body: str) -> str:
    """The items of a section as a list; a text without names as it is."""
    body = textwrap.dedent(body.strip("\n"))
    names = list(re.finditer(r"^(\w+(?:, \w+)*): ", body, re.MULTILINE))
    if not names or names[0].start() != 0:
        return body
    ends = [each.start() for each in names[1:]] + [len(body)]
    return "\n".join(
        f"- `{each[1]}`: {_one_line(body[each.end() : end])}" for each, end in zip(names, ends, strict=True)
    )
