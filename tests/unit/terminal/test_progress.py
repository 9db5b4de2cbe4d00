"""A wait in a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from kedro_airflow_k8s.terminal.progress import Clock, Progress


def test_the_seconds_of_a_wait_go_on_while_no_one_reports_it() -> None:
    seconds = 3.0
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=80)
    progress = Progress(console, Clock(lambda: seconds))
    try:
        progress.waiting("Waiting for [Airflow]", 0.0)
        seconds = 12.0
        # What the terminal draws several times a second.
        assert progress._status is not None
        progress._status._live.refresh()
    finally:
        progress.done()
    assert "Waiting for [Airflow] (12 s)" in written.getvalue()
