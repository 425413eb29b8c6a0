"""The words that services use with each other: events, internal replies, and who listens to what.

Pure data. Adding an optional field is always safe; renaming one is never (the previous release may still be running).
"""
