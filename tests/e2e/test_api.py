"""The API on every route: answers, pages, redirects and problems."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from idweave.server.api.routes import ROUTES
from idweave.stores import open_store

from .serving import NOW_MS, Served, record, served

HOME = "/v1/projects/default"
EVENTS = 7


def identified(number: int, type_: str, **identities: str) -> dict[str, Any]:
    """A record of these identities; the number is its place in time."""
    keys = {f"$identity_{name}": value for name, value in identities.items()}
    first = next(iter(keys.values()))
    return record(number, type=type_, identities=keys, distinct_id=first, original_id="phone")


def profile(number: int, type_: str, **properties: Any) -> dict[str, Any]:
    keys = {"$identity_login_id": "ada"}
    return record(number, type=type_, identities=keys, distinct_id="ada", properties=properties)


STORY = [
    *(identified(n, "track", cookie_id="phone") for n in range(1, EVENTS + 1)),
    identified(20, "track", login_id="ada"),
    identified(21, "track_signup", login_id="ada", cookie_id="phone"),
    identified(22, "track_id_bind", login_id="ada", mobile="13800000001"),
    identified(23, "track_id_unbind", mobile="13800000001"),
    identified(30, "track_signup", login_id="bob", cookie_id="phone"),
    profile(40, "profile_set", city="Paris", cart=1),
    profile(41, "profile_increment", cart=2),
    record(50, event="no spaces please"),
    record(51, event="nor here"),
    record(52, event="or here"),
]


@pytest.fixture(scope="module")
def told() -> Iterator[Served]:
    """A server that was told the story."""
    store = open_store("memory:")
    with served(store) as server:
        before = server.send(STORY[EVENTS])  # ada alone, founded later than the phone
        assert before.status_code == 200
        OLD["ada"] = ask(server, "/lookup", key="$identity_login_id", value="ada")["canonical_id"]
        assert server.send(*STORY).status_code == 200
        yield server


OLD: dict[str, str] = {}


def ask(server: Served, path: str, status: int = 200, **params: Any) -> dict[str, Any]:
    answer = server.api.get(HOME + path, params=params)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ada(server: Served) -> str:
    name: str = ask(server, "/lookup", key="$identity_login_id", value="ada")["canonical_id"]
    return name


# -- answers ---------------------------------------------------------------------------------------


def test_projects_are_listed_by_name(told: Served) -> None:
    found = told.api.get("/v1/projects").json()["projects"]
    assert [one["name"] for one in found] == ["default", "guarded", "production"]
    assert all(one["declared"] for one in found)


def test_an_identity_leads_to_its_user_with_times_as_numbers_and_names_as_text(
    told: Served,
) -> None:
    found = ask(told, "/lookup", key="$identity_cookie_id", value="phone")
    assert found["canonical_id"] == found["user"]["canonical_id"]
    assert found["canonical_id"].isdigit()
    assert found["first_seen_ms"] == STORY[0]["time"]
    held = {one["key"]: one for one in found["user"]["identities"]}
    assert held["$identity_login_id"]["value"] == "ada"
    assert held["$identity_login_id"]["last_seen_ms"] == NOW_MS - 1000 + 41


def test_an_identity_that_was_unbound_is_former_and_says_who_held_it(told: Served) -> None:
    found = ask(told, "/lookup", key="$identity_mobile", value="13800000001")
    assert (found["user"], found["last_held_by"]) == (None, ada(told))
    assert found["unbound_at_ms"] == NOW_MS - 1000 + 23
    (former,) = ask(told, f"/users/{ada(told)}")["former"]
    assert (former["key"], former["value"]) == ("$identity_mobile", "13800000001")


@pytest.mark.parametrize("value", ["phone", "  phone ", "%20phone"])
def test_an_identity_is_asked_for_as_records_write_it(told: Served, value: str) -> None:
    params = {"key": "$identity_cookie_id", "value": value}
    status = 404 if "%" in value else 200
    assert told.api.get(HOME + "/lookup", params=params).status_code == status


def test_an_older_name_redirects_to_the_user(told: Served) -> None:
    answer = told.api.get(f"{HOME}/users/{OLD['ada']}")
    assert OLD["ada"] != ada(told)
    assert answer.status_code == 308
    assert answer.headers["location"] == f"{HOME}/users/{ada(told)}"
    assert answer.json()["canonical_id"] == ada(told)
    followed = told.api.get(f"{HOME}/users/{OLD['ada']}", follow_redirects=True)
    assert followed.json()["canonical_id"] == ada(told)


@pytest.mark.parametrize("what", ["events", "profile", "refusals"])
def test_what_a_user_has_is_found_by_an_older_name_too(told: Served, what: str) -> None:
    assert ask(told, f"/users/{OLD['ada']}/{what}") == ask(told, f"/users/{ada(told)}/{what}")


def test_the_largest_users_come_first(told: Served) -> None:
    found = ask(told, "/users", limit=2)["users"]
    assert found[0]["canonical_id"] == ada(told)
    assert len(found) == 2


def test_events_are_newest_first_as_they_were_sent(told: Served) -> None:
    found = ask(told, f"/users/{ada(told)}/events")["events"]
    times = [one["time_ms"] for one in found]
    assert times == sorted(times, reverse=True)
    assert found[-1]["record"] == STORY[0]
    assert found[-1]["received_at_ms"] == NOW_MS


@pytest.mark.parametrize("limit", [1, 2, 3, 500])
def test_pages_of_events_together_are_all_events(told: Served, limit: int) -> None:
    whole = ask(told, f"/users/{ada(told)}/events")["events"]
    assert pages(told, f"/users/{ada(told)}/events", "events", limit) == whole


@pytest.mark.parametrize("limit", [1, 2, 3, 500])
def test_pages_of_rejections_together_are_all_rejections(told: Served, limit: int) -> None:
    whole = ask(told, "/rejections")["rejections"]
    assert pages(told, "/rejections", "rejections", limit) == whole
    assert [one["code"] for one in whole] == ["INVALID_FIELD"] * 3


@pytest.mark.parametrize("limit", [1, 500])
def test_pages_of_refusals_together_are_all_refusals(told: Served, limit: int) -> None:
    whole = ask(told, "/refusals")["refusals"]
    assert pages(told, "/refusals", "refusals", limit) == whole
    assert whole


def pages(server: Served, path: str, what: str, limit: int) -> list[Any]:
    found: list[Any] = []
    params: dict[str, Any] = {"limit": limit}
    while True:
        page = ask(server, path, **params)
        assert len(page[what]) <= limit
        found += page[what]
        if page["next_cursor"] is None:
            return found
        params["cursor"] = page["next_cursor"]


def test_both_attributions_can_be_asked_for(told: Served) -> None:
    path = f"/users/{ada(told)}/events"
    seen = ask(told, path, attribution="as_seen")
    assert seen == ask(told, path)
    assert ask(told, path, attribution="latest")["events"]


def test_a_profile_is_folded_from_the_events(told: Served) -> None:
    found = ask(told, f"/users/{ada(told)}/profile")
    assert found["properties"] == {"city": "Paris", "cart": 3}
    assert found["updated_at_ms"] == NOW_MS - 1000 + 41


def test_a_refusal_says_why_in_words(told: Served) -> None:
    (found, *_) = ask(told, "/refusals")["refusals"]
    assert found["reason"] == "taken"
    assert found["meaning"]
    assert found["count"] == 1


def test_statistics_add_up(told: Served) -> None:
    found = ask(told, "/stats")
    assert found["received"] == found["accepted"] + found["rejected"] + found["duplicates"]
    assert found["rejections_by_code"] == {"INVALID_FIELD": 3}
    assert found["duplicates"] == 1


def test_a_retry_says_what_became_of_each(told: Served) -> None:
    path = HOME + "/rejections/retry"
    ids = [one["rejection_id"] for one in ask(told, "/rejections")["rejections"]]
    some = told.api.post(path, json={"ids": ids[:2]}).json()
    assert some == {"tried": 2, "accepted": 0, "duplicates": 0, "still_rejected": 2}
    json_alone = {"Content-Type": "application/json"}
    every = told.api.post(path, headers=json_alone).json()
    assert every["tried"] == 3


def test_health_and_readiness_are_told(told: Served) -> None:
    assert told.api.get("/healthz").json() == {"status": "ok"}
    assert told.api.get("/readyz").json() == {"status": "ready"}


def test_metrics_count_what_came_in(told: Served) -> None:
    answer = told.api.get("/metrics")
    lines = answer.text.splitlines()
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert f'idweave_records_received_total{{project="default"}} {len(STORY) + 1}' in lines
    assert 'idweave_records_rejected{project="default",code="INVALID_FIELD"} 3' in lines
    assert 'idweave_collector_answers_total{status="200"} 2' in lines
    assert "idweave_commit_seconds_count 2" in lines
    assert 'idweave_commit_seconds_bucket{le="+Inf"} 2' in lines
    assert "idweave_queue_requests 0" in lines
    described = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    for line in lines:
        if not line.startswith("#"):
            name = line.partition("{")[0].partition(" ")[0]
            assert any(name.startswith(known) for known in described)
            float(line.rpartition(" ")[2])


# -- problems --------------------------------------------------------------------------------------

NOBODY = "4611686018427387903"
PROBLEMS = [
    ("GET", "/v1/projects/nowhere/stats", 404, "NOT_FOUND"),
    ("GET", HOME + "/lookup?key=$identity_login_id&value=nobody", 404, "NOT_FOUND"),
    ("GET", f"{HOME}/users/{NOBODY}", 404, "NOT_FOUND"),
    ("GET", f"{HOME}/users/{NOBODY}/events", 404, "NOT_FOUND"),
    ("GET", f"{HOME}/users/{NOBODY}/profile", 404, "NOT_FOUND"),
    ("GET", f"{HOME}/users/{NOBODY}/refusals", 404, "NOT_FOUND"),
    ("GET", HOME + "/users/abc", 400, "INPUT_INVALID"),
    ("GET", HOME + "/users/-1", 400, "INPUT_INVALID"),
    ("GET", HOME + "/users/99999999999999999999", 400, "INPUT_INVALID"),
    ("GET", HOME + "/users/%D9%A1", 400, "INPUT_INVALID"),
    ("GET", HOME + "/lookup", 400, "INPUT_INVALID"),
    ("GET", HOME + "/lookup?key=a", 400, "INPUT_INVALID"),
    ("GET", HOME + "/lookup?key=&value=b", 400, "INPUT_INVALID"),
    ("GET", HOME + "/lookup?key=a&value=" + "b" * 256, 400, "INPUT_INVALID"),
    ("GET", HOME + "/lookup?key=a&value=%ff", 400, "INPUT_INVALID"),
    ("GET", HOME + "/lookup?key=a&value=b&value=c", 400, "INPUT_INVALID"),
    ("GET", HOME + "/stats?limit=1", 400, "INPUT_INVALID"),
    ("GET", HOME + "/users?limit=0", 400, "INPUT_INVALID"),
    ("GET", HOME + "/users?limit=101", 400, "INPUT_INVALID"),
    ("GET", HOME + "/rejections?limit=501", 400, "INPUT_INVALID"),
    ("GET", HOME + "/rejections?cursor=x", 400, "INPUT_INVALID"),
    ("GET", HOME + "/refusals?cursor=-1", 400, "INPUT_INVALID"),
    ("GET", f"{HOME}/users/1/events?cursor=x", 400, "INPUT_INVALID"),
    ("GET", f"{HOME}/users/1/events?attribution=mine", 400, "INPUT_INVALID"),
    ("GET", "/nowhere", 404, "NOT_FOUND"),
    ("POST", "/v1/projects", 405, "METHOD_NOT_ALLOWED"),
    ("GET", HOME + "/rejections/retry", 405, "METHOD_NOT_ALLOWED"),
    ("TRACE", "/healthz", 405, "METHOD_NOT_ALLOWED"),
    ("POST", HOME + "/rejections/retry", 415, "UNSUPPORTED_MEDIA_TYPE"),
]


@pytest.mark.parametrize(("method", "path", "status", "code"), PROBLEMS)
def test_what_cannot_be_answered_is_a_problem_with_a_fix(
    told: Served, method: str, path: str, status: int, code: str
) -> None:
    answer = told.api.request(method, path)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(problem) == {"type", "title", "status", "detail", "code", "fix"}
    assert problem["status"] == status
    assert problem["detail"]
    assert problem["fix"]


def test_a_parameter_that_is_none_is_named_with_those_that_are(told: Served) -> None:
    problem = ask(told, "/rejections", 400, limt=5)
    assert "'limt'" in problem["detail"]
    assert problem["fix"] == "Valid are: cursor, limit."


@pytest.mark.parametrize(
    "body",
    ["[]", "1", "{", '{"id":["1"]}', '{"ids":"1"}', '{"ids":["x"]}', '{"ids":["-1"]}', "\xff"],
)
def test_a_retry_request_that_is_none_is_a_problem(told: Served, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = told.api.post(
        HOME + "/rejections/retry", content=body.encode("latin-1"), headers=headers
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "INPUT_INVALID")


def test_a_question_larger_than_any_is_a_problem(told: Served) -> None:
    answer = told.api.post(HOME + "/rejections/retry", json={"ids": ["1"] * 20_000})
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")


def test_more_ids_than_a_retry_takes_are_a_problem(told: Served) -> None:
    answer = told.api.post(HOME + "/rejections/retry", json={"ids": ["1"] * 1001})
    assert (answer.status_code, answer.json()["code"]) == (400, "INPUT_INVALID")


@pytest.mark.parametrize("row", ROUTES, ids=lambda row: f"{row.method} {row.path}")
def test_no_answer_is_kept_or_guessed_at_by_a_browser(told: Served, row: Any) -> None:
    path = row.path.format(project="default", canonical_id=ada(told), operator_id="1")
    answer = told.api.request(row.method, path)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_head_of_an_answer_can_be_asked_for(told: Served) -> None:
    answer = told.api.head(HOME + "/stats")
    assert (answer.status_code, answer.content) == (200, b"")
