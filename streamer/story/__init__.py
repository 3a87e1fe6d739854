"""The story language: its model, its file format and its rules."""
