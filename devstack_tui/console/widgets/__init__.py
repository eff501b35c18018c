"""One widget per file: each shows what it is given and reports what the user does."""
