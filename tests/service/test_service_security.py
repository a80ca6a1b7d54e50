"""Passwords that must not be seen, code that must not be run, names that are meant to hurt."""

import ast
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pandas as pd
import psutil
import pytest
import sqlalchemy
from sqlalchemy import make_url

from benchmarks.postgres import execute
from tests.search_fixtures import ENDLESS

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, WriteStudy

ROOT = Path(__file__).parents[2]
SECRET = "p@ss w%40rd'\"/:#?$;é"
SPELLINGS = (SECRET, quote(SECRET, safe=""), quote(SECRET), "p%40ss", "p@ss", "ss w%", "w%2540rd")
"""The planted password as it may be written, and parts that a mask which ends too early would leave."""
SHORT: dict[str, Any] = {"training": {"epochs": 1, "patience": 1}, "study": {"trials": 1}}


@pytest.fixture
def secret_url(postgres_url: str) -> Iterator[str]:
    """The URL of an empty database whose owner has the planted password."""
    server, owner = make_url(postgres_url), f"ada_{os.getpid()}"
    literal = SECRET.replace("'", "''")
    execute(postgres_url, f"CREATE ROLE {owner} LOGIN PASSWORD '{literal}'")
    execute(postgres_url, f"ALTER DATABASE {server.database} OWNER TO {owner}")
    execute(postgres_url, f"GRANT ALL ON SCHEMA public TO {owner}")
    where = f"{server.host or '127.0.0.1'}:{server.port}"
    yield f"postgresql://{owner}:{quote(SECRET, safe='')}@{where}/{server.database}"
    execute(postgres_url, f"DROP OWNED BY {owner}")
    execute(postgres_url, f"ALTER DATABASE {server.database} OWNER TO CURRENT_USER")
    execute(postgres_url, f"DROP ROLE {owner}")


def _leaks(text: str) -> list[str]:
    return [spelling for spelling in SPELLINGS if spelling in text]


def _rows(url: str) -> str:
    """Every row of every table of a database."""
    engine = sqlalchemy.create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    try:
        with engine.connect() as connection:
            tables = sqlalchemy.inspect(connection).get_table_names()
            assert {"studies", "ballast_studies"} <= set(tables)
            return "\n".join(
                repr(tuple(row))
                for name in tables
                for row in connection.execute(sqlalchemy.text(f'SELECT * FROM "{name}"'))
            )
    finally:
        engine.dispose()


def _files(*but: str) -> str:
    """Every file of this folder and below it."""
    return "\n".join(
        path.read_bytes().decode(errors="replace")
        for path in Path.cwd().rglob("*")
        if path.is_file() and path.name not in but
    )


def _stored_at(url: str) -> dict[str, Any]:
    return {"storage": {"url": url}}


GIVEN = ("--store", "BALLAST_STORE", "storage.url", "--set")


@pytest.mark.parametrize("given", GIVEN)
def test_a_password_is_nowhere_to_be_found(
    write_study: "WriteStudy", ballast: "Ballast", secret_url: str, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture, given: str,
) -> None:  # fmt: skip
    at: tuple[str, ...] = ("--store", secret_url)
    if given == "BALLAST_STORE":
        monkeypatch.setenv("BALLAST_STORE", secret_url)
        at = ()
    path = write_study(
        **SHORT, **_stored_at(secret_url if given == "storage.url" else "sqlite:///ballast.db")
    )
    start = {"--set": ("--set", f"storage.url={json.dumps(secret_url)}"), "storage.url": ()}.get(given, at)
    told = [
        ballast("run", path.name, *start),
        ballast("run", path.name, *start, "--trials", 2),
        ballast("status", *at),
        ballast("status", "small", *at),
        ballast("trials", "small", "--json", *at),
        ballast("explain", "small", *at),
        ballast("explain", "small", "--key", "storage.url", "--json", *at),
        ballast("export", "small", "-o", "best.yaml", *at),
        ballast("train", "best.yaml"),
        ballast("db", "check", *at),
        ballast("doctor", *at),
    ]
    assert [result.code for result in told] == [0] * len(told), told
    seen = "\n".join(result.out + result.err for result in told)
    assert "***" in seen
    assert (_leaks(seen), _leaks(caplog.text)) == ([], [])
    assert _leaks(_rows(secret_url)) == []
    assert _leaks(_files(*({path.name} if given == "storage.url" else set()))) == []


