"""The command line of `job`."""

from __future__ import annotations

import argparse


def job_options(verb: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Add what `job` can do."""
    whats = verb.add_subparsers(dest="what", metavar="WHAT", required=True)
    text = "the events of a job, from its first to its last; its exit status is the job's"
    follow = whats.add_parser("follow", help=text, parents=[common], allow_abbrev=False)
    follow.add_argument("id", nargs="?", default="", metavar="ID", help="(default: what runs)")
    follow.add_argument("--jsonl", action="store_true", help="a JSON object for each event, always")
