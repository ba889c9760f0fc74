"""Exit codes, in one table: which one an error has, and what each says to a script."""

from __future__ import annotations

from enum import IntEnum

from idweave.core.errors import (
    ConfigError,
    Conflict,
    DeliveryError,
    FileMistake,
    IdweaveError,
    InputError,
    ListenError,
    NotFound,
    PolicyError,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreVersion,
    UnsupportedCall,
    WrongProcess,
    WrongType,
)
from idweave.unionid.errors import DecryptionError, PlatformError


class Exit(IntEnum):
    """What the shell gets. Stable; documented in the reference."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    STORE = 4
    REJECTED = 5
    BUG = 70
    STOPPED = 130


MEANINGS = {
    Exit.DONE: "Done.",
    Exit.FAILED: "It failed for the reason given, or a check found something.",
    Exit.USAGE: "The command line, a setting, a policy or an argument cannot be used.",
    Exit.NOT_FOUND: "Nobody and nothing has this identity, id or name.",
    Exit.STORE: "The store is busy, full, of another version or damaged; nothing was half-written.",
    Exit.REJECTED: "All was read, and some of it was rejected; it is kept with its reason.",
    Exit.BUG: "A bug in idweave; the message says where its details are.",
    Exit.STOPPED: "Stopped with Ctrl-C; the message says what is kept.",
}

EXIT_OF: dict[type[IdweaveError], Exit] = {
    ConfigError: Exit.USAGE,
    PolicyError: Exit.USAGE,
    FileMistake: Exit.USAGE,
    InputError: Exit.USAGE,
    WrongType: Exit.USAGE,
    UnsupportedCall: Exit.USAGE,
    WrongProcess: Exit.FAILED,
    DeliveryError: Exit.FAILED,
    ListenError: Exit.FAILED,
    NotFound: Exit.NOT_FOUND,
    Conflict: Exit.FAILED,
    StoreBusy: Exit.STORE,
    StoreFull: Exit.STORE,
    StoreVersion: Exit.STORE,
    StoreError: Exit.STORE,
    PlatformError: Exit.FAILED,
    DecryptionError: Exit.FAILED,
    IdweaveError: Exit.FAILED,
}
"""The exit code of each error; an error of no row has that of the nearest class above it."""


def exit_of(error: IdweaveError) -> Exit:
    """The exit code of an error."""
    return next(EXIT_OF[kind] for kind in type(error).__mro__ if kind in EXIT_OF)
