"""The visitor-id profiles: where each released SDK looks for its id, in which order (VISITOR.md §2
to §5).

A profile is a chain of links; the first link that yields an accepted text makes the id, and a
random id is the end of every chain. A link reads a hint (what the app knows of the device) or a
slot (what an SDK stored before).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ..errors import InputError
from .stores import Family, StoreKind
from .text import is_idfa, is_present, is_short_u, is_valid_u, name_uuid


@dataclass(frozen=True, slots=True)
class Hints:
    """What the app knows of its device: ids (None and empty: unreadable) and switches.

    ``HINTS`` says what each is; a profile reads those in its chain and ignores the rest.
    """

    android_id: str | None = None
    imei: str | None = None
    custom_device_id: str | None = None
    idfa: str | None = None
    idfv: str | None = None
    custom: str | None = None
    block: str | None = None
    platform_uuid: str | None = None
    android_id_enabled: bool = False
    imei_enabled: bool = False
    read_phone_state: bool = False
    custom_block: bool = False

    def text(self, name: str) -> str:
        """The hint as text; what is missing is empty."""
        value = getattr(self, name)
        return value if isinstance(value, str) else ""

    def is_on(self, name: str) -> bool:
        """Whether a switch is on."""
        return getattr(self, name) is True


class HintKind(StrEnum):
    """Whether a hint is an id or a switch."""

    TEXT = "text"
    SWITCH = "switch"


@dataclass(frozen=True, slots=True)
class HintHelp:
    """One hint for a person: its name, kind, and what to give."""

    name: str
    kind: HintKind
    help: str


HINTS: tuple[HintHelp, ...] = (
    HintHelp("android_id", HintKind.TEXT, "Settings.Secure.ANDROID_ID, exactly as read"),
    HintHelp("imei", HintKind.TEXT, "the IMEI, exactly as read"),
    HintHelp("custom_device_id", HintKind.TEXT, "the device id the app itself configured (2.x)"),
    HintHelp("idfa", HintKind.TEXT, "the advertising id as read; zeros mean no permission"),
    HintHelp("idfv", HintKind.TEXT, "identifierForVendor as read"),
    HintHelp("custom", HintKind.TEXT, "what customDeviceIDBlock returned (iOS 2.x)"),
    HintHelp("block", HintKind.TEXT, "what deviceIDBlock returned: IDFA, else IDFV (iOS 2.x)"),
    HintHelp("platform_uuid", HintKind.TEXT, "IOPlatformUUID (macOS, Mac Catalyst)"),
    HintHelp("android_id_enabled", HintKind.SWITCH, "the app switched AndroidID on"),
    HintHelp("imei_enabled", HintKind.SWITCH, "the app switched IMEI on"),
    HintHelp("read_phone_state", HintKind.SWITCH, "the user granted READ_PHONE_STATE"),
    HintHelp("custom_block", HintKind.SWITCH, "the app registered a customDeviceIDBlock"),
)


def same(text: str) -> str:
    """The transform of a source that is used as it is."""
    return text


@dataclass(frozen=True, slots=True)
class Slot:
    """A place where an SDK keeps an id: the SDK's own key, and the kind of store."""

    key: str
    kind: StoreKind


@dataclass(frozen=True, slots=True)
class Link:
    """One step of a chain. ``hint`` or ``slot`` is what it reads.

    ``needs``: switches that must be on; ``unless``: a switch that must be off. ``kept``: the id is
    written, to ``keeps`` or else to the profile's own slot. ``ends``: when the text is there but
    not accepted, no later link is asked and the id is random.
    """

    source: str
    hint: str = ""
    slot: Slot | None = None
    needs: tuple[str, ...] = ()
    unless: str = ""
    accepts: Callable[[str], bool] = is_present
    rejects: frozenset[str] = frozenset()
    transform: Callable[[str], str] = same
    kept: bool = False
    keeps: Slot | None = None
    ends: bool = False

    def accepted(self, text: str) -> bool:
        """Whether the text makes an id; comparison is exact."""
        return text not in self.rejects and self.accepts(text)


