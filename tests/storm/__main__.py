"""`python -m tests.storm`: a storm by hand, or by `make storm`."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import shutil
import sys
from collections.abc import Iterator

from tests.conftest import RUN, Cli, end_all_in
from tests.stack.conftest import home, take_down, write_ports
from tests.storm import values
from tests.storm.disturbances import Disk
from tests.storm.runner import FULL, QUICK, Storm


def say(text: str) -> None:
    """A line at once."""
    print(text, flush=True)  # noqa: T201


def new_seed() -> int:
    """A number that a person can type."""
    return secrets.randbelow(1_000_000)


def main() -> int:
    """Exit status 1 when something went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="how many (default 100)")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(1_000_000), help="of the plan"
    )
    parser.add_argument("--only", type=int, action="append", help="this round of the plan; repeat")
    parser.add_argument("--quick", action="store_true", help=f"a stack of {', '.join(QUICK)} alone")
    parser.add_argument("--values", type=int, default=0, help="then so many generated values")
    given = parser.parse_args()
    os.environ.setdefault(RUN, secrets.token_hex(4))
    rounds = given.only or range(1, given.rounds + 1)
    services = QUICK if given.quick else FULL
    say(f"storm: seed {given.seed}, {len(rounds)} rounds on {', '.join(services)}")
    faults: list[str] = []
    with storm(services, given.seed) as made:
        for number in rounds:
            faults += made.round(number)
        if given.values:
            found = values.apply(made.cli, given.values, given.seed, say)
            faults += found.faults + [f"refused: {text}" for text in found.refused]
    say(f"\n{len(rounds)} rounds, seed {given.seed}: {len(faults)} faults")
    for fault in faults:
        say(f"- {fault}")
    return 1 if faults else 0


@contextlib.contextmanager
def storm(services: tuple[str, ...], seed: int) -> Iterator[Storm]:
    """A storm over a stack of its own, which is wiped afterwards."""
    with home() as folder:
        disk = Disk(folder)
        try:
            write_ports(folder / "config" / "devstack-tui")
            cli = Cli(folder, "storm")
            made = Storm(cli, services, seed, say, disk)
            try:
                made.begin()
                yield made
            finally:
                if (cli.root / "instance.json").exists():
                    take_down(cli)
        finally:
            disk.close()
            if sys.exc_info()[0] is not None:  # `home` keeps what a failed test left
                end_all_in(folder)
                shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
