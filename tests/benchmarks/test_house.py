"""The measures of the house: floors, arrows and circles of a small tree that can be counted by hand."""

from pathlib import Path

import pytest

from benchmarks.house import Graph, function_lengths, module_graph, modules_of, room_graph


def graph(**imports: str) -> Graph:
    return Graph({name: frozenset(others.split()) for name, others in imports.items()})


def test_a_floor_is_one_above_the_highest_that_is_imported() -> None:
    assert graph(top="middle low", middle="low", low="").floors() == {"top": 3, "middle": 2, "low": 1}


def test_a_circle_is_found_once_and_shares_a_floor() -> None:
    circular = graph(top="a", a="b", b="a low", low="")
    assert circular.circles() == [["a", "b"]]
    assert circular.floors() == {"top": 3, "a": 2, "b": 2, "low": 1}
    assert circular.arrows == 4


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A package of two rooms and a flat file; one import stands inside a function."""
    files = {
        "search/__init__.py": "",
        "search/errors.py": "",
        "search/cli/__init__.py": "",
        "search/cli/run.py": "def run():\n    from search.study import studies\n    return studies\n",
        "search/study/__init__.py": "",
        "search/study/studies.py": "import search.errors\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_rooms_are_sub_packages_and_flat_files_are_one_room(checkout: Path) -> None:
    modules = modules_of(checkout)
    rooms = room_graph(module_graph(modules), "search")
    assert rooms.imports == {
        "(flat)": frozenset(),
        "cli": frozenset({"study"}),
        "study": frozenset({"(flat)"}),
    }
    assert function_lengths(modules.values()) == [3]
