"""A synthetic world: people, their devices, and the requests that SDKs on them send.

Everything follows from a seed. A request is a flush of one device: 50 events some seconds apart,
with all identities that the SDK has cached, in the encoding of the Android SDK. Of the people

* 90 % log in on their first visit, and 35 % of those bind a phone; 10 % stay anonymous;
* 40 % have a second device;
* 1.5 % share a device with somebody who logs in on it as well;
* 0.5 % unbind their phone later;
* 1 in 2000 sends a placeholder as phone, the same for all of them;
* 2 % of the requests come a day late, from a device that was offline.

An event is about 1060 bytes of JSON and carries 2.1 identities.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from idweave.wire import encode_data_list

START_MS = 1_700_000_000_000
EVENTS = 50
GAP_MS = 3_000
DAY_MS = 86_400_000
PLACEHOLDER_PHONE = "13800000000"

EVENT_NAMES = ("$AppViewScreen", "$AppClick", "$AppStart", "ProductView", "AddToCart", "Search")
CITIES = ("上海", "北京", "成都", "广州", "杭州", "深圳")
LIB = {"$lib": "Android", "$lib_version": "6.8.0", "$lib_method": "code", "$app_version": "5.3.1"}


@dataclass(slots=True)
class Device:
    """A device and what its SDK has cached."""

    device_id: str
    identities: dict[str, str]
    login_id: str | None = None


@dataclass(slots=True)
class Person:
    """Somebody with devices; ``phone`` None: never bound, or unbound again."""

    number: int
    devices: list[Device]
    logs_in: bool
    phone: str | None
    unbinds: bool
    visits: int = field(default=0)


class World:
    """Requests of ``people`` people, without end; the same seed gives the same bytes."""

    def __init__(self, people: int, seed: int = 1) -> None:
        self._chance = random.Random(seed)
        self._clock_ms = START_MS
        self._track_id = 0
        self.people = [self._person(number) for number in range(people)]
        for person in self.people:
            if self._chance.random() < 0.015:
                person.devices.append(self._chance.choice(self.people).devices[0])

    def _person(self, number: int) -> Person:
        chance = self._chance
        devices = [self._device() for _ in range(1 + (chance.random() < 0.4))]
        logs_in = chance.random() < 0.9
        phone = f"139{number:08}" if logs_in and chance.random() < 0.35 else None
        if chance.random() < 0.0005:
            phone = PLACEHOLDER_PHONE
        return Person(number, devices, logs_in, phone, chance.random() < 0.005)

    def _device(self) -> Device:
        device_id = f"{self._chance.getrandbits(64):016x}"
        return Device(device_id, {"$identity_android_id": device_id})

    # -- requests -------------------------------------------------------------------------------

    def requests(self, events: int = EVENTS) -> Iterator[list[dict[str, Any]]]:
        """Flushes of ``events`` events each, in the order in which they arrive."""
        while True:
            person = self._chance.choice(self.people)
            device = self._chance.choice(person.devices)
            person.visits += 1
            self._clock_ms += self._chance.randrange(100)
            yield self._flush(person, device, events)

    def _flush(self, person: Person, device: Device, events: int) -> list[dict[str, Any]]:
        is_late = self._chance.random() < 0.02
        time_ms = self._clock_ms - (DAY_MS if is_late else 0) - events * GAP_MS
        said = self._changes(person, device)
        records = []
        for nth in range(events):
            type_, event, identities = said.pop(0) if said else ("track", "", {})
            event = event or self._chance.choice(EVENT_NAMES)
            sent = identities or device.identities
            records.append(self._record(device, type_, event, (sent, time_ms + nth * GAP_MS)))
        return records

    def _changes(self, person: Person, device: Device) -> list[tuple[str, str, dict[str, str]]]:
        """What this visit says about identities, before its ordinary events."""
        said: list[tuple[str, str, dict[str, str]]] = []
        login_id = f"user-{person.number:07}"
        if person.logs_in and device.login_id != login_id:
            device.login_id = login_id
            own = device.identities["$identity_android_id"]
            device.identities = {"$identity_android_id": own, "$identity_login_id": login_id}
            said.append(("track_signup", "$SignUp", {}))
        if person.phone and device.login_id and person.visits > 1:
            if "$identity_mobile" not in device.identities:
                device.identities = {**device.identities, "$identity_mobile": person.phone}
                said.append(("track_id_bind", "$BindID", {}))
            elif person.unbinds and person.visits > 4:
                said.append(("track_id_unbind", "$UnbindID", {"$identity_mobile": person.phone}))
                person.phone = None
                del device.identities["$identity_mobile"]
        return said

    def _record(
        self, device: Device, type_: str, event: str, said: tuple[dict[str, str], int]
    ) -> dict[str, Any]:
        identities, time_ms = said
        self._track_id += 1
        record: dict[str, Any] = {
            "_track_id": self._track_id,
            "time": time_ms,
            "type": type_,
            "event": event,
            "distinct_id": device.login_id or device.device_id,
            "anonymous_id": device.device_id,
            "identities": dict(identities),
            "lib": LIB,
            "properties": self._properties(device, time_ms),
            "_flush_time": time_ms + GAP_MS,
        }
        if device.login_id:
            record["login_id"] = device.login_id
        if type_ == "track_signup":
            record["original_id"] = device.device_id
        return record

    def _properties(self, device: Device, time_ms: int) -> dict[str, Any]:
        chance = self._chance
        product = chance.randrange(100_000)
        return {
            "$device_id": device.device_id,
            "$manufacturer": "Xiaomi",
            "$model": "MI 11",
            "$brand": "Xiaomi",
            "$os": "Android",
            "$os_version": "13",
            "$lib": "Android",
            "$lib_version": "6.8.0",
            "$app_id": "com.example.shop",
            "$app_name": "商城",
            "$app_version": "5.3.1",
            "$screen_width": 1080,
            "$screen_height": 2340,
            "$carrier": "中国移动",
            "$network_type": "5G",
            "$wifi": chance.random() < 0.5,
            "$is_first_day": False,
            "$timezone_offset": -480,
            "$screen_name": f"com.example.shop.ui.detail.ProductActivity{product % 40}",
            "$title": f"Product details {product}",
            "$referrer": f"com.example.shop.ui.list.CategoryActivity{product % 25}",
            "$event_duration": round(chance.random() * 60, 3),
            "product_id": f"sku-{product:06}",
            "category": f"category-{product % 200}",
            "price": product % 9_999 / 10,
            "city": chance.choice(CITIES),
            "session_id": f"{device.device_id}-{time_ms // DAY_MS}",
            "request_id": f"{chance.getrandbits(128):032x}",
        }


def body(records: list[dict[str, Any]]) -> bytes:
    """A request's body as the Android SDK sends it."""
    return encode_data_list(records)


def json_bytes(records: list[dict[str, Any]]) -> int:
    """How large records are as compact JSON."""
    return len(json.dumps(records, ensure_ascii=False, separators=(",", ":")).encode())
