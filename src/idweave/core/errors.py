"""The one exception tree.

::

    IdweaveError            everything this package raises on purpose; has a stable ``code``
    ├── FileMistake         something in a file that people write: file, line, field, fix
    │   ├── PolicyError     a policy that cannot be used
    │   └── ConfigError     a setting, flag or environment variable that cannot be used
    ├── InputError          a file, identity or argument that a person gave us and we cannot use
    │   └── WrongType       an argument of a type that can never be right; a TypeError, too
    ├── UnsupportedCall     the platform's released SDK has no such call; says which ones do
    ├── WrongProcess        a tracker was used in a process that was forked from its own
    ├── DeliveryError       a record could not be delivered while the caller waited for it
    ├── PlatformError       a platform refused or was not reached (unionid); UNIONID_<action>
    ├── DecryptionError     encrypted user data that cannot be believed (unionid)
    ├── NotFound            nobody and nothing has this identity, id or name
    ├── Conflict            it contradicts what holds already; nothing was changed
    ├── ListenError         a host and port that the server cannot listen on
    └── StoreError          the store cannot promise what was asked of it
        ├── StoreBusy       another process holds the store
        ├── StoreFull       no room, or the disk refused; retry later, nothing is half-written
        └── StoreVersion    made by a newer version, or not one of ours

Bad data is no exception: it is a :class:`~idweave.core.record.Rejection` or a refusal, returned.
"""

from __future__ import annotations


class IdweaveError(Exception):
    """Base of all errors. ``code`` is stable for machines; ``fix`` says what to do next."""

    code = "ERROR"

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message} {self.fix}".strip()


class FileMistake(IdweaveError):
    """Something that people wrote and we cannot use. ``line`` is 1-based, 0 where there is none
    to name; ``file`` and ``field`` are empty where there is none."""

    code = "FILE_INVALID"

    def __init__(
        self, message: str, *, field: str = "", line: int = 0, file: str = "", fix: str = ""
    ) -> None:
        super().__init__(message, fix=fix)
        self.field = field
        self.line = line
        self.file = file

    @property
    def place(self) -> str:
        """``file:line`` as editors jump to it, or what there is of it."""
        return ":".join(part for part in (self.file, str(self.line) if self.line else "") if part)

    def __str__(self) -> str:
        named = f"{self.field}: " if self.field else ""
        return f"{self.place + ': ' if self.place else ''}{named}{super().__str__()}"


class PolicyError(FileMistake):
    """A policy that cannot be used."""

    code = "POLICY_INVALID"


class ConfigError(FileMistake):
    """A setting, flag or environment variable that cannot be used."""

    code = "CONFIG_INVALID"


class InputError(IdweaveError):
    """A file, identity or argument that a person gave us and that we cannot use."""

    code = "INPUT_INVALID"


class WrongType(InputError, TypeError):
    """An argument of a type that can never be right."""

    code = "WRONG_TYPE"


class UnsupportedCall(IdweaveError):
    """The platform's released SDK has no such call. ``platforms`` names those that do."""

    code = "UNSUPPORTED_CALL"

    def __init__(self, message: str, *, platforms: tuple[str, ...] = (), fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.platforms = platforms


class WrongProcess(IdweaveError):
    """A tracker was used in a process that was forked from the one that made it."""

    code = "WRONG_PROCESS"


class DeliveryError(IdweaveError):
    """A record could not be delivered while the caller waited for it."""

    code = "DELIVERY_FAILED"


class NotFound(IdweaveError):
    """Nobody and nothing has this identity, id or name."""

    code = "NOT_FOUND"


class Conflict(IdweaveError):
    """What was asked contradicts what holds already. Nothing was changed."""

    code = "CONFLICT"


class ListenError(IdweaveError):
    """A host and port that the server cannot listen on."""

    code = "LISTEN_FAILED"


class StoreError(IdweaveError):
    """The store cannot promise what was asked of it. Nothing was half-written."""

    code = "STORE_ERROR"


class StoreBusy(StoreError):
    """Another process holds the store."""

    code = "STORE_BUSY"


class StoreFull(StoreError):
    """No room left, or the disk refused to write. Reads go on; retry the write later."""

    code = "STORE_FULL"


class StoreVersion(StoreError):
    """The file was made by a newer version, or is not a store of ours."""

    code = "STORE_VERSION"
