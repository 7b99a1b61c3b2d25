"""The default detector and the sessions that run it."""
