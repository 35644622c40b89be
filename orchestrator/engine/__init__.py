"""Engines run instances. `base` is the contract; `docker` and `fake` keep it."""
