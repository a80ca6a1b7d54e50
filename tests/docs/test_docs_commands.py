"""What the documentation tells people to type exists: commands with these options, make targets, files."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from search.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page.parent.name != "reference"),
]
"""All pages that people write; the reference is written by the parser itself."""
BALLAST: Any = typer.main.get_command(app)

_FENCE = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")


def blocks(page: str) -> list[str]:
    """The lines of all fenced blocks, those that go on with a backslash joined."""
    return [line for block in _FENCE.findall(page) for line in block.replace("\\\n", " ").splitlines()]


def typed(line: str) -> list[str]:
    """The words of a line that a shell would run, without prompt, settings of variables and comment."""
    words = shlex.split(line.strip().removeprefix("$ "), comments=True)
    while words and re.match(r"\w+=", words[0]):
        words.pop(0)
    return words


def commands(page: str) -> Iterator[list[str]]:
    """Every command in a block that begins with `ballast`, also behind `&&` or a pipe."""
    for line in blocks(page):
        for part in re.split(r"&&|\|", line):
            if re.match(r"(\$ )?([A-Z_]+=\S+ )*ballast ", part.strip()):
                yield typed(part)[1:]


def parse(words: list[str]) -> str:
    """The name of the command; an exception with typer's sentence for what it would refuse."""
    command, name = BALLAST, "ballast"
    context = command.make_context(name, list(words))
    while _is_group(command):
        name, command, words = command.resolve_command(context, words)
        context = command.make_context(name, list(words), parent=context)
    return name


def _is_group(command: Any) -> bool:
    return hasattr(command, "resolve_command")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_in_a_block_is_one_that_ballast_takes(page: Path) -> None:
    for words in commands(page.read_text()):
        assert parse(words) in words


def test_the_pages_on_running_show_every_command_that_keeps_a_service_going() -> None:
    pages = [ROOT / "docs" / name for name in ("operations.md", "how-to/several-machines.md")]
    shown = {words[0] for page in pages for words in commands(page.read_text())}
    assert shown >= {"run", "worker", "proxy", "db", "status", "trials", "explain", "dashboard"}


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        ("ballast run", "Missing parameter: study"),
        ("ballast run a.yaml --wokers 2", "No such option"),
        ("ballast db chek", "No such command"),
        ("PGPASSWORD=x ballast run a.yaml --workers two", "valid integer"),
    ],
)
def test_a_command_that_ballast_would_refuse_is_noticed(line: str, refusal: str) -> None:
    (words,) = commands(f"```\n{line}\n```")
    with pytest.raises(Exception, match=refusal):
        parse(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_option_in_the_text_is_an_option_of_its_command(page: Path) -> None:
    text = _FENCE.sub("", page.read_text())
    for code in _INLINE.findall(text):
        words = code.split()
        if words[:1] != ["ballast"] or len(words) < 2:
            continue
        group = BALLAST
        for word in words[1:]:
            if not _is_group(group) or word.startswith("-"):
                break
            assert word in group.commands, code
            group = group.commands[word]
        known = {option for parameter in group.params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("--")} <= known, code


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_and_benchmark_is_there(page: Path) -> None:
    text = page.read_text()
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^(?:\$ )?make ([\w-]+)", text, re.MULTILINE)) <= targets
    for module in re.findall(r"python -m (benchmarks\.\w+)", text):
        assert find_spec(module) is not None, module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_script_and_yaml_file_in_a_block_can_be_parsed(page: Path) -> None:
    for kind, block in re.findall(r"^```(sh|yaml)\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
        if kind == "yaml":
            list(yaml.safe_load_all(block))
        else:
            subprocess.run(["bash", "-n"], input=block, text=True, check=True)
