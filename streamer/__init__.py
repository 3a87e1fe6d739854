"""Branchline: branching video over plain HLS."""
