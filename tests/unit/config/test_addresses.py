"""Which web addresses lead to the machine that asks."""

from __future__ import annotations

import pytest

from kedro_airflow_k8s.config.addresses import is_on_this_machine


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "airflow.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "0.0.0.0"],
)
def test_loopback_addresses_are_this_machine(host: str) -> None:
    assert is_on_this_machine(f"http://{host}:8080/airflow")


@pytest.mark.parametrize(
    "address",
    ["", "/127.0.0.1", "http://[", "http://127.0.0.1.example.com", "http://10.0.0.1", "localhost"],
)
def test_other_addresses_are_not(address: str) -> None:
    assert not is_on_this_machine(address)
