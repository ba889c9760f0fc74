"""The only use cases: accept what devices send, and answer who that makes.

``Engine`` is synchronous and thread-safe: one writer at a time, any number of readers.
"""
