"""Long work as detached processes: each appends its events to a file that anybody may follow."""
