"""What goes wrong with a platform, as branches of the one tree.

::

    IdweaveError
    ├── PlatformError       a platform refused, or was not reached; ``code`` is UNIONID_<action>
    └── DecryptionError     encrypted user data that cannot be believed; ``errcode`` as WeChat's
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from idweave.core.errors import IdweaveError

from .errcodes import FIXES, Action


@dataclass(frozen=True, slots=True)
class Refused:
    """What a platform said: its code, our meaning of it, its own words (redacted), its request
    id, and who asked it what."""

    action: Action
    meaning: str
    errcode: int | str | None = None
    errmsg: str = ""
    rid: str = ""
    appid: str = ""
    endpoint: str = ""


UNSAID = Refused(Action.UNKNOWN, "the platform refused")


class PlatformError(IdweaveError):
    """A platform refused a call, or could not be reached. The code ends in what is done about it,
    and ``refused`` has the particulars."""

    code = "UNIONID_*"

    def __init__(self, message: str, *, fix: str = "", refused: Refused = UNSAID) -> None:
        super().__init__(message, fix=fix)
        self.refused = refused
        self.code = f"UNIONID_{refused.action.value}"

    @classmethod
    def saying(cls, refused: Refused) -> Self:
        """The error that says what the platform said, what that means, and what to do."""
        return cls(_sentence(refused), fix=FIXES[refused.action], refused=refused)

    @property
    def action(self) -> Action:
        """What the client does about it."""
        return self.refused.action


def _sentence(refused: Refused) -> str:
    number = "" if refused.errcode is None else f" (errcode {refused.errcode})"
    words = f" It said: {refused.errmsg!r}." if refused.errmsg else ""
    unsaid = refused.rid and refused.rid not in refused.errmsg
    rid = f" Request id {refused.rid}." if unsaid else ""
    return f"{refused.appid} {refused.endpoint}: {refused.meaning}{number}.{words}{rid}".strip()


class DecryptionError(IdweaveError):
    """Encrypted user data that cannot be believed. ``errcode`` is the official sample's number
    (-41001 key, -41002 iv, -41003 data, -41004 content), and nothing of the data is in the text."""

    code = "UNIONID_DECRYPTION"

    def __init__(self, message: str, *, errcode: int = -41004, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.errcode = errcode
