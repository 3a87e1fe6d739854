"""Where packaged stories and their media live."""
