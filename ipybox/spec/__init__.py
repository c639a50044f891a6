"""Data: what is asked for, and what is reported."""
