"""The tests, laid out as the tree they test. `tests.support` and `tests.conftest` are what they share."""
