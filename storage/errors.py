"""What can be wrong with a store, as a tree.

    StoreError
    ├── StoreUrlInvalid      the URL cannot be read, or names a database that is not supported
    ├── StoreMissing         there is no store at the URL
    ├── StoreUnreachable     the file cannot be opened, or the server does not let us in
    ├── StoreLocked          another process held the lock for longer than the busy timeout
    ├── StoreReadOnly        it can be read, but not written, at least for now
    ├── StoreForbidden       the log-in has not the right
    ├── StoreTimeout         the server ended what took longer than it allows
    ├── StoreExhausted       no memory, file descriptor or other resource is left
    ├── StoreFull            the disk is full
    ├── StoreDamaged         the file is no database, or tables of it are missing or broken
    │   └── ValueDamaged     a value of a row cannot be read
    ├── StoreTooOld          its schema is older than this Ballast; it can be upgraded
    ├── StoreTooNew          its schema was written by a newer Ballast
    └── RecordError          the store is well, what is asked of it is not
        ├── StudyUnknown
        ├── StudyExists
        ├── TrialUnknown
        ├── TrialExists
        ├── TrialFinished    a verdict is never overwritten
        ├── TrialTaken       another worker has taken it over
        ├── RecordConflict   a row contradicts what the store holds
        └── ValueUnstorable  a value cannot be stored without loss

A message carries the value, the place (its password masked) and the next command; people see it as it is.
"""

from sqlalchemy.exc import DontWrapMixin


class StoreError(Exception):
    """Root of everything that `storage` raises on purpose."""


class StoreUrlInvalid(StoreError):
    """The URL cannot be read, or names a database that is not supported."""


class StoreMissing(StoreError):
    """There is no store at the URL."""


class StoreUnreachable(StoreError):
    """The file cannot be opened, or the server does not let us in."""


class StoreLocked(StoreError):
    """Another process held the lock for longer than the busy timeout."""


class StoreReadOnly(StoreError):
    """The store can be read, but not written, at least for now."""


class StoreForbidden(StoreError):
    """The log-in has not the right to do what was asked."""


class StoreTimeout(StoreError):
    """The server ended a statement, or a session, that took longer than it allows."""


class StoreExhausted(StoreError):
    """No memory, file descriptor or other resource is left, here or at the server."""


class StoreFull(StoreError):
    """The disk is full."""


class StoreDamaged(StoreError):
    """The file is no database, or tables of it are missing or broken."""


class ValueDamaged(StoreDamaged):
    """A value of a row is not what was put in: no text, number, moment, JSON or verdict."""


class StoreTooOld(StoreError):
    """The schema is older than this Ballast; it can be upgraded."""


class StoreTooNew(StoreError):
    """The schema was written by a newer Ballast."""


class RecordError(StoreError):
    """The store is well, what is asked of it is not."""


class StudyUnknown(RecordError):
    """No study of that name is in the store."""


class StudyExists(RecordError):
    """A study of that name is in the store already."""


class TrialUnknown(RecordError):
    """The study has no trial of that number."""


class TrialExists(RecordError):
    """The study has a trial of that number already."""


class TrialFinished(RecordError):
    """The trial has its verdict; a verdict is never overwritten."""


class TrialTaken(RecordError):
    """Another worker has taken the trial over, from one that it held for dead."""


class RecordConflict(RecordError):
    """A row contradicts what the store holds: it is there already, or refers to nothing."""


class ValueUnstorable(RecordError, DontWrapMixin):
    """A value cannot be stored without loss; raised while SQLAlchemy binds it, and not wrapped by it."""
