"""What stays unloaded: libraries that a command does not need, and the datasets of a project."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.waiting import WAIT_SECONDS


def test_the_check_imports_none_of_the_datasets() -> None:
    script = (
        "import sys; from tests.support.checked import check, node;"
        "found = check([node('n', 'a b')], {'a': {'type': 'pandas.CSVDataset'},"
        " 'b': {'type': 'pandas.CsvDataset'}});"
        "print(sorted(each.code for each in found),"
        " {'pandas', 'kedro_datasets', 'packaging'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=WAIT_SECONDS,
    )
    # One has no file, the other a misspelt type.
    assert run.stdout.splitlines()[-1] == "['dataset-keys', 'unknown-type'] set()"


def test_the_cron_library_stays_unloaded_unless_a_cron_is_to_be_read() -> None:
    script = (
        "import sys; from kedro_airflow_k8s.config.load import load_config; "
        "load_config({'run_config': {'cron_expression': sys.argv[1]}}, 'x'); "
        "print('croniter' in sys.modules)"
    )

    def loaded(cron: str) -> str:
        command = [sys.executable, "-c", script, cron]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert loaded("@daily") == "False"
    assert loaded("0 6 * * *") == "True"
