"""The stages of one account, to be mapped over routes."""