@dataclass(frozen=True, slots=True)
class Profile:
    """One released behaviour: ``name`` is ours (``android-4.2``), ``chain`` its links in order.

    ``keeps`` is where a random id is written (None: nowhere), ``random`` the transform of one.
    """

    name: str
    family: Family
    platform: str
    sdk: str
    chain: tuple[Link, ...]
    keeps: Slot | None
    random: Callable[[str], str] = same

    @property
    def hints(self) -> tuple[HintHelp, ...]:
        """The hints this profile reads, in the order of ``HINTS``."""
        read = {name for link in self.chain for name in (link.hint, link.unless, *link.needs)}
        return tuple(row for row in HINTS if row.name in read)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The slots this profile reads or writes, each once, in chain order."""
        found = [link.slot for link in self.chain] + [link.keeps for link in self.chain]
        return tuple(dict.fromkeys(slot for slot in [*found, self.keeps] if slot))


# --- the tables ----------------------------------------------------------------------------------

BAD_ANDROID_ID = "9774d56d682e549c"
"""The AndroidID that emulators and cheap phones share."""

_ONE_BAD = frozenset({BAD_ANDROID_ID})
_THREE_BAD = _ONE_BAD | {"0123456789abcdef", "0000000000000000"}

ANDROID_SLOT = Slot("DEVICE_ID", StoreKind.APP_FILE)
ANDROID_2_SLOT = Slot("device_id", StoreKind.APP_FILE)
ANDROID_OLD_SLOT = Slot("device_id.xml:device_id", StoreKind.APP_FILE)
KEYCHAIN = Slot("kGrowingIOKeychainUserIdKey", StoreKind.KEYCHAIN)
KEYCHAIN_2 = Slot("GROWINGIO_KEYCHAIN_KEY", StoreKind.KEYCHAIN)
KEYCHAIN_2_CUSTOM = Slot("GROWINGIO_CUSTOM_U_KEY", StoreKind.KEYCHAIN)
IOS_OLD_FILE = Slot("device", StoreKind.APP_FILE)
COOKIE = Slot("gdp_user_id", StoreKind.COOKIE)
COOKIE_2 = Slot("gr_user_id", StoreKind.COOKIE)
MINI = Slot("_growing_uid_", StoreKind.MINI_STORAGE)
HARMONYOS_SLOT = Slot("growing_device_id", StoreKind.APP_FILE)
QT_SLOT = Slot("device_id", StoreKind.SETTINGS_FILE)


def _saved(source: str, slot: Slot, *, moved: bool = False) -> Link:
    return Link(source, slot=slot, kept=moved)


def _android_id(rejects: frozenset[str], *needs: str) -> Link:
    return Link(
        "android_id", "android_id", needs=needs, rejects=rejects, transform=name_uuid, kept=True
    )


def _imei(*needs: str) -> Link:
    return Link("imei", "imei", needs=(*needs, "read_phone_state"), transform=name_uuid, kept=True)


def _android(version: str, sdk: str, *links: Link, slot: Slot = ANDROID_SLOT) -> Profile:
    return Profile(f"android-{version}", Family.ANDROID, "android", sdk, links, slot)


_SAVED = _saved("stored", ANDROID_SLOT)

_ANDROID_PROFILES = (
    _android("seed", "as documented", _SAVED, _android_id(_ONE_BAD), _imei()),
    _android(
        "2",
        "2.x (SaaS)",
        Link("custom", "custom_device_id"),
        _saved("stored", ANDROID_2_SLOT),
        _saved("legacy_pref", ANDROID_OLD_SLOT, moved=True),
        _android_id(_ONE_BAD, "android_id_enabled"),
        _imei("imei_enabled"),
        slot=ANDROID_2_SLOT,
    ),
    _android("3.0", "3.0.0 to 3.4.7", _SAVED, _android_id(_ONE_BAD)),
    _android("3.5", "3.5.0 to 3.5.3", _SAVED, _android_id(_ONE_BAD), _imei("imei_enabled")),
    _android(
        "4.0",
        "4.0 and 4.1",
        _SAVED,
        _android_id(_ONE_BAD, "android_id_enabled"),
        _imei("imei_enabled"),
    ),
    _android(
        "4.2",
        "4.2 and later",
        _SAVED,
        _android_id(_THREE_BAD, "android_id_enabled"),
        _imei("imei_enabled"),
    ),
)


def _in_keychain(source: str, slot: Slot, *, unless: str = "", moved: bool = False) -> Link:
    return Link(source, slot=slot, unless=unless, accepts=is_valid_u, kept=moved)


_IDFA = Link("idfa", "idfa", accepts=is_idfa, kept=True)
_IDFV = Link("idfv", "idfv", accepts=is_valid_u, kept=True)
_SAVED_4 = _in_keychain("keychain", KEYCHAIN)

_IOS_2_CHAIN = (
    Link(
        "custom",
        "custom",
        needs=("custom_block",),
        accepts=is_short_u,
        kept=True,
        keeps=KEYCHAIN_2_CUSTOM,
    ),
    _in_keychain("keychain_custom", KEYCHAIN_2_CUSTOM, unless="custom_block"),
    _in_keychain("keychain", KEYCHAIN_2),
    Link("old_file", slot=IOS_OLD_FILE, accepts=is_valid_u, kept=True, ends=True),
    Link("block", "block", accepts=is_short_u, kept=True),
)
_IOS_4_CHAIN = (
    _SAVED_4,
    _in_keychain("keychain_custom", KEYCHAIN_2_CUSTOM, moved=True),
    _in_keychain("keychain_2x", KEYCHAIN_2, moved=True),
    _IDFA,
    _IDFV,
)


def _apple(platform: str, *links: Link) -> Profile:
    name = f"{platform}-4"
    return Profile(name, Family.APPLE, platform, "3.x and 4.x", links, KEYCHAIN, str.upper)


def _mac(platform: str) -> Profile:
    chain = (Link("platform_uuid", "platform_uuid", accepts=is_valid_u),)
    return Profile(f"{platform}-4", Family.MAC, platform, "3.x and 4.x", chain, None, str.upper)


_APPLE_PROFILES = (
    Profile("ios-2", Family.APPLE, "ios", "2.x (SaaS)", _IOS_2_CHAIN, KEYCHAIN_2, str.upper),
    _apple("ios", *_IOS_4_CHAIN),
    _apple("tvos", _SAVED_4, _IDFV),
    _apple("visionos", _SAVED_4, _IDFV),
    _apple("watchos", _SAVED_4, _IDFV),
    _mac("macos"),
    _mac("catalyst"),
)

MINI_PLATFORMS: Mapping[str, str] = {
    "wechat": "MinP",
    "alipay": "alip",
    "baidu": "baidup",
    "qq": "qq",
    "bytedance": "bytedance",
    "kuaishou": "kuaishoup",
    "jd": "jdp",
    "taobao": "tbp",
    "xiaohongshu": "xhsp",
    "quickapp": "quickapp",
}
"""Our name of each mini-program host → what its SDK sends as ``platform``."""


def _random_only(name: str, family: Family, slot: Slot, sdk: str = "4.x") -> Profile:
    platform = name.partition("-")[0]
    return Profile(name, family, platform, sdk, (_saved("stored", slot),), slot)


_MINI_VERSIONS = (("3.7", "up to 3.7 (SaaS)"), ("4", "3.8 and 4.x"))
_WEB_CHAIN = (_saved("stored", COOKIE), _saved("stored_2x", COOKIE_2, moved=True))

_OTHER_PROFILES = (
    Profile("web-4", Family.WEB, "web", "4.x", _WEB_CHAIN, COOKIE),
    *(
        _random_only(f"{host}-{version}", Family.MINI_PROGRAM, MINI, sdk)
        for host in MINI_PLATFORMS
        for version, sdk in _MINI_VERSIONS
    ),
    _random_only("harmonyos-4", Family.HARMONYOS, HARMONYOS_SLOT),
    _random_only("qt-4", Family.QT, QT_SLOT),
)

PROFILES: Mapping[str, Profile] = {
    row.name: row for row in (*_ANDROID_PROFILES, *_APPLE_PROFILES, *_OTHER_PROFILES)
}
"""All profiles by name, in the order people read them."""


def profile(name: str) -> Profile:
    """The profile of this name. Raises ``InputError`` with the names there are."""
    try:
        return PROFILES[name]
    except KeyError:
        raise InputError(
            f"there is no visitor-id profile {name!r}.", fix=f"Take one of: {', '.join(PROFILES)}."
        ) from None


def hints_from(values: Mapping[str, object]) -> Hints:
    """Hints out of a mapping by their names. Raises ``InputError`` for a name or type that no hint
    has; None is the same as leaving a hint out."""
    kinds = {row.name: row.kind for row in HINTS}
    given: dict[str, object] = {}
    for name, value in values.items():
        if name not in kinds:
            raise InputError(f"{name!r} is no hint.", fix=f"Take some of: {', '.join(kinds)}.")
        wanted = bool if kinds[name] is HintKind.SWITCH else str
        if value is not None and not isinstance(value, wanted):
            raise InputError(f"{name} must be {wanted.__name__}, not {value!r}.")
        if value is not None:
            given[name] = value
    return Hints(**given)  # type: ignore[arg-type]  # checked by name and type right above
