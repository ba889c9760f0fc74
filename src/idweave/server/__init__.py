"""The collector and the HTTP API."""
