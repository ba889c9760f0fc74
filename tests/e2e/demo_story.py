"""Makes the demo's requests: recorded ones of released SDKs, with invented people put in.

Method, path, query, headers and encoding stay as the SDK sent them; identities, times, event names
and a few properties are the story's. ``python -m tests.e2e.demo_story`` writes the file anew.
"""

from __future__ import annotations

import base64
import copy
import gzip
import json
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from idweave.wire import encode_data_list, java_hash
from tests.golden.vectors import HERE

TARGET = Path(__file__).parents[2] / "src/idweave/cli/demo/requests.jsonl"

T0 = 1_740_794_400_000
"""2025-03-01 10:00 in China."""

MINUTE = 60_000
DAY = 24 * 60 * MINUTE

SENT_HEADERS = ("content-type", "user-agent", "accept", "origin", "referer")
"""Headers worth keeping: the others are the recording machine's."""

Record = dict[str, Any]


class Person(NamedTuple):
    """Who a recorded device's ids become."""

    device: str = ""
    login: str = ""
    phone: str = ""


LIN = Person("1740794400000-3021377-0c5d1e2f3a4b5c-48217733", "lin.xiaoyu", "13800010001")
LIN_WEB = Person("19549a1c5d2e47-0b8f0c9d1e2a3f4-26011d51-1296000-19549a1c5d3f18", *LIN[1:])
WANG = Person("1740880800000-7714205-0a9b8c7d6e5f40-91350262", "wang.qiang", "13900020002")
WANG_DOUYIN = Person("1740967200000-1186604-0f1e2d3c4b5a69-33507914", *WANG[1:])
WANG_NEW = WANG._replace(phone="13700020022")
CHEN = Person("1741053600000-5560318-0123456789abcd-77120945", "chen.chen", "13900020002")
CHEN_PAD = Person("1741140000000-9920471-0fedcba9876543-50061287", "chen.chen")
ZHAO = Person("1741226400000-2487193-0aa1bb2cc3dd4e-66093318", "zhao.min")
GUEST = Person("1741312800000-8830062-0d4c3b2a1908f7-12558840")
SUN = Person("1741399200000-4417586-0e5f6a7b8c9d01-84200731", "sun.li", "13600050005")

OPENID = ("$identity_mp_wx0a1b2c3d4e5f6789_openid", "oLIN5x8kq0wW3v1aXo2Yb7cZd9eF")
UNIONID = ("$identity_mp_unionid", "uLIN6m2p4r8tYv0xZa3Bc5De7Fg9")


# -- records ---------------------------------------------------------------------------------------

RECORDED: dict[str, Record] = {
    case["id"]: case
    for case in map(json.loads, (HERE / "raw_requests.jsonl").read_text("utf-8").splitlines())
}


def become(value: Any, person: Person) -> Any:
    """A recorded value with the person's ids for those of the recording."""
    if isinstance(value, dict):
        return {key: become(inner, person) for key, inner in value.items()}
    if value == "A":
        return person.login
    if value == "138":
        return person.phone
    is_device = isinstance(value, str) and re.match(r"1712042794795-|1a200[0-9a-f]+-", value)
    return person.device if is_device else value


def said(template: str, nth: int, person: Person, when: int, **changes: Any) -> Record:
    """The nth record of a recorded request, as this person's SDK would have sent it then."""
    record: Record = become(copy.deepcopy(RECORDED[template]["decoded_events"][nth]), person)
    properties = record.get("properties", {})
    for name in ("a", "s", "$url", "$title", "$latest_referrer", "$latest_search_keyword"):
        properties.pop(name, None)
    properties |= changes.pop("properties", {})
    record |= {"time": when, **changes}
    if "_track_id" in record:
        record["_track_id"] = when // 7 % 1_000_000_000
    if "_flush_time" in record:
        record["_flush_time"] = when + 2000
    return record


def bound(template: str, person: Person, when: int, pair: tuple[str, str]) -> Record:
    """A `$BindID` of one more identity."""
    record = said(template, 1, person, when)
    identities = record["identities"]
    identities.pop("$identity_mobile")
    record["identities"] = {**identities, pair[0]: pair[1]}
    return record


def unbound(person: Person, when: int, pair: tuple[str, str]) -> Record:
    """An `$UnbindID`: exactly one identity, and who asked for it."""
    changes = {"identities": dict([pair]), "distinct_id": person.login, "login_id": person.login}
    record = said("mp-005", 3, person, when, **changes)
    record["lib"] |= {"$lib": "AlipayMini", "$lib_version": "0.15.9"}
    record["properties"] |= record["lib"]
    return record


