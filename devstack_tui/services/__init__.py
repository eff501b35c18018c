"""One folder per technology; each has only the parts that apply to it."""
