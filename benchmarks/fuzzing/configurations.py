"""Bad configurations: study files, base and policy files and `--set` texts, and what is done with them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from benchmarks.fuzzing.edits import LONG, edited
from search.config.files.reader import parse, plain_value
from search.config.files.shipped import CONFIGS
from search.config.resolve import resolve
from search.config.schema import LEAVES
from search.config.space import to_distributions
from search.errors import Location
from search.record.row_mapping import setting_rows
from search.sampling.samplers import make_sampler

STUDIES = tuple(path.read_bytes() for path in sorted((CONFIGS / "studies").glob("*.yaml")))
_OTHERS = tuple((CONFIGS / name).read_bytes() for name in ("base.yaml", "safe_ranges.yaml"))
_PIECES = (
    b"&a [*a]", b"<<: *a", b"!!python/object/apply:os.system [id]", b"!!binary x", b"{", b"}", b"[", b"]",
    b"- ", b": ", b"? ", b"--- ", b"...\n", b"%YAML 9.9\n", b"#", b"|\n", b">-\n", b"1e400", b".nan",
    b"-.inf", b"0x", b"0o9", b"1_0", b'"\\ud800"', b'"\\UFFFFFFFF"', b"9" * 400, b"[" * 200, b"a: {" * 60,
)  # fmt: skip
_pieces = st.sampled_from(_PIECES) | LONG.map(b"k".__mul__) | LONG.map(lambda n: b"\n" + b"k" * n + b": 1\n")
_DATES = ("2010-12-31", "2010-12-31T00:00:00Z", "2010-12-31T00:00+05:30", "0001-01-01", "9999-12-31",
          "20101231", "2010-W01-1", "1500-01-01", "2010-13-45")  # fmt: skip
_ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-3, 40),
    st.floats(),
    st.sampled_from((1e-400, 5e-324, 1e-320, 1e308, -0.0, 1e-9, 0.5, 2**53, 10**17)),
    st.sampled_from(_DATES),
    st.sampled_from(
        ("1e-3", "30m", "9" * 300 + "h", "cuda:99", "", " ", "../x", "a\x00b", "%s", "{}", "sample:x")
    ),
    st.text(max_size=20),
    LONG.map("v".__mul__),
)
_KEYS = st.one_of(
    st.sampled_from((*LEAVES, *(f"space.{key}" for key in LEAVES))),
    st.sampled_from(
        ("low", "high", "log", "step", "choices", "name", "of", "window", "data", "space", "extends")
    ),
    st.text(max_size=8),
)
_DIMENSIONS = st.fixed_dictionaries({"low": _ODD, "high": _ODD}, optional={"log": _ODD, "step": _ODD}) | (
    st.fixed_dictionaries({"choices": st.lists(_ODD, max_size=4)})
)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    _ODD | _DIMENSIONS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=6,
)


@dataclass(frozen=True)
class Configuration:
    """What a command line would read; a `base` or `policy` of None is the bundled one."""

    study: bytes
    base: bytes | None = None
    policy: bytes | None = None
    sets: tuple[str, ...] = ()


@st.composite
def mangled_trees(draw: st.DrawFn) -> bytes:
    """A real study whose values, keys and sections were exchanged for others, well written."""
    node, _ = parse(draw(st.sampled_from(STUDIES)).decode(), Location("study.yaml", 1))
    tree = plain_value(node)
    for _ in range(draw(st.integers(1, 4))):
        _mangle(draw, tree)
    return json.dumps(tree, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


def _mangle(draw: st.DrawFn, tree: Any) -> None:
    """Walk down at random, and change what is found there."""
    while isinstance(tree, dict | list) and tree:
        key = draw(st.sampled_from(sorted(tree) if isinstance(tree, dict) else range(len(tree))))
        if not isinstance(tree[key], dict | list) or draw(st.integers(0, 3)) == 0:
            break
        tree = tree[key]
    else:
        return
    action = draw(st.sampled_from(("replace", "replace", "replace", "remove", "rename", "add")))
    if action == "replace":
        tree[key] = draw(_VALUES)
    elif action == "remove":
        del tree[key]
    elif isinstance(tree, list):
        tree.append(draw(_VALUES))
    else:
        tree[draw(_KEYS)] = tree.pop(key) if action == "rename" else draw(_VALUES)


_SETS = st.one_of(
    st.builds(lambda key, value: f"{key}={json.dumps(value)}", _KEYS, _VALUES),
    st.builds(lambda key, value: f"{key}={value}", _KEYS, st.text(max_size=30)),
    st.text(max_size=40),
)
_PLAIN = st.sampled_from(STUDIES)

CONFIGURATIONS: st.SearchStrategy[Configuration] = st.one_of(
    st.builds(Configuration, mangled_trees()),
    st.builds(Configuration, edited(STUDIES, _pieces)),
    st.builds(Configuration, st.binary(max_size=300)),
    st.builds(Configuration, _PLAIN, sets=st.lists(_SETS, min_size=1, max_size=3).map(tuple)),
    st.builds(Configuration, _PLAIN, base=edited(_OTHERS[:1], _pieces)),
    st.builds(Configuration, _PLAIN, policy=edited(_OTHERS[1:], _pieces)),
)
"""Configurations of which nearly all are bad."""


def read_configuration(configuration: Configuration, folder: Path) -> None:
    """Resolve it as `run` does; one that holds is used as far as it goes without data and a store."""
    paths: dict[str, Path | None] = {}
    for name in ("study", "base", "policy"):
        content = getattr(configuration, name)
        paths[name] = None if content is None else folder / f"{name}.yaml"
        if content is not None:
            (folder / f"{name}.yaml").write_bytes(content)
    assert paths["study"] is not None
    resolved = resolve(paths["study"], configuration.sets, policy=paths["policy"], base=paths["base"])
    resolved.fingerprints()
    setting_rows("fuzzed", resolved.settings.values())
    sampled = {key: dimension.nearest(0.0) for key, dimension in resolved.space.items()}
    resolved.trial(sampled)
    to_distributions(resolved.space)
    make_sampler(resolved.file.study, resolved.space, 0)