def android(event: str, person: Person, when: int, **properties: Any) -> Record:
    """A record in the form of the Android SDK; the one client here that was not recorded."""
    lib = {"$lib": "Android", "$lib_version": "6.8.3", "$lib_method": "code"}
    return {
        "_track_id": when // 7 % 1_000_000_000,
        "time": when,
        "type": "track",
        "distinct_id": person.login,
        "lib": lib,
        "event": event,
        "properties": {"$lib": "Android", "$os": "Android", "$model": "V2307A", **properties},
        "login_id": person.login,
        "anonymous_id": "5f2d8c1b7a904e36",
        "identities": {
            "$identity_android_id": "5f2d8c1b7a904e36",
            "$identity_login_id": person.login,
            "$identity_anonymous_id": "5f2d8c1b7a904e36",
        },
        "_flush_time": when + 2000,
    }


# -- requests --------------------------------------------------------------------------------------


def request(title: str, template: str, records: list[Record] | None) -> Record:
    """The recorded request with these records in it, encoded as it was; None: left as it is."""
    case = RECORDED[template]
    body, query = base64.b64decode(case["body_base64"] or ""), case["query"] or ""
    if records is not None:
        change = in_json if body[:1] == b"{" else in_form
        body = change(body, records) if body else body
        query = query if body else in_form(query.encode(), records).decode()
    headers = [[name, text] for name, text in case["headers"] if name.lower() in SENT_HEADERS]
    return {
        "title": title,
        "sdk": f"{case['sdk']} {case['version']} ({case['platform']})",
        "method": case["method"],
        "path": case["path"],
        "query": query,
        "headers": headers,
        "body_base64": base64.b64encode(body).decode(),
    }


def encoded(old: bytes, records: list[Record], *, is_list: bool) -> bytes:
    """The records in base64, gzip where the recorded data was."""
    content: Any = records if is_list else records[0]
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    is_gzip = base64.b64decode(old[:8])[:2] == b"\x1f\x8b"
    return base64.b64encode(gzip.compress(text, mtime=0) if is_gzip else text)


def in_form(form: bytes, records: list[Record]) -> bytes:
    """A form with these records as its data, and its check number right."""
    name, old = re.findall(rb"(data_list|data)=([^&]+)", form)[0]
    data = encoded(unquote_to_bytes(old), records, is_list=name == b"data_list")
    form = form.replace(name + b"=" + old, name + b"=" + quote(data, safe="").encode())
    crc = quote(f"crc={java_hash(data.decode())}", safe="").encode()
    return re.sub(rb"crc%3D-?[0-9]+", crc, form)


def in_json(body: bytes, records: list[Record]) -> bytes:
    """The JSON body of a cloud adapter."""
    sent = json.loads(body)
    data = encoded(unquote_to_bytes(sent["data_list"]), records, is_list=True)
    return json.dumps({**sent, "data_list": quote(data, safe="")}, separators=(",", ":")).encode()


def app_request(title: str, records: list[Record]) -> Record:
    """A request in the form of the Android SDK."""
    return {
        "title": title,
        "sdk": "in the form of the Android SDK (not recorded)",
        "method": "POST",
        "path": "/sa",
        "query": "project=default",
        "headers": [["content-type", "application/x-www-form-urlencoded"]],
        "body_base64": base64.b64encode(encode_data_list(records)).decode(),
    }


def story() -> list[Record]:
    """Every request, in the order of the story."""
    return [*lin(), *wang(), *others()]


def lin() -> list[Record]:
    """One person on four platforms."""

    def at(minutes: int) -> int:
        return T0 + minutes * MINUTE

    shoe = {"product": "运动鞋", "price": 399}
    return [
        request("Lin browses the shop's WeChat mini program, unknown so far", "mp-003", [
            said("mp-003", 0, LIN, at(0), event="OpenShop"),
            said("mp-003", 1, LIN, at(1), event="ViewProduct", properties=shoe),
            said("mp-003", 2, LIN, at(3), event="AddToCart", properties=shoe),
        ]),
        request("She logs in and binds her phone", "mp-001", [
            said("mp-001", 0, LIN, at(4)),
            said("mp-001", 1, LIN, at(5)),
            said("mp-001", 2, LIN, at(6), event="PayOrder", properties={**shoe, "order": "L-1"}),
        ]),
        request("The mini program learns her OpenID and UnionID", "mp-001", [
            bound("mp-001", LIN, at(7), OPENID),
            bound("mp-001", LIN, at(8), UNIONID),
            said("mp-005", 0, LIN, at(9), properties={"name": "林小雨", "level": "gold"}),
        ]),
        request("Next day a browser nobody knows looks at a shirt", "web-004", [
            said("web-004", 0, LIN_WEB, at(1500), event="ViewProduct",
                 properties={"product": "衬衫", "price": 159}),
        ]),
        request("It logs in: it was Lin, and yesterday's visit is hers too", "web-012", [
            said("web-012", 0, LIN_WEB, at(1505)),
        ]),
        request("She leaves the page", "web-018", [
            said("web-018", 0, LIN_WEB, at(1512), event="LeaveShop"),
        ]),
        app_request("She opens the Android app, logged in", [
            android("OpenShop", LIN, at(4000)),
            android("PayOrder", LIN, at(4010), product="衬衫", price=159, order="L-2"),
        ]),
        request("The shop's Python backend reports her delivery", "py-003", [
            said("py-003", 0, LIN, at(7000), event="Delivered", properties={"order": "L-2"}),
        ]),
    ]  # fmt: skip


