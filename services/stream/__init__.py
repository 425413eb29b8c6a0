"""Share links, playback grants, and the delivery of bytes to whoever holds one."""
