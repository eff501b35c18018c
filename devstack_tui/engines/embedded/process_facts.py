"""What is known of every process of a stack: who it runs as, and what it was started with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from devstack_tui.contracts.processes import ProcessFacts
from devstack_tui.contracts.registry import services
from devstack_tui.contracts.service import Service
from devstack_tui.core import process
from devstack_tui.engines.embedded import leftovers
from devstack_tui.engines.embedded.accounts import account_of
from devstack_tui.engines.embedded.process_records import Records


def look(records: Records, instance: str) -> dict[str, list[ProcessFacts]]:
    """See `Engine.processes`: what descends from the recorded units, and whatever else has the
    stack's mark."""
    members: dict[int, tuple[str, str]] = {}
    table = process.table()
    for record in records.all():
        if record.alive and record.process is not None:
            for pid in process.descendants([record.process.pid], table):
                members[pid] = (record.service, record.unit)
    known = services()
    for pid, mark in process.owned(instance).items():
        service = next((one.name for one in known if leftovers.of(one, mark)), "")
        helper = mark.startswith(leftovers.HELPER)
        members.setdefault(pid, (service, mark))
        if helper:
            members[pid] = (members[pid][0], leftovers.HELPER.rstrip(":"))
    named = {one.name: one for one in known}
    found: dict[str, list[ProcessFacts]] = {}
    for pid, (service, unit) in sorted(members.items()):
        facts = _facts(pid, named.get(service), unit)
        if facts is not None:
            found.setdefault(service, []).append(facts)
    return found


def commands() -> list[tuple[str, str]]:
    """See `Engine.commands`."""
    found = ((pid, process.arguments(pid)) for pid in process.pids())
    return [(_program(pid, words), " ".join(words)) for pid, words in found if words]


def _facts(pid: int, service: Service | None, unit: str) -> ProcessFacts | None:
    rights = process.rights(pid)
    account = account_of(service) if service else None
    if rights is None or process.identify(pid) is None:
        return None
    arguments = process.arguments(pid)
    return ProcessFacts(
        unit=unit,
        program=_program(pid, arguments),
        arguments=arguments,
        environment=process.environment(pid),
        account=account.name if account else "",
        uid=account.uid if account else -1,
        uids=rights.uids,
        gids=rights.gids,
        groups=rights.groups,
        rights=rights.capabilities,
        core_bytes=rights.core_bytes,
        privileges=not rights.no_new_privileges,
        umask=rights.umask,
    )


def _program(pid: int, arguments: Sequence[str]) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return Path(arguments[0]).name if arguments else "?"
