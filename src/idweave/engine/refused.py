"""What each reason of a refusal means, in words for people."""

from __future__ import annotations

from idweave.core.graph import Reason

MEANINGS: dict[str, str] = {
    Reason.APART.value: "this user holds an identity that it must never share a user with",
    Reason.CROWDED.value: "too many users asked for it, so it links nothing any more",
    Reason.TAKEN.value: "another user holds it, and the two users may not become one",
    Reason.FULL.value: "this user holds as many values of that key as one user may",
    Reason.UNBOUND.value: "it was unbound, and only carrying it along does not bring it back",
    Reason.UNKNOWN.value: "nobody held it, so there was nothing to unbind",
    Reason.NOT_OWNER.value: "who asked to unbind it was not the user that holds it",
}
