"""From footage to a packaged story, by ffmpeg."""