def wang() -> list[Record]:
    """A phone number that changes hands."""

    def at(minutes: int) -> int:
        return T0 + DAY + minutes * MINUTE

    return [
        request("Wang visits the Alipay mini program", "mp-047", [
            said("mp-047", 0, WANG, at(0), event="OpenShop"),
        ]),
        request("Wang logs in on Alipay", "mp-047", [
            _on(said("mp-029", 0, WANG, at(2)), "AlipayMini", "$identity_ali_mp_id"),
        ]),
        request("Wang watches a Douyin video and opens the shop there", "mp-046", [
            said("mp-046", 0, WANG_DOUYIN, at(1440), event="OpenShop"),
        ]),
        request("Wang logs in on Douyin too: one user again", "mp-046", [
            _on(said("mp-029", 0, WANG_DOUYIN, at(1445)), "BytedanceMini", "$identity_byte_mp_id"),
        ]),
        request("The backend binds Wang's phone", "py-006", [
            said("py-006", 1, WANG, at(1500)),
            said("py-006", 2, WANG, at(1501), event="Registered"),
        ]),
        request("Wang gives that number up: unbind", "mp-005", [
            unbound(WANG, at(9000), ("$identity_mobile", WANG.phone)),
        ]),
        request("... and binds the new one", "py-006", [
            said("py-006", 1, WANG_NEW, at(9010)),
        ]),
    ]  # fmt: skip


def others() -> list[Record]:
    """Two devices, an old SDK, a visitor, a refusal and two rejections."""

    def at(minutes: int) -> int:
        return T0 + 8 * DAY + minutes * MINUTE

    stolen = CHEN._replace(phone=LIN.phone)
    return [
        request("Chen gets the number that Wang gave up, and binds it", "mp-023", [
            said("mp-023", 0, CHEN, at(0)),
            said("mp-023", 1, CHEN, at(1)),
            said("mp-023", 2, CHEN, at(2), event="ViewProduct"),
        ]),
        request("Chen's tablet, the same login: two devices, one user", "mp-001", [
            said("mp-001", 0, CHEN_PAD, at(60)),
        ]),
        request("Chen tries to bind Lin's phone: refused, and kept as refused", "mp-001", [
            said("mp-001", 1, stolen, at(90)),
        ]),
        request("Zhao uses Kuaishou, whose SDK sends no identities", "mp-037", [
            said("mp-037", 0, ZHAO, at(200)),
            said("mp-037", 1, ZHAO, at(201), event="ViewProduct"),
        ]),
        request("A Taobao visitor who never logs in", "mp-048", [
            said("mp-048", 0, GUEST, at(300), event="ViewProduct"),
        ]),
        request("Sun works with the Feishu mini program", "mp-031", [
            said("mp-031", 0, SUN, at(400)),
            said("mp-031", 1, SUN, at(402), event="ViewReport"),
        ]),
        request("A Node backend sends Sun's profile", "node-009", [
            said("node-009", 2, SUN, at(500), properties={"name": "孙丽", "$is_login_id": True}),
        ]),
        request("A record with a key nobody declared: rejected, and kept", "mp-001", [
            bound("mp-001", ZHAO, at(600), ("loyalty_card", "LC-2201")),
        ]),
        request("An encrypted request: rejected, and kept", "mp-015", None),
    ]  # fmt: skip


def _on(record: Record, lib: str, device_key: str) -> Record:
    """A login as another platform's build of the same SDK sends it."""
    identities = record["identities"]
    device = identities.pop("$identity_baidu_mp_id")
    record["identities"] = {device_key: device, **identities}
    record["lib"]["$lib"] = record["properties"]["$lib"] = lib
    return record


def lines() -> str:
    """The file."""
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in story())


if __name__ == "__main__":
    TARGET.write_text(lines(), "utf-8")
    sys.stdout.write(f"{TARGET}: {TARGET.stat().st_size} bytes\n")
