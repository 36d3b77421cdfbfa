"""Emulate the part of EC2 that EBS snapshots need, for several accounts at once."""
