"""A storm over one real stack: round after round something is killed, frozen, damaged or used up,
and after each `up` must end healthy, or say why not and what helps.

`make storm` (`ROUNDS=`, `SEED=`), or `python -m tests.storm --help`. The seed is printed: the same
seed gives the same plan.
"""
