"""What an error code of a platform means and what is done about it: one table (WECHAT.md §3)."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Action(StrEnum):
    """What the client does about an error. The value is the end of the error's stable code."""

    RETRY = "BUSY"
    REFRESH = "TOKEN_BAD"
    LOGIN_AGAIN = "LOGIN_AGAIN"
    DROP_OPENID = "OPENID_FOREIGN"
    STOP_ACCOUNT = "ACCOUNT_STOPPED"
    REFUSE_CODE = "CODE_REFUSED"
    FAIL = "REQUEST_WRONG"
    PARK = "QUOTA_USED_UP"
    BACK_OFF = "TOO_FAST"
    STOP_ENDPOINT = "NOT_PERMITTED"
    NOT_FOLLOWING = "NOT_FOLLOWING"
    REPORT = "REFUSED"
    BAD_ANSWER = "BAD_ANSWER"
    UNREACHABLE = "UNREACHABLE"
    UNKNOWN = "UNKNOWN_ERRCODE"


FIXES: dict[Action, str] = {
    Action.RETRY: "The platform stayed busy through all tries: run it again later.",
    Action.REFRESH: "A fresh token was refused too: check that the secret is this app's, and that "
    'no other program fetches tokens for it in classic mode (`token = "stable"` ends that race).',
    Action.LOGIN_AGAIN: "The user has to log in again: send them through the login page.",
    Action.DROP_OPENID: "Check that the openid belongs to this appid and has no stray characters.",
    Action.STOP_ACCOUNT: "Nothing works for this account until that is set right in the "
    "platform's console and in the configuration.",
    Action.REFUSE_CODE: "Ask the client for a new code: one lives 5 minutes and works once.",
    Action.FAIL: "This request should not have been sent: please report it with the request id.",
    Action.PARK: "Run it again after midnight in China (UTC+8): it goes on where it stopped.",
    Action.BACK_OFF: "Slow down: run it again in a minute, or lower `parallel`.",
    Action.STOP_ENDPOINT: "Get the permission for this interface in the platform's console.",
    Action.NOT_FOLLOWING: "The user has unfollowed; nothing to do.",
    Action.REPORT: "The message says what the platform will not do.",
    Action.BAD_ANSWER: "Something between here and the platform answers in its place: check "
    "`base_url`, proxies and firewalls.",
    Action.UNREACHABLE: "Check the network, the firewall and `base_url`, then run it again.",
    Action.UNKNOWN: "Look the code up in the platform's documentation.",
}
"""What a person does about it, one sentence per action."""


class ErrorRow(NamedTuple):
    """One error code of a platform."""

    errcode: int | str
    meaning: str
    action: Action


