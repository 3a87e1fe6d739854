"""Stories written with other tools, read into story files: text in, text and findings out."""