def test_an_error_is_one_sentence_without_the_password(
    write_study: "WriteStudy", ballast: "Ballast", secret_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "3")
    path, good = write_study(**SHORT).name, make_url(secret_url)
    wrong = {
        "password": secret_url.replace("p%40ss", "p%40ss%20wrong"),
        "port": secret_url.replace(f":{good.port}/", ":1/"),
        "host": secret_url.replace("127.0.0.1", "no-such-host.invalid"),
        "database": secret_url.replace(f"/{good.database}", "/nowhere"),
        "driver": secret_url.replace("postgresql://", "mysql://"),
        "no %40": f"postgresql://ada:{SECRET}@127.0.0.1:1/ballast",
        "no %20": f"postgresql://ada:{SECRET.replace('@', '')}@127.0.0.1:1/ballast",
        "query": f"postgresql://127.0.0.1:1/ballast?user=ada&password={quote(SECRET)}",
    }
    for what, url in wrong.items():
        for command in (
            ("run", path, "--set", "storage.patience=0"),
            ("status",),
            ("worker", "small"),
            ("db", "check"),
        ):
            told = ballast(*command, "--store", url)
            assert told.code == 2, (what, told)
            assert len(told.told) == 1, (what, told.told)
            assert _leaks(told.out + told.err) == [], (what, told)


