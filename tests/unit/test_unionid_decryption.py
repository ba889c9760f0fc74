"""Encrypted user data: the platform's known answers, and everything that must not pass."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from idweave.unionid.decryption import (
    AGE_MS_MAX,
    CONTENT,
    DATA,
    IV,
    KEY,
    decrypt_user_data,
    signature_holds,
)
from idweave.unionid.errors import DecryptionError
from idweave.unionid.secret import Secret

APPID = "wx4f4bc4dec97d474b"
SESSION_KEY = "tiihtNczf5v6AKRyjwEUhQ=="
VECTOR = "r7BXXKkLb8qrSNn05n0qiA=="
ENCRYPTED = (
    "CiyLU1Aw2KjvrjMdj8YKliAjtP4gsMZMQmRzooG2xrDcvSnxIMXFufNstNGTyaGS9uT5geRa0W4oTOb1WT7fJlAC+oNP"
    "dbB+3hVbJSRgv+4lGOETKUQz6OYStslQ142dNCuabNPGBzlooOmB231qMM85d2/fV6ChevvXvQP8Hkue1poOFtnEtpyx"
    "VLW1zAo6/1Xx1COxFvrc2d7UL/lmHInNlxuacJXwu0fjpXfz/YqYzBIBzD6WUfTIF9GRHpOn/Hz7saL8xz+W//FRAUid"
    "1OksQaQx4CMs8LOddcQhULW4ucetDf96JcR3g0gfRK4PC7E/r7Z6xNrXd2UIeorGj5Ef7b1pJAYB6Y5anaHqZ9J6nKEB"
    "vB4DnNLIVWSgARns/8wR2SiRS7MNACwTyrGvt9ts8p12PKFdlqYTopNHR1Vf7XjfhQlVsAJdNiKdYmYVoKlaRv85IfVu"
    "nYzO0IKXsyl7JCUjCpoG20f0a04COwfneQAGGwd5oa+T8yO5hzuyDb/XcxxmK01EpqOyuxINew=="
)
MADE_MS = 1_477_314_187_000
RAW_DATA = (
    '{"nickName":"Band","gender":1,"language":"zh_CN","city":"Guangzhou","province":"Guangdong",'
    '"country":"CN","avatarUrl":"http://wx.qlogo.cn/mmopen/vi_32/1vZvI39NWFQ9XM4LtQpFrQJ1xlgZxx3w'
    '7bQxKARol6503Iuswjjn6nIGBiaycAjAtpujxyzYsrztuuICqIM5ibXQ/0"}'
)


def opened(encrypted: str = ENCRYPTED, **changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"appid": APPID, "now_ms": MADE_MS + 1000}
    iv = changes.pop("iv", VECTOR)
    key = Secret(changes.pop("session_key", SESSION_KEY))
    return decrypt_user_data(encrypted, iv, key, **(given | changes))


def made(plain: bytes, *, pad: bytes | None = None) -> str:
    """Encrypted as the platform does, or with a padding of ours."""
    count = 16 - len(plain) % 16
    padded = plain + (bytes([count]) * count if pad is None else pad)
    key, iv = base64.b64decode(SESSION_KEY), base64.b64decode(VECTOR)
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return base64.b64encode(cipher.update(padded) + cipher.finalize()).decode()


def payload(**changes: Any) -> bytes:
    mark = {"appid": APPID, "timestamp": MADE_MS // 1000}
    return json.dumps({"openId": "o1", "watermark": mark} | changes).encode()


def refused(errcode: int, encrypted: str = ENCRYPTED, **changes: Any) -> str:
    with pytest.raises(DecryptionError) as caught:
        opened(encrypted, **changes)
    assert caught.value.errcode == errcode
    assert caught.value.fix
    return caught.value.message


def test_the_official_sample_opens() -> None:
    found = opened()
    assert found["openId"] == "oGZUI0egBJY1zhBYw2KhdUfwVJJE"
    assert found["unionId"] == "ocMvos6NjeKLIBqg5Mr9QjxrP1FA"
    assert found["watermark"] == {"timestamp": 1477314187, "appid": APPID}


def test_the_known_signature_holds_and_any_other_does_not() -> None:
    key = Secret("HyVFkGl5F5OQWJZZaNzBBg==")
    assert signature_holds(RAW_DATA, key, "75e81ceda165f4ffa64f4068af58c64b8f54b88c")
    assert signature_holds(RAW_DATA, key, "75E81CEDA165F4FFA64F4068AF58C64B8F54B88C")
    assert not signature_holds(RAW_DATA + " ", key, "75e81ceda165f4ffa64f4068af58c64b8f54b88c")
    assert not signature_holds(RAW_DATA, key, "ünïcode")


def test_the_data_of_another_app_is_refused() -> None:
    assert "another app" in refused(CONTENT, appid="wxother")


@pytest.mark.parametrize("key", ["", "AAAA", SESSION_KEY[:-4] + "!!==", "A" * 2_000_000])
def test_a_session_key_that_is_none_is_refused(key: str) -> None:
    refused(KEY, session_key=key)


@pytest.mark.parametrize("iv", ["", "AAAA", "не base64"])
def test_an_iv_that_is_none_is_refused(iv: str) -> None:
    refused(IV, iv=iv)


@pytest.mark.parametrize(
    "encrypted", ["", ENCRYPTED[:-8], ENCRYPTED[:100], "%%%", ENCRYPTED.replace("+", " ")]
)
def test_data_that_was_cut_off_or_changed_on_the_way_is_refused(encrypted: str) -> None:
    refused(DATA, encrypted)


def test_another_logins_session_key_does_not_open_it() -> None:
    assert "does not open" in refused(DATA, session_key="HyVFkGl5F5OQWJZZaNzBBg==")


@pytest.mark.parametrize(
    "pad",
    [
        b"\0" * 16,
        b"\x11" * 16,
        b"\xff" * 16,
        b"\x01" * 14 + b"\x03\x02",
        b"\x0e" * 15 + b"\x10",
    ],
    ids=["zero", "seventeen", "255", "uneven two", "uneven sixteen"],
)
def test_wrong_padding_is_refused(pad: bytes) -> None:
    refused(DATA, made(b"x" * 16, pad=pad))


@pytest.mark.parametrize("plain", [b"", b"[]", b"not json", b"[" * 100_000, b"\xff\xfe"])
def test_content_that_is_no_json_object_is_refused(plain: bytes) -> None:
    refused(CONTENT, made(plain))


@pytest.mark.parametrize(
    "mark", [None, "x", {}, {"appid": APPID}, {"appid": APPID, "timestamp": True}]
)
def test_content_without_a_watermark_is_refused(mark: Any) -> None:
    assert "watermark" in refused(CONTENT, made(payload(watermark=mark)))


def test_old_data_is_refused_unless_age_is_no_matter() -> None:
    late = MADE_MS + AGE_MS_MAX + 1
    assert "301" in refused(CONTENT, now_ms=late + 1000)
    assert opened(now_ms=MADE_MS + AGE_MS_MAX)["unionId"]
    assert opened(now_ms=late * 2, age_ms_max=None)["unionId"]


def test_data_from_the_future_is_refused() -> None:
    refused(CONTENT, now_ms=MADE_MS - 120_000)


def test_a_missing_union_id_is_no_error() -> None:
    assert "unionId" not in opened(made(payload()))


def test_nothing_of_key_or_data_is_in_an_error() -> None:
    texts = [
        refused(CONTENT, made(payload(watermark=None, phone="13800000000"))),
        refused(DATA, session_key="HyVFkGl5F5OQWJZZaNzBBg=="),
    ]
    for text in texts:
        assert "13800000000" not in text
        assert "HyVFkGl5F5OQWJZZaNzBBg" not in text
