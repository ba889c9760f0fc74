"""Where a browser lets a page keep its ids: hosts, cookie domains, local storage (VISITOR.md §4).

No list of public suffixes is built in: like the SDK we try the widest domain first, and what a
browser refuses is the caller's to say (``settable``).
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from ..errors import InputError
from .stores import LOCAL_SCOPE

SECOND_LEVEL = frozenset({"ac", "br", "co", "com", "edu", "gov", "org", "net"})
"""First labels of domains such as ``com.cn`` that the SDK never tries as a cookie domain."""

LOCAL_HOSTS = frozenset({"", "localhost", "127.0.0.1"})
LABELS_MAX = 4
"""The SDK tries domains of two to four labels, then the host itself."""


def host_of(url: str) -> str:
    """The host of a URL, lower case. Raises ``InputError`` when there is none to name."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        raise InputError(f"{url!r} is no URL.", fix="Give the page's full address.") from None


def has_cookies(url: str) -> bool:
    """Whether the SDK uses cookies on this page: http or https, and not the local machine."""
    return urlsplit(url).scheme in ("http", "https") and host_of(url) not in LOCAL_HOSTS


def cookie_domains(host: str) -> tuple[str, ...]:
    """The domains the SDK tries for its cookies, widest first, the host last."""
    labels = host.split(".")
    if len(labels) < 2 or (labels[-1].isdigit() and int(labels[-1]) <= 255):
        return (host,)
    tails = (labels[-count:] for count in range(2, LABELS_MAX + 1))
    wide = (".".join(tail) for tail in tails if tail[0] not in SECOND_LEVEL or len(tail) > 2)
    return tuple(dict.fromkeys([*wide, host]))


def cookie_domain(
    host: str, wanted: str = "", settable: Callable[[str], bool] = lambda domain: True
) -> str:
    """The domain the SDK sets its cookies on: the app's wish where it is possible, else the widest
    settable one. ``settable`` stands for the browser; it refuses public suffixes."""
    wishes = [wanted.lstrip(".")] if wanted else []
    tried = [domain for domain in [*wishes, *cookie_domains(host)] if covers(domain, host)]
    return next((domain for domain in tried if settable(domain)), host)


def covers(domain: str, host: str) -> bool:
    """Whether a cookie of this domain is sent to, and settable by, this host."""
    return host == domain or host.endswith(f".{domain}")


def local_scope(url: str) -> str:
    """The scope of this page's local storage: its own host's, shared with nobody."""
    return LOCAL_SCOPE + host_of(url)
