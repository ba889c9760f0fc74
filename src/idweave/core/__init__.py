"""The rules: pure functions over values, standard library only; no clock, chance, log, I/O."""
