"""One viewer's run of a story: events, timeline and pacing; spells no tag."""
