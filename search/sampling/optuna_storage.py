"""Optuna's storage in the store's database, directly or by proxy; calls are retried while the store is away.

A call that is retried may have taken effect before: only its answer was lost with the connection. Then

    create_new_study          raises DuplicatedStudyError, which `load_if_exists` handles
    create_new_trial          leaves a RUNNING trial that nobody runs; recovery ends it by the user
                              attribute `worker` of the template
    WAITING to RUNNING        answers False, as if another worker had been faster; recovery ends that trial
    to a final state          is done if the trial is in that state
    params, values, attributes are replaced by the same values

Optuna's caches never read an ended trial again. A voided trial changes after its end, so that voided trials
are read again whenever trials are read; see search/study/voiding.py.
"""

from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, Protocol, TypeVar

import optuna
import sqlalchemy
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, GrpcStorageProxy, RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from search.errors import RequestError
from search.sampling.tell import silence_optuna_warnings
from storage.commands import ballast_command
from storage.driver_errors import UNREADABLE, close_failed_connections, to_store_error_or_none
from storage.engine import Store
from storage.errors import StoreError, StoreTooNew, StoreTooOld, StoreUnreachable, ValueDamaged
from storage.retry import call_with_retry
from storage.schema import lock_creation
from storage.sqlite import sqlite_connect_args, tune_sqlite
from storage.tables import VoidRow

_MIGRATIONS = Path(models.__file__).parent / "alembic"
_PUBLIC_METHODS = (
    "create_new_study",
    "delete_study",
    "set_study_user_attr",
    "set_study_system_attr",
    "get_study_id_from_name",
    "get_study_name_from_id",
    "get_study_directions",
    "get_study_user_attrs",
    "get_study_system_attrs",
    "get_all_studies",
    "set_trial_intermediate_value",
    "set_trial_user_attr",
    "set_trial_system_attr",
    "get_trial_id_from_study_id_trial_number",
    "get_trial",
)
_RDB_METHODS = (
    "_create_new_trial",
    "_set_trial_param",
    "get_trial_param",
    "_get_trials",
    "_get_best_trial_id",
)
"""Optuna's cache calls these in place of the public methods, which call them too."""
_PROXY_METHODS = ("create_new_trial", "set_trial_param", "get_all_trials")


class _HasStore(Protocol):
    """A storage that has the store and translates the errors of its connection."""

    store: Store

    def store_errors(self) -> AbstractContextManager[None]:
        """A context that turns errors of the connection into StoreError."""

    def get_trial(self, trial_id: int) -> FrozenTrial: ...


@contextmanager
def _database_errors(shown: str) -> Iterator[None]:
    try:
        yield
    except (StorageInternalError, SQLAlchemyError, *UNREADABLE) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        if _is_damaged_distribution(error):
            cause = ValueDamaged(f"a distribution of a trial: {error}")
        store_error = to_store_error_or_none(cause, shown) if isinstance(cause, Exception) else None
        if store_error is None:
            raise
        raise store_error from None


def _is_damaged_distribution(error: Exception) -> bool:
    """Whether Optuna failed on the JSON of a distribution; its other KeyError means a missing record."""
    unknown = isinstance(error, ValueError) and str(error).startswith("Unknown distribution class")
    return unknown or (isinstance(error, KeyError) and error.args != (models.NOT_FOUND_MSG,))


_Storage = TypeVar("_Storage", bound=type[BaseStorage])


def _retry_methods(calls: Sequence[str]) -> Callable[[_Storage], _Storage]:
    """Retry these methods of a class, and the one that ends a trial, while the store is away."""

    def decorate(storage: _Storage) -> _Storage:
        for name in calls:
            setattr(storage, name, _with_retry(getattr(storage, name)))
        end_with_retry = _end_with_retry(storage.set_trial_state_values)
        storage.set_trial_state_values = end_with_retry  # type: ignore[method-assign]
        return storage

    return decorate


