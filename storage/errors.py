"""The errors of `storage`, as a tree.

    StoreError
    ├── StoreUrlInvalid      the URL cannot be read, or names a database that is not supported
    ├── StoreMissing         there is no store at the URL
    ├── StoreUnreachable     the file cannot be opened, or the server cannot be reached
    ├── StoreLocked          another process held the lock for longer than the busy timeout
    ├── StoreReadOnly        it can be read, but not written, at least for now
    ├── StoreForbidden       the login lacks the permission
    ├── StoreTimeout         the server ended what took longer than it allows
    ├── StoreExhausted       no memory, file descriptor or other resource is left
    ├── StoreFull            the disk is full
    ├── StoreDamaged         the file is not a database, or its tables are missing or broken
    │   └── ValueDamaged     a value of a row cannot be read
    ├── StoreTooOld          its schema is older than this Ballast; it can be upgraded
    ├── StoreTooNew          its schema was written by a newer Ballast
    └── RecordError          the store is fine, the request is not
        ├── StudyUnknown
        ├── StudyExists
        ├── TrialUnknown
        ├── TrialExists
        ├── TrialFinished    a verdict is never overwritten
        ├── TrialTaken       another worker has taken over the trial
        ├── RecordConflict   a row contradicts another row of the store
        └── ValueUnstorable  a value cannot be stored without loss

A message names the value, the place (with the password masked) and the next command; it is shown to users
unchanged.
"""

from sqlalchemy.exc import DontWrapMixin


class StoreError(Exception):
    """Base class of every error that `storage` raises on purpose."""


class StoreUrlInvalid(StoreError):
    """The URL cannot be read, or names a database that is not supported."""


class StoreMissing(StoreError):
    """There is no store at the URL."""


class StoreUnreachable(StoreError):
    """The file cannot be opened, or the server cannot be reached or refuses the login."""


class StoreLocked(StoreError):
    """Another process held the lock for longer than the busy timeout."""


class StoreReadOnly(StoreError):
    """The store can be read, but not written, at least for now."""


class StoreForbidden(StoreError):
    """The login lacks the permission for the request."""


class StoreTimeout(StoreError):
    """The server ended a statement, or a session, that took longer than it allows."""


class StoreExhausted(StoreError):
    """No memory, file descriptor or other resource is left, here or at the server."""


class StoreFull(StoreError):
    """The disk is full."""


class StoreDamaged(StoreError):
    """The file is not a database, or its tables are missing or broken."""


class ValueDamaged(StoreDamaged):
    """A value of a row cannot be read as its type: text, number, time, JSON or verdict."""


class StoreTooOld(StoreError):
    """The schema is older than this Ballast; it can be upgraded."""


class StoreTooNew(StoreError):
    """The schema was written by a newer Ballast."""


class RecordError(StoreError):
    """The store is fine, but the request is wrong."""


class StudyUnknown(RecordError):
    """The store has no study of that name."""


class StudyExists(RecordError):
    """The store already has a study of that name."""


class TrialUnknown(RecordError):
    """The study has no trial of that number."""


class TrialExists(RecordError):
    """The study already has a trial of that number."""


class TrialFinished(RecordError):
    """The trial already has a verdict, which is never overwritten."""


class TrialTaken(RecordError):
    """Another worker has taken over the trial, because it considered this worker dead."""


class RecordConflict(RecordError):
    """A row contradicts the store: it exists already, or refers to a missing row."""


class ValueUnstorable(RecordError, DontWrapMixin):
    """A value cannot be stored without loss; raised while SQLAlchemy binds it, which does not wrap it."""
