"""One widget per file: each shows what it is given and tells what the user does."""