def _with_retry(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(self: _HasStore, *args: Any, **kwargs: Any) -> Any:
        def attempt() -> Any:
            with self.store_errors():
                return method(self, *args, **kwargs)

        return call_with_retry(attempt, self.store)

    return call


def _end_with_retry(method: Callable[..., bool]) -> Callable[..., bool]:
    @wraps(method)
    def end(self: _HasStore, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        tries = count()

        def attempt() -> bool:
            is_first = next(tries) == 0
            try:
                with self.store_errors():
                    return method(self, trial_id, state, values)
            except UpdateFinishedTrialError:
                if is_first or self.get_trial(trial_id).state is not state:
                    raise
                return True

        return call_with_retry(attempt, self.store)

    return end


@_retry_methods((*_PUBLIC_METHODS, *_RDB_METHODS))
class RetryingStorage(RDBStorage):
    """Optuna's storage. On PostgreSQL it shares the store's connection: one per worker, not two."""

    def __init__(self, store: Store) -> None:
        self.store = store
        is_sqlite = store.engine.dialect.name == "sqlite"
        super().__init__(
            store.url.replace("{", "{{").replace("}", "}}"),  # Optuna reads the URL as a template
            engine_kwargs={"connect_args": sqlite_connect_args()}
            if is_sqlite
            else {"pool": store.engine.pool},
            skip_compatibility_check=True,
            skip_table_creation=True,
        )
        close_failed_connections(self.engine)
        if is_sqlite:
            tune_sqlite(self.engine)

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        """As Optuna's; the voided trials are always among them."""
        if trial_id_greater_than > -1:
            included_trial_ids = included_trial_ids | voided_trial_ids(self.store, study_id)
        return super()._get_trials(study_id, states, included_trial_ids, trial_id_greater_than)

    def store_errors(self) -> AbstractContextManager[None]:
        """Raises StoreError for every error of the driver."""
        return _database_errors(self.store.shown_url)


@_retry_methods((*_PUBLIC_METHODS, *_PROXY_METHODS))
class RetryingProxyStorage(GrpcStorageProxy):
    """Optuna's storage behind `ballast proxy`."""

    def __init__(self, store: Store, host: str, port: int) -> None:
        self.store = store
        super().__init__(host=host, port=port)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """As Optuna's; voided trials are read again."""
        if (known := self._cache.studies.get(study_id)) is not None:
            known.unfinished_trial_ids |= voided_trial_ids(self.store, study_id)
        return super().get_all_trials(study_id, deepcopy, states)

    @contextmanager
    def store_errors(self) -> Iterator[None]:
        """Raises StoreUnreachable if the proxy is away, and StoreError for its other errors."""
        import grpc

        try:
            yield
        except grpc.RpcError as error:
            place = f"the proxy at {self._host}:{self._port}"
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise StoreError(f"{place} refused ({error.details()}); look at what it logged") from None
            self.close()
            self._setup()  # a failed channel waits longer and longer, up to two minutes, between attempts
            raise StoreUnreachable(f"{place} cannot be reached; start it with: ballast proxy") from None


def voided_trial_ids(store: Store, study_id: int) -> set[int]:
    """The ids in Optuna of the voided trials of a study."""
    trial, study, void = models.TrialModel, models.StudyModel, VoidRow
    of_study = (trial.study_id == study_id) & (study.study_id == study_id)
    found = select(trial.trial_id).where(of_study, void.study == study.study_name, void.trial == trial.number)
    with store.reading() as session:
        return set(session.scalars(found))


def optuna_storage(store: Store, proxy: str | None = None) -> BaseStorage:
    """Optuna's storage, directly or through `proxy` (HOST:PORT); missing tables are created.

    Each call waits up to `store.patience` seconds for a store that is away, and raises StoreError as our own
    storage does. Raises StoreTooOld or StoreTooNew if the tables are from another version of Optuna, and
    RequestError for a proxy that cannot be used.
    """
    if proxy is None:
        return direct_storage(store)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return _proxy(store, proxy)


def direct_storage(store: Store) -> RDBStorage:
    """The same without a proxy."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return call_with_retry(lambda: _direct(store), store)


def serve_proxy(store: Store, host: str, port: int) -> None:
    """Serve Optuna's part of the store until the process ends. Raises RequestError."""
    _require_grpc()
    storage = optuna.storages.get_storage(optuna_storage(store))
    try:
        with silence_optuna_warnings():
            optuna.storages.run_grpc_proxy_server(storage, host=host, port=port)
    except RuntimeError as error:  # what grpc makes of an address that it cannot bind
        raise RequestError(
            f"{host}:{port} cannot be listened on ({error}); choose another port with --port"
        ) from None


def has_optuna_tables(store: Store) -> bool:
    """Whether Optuna has ever used this database."""
    return bool(sqlalchemy.inspect(store.engine).has_table("studies"))


def make_optuna_tables(store: Store) -> None:
    """Create Optuna's tables if they are missing, in one transaction; processes wait for each other.

    Optuna creates them one by one: when sixteen processes did so at the same moment, some crashed.
    """
    with store.reading() as session:
        if _optuna_revision(session.connection()) is not None:
            return
    with store.session() as session:
        connection = session.connection()
        lock_creation(connection)
        if _optuna_revision(connection) is None:
            models.BaseModel.metadata.create_all(connection)
            if models.VersionInfoModel.find(session) is None:
                session.add(
                    models.VersionInfoModel(
                        schema_version=models.SCHEMA_VERSION, library_version=optuna.__version__
                    )
                )
            MigrationContext.configure(connection).stamp(ScriptDirectory(str(_MIGRATIONS)), "head")


def upgrade_optuna(store: Store) -> None:
    """Bring Optuna's tables to the schema of the installed Optuna, if there are any."""
    if has_optuna_tables(store):
        storage = RetryingStorage(store)
        storage.upgrade()
        storage.engine.dispose()


def _direct(store: Store) -> RDBStorage:
    make_optuna_tables(store)
    with _database_errors(store.shown_url):
        storage = RetryingStorage(store)
        found, needed = storage.get_current_version(), storage.get_head_version()
    if found == needed:
        return storage
    known = storage.get_all_versions()
    storage.engine.dispose()
    if found in known:
        raise StoreTooOld(
            f"Optuna's tables in {store.shown_url} are at {found}, Optuna {optuna.__version__} needs "
            f"{needed}; run: {ballast_command('db upgrade', store=store.url)}"
        )
    raise StoreTooNew(
        f"{store.shown_url} has tables at {found}, which Optuna {optuna.__version__} does not know: a newer "
        "Optuna's or another program's; run: pip install -U ballast-gru, or choose another store with --store"
    )


def _optuna_revision(connection: sqlalchemy.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _proxy(store: Store, address: str) -> RetryingProxyStorage:
    _require_grpc()
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise RequestError(f"{address!r} is no address of a proxy; write HOST:PORT, as in 127.0.0.1:13000")
    with silence_optuna_warnings():
        return RetryingProxyStorage(store, host, int(port))


def _require_grpc() -> None:
    if find_spec("grpc") is None or find_spec("google.protobuf") is None:
        raise RequestError(
            'the proxy needs grpcio, which is not installed; run: pip install "ballast-gru[grpc]"'
        )
