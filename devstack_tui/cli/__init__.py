"""The command line. Nothing heavy is imported before a verb runs: `--help` answers at once."""
