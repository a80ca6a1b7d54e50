"""Writes the commands that messages tell users to type, without passwords. Imports nothing heavy."""

import re
import shlex
from collections.abc import Iterable

_MASK = ":***@", "password=***"
PASSWORD_NOTE = "  # write the password in place of ***"


def ballast_command(verb: str, *arguments: object, store: str | None = None, **options: object) -> str:
    """`ballast VERB ARGUMENTS --option VALUE`, quoted for a POSIX shell.

    An option that is None or False is left out, True has no value, and a list is repeated; `o` is `-o`, and
    `warm_start` is `--warm-start`. `store` is a URL; its password is not shown, and a comment says so. An
    argument that begins with a dash is written so that it is not read as an option.
    """
    words = ["ballast", *verb.split()]
    held_back = [str(argument) for argument in arguments]
    if not any(argument.startswith("-") for argument in held_back):
        words, held_back = [*words, *held_back], []
    words += [] if store is None else _option("store", masked_url(store))
    for name, value in options.items():
        words += _option(name, value)
    words += ["--", *held_back] if held_back else []
    note = PASSWORD_NOTE if any(mask in word for mask in _MASK for word in words) else ""
    return shlex.join(words) + note


def _option(name: str, value: object) -> list[str]:
    if value is None or value is False:
        return []
    flag = f"-{name}" if len(name) == 1 else f"--{name.replace('_', '-')}"
    if value is True:
        return [flag]
    values = value if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    found = []
    for each in map(str, values):
        # A short option takes the next word whatever it is.
        found += [f"{flag}={each}"] if each.startswith("-") and len(name) > 1 else [flag, each]
    return found


def mask_passwords(url: str) -> str:
    """A URL, or a sentence with one, without its passwords. It may be invalid, so it is not parsed."""
    without = re.sub(r"(://[^:/@\s]*:)\S*@", r"\1***@", url)
    return re.sub(r"(password=)[^&\s]*", r"\1***", without)


def masked_url(url: str) -> str:
    """A text that is only a URL, without its passwords, which may contain blanks and an @."""
    without = re.sub(r"(://[^:/]*:).*@", r"\1***@", url, flags=re.DOTALL)
    return re.sub(r"(password=)[^&]*", r"\1***", without)
