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

REMEDIES: dict[str, str] = {
    Reason.APART.value: "Remove the pair from `apart`, in the policy or among the operator facts.",
    Reason.CROWDED.value: "Release it, if it is one person's after all; else block it for good.",
    Reason.TAKEN.value: (
        "Let the two users merge, or unbind it from its holder first, or set"
        ' `when_taken = "move"` for {key}.'
    ),
    Reason.FULL.value: (
        "Raise `values_max` of {key} (or `implied_max`, or say it by a bind), or set its"
        ' `when_full = "replace"`, or unbind a value that this user holds.'
    ),
    Reason.UNBOUND.value: (
        "Bring it back on purpose: a bind of the two, or a login that names it; or release it; or"
        ' set `rebind = "any"`.'
    ),
    Reason.UNKNOWN.value: "Bind it first.",
    Reason.NOT_OWNER.value: "Unbind it in the name of the user that holds it.",
    "left": "A bind of the two brings it back on purpose; so does an operator's join.",
}
"""What would allow it, by reason; ``left`` where nothing was refused."""

BAR_RULES: dict[str, str] = {
    "merge": "merge = {merge} forbids the two users to merge",
    "values_max": "together the two hold {values} values of {key}, and one user may {limit}",
    "implied_max": (
        "together the two hold {values} values of {key}, and only a bind brings together more"
        " than {limit}"
    ),
    "apart": "{pair} are kept apart",
}
"""Why two users do not merge, in words."""
