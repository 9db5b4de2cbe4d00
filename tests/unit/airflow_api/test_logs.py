"""Logs of every form become lines of text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedro_airflow_k8s.airflow_api.logs import clean_lines, page_lines

AIRFLOW3_LOG = [
    {"event": "::group::Log message source details"},
    {"event": "/logs/attempt=1.log"},
    {"event": "::endgroup::"},
    {"timestamp": "2026-01-02T03:04:05Z", "event": "::group::Pre Execute", "level": "info"},
    {"timestamp": "2026-01-02T03:04:05Z", "event": "one\ntwo", "level": "info", "logger": "x"},
    {"event": "::endgroup::", "level": "info"},
    {
        "event": "Task failed",
        "level": "error",
        "error_detail": [
            {
                "exc_type": "ValueError",
                "exc_value": "no",
                "exc_notes": ["a note"],
                "is_cause": False,
                "frames": [{"filename": "a.py", "lineno": 3, "name": "f"}],
            },
            {"exc_type": "KeyError", "exc_value": "", "is_cause": True, "frames": []},
        ],
    },
]
AIRFLOW3_LINES = """\
[2026-01-02T03:04:05Z] INFO - one
two
ERROR - Task failed
Traceback (most recent call last):
KeyError

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "a.py", line 3, in f
ValueError: no
a note"""
AIRFLOW2_TEXT = """ INFO - ::group::Log message source details
*** Found local files:
***   * /logs/attempt=1.log
 INFO - ::endgroup::
[2026-01-02T03:04:05.678+0000] {x.py:1} INFO - ::group::Pre task execution logs
[2026-01-02T03:04:05.678+0000] {x.py:2} INFO - it's "said"
[2026-01-02T03:04:05.678+0000] {x.py:3} INFO - ::endgroup::
"""
AIRFLOW2_LINES = """[2026-01-02T03:04:05.678+0000] {x.py:2} INFO - it's "said\""""


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (AIRFLOW3_LOG, AIRFLOW3_LINES),
        (["a line", "another\n"], "a line\nanother"),
        (str([("host", AIRFLOW2_TEXT)]), AIRFLOW2_LINES),
        (AIRFLOW2_TEXT, AIRFLOW2_LINES),
        (str([("host", "")]), ""),
        ("[('broken", "[('broken"),
        ([], ""),
        (None, ""),
    ],
)
def test_logs_of_every_form_become_clean_lines(content: Any, lines: str) -> None:
    assert "\n".join(clean_lines(page_lines(content))) == lines


@given(st.text())
def test_any_log_of_airflow_2_is_read(text: str) -> None:
    assert page_lines(str([("host", text)])) == text.splitlines()
    page_lines(text)
