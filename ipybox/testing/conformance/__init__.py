"""The suites of checks that every backend must pass."""
