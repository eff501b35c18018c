"""The CLI's verbs: each module is imported when its verb runs, and has `run(options)`."""
