"""Dictionaries: a store for tests, trials and replays. Nothing outlives the process."""

from .store import MemoryStore

__all__ = ["MemoryStore"]
