"""What pipelines need of the sandbox, from their configuration."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kedro_airflow_k8s.sandbox.needs import Needs


def _settings(**given: Any) -> Any:
    return SimpleNamespace(**{"secrets": (), "config_maps": (), "deferrable": False, **given})


def _run(*entries: Any, **given: Any) -> Any:
    return SimpleNamespace(all_settings=(_settings(**given), *entries))


def test_secrets_and_config_maps_of_all_levels_are_needed_once() -> None:
    secret = SimpleNamespace(secret="database", key="password")
    whole = SimpleNamespace(config_map="limits", key=None)
    runs = [_run(_settings(config_maps=(whole,)), secrets=(secret,)), _run(secrets=(secret,))]

    needs = Needs.of(runs)

    assert needs.secrets == (("database", "password"),)
    assert needs.config_maps == (("limits", ""),)


@pytest.mark.parametrize(
    ("run", "triggerer"),
    [
        (_run(), False),
        (_run(deferrable=True), True),
        (_run(_settings(deferrable=True)), True),
        (_run(_settings(deferrable="default"), deferrable="default"), False),
    ],
)
def test_a_triggerer_is_needed_where_a_task_is_deferrable(run: Any, triggerer: bool) -> None:
    assert Needs.of([run]).triggerer is triggerer
