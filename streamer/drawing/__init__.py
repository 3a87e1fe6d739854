"""A story's graph as a picture, and as a page to look around in."""
