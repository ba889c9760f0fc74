"""Repeatable benchmarks: what idweave does beside its limit, and beside its peers, in one run."""
