"""What ingest borrows: PyAV for probing, yt-dlp for fetching, and the wall around both."""
