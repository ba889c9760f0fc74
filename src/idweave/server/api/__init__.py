"""The HTTP API: questions about users, answered as JSON on a listener of its own."""

from .app import Api, build_api
from .hosts import is_loopback

__all__ = ["Api", "build_api", "is_loopback"]
