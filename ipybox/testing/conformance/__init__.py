"""The suites that hold every backend to the contract."""
