"""The foreign runtimes that hear: decoding, voice activity, speech to text, speakers.

All of them run in child processes (``child.py``); a service process imports only ``protocol``, ``choice`` and ``hub``,
which are light.
"""
