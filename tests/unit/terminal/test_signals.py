"""What ends a command from outside."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from kedro_airflow_k8s.terminal.signals import interrupted_by_signals


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {s: signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_kill_and_a_closed_terminal_do_what_ctrl_c_does(number: signal.Signals) -> None:
    # They may be ignored where the tests run.
    signal.signal(number, signal.SIG_DFL)
    with pytest.raises(KeyboardInterrupt), interrupted_by_signals():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) == signal.SIG_DFL


def test_what_nohup_has_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with interrupted_by_signals():
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_a_signal_that_comes_twice_interrupts_once() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    cleaned_up = []

    def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned_up.append("all")

    with pytest.raises(KeyboardInterrupt), interrupted_by_signals():
        work()
    assert cleaned_up == ["all"]
