"""Every sabotage turns exactly its checks red on a real stack; they are green again after it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os

import pytest

from devstack_tui.contracts.registry import services
from devstack_tui.core.errors import DevstackError
from devstack_tui.security.audit import StackAudit
from devstack_tui.security.catalogue import Catalogue
from devstack_tui.security.events import Proof
from devstack_tui.security.sabotage_run import SabotageRun
from devstack_tui.stack.stack import Stack

STEPS: dict[str, list[str]] = {}
"""What was reported of each sabotage, for who reads a failure."""


def known() -> list[str]:
    """The sabotages that prove each kind; with SABOTAGES=all those of a whole stack."""
    with StackAudit(Stack()) as audit:
        catalogue = Catalogue.of(audit)
    every = os.environ.get("SABOTAGES") == "all"
    return list(catalogue.sabotages) if every else [found.id for found in catalogue.sample()]


@functools.cache
def installed() -> set[str]:
    """The services whose servers are on this machine."""
    found = set()
    for one in services():
        with contextlib.suppress(DevstackError):
            one.launcher().locate()
            found.add(one.name)
    return found


async def proven_now(run: SabotageRun) -> dict[str, Proof]:
    here, wanted = installed(), set(known())
    every = run.catalogue.sabotages.values()
    chosen = [one for one in every if one.service in here and one.id in wanted]
    async with contextlib.aclosing(run.prove_all(chosen)) as steps:
        async for step in steps:
            STEPS.setdefault(step.sabotage, []).append(f"{step.phase}: {step.detail}")
    return {proof.sabotage: proof for proof in run.proofs}


@pytest.fixture(scope="module")
def proofs(run: SabotageRun) -> dict[str, Proof]:
    """Every sabotage, applied and undone: those of different services side by side."""
    return asyncio.run(proven_now(run))


@pytest.mark.parametrize("id", known())
def test_exactly_what_it_must_turn_goes_red_and_is_green_again(
    run: SabotageRun, proofs: dict[str, Proof], id: str
) -> None:
    if run.catalogue.sabotages[id].service not in installed():
        pytest.skip("its server is not on this machine")
    proof = proofs.get(id)
    assert proof is not None, run.unhealed
    assert (proof.missed, proof.strayed, proof.stuck) == ((), (), ()), STEPS[id]
    assert proof.ran, "nothing of ours ran"


@pytest.mark.usefixtures("proofs")
def test_afterwards_every_check_is_as_it_was_at_the_beginning(run: SabotageRun) -> None:
    assert asyncio.run(run.compare()) == []
