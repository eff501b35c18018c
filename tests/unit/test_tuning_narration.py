"""What is reported of a run while it runs, on the command line and in the console."""

import pytest

from devstack_tui.cli.text.tune_ab import narrate_event
from devstack_tui.console.tuning.argv import TuningRequest
from devstack_tui.console.tuning.job import TuningJob
from devstack_tui.console.tuning.job_log import moment
from devstack_tui.tuning.events import AbRun

PAIR = AbRun(2, "b", "running", 6, "optimized")
ROUND = AbRun(3, "b", "applying", 0, "work_mem = 16MB")


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (PAIR, "2 of 6  B optimized: running\n"),
        (ROUND, "round 3  B work_mem = 16MB: applying\n"),
        (AbRun(1, "a", "running", 2), "1 of 2  A: running\n"),
    ],
)
def test_the_command_line_names_the_arm(
    event: AbRun, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    narrate_event(event)
    assert capsys.readouterr().err == told


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (PAIR, "pair 2/6 B optimized running 5 s"),
        (ROUND, "round 3 B work_mem = 16MB applying 5 s"),
    ],
)
def test_the_console_names_the_arm(event: AbRun, told: str) -> None:
    job = TuningJob(
        TuningRequest("auto", (), "a search"), started_at=0.0, run=event, phase_since=10.0
    )
    assert str(moment(job, 15.0)) == told
