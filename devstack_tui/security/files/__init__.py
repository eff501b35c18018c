"""The suite `files`: what lies below a stack's directory, and how its processes run."""
