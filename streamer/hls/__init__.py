"""HLS spelled out: playlists as values and as bytes; knows no story."""