ERRORS: tuple[ErrorRow, ...] = (
    ErrorRow(-1, "the platform is busy", Action.RETRY),
    ErrorRow(40001, "the token is not the latest one, or the secret is wrong", Action.REFRESH),
    ErrorRow(40014, "the token is not valid", Action.REFRESH),
    ErrorRow(42001, "the token has expired", Action.REFRESH),
    ErrorRow(40030, "the refresh token is not valid", Action.LOGIN_AGAIN),
    ErrorRow(42002, "the refresh token has expired", Action.LOGIN_AGAIN),
    ErrorRow(42003, "the login code has expired", Action.LOGIN_AGAIN),
    ErrorRow(42007, "the user changed the password, or withdrew the consent", Action.LOGIN_AGAIN),
    ErrorRow(40003, "the openid is not one of this app", Action.DROP_OPENID),
    ErrorRow(46004, "there is no such user", Action.DROP_OPENID),
    ErrorRow(40013, "the appid is not valid", Action.STOP_ACCOUNT),
    ErrorRow(40125, "the secret is wrong", Action.STOP_ACCOUNT),
    ErrorRow(40243, "the secret is frozen", Action.STOP_ACCOUNT),
    ErrorRow(41002, "the appid is missing", Action.STOP_ACCOUNT),
    ErrorRow(41004, "the secret is missing", Action.STOP_ACCOUNT),
    ErrorRow(40164, "this machine's IP is not on the account's list", Action.STOP_ACCOUNT),
    ErrorRow(61004, "this machine's IP is not on the third-party platform's list",
             Action.STOP_ACCOUNT),
    ErrorRow(61005, "the component's verify ticket has expired", Action.STOP_ACCOUNT),
    ErrorRow(61006, "the component's verify ticket is not valid", Action.STOP_ACCOUNT),
    ErrorRow(61023, "the authorizer's refresh token is not valid", Action.STOP_ACCOUNT),
    ErrorRow(89503, "an administrator of the account must confirm this IP", Action.STOP_ACCOUNT),
    ErrorRow(1007, "this is a login code where a plugin code is asked", Action.REFUSE_CODE),
    ErrorRow(40029, "the login code is not valid, or of another app", Action.REFUSE_CODE),
    ErrorRow(40163, "the login code was used already", Action.REFUSE_CODE),
    ErrorRow(41008, "the login code is missing", Action.REFUSE_CODE),
    ErrorRow(40226, "the platform blocks this user as a risk", Action.REPORT),
    ErrorRow(40032, "the list of openids has none, or more than 100", Action.FAIL),
    ErrorRow(41009, "the openid is missing", Action.FAIL),
    ErrorRow(43002, "the request must be a POST", Action.FAIL),
    ErrorRow(44002, "the body is empty", Action.FAIL),
    ErrorRow(47001, "the body is not JSON", Action.FAIL),
    ErrorRow(45009, "the quota of the day is used up", Action.PARK),
    ErrorRow(48006, "the quota was cleared ten times this month already", Action.REPORT),
    ErrorRow(45011, "too many calls in a minute", Action.BACK_OFF),
    ErrorRow(48001, "the account has no permission for this interface", Action.STOP_ENDPOINT),
    ErrorRow(50001, "the user did not permit this interface", Action.STOP_ENDPOINT),
    ErrorRow(50002, "the user is restricted", Action.STOP_ENDPOINT),
    ErrorRow(61003, "the account did not authorise the third-party platform",
             Action.STOP_ENDPOINT),
    ErrorRow(50005, "the user has unfollowed the account", Action.NOT_FOLLOWING),
    ErrorRow(63178, "the old account is not the one that was approved, or is not confirmed yet",
             Action.REPORT),
    ErrorRow(63182, "the list of openids to migrate is empty", Action.FAIL),
    ErrorRow(76021, "there is no such interface to ask the quota of", Action.FAIL),
    ErrorRow(76022, "this interface has no quota to ask", Action.FAIL),
    ErrorRow(76003, "the account has no permission to ask quotas", Action.STOP_ENDPOINT),
    ErrorRow(89000, "the account is bound to an Open Platform account already", Action.REPORT),
    ErrorRow(89001, "the two accounts belong to different companies", Action.REPORT),
    ErrorRow(89002, "the account is not bound to an Open Platform account", Action.REPORT),
    ErrorRow(89003, "the Open Platform account was not made through this interface",
             Action.REPORT),
    ErrorRow(89004, "the Open Platform account holds as many accounts as it may", Action.REPORT),
    ErrorRow(89036, "this kind of account cannot be bound", Action.REPORT),
    ErrorRow(89300, "there is no such payment, or it is too old", Action.REPORT),
)  # fmt: skip

TRIES: dict[Action, int] = {
    Action.RETRY: 3,
    Action.UNREACHABLE: 3,
    Action.BAD_ANSWER: 3,
    Action.REFRESH: 2,
    Action.BACK_OFF: 2,
}
"""How often a call is made in all while it ends in this action; once where it is not named. Busy
answers pass within seconds; a second refused token is not the token's fault; after one minute of
waiting the limit of a minute is no longer the reason."""

UNKNOWN = ErrorRow(0, "a code that is not in our table", Action.UNKNOWN)

BY_CODE: dict[int | str, ErrorRow] = {row.errcode: row for row in ERRORS}
