"""idweave makes one user out of every identity a person leaves.

The package's face: values and pure rules (``Identity``, ``Fact``, ``Kind``, ``Policy``,
``preset``, ``parse_policy``, ``resolve``) and the error everything here raises
(``IdweaveError``). Services are started from the command line; see ``idweave --help``.
"""

from idweave.core.errors import IdweaveError
from idweave.core.identity import Fact, Identity, Kind
from idweave.core.policy import KeyRule, Policy
from idweave.core.policy_file import parse_policy, preset
from idweave.core.resolve import Resolution, resolve

__version__ = "0.1.0"

__all__ = [
    "Fact",
    "Identity",
    "IdweaveError",
    "KeyRule",
    "Kind",
    "Policy",
    "Resolution",
    "__version__",
    "parse_policy",
    "preset",
    "resolve",
]
