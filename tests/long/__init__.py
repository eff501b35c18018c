"""What takes hours: `make long`, or `make test-long` after the storm and the fuzzing.

`pytest` alone passes this folder over (`norecursedirs`). Each file says which environment variable
tells it how often, and how long it takes.
"""
