"""Health: one look at every service, and the watch that repeats it."""
