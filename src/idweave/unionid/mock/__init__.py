"""A platform that is not there: deterministic followers, tokens, quotas and faults, offline."""

from .scenarios import SCENARIOS, Scenario, build, config_text
from .server import MockServer
from .world import Code, Fault, MockAccount, World

__all__ = [
    "SCENARIOS",
    "Code",
    "Fault",
    "MockAccount",
    "MockServer",
    "Scenario",
    "World",
    "build",
    "config_text",
]
