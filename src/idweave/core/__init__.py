"""The rules: pure functions over values, the standard library only, no clock, chance, log or I/O."""
