"""Decisions without side effects: what is wanted, what to copy, what counts as a copy. Standard library only."""
