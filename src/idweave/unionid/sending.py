"""A call's parameters as an HTTP request, and its reply as an answer or a refusal."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from .endpoint import Auth, Encoding, Endpoint, at_path
from .errcodes import Action
from .errors import PlatformError, Refused
from .ports import Reply, Request
from .secret import Secret, redact

JSON_TYPE = {"content-type": "application/json; charset=utf-8"}
FORM_TYPE = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}

ERRMSG_MAX = 300
"""Characters of a platform's message that are shown: the longest real one, with an IP and a
request id, has 150."""

_RID = re.compile(r"rid:?\s*([0-9a-zA-Z-]{8,64})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def request(
    endpoint: Endpoint, url: str, params: Mapping[str, Any], token: Secret | None
) -> Request:
    """The HTTP request of a call to ``url``. ``token`` goes where the endpoint's row says."""
    query: dict[str, Any] = {}
    headers: dict[str, str] = {}
    if token is not None and endpoint.auth is Auth.BEARER:
        headers["authorization"] = f"Bearer {token.reveal()}"
    elif token is not None:
        name = "component_access_token" if endpoint.auth is Auth.COMPONENT else "access_token"
        query[name] = token.reveal()
    body: bytes | None = None
    if endpoint.encoding is Encoding.QUERY:
        query |= params
    elif endpoint.encoding is Encoding.JSON:
        body, headers = json.dumps(params, ensure_ascii=False).encode(), headers | JSON_TYPE
    else:
        body, headers = urlencode(params).encode(), headers | FORM_TYPE
    return Request(endpoint.method, f"{url}?{urlencode(query)}" if query else url, body, headers)


def url_of(endpoint: Endpoint, base_url: str, usual_url: str) -> str:
    """Where a call goes. A row may name a host of its own; a gateway or mock (``base_url`` is not
    the ``usual_url`` of the platform) stands in for all of them."""
    if "://" not in endpoint.path:
        return base_url.rstrip("/") + endpoint.path
    if base_url in {"", usual_url}:
        return endpoint.path
    return base_url.rstrip("/") + urlsplit(endpoint.path).path


def sign_rsa2(params: Mapping[str, Any], private_key: Secret) -> str:
    """Alipay's RSA2 signature of the sorted parameters. Raises ValueError for no such key."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    key = serialization.load_pem_private_key(private_key.reveal().encode(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("not an RSA key")
    text = "&".join(f"{name}={params[name]}" for name in sorted(params))
    return base64.b64encode(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()


def answer(
    endpoint: Endpoint, reply: Reply, appid: str, secrets: Iterable[Secret]
) -> dict[str, Any]:
    """What a reply says. Raises PlatformError for a refusal, or for what is no answer."""
    if reply.status >= 500:
        meaning = f"the platform is busy (HTTP {reply.status})"
        raise _error(endpoint, appid, Action.RETRY, meaning)
    if reply.status != 200 and not reply.body.lstrip().startswith(b"{"):
        meaning = f"HTTP {reply.status} came back instead of an answer"
        raise _error(endpoint, appid, Action.BAD_ANSWER, meaning)
    decoded = _decoded(endpoint, reply, appid)
    shape = endpoint.shape
    errcode = shape.errcode(decoded)
    if errcode is None:
        inner = at_path(decoded, shape.inner) if shape.inner else decoded
        if not isinstance(inner, dict):
            meaning = f"the answer has no object {shape.inner!r}"
            raise _error(endpoint, appid, Action.BAD_ANSWER, meaning)
        return inner
    row = shape.row(errcode)
    words = str(at_path(decoded, shape.message_field) or "")
    rid = _RID.search(words)
    raise PlatformError.saying(
        Refused(
            row.action,
            row.meaning,
            errcode,
            shown(words, secrets),
            rid.group(1) if rid else "",
            appid,
            endpoint.name,
        )
    )


def shown(words: str, secrets: Iterable[Secret]) -> str:
    """A platform's message as people may see it: no secrets, one line, not too long."""
    return _CONTROL.sub(" ", redact(words, secrets))[:ERRMSG_MAX]


def field_of(found: Mapping[str, Any], name: str, kind: type, place: tuple[str, str]) -> Any:
    """A field that an answer must have. ``place``: endpoint and appid, for the error."""
    value = found.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        meaning = f"the answer has no {name!r} of the right kind"
        raise PlatformError.saying(
            Refused(Action.BAD_ANSWER, meaning, appid=place[1], endpoint=place[0])
        )
    return value


def _decoded(endpoint: Endpoint, reply: Reply, appid: str) -> dict[str, Any]:
    try:
        decoded = json.loads(reply.body)
    except (ValueError, RecursionError):
        start = reply.body.lstrip()[:1]
        what = "HTML" if start == b"<" else "something that is not JSON"
        raise _error(
            endpoint, appid, Action.BAD_ANSWER, f"{what} came back instead of JSON"
        ) from None
    if not isinstance(decoded, dict):
        raise _error(endpoint, appid, Action.BAD_ANSWER, "the answer is no JSON object")
    return decoded


def _error(endpoint: Endpoint, appid: str, action: Action, meaning: str) -> PlatformError:
    return PlatformError.saying(Refused(action, meaning, appid=appid, endpoint=endpoint.name))
