"""Messages that name options of the shell are raised with Python arguments."""

import pickle

import pytest

from search.api.python_messages import python_message, with_python_messages
from search.errors import ConfigError, Location, Problem

SAID = {
    "choose another with --store": "choose another with store=…",
    "--workers 5000 is out of range": "workers=5000 is out of range",
    "--devices 'cpu,' names an empty device; write --devices cpu,cpu": (
        "devices='cpu,' names an empty device; write devices='cpu,cpu'"
    ),
    "start another one: --name small-2": "start another one: name='small-2'",
    "or fix each with --set": "or fix each with set={…}",
    'see --set storage.url="sqlite:///x.db" and --store': (
        "see set={'storage.url': 'sqlite:///x.db'} and store=…"
    ),
    "name it like -o x.yaml": "name it like path='x.yaml'",
    "give --symbol AAA": "give symbol='AAA'",
    "give --day-first or --month-first": "give day_first=True or day_first=False",
    "save it without --onnx": "save it without onnx=True",
    "--top compares the best trials": "top=… compares the best trials",
    "start one with: ballast run STUDY.yaml --store sqlite:///no.db": (
        "start one with: ballast.run('STUDY.yaml', store='sqlite:///no.db')"
    ),
    "list its trials with: ballast trials 'a b' --verdict failed": (
        "list its trials with: ballast.load_study('a b').trials()"
    ),
    "look: ballast explain small --trial 3.": "look: ballast.load_study('small').settings(3).",
    "train one: ballast train b.yaml --set data.split.method=holdout --save FOLDER": (
        "train one: ballast.train('b.yaml', set={'data.split.method': 'holdout'}, save='FOLDER')"
    ),
}
UNCHANGED = (
    "run: ballast db upgrade --store sqlite:///x.db",
    'needs Ray; run: pip install "ballast-gru[ray]"',
    "start one with: ray start --head",
)


@pytest.mark.parametrize("said", SAID)
def test_an_option_or_a_command_is_written_as_python(said: str) -> None:
    assert python_message(said) == SAID[said]


@pytest.mark.parametrize("said", UNCHANGED)
def test_a_command_without_a_python_call_stays(said: str) -> None:
    assert python_message(said) == said


def test_problems_of_a_configuration_are_said_in_python_and_survive_pickling() -> None:
    error = ConfigError([Problem(Location("--set training.epochs=x"), "it must be a whole number")])
    assert pickle.loads(pickle.dumps(error)).problems == error.problems

    @with_python_messages
    def fail() -> None:
        raise error

    with pytest.raises(ConfigError) as caught:
        fail()
    assert str(caught.value) == "set={'training.epochs': 'x'}: it must be a whole number"
