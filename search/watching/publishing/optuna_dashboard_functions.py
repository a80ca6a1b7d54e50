"""The functions with which optuna-dashboard stores notes and plots, without its server.

`import optuna_dashboard` also imports the server and, if it is installed, scikit-learn: 1.5 s of CPU time in
every worker, longer than a short trial takes. The two modules used here need only Optuna.
"""

from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType


def _part(name: str) -> ModuleType:
    """Load a module of optuna-dashboard without importing its package. Raises ImportError."""
    package = find_spec("optuna_dashboard")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("No module named 'optuna_dashboard'", name="optuna_dashboard")
    path = Path(package.origin).with_name(f"{name}.py")
    spec = spec_from_file_location(f"{__name__}.{name}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python module", name=name)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_note, _plots = _part("_note"), _part("_custom_plot_data")

get_note = _note.get_note
get_note_from_system_attrs = _note.get_note_from_system_attrs
save_note = _note.save_note
save_plotly_graph_object = _plots.save_plotly_graph_object
