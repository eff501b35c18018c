"""The ways to run a stack: one Protocol, the same tests against each."""
