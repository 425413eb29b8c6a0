"""Everything on one machine, with nothing installed: the whole topology under one supervisor."""
