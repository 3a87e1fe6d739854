"""Media facts: renditions, clip indexes and MP4 boxes; knows no session."""
