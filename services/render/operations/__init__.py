"""What render does: plans clips, renders them, forgets deleted ones and sweeps up after the killed."""