def test_no_process_of_a_run_has_the_password_on_its_command_line(
    write_study: "WriteStudy", secret_url: str
) -> None:
    path = write_study(training=ENDLESS, study={"trials": 4}).name
    process = subprocess.Popen(
        [sys.executable, "-m", "search.cli", "run", path, "--workers", "2", "--verbose"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "BALLAST_STORE": secret_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if "epoch 1:" in line:
                break
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        lines = [" ".join(member.cmdline()) for member in family]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert len(lines) > 1, said
    assert _leaks("\n".join([*lines, said, out, err])) == []


@pytest.mark.parametrize(("asked", "warned"), [((), False), (("--host", "0.0.0.0"), True)])
def test_the_dashboard_is_for_this_machine_unless_told_otherwise_with_a_warning(
    write_study: "WriteStudy", ballast: "Ballast", asked: tuple[str, ...], warned: bool
) -> None:
    assert ballast("run", write_study(**SHORT).name).code == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "search.cli", "dashboard", "--port", "0", *asked],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[0]
        (listening,) = psutil.Process(process.pid).net_connections()
        port = listening.laddr.port
        codes = {
            host: _asked(port, host) for host in ("127.0.0.1:1", "localhost", "evil.example", "[::1", "")
        }
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert address == f"http://{'0.0.0.0' if warned else '127.0.0.1'}:{port}/"
    assert listening.laddr.ip == ("0.0.0.0" if warned else "127.0.0.1")
    assert ("no log-in; whoever reaches 0.0.0.0 can delete studies" in err) is warned
    let_in = {host for host, code in codes.items() if code == 200}
    assert let_in == {"127.0.0.1:1", "localhost"}  # else a page's own domain gets in


def _asked(port: int, host: str) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/studies", headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            code: int = answer.status
            return code
    except urllib.error.HTTPError as error:
        with error:
            return error.code


NAMES = {
    "blanks": "a study  of mine",
    "quotes": 'it\'s "quoted" `id` $(id)',
    "a way up": "../../escape",
    "percent": "100%s%n%(name)s{0}",
    "a line break": "line\nbreak",
    "long": "x" * 10_000,
    "emoji": "😀 study",
    "markup": "<script>alert(1)</script>[bold red]x[/]",
    "SQL": "'; DROP TABLE ballast_studies; --",
    "from right to left": "\u202egpj.exe",
    "NUL": "nul\x00",
    "escape": "\x1b[2Jgone",
    "an option": "-rf",
    "help": "--help",
    "surrogate": "\ud800",
}


@pytest.mark.parametrize("what", NAMES)
def test_a_hostile_study_name_works_or_is_refused(
    write_study: "WriteStudy", ballast: "Ballast", store_url: str, tmp_path: Path, what: str
) -> None:
    name, at = NAMES[what], ("--store", store_url)
    path = write_study(training=SHORT["training"], study={"trials": 1, "name": "NAME"})
    path.write_text(path.read_text().replace('"NAME"', json.dumps(name)))
    before = set(tmp_path.parent.iterdir())
    ran = ballast("run", path.name, *at)
    if ran.code == 2:
        assert "study.name" in ran.told[-1]
        assert ballast("status", *at, "--", name).code == 2
        return
    assert ran.code == 0, ran.err
    for command in ("status", "trials", "explain"):
        told = ballast(command, *at, "--", name)
        assert told.code == 0, told.err
        assert "\x1b" not in told.out
    assert ballast("status", "--json", *at, "--", name).json["study"] == name
    assert ballast("export", *at, "-o", "best.yaml", "--", name).code == 0
    assert ballast("train", "best.yaml").code == 0
    assert ballast("db", "check", *at).code == 0
    assert set(tmp_path.parent.iterdir()) == before
    hints = re.findall(r"write it to a file: (.+)", ran.out)
    for ending in (("explain",), ("export", "-o", "x.yaml")):
        told = ballast(*ending, "--trial", 7, *at, "--", name)
        assert told.code == 2
        hints += re.findall(r"ballast (?:trials|explain|status) .*", told.told[0])
    assert len(hints) == 3
    assert all(name in shlex.split(hint) for hint in hints), hints


@pytest.mark.parametrize("what", [*NAMES, "no UTF-8"])
def test_a_hostile_name_that_nobody_has_is_refused(
    write_study: "WriteStudy", ballast: "Ballast", store_url: str, what: str
) -> None:
    name, at = NAMES.get(what, "\udcff"), ("--store", store_url)
    assert ballast("run", write_study(**SHORT).name, *at).code == 0
    for command in (("status",), ("trials",), ("explain",), ("export", "-o", "x.yaml")):
        told = ballast(*command, *at, "--", name)
        assert told.code == 2, told
        assert len(told.told) == 1, told
        assert "\x1b" not in told.err


COLUMNS = {key: name for key, name in NAMES.items() if key not in {"surrogate"}}


@pytest.mark.parametrize("what", COLUMNS)
def test_a_hostile_column_works_or_is_refused(
    write_study: "WriteStudy", ballast: "Ballast", what: str
) -> None:
    name = COLUMNS[what]
    path = write_study(**SHORT)
    study = json.loads(path.read_text())
    study["data"]["features"][0]["name"] = study["data"]["target"]["high"] = study["data"]["features"][0][
        "high"
    ] = name
    path.write_text(json.dumps(study))
    table = pd.read_csv("prices.csv").rename(columns={"High": name})
    Path("prices.csv").write_bytes(table.to_csv(index=False).encode("utf-8", "surrogatepass"))
    told = ballast("run", path.name)
    assert told.code in {0, 2}, told.err
    assert told.told is not None
    if told.code == 0:
        assert ballast("check", path.name).code == 0
        assert ballast("explain", "small").code == 0
        assert ballast("export", "small", "-o", "best.yaml").code == 0
        assert ballast("train", "best.yaml").code == 0


FILES = {key: name for key, name in NAMES.items() if key not in {"a way up", "long", "surrogate"}}


@pytest.mark.parametrize("what", FILES)
def test_a_hostile_file_name_works_or_is_refused(
    write_study: "WriteStudy", ballast: "Ballast", tmp_path: Path, what: str
) -> None:
    name = f"{FILES[what]}.csv".replace("/", "_")
    path = write_study(**SHORT, data={"source": name})
    if "\x00" not in name:
        Path("prices.csv").rename(tmp_path / name)
        path = path.rename(tmp_path / f"{name}.yaml")
    told = ballast("run", "--", path.name)
    assert told.code == (2 if what == "NUL" else 0), told.err
    exported = ballast("export", "small", "-o", f"out {name}.yaml")
    assert exported.code == (2 if what == "NUL" else 0), exported.err
    assert ballast("run", "--", f"missing {name}").code == 2


def test_paths_of_any_kind_are_refused_in_a_sentence(write_study: "WriteStudy", ballast: "Ballast") -> None:
    write_study(**SHORT)
    for name in ("nul\x00.yaml", "x" * 10_000, "../" * 2_000 + "x", "a\nb.yaml"):
        for command in (("run",), ("check",), ("train",)):
            told = ballast(*command, "--", name)
            assert told.code == 2
            assert "Traceback" not in told.err


def test_nothing_is_run_that_a_file_says() -> None:
    forbidden = {
        r"\byaml\.(load|load_all|unsafe_load|full_load)\(": "YAML that makes objects",
        r"\b(pickle|marshal|shelve|dill|joblib|cloudpickle)\.(?!UnpicklingError)\w+\(": "pickle",
        r"\bfrom (pickle|marshal|shelve|dill|joblib|cloudpickle) import (?!UnpicklingError)": "pickle",
        r"(?<![\w.])(eval|exec|compile)\(": "eval",
        r"shell=True|os\.system\(|os\.popen\(": "a shell",
        r"verify=False|_create_unverified_context": "unverified TLS",
        r"\b(read_pickle|allow_pickle=True)\b": "pickle",
        r"weights_only=False": "pickle",
    }
    sources = {
        path: path.read_text()
        for part in ("search", "trainer", "storage")
        for path in (ROOT / part).rglob("*.py")
    }
    assert len(sources) > 60
    found = {
        f"{path.name}: {why}"
        for path, text in sources.items()
        for pattern, why in forbidden.items()
        if re.search(pattern, text)
    }
    assert found == {"cache.py: pickle"}  # of compiled kernels, whose digest is checked before
    cache = next(text for path, text in sources.items() if path.match("trainer/kernels/cache.py"))
    assert cache.count("pickle.loads(") == 1
    loads = [
        {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        for text in sources.values()
        for call in ast.walk(ast.parse(text))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "torch.load"
    ]
    assert loads
    assert all(named.get("weights_only") == "True" for named in loads)
