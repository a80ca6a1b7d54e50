"""Masks the passwords of URLs in the YAML of a study before it is shown or stored."""

import re
from collections.abc import Iterator

from search.config.files.reader import Node, parse
from search.errors import ConfigError, Location
from storage.commands import mask_passwords, masked_url

URLS = ("storage.url", "tracking.mlflow.uri")
"""The settings that are URLs, and may hold a password."""

_SUSPECT = re.compile(r"@|password=|\\")
"""A text without any of these has no password; a backslash counts, as an escape may hide the others."""


def masked_yaml(text: str, key: str = "") -> str:
    """The text with the passwords of its URLS and of its comments masked, line for line.

    `key` is the key that has the text as its value; "" for a whole file. Masked passwords stay as they are.
    Text that is not YAML is masked as prose is.
    """
    if not _SUSPECT.search(text):
        return text  # A second parse would slow the start of every command.
    try:
        root, _ = parse(text, Location(""))
    except ConfigError:
        return mask_passwords(text)
    urls = {node.span for node in _urls(root, key)}
    done = ""
    end = 0
    for node in _scalars(root):
        start, stop = node.span
        written = text[start:stop]
        safe = _masked_scalar(written, node.value) if node.span in urls else written
        done += mask_passwords(text[end:start]) + safe
        end = stop
    return done + mask_passwords(text[end:])


def masked_set(text: str) -> str:
    """The text of a `--set`, `KEY=VALUE`, without the password of a URL."""
    key, equals, value = text.partition("=")
    return f"{mask_passwords(key)}{equals}{masked_yaml(value, key.strip())}"


def _urls(node: Node, key: str) -> Iterator[Node]:
    if key in URLS:
        yield from _scalars(node)
    elif isinstance(node.value, dict):
        for name, child in node.value.items():
            longer = f"{key}.{name}" if key else name
            if any(f"{url}.".startswith(f"{longer}.") for url in URLS):
                yield from _urls(child, longer)


def _scalars(node: Node) -> Iterator[Node]:
    """The scalar values in the order of the text."""
    if isinstance(node.value, dict | list):
        for child in node.value.values() if isinstance(node.value, dict) else node.value:
            yield from _scalars(child)
    elif node.span != (0, 0):  # an alias has no span; it is not followed
        yield node


def _masked_scalar(written: str, value: object) -> str:
    """The masked scalar; a quoted or escaped one becomes double-quoted text with the same number of lines."""
    if not isinstance(value, str) or (safe := masked_url(value)) == value:
        return written
    if written == value:
        return safe
    body = written.rstrip()
    escaped = "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in safe)
    folds = "\\\n " * body.count("\n")
    return f'"{escaped}{folds}"{written[len(body) :]}'
