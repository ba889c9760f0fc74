"""The device side: the identity state machine of the released SDKs, platform by platform.

Pure: a call is a function of a state and its arguments (``calls``, ``binding``, ``start``), the
platforms are rows of a table (``platforms``), and what is stored reads and writes the released
SDKs' own form (``persistence``). The clock, chance, storage and sending are ``idweave.sdk``'s.
"""

from .platforms import PLATFORMS, Form, Platform, platforms_with
from .state import DeviceState, Draft, Ids, LoginRecord, Outcome, identities_sent, ids_of
from .values import ABSENT, Refusal, RefusalCode

__all__ = [
    "ABSENT",
    "PLATFORMS",
    "DeviceState",
    "Draft",
    "Form",
    "Ids",
    "LoginRecord",
    "Outcome",
    "Platform",
    "Refusal",
    "RefusalCode",
    "identities_sent",
    "ids_of",
    "platforms_with",
]
