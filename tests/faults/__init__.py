"""The fault suite: people use a real platform while its parts are killed, paused, cut off and lied to.

``machine`` makes schedules (Hypothesis), ``people`` carry out operations and ``history`` notes what was acknowledged,
``world`` is the platform and what can be done to it, ``checker`` compares both in the end. ``__main__`` is the command.
"""
