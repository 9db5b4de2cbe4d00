"""Checks of what nodes read: what they find, and what they let pass."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.checked import PICKLE, check, node, only, shown, stored

CHAIN = [node("clean", "orders", "clean_orders"), node("total", "clean_orders", "totals")]
ENDS = stored(orders="data/01/orders.pkl", totals="s3://b/totals.pkl")
DISABLED = {"disabled": True}


def test_data_in_memory_between_tasks_is_lost_without_a_place_to_pass_it_on() -> None:
    catalog = {**stored(orders="s3://b/orders.pkl", totals="s3://b/totals.pkl")}
    found = only(check(CHAIN, catalog, volume=DISABLED), "lost-data")
    assert shown([found]) == [("lost-data", "error", "dataset 'clean_orders'")]
    assert "'clean'" in found.problem
    assert "'total'" in found.problem
    assert "not in the catalog" in found.problem
    assert found.pipeline == "sales"


@pytest.mark.parametrize(
    "run",
    [
        {},
        {"volume": DISABLED, "intermediate_data": "s3://bucket/x"},
        {"volume": DISABLED, "grouping": "memory"},
        {"volume": DISABLED, "grouping": "pipeline"},
        {"volume": DISABLED, "grouping": {"__default__": {"by": "pipeline", "nodes": "visible"}}},
    ],
    ids=["volume", "object storage", "grouped by memory", "one pod", "visible in one pod"],
)
def test_data_in_memory_with_a_place_or_within_a_task_is_not_lost(run: dict[str, Any]) -> None:
    catalog = stored(orders="s3://b/orders.pkl", totals="s3://b/totals.pkl")
    assert check(CHAIN, catalog, **run) == []


def test_a_declared_memory_dataset_is_lost_as_well_and_a_stored_one_is_not() -> None:
    catalog = stored(orders="s3://b/orders.pkl", totals="s3://b/totals.pkl")
    memory = {**catalog, "clean_orders": {"type": "MemoryDataset"}}
    assert "MemoryDataset" in only(check(CHAIN, memory, volume=DISABLED), "lost-data").problem
    kept = {**catalog, **stored(clean_orders="s3://b/clean.pkl")}
    assert check(CHAIN, kept, volume=DISABLED) == []


def test_an_output_that_no_one_reads_may_stay_in_memory() -> None:
    assert check([node("load", "", "table")], {}, volume=DISABLED) == []


def test_a_transcoded_dataset_is_lost_if_one_of_its_sides_is_in_memory() -> None:
    nodes = [node("write", "", "table@pandas"), node("read", "table@spark")]
    catalog = {"table@pandas": {"type": PICKLE, "filepath": "s3://b/t"}}
    found = check(nodes, catalog, volume=DISABLED)
    assert shown(found) == [("lost-data", "error", "dataset 'table@pandas'")]
    catalog["table@spark"] = {"type": PICKLE, "filepath": "s3://b/t"}
    assert check(nodes, catalog, volume=DISABLED) == []


def test_where_the_catalog_was_not_read_its_checks_are_not_made() -> None:
    assert check(CHAIN, None, volume=DISABLED) == []


def test_an_input_that_no_one_makes_and_the_catalog_lacks_has_the_nearest_name() -> None:
    found = only(check(CHAIN, stored(order="data/o.pkl", totals="s3://b/t")), "unknown-dataset")
    assert shown([found]) == [("unknown-dataset", "error", "dataset 'orders'")]
    assert "Did you mean 'order'?" in found.problem
    assert "'clean'" in found.problem


def test_patterns_and_catch_alls_of_the_catalog_know_their_datasets() -> None:
    assert check(CHAIN, {"{name}": {"type": PICKLE, "filepath": "s3://b/{name}"}}) == []
    assert check(CHAIN, {"ord{rest}": {"type": PICKLE, "filepath": "data/{rest}"}}) == []


def test_of_many_unknown_inputs_only_the_first_get_suggestions() -> None:
    nodes = [node(f"n{i}", f"input_{i:02}") for i in range(30)]
    found = check(nodes, stored(**{f"inputs_{i:02}": "data/x" for i in range(30)}))
    assert len(found) == 30
    assert sum("Did you mean" in finding.problem for finding in found) == 20


def test_a_memory_dataset_that_no_node_fills_is_an_error() -> None:
    found = check(CHAIN, {**ENDS, "orders": {"type": "kedro.io.MemoryDataset"}})
    assert shown(found) == [("memory-input", "error", "dataset 'orders'")]


PARAMETERS = {"depth": 3, "model": {"trees": {"count": 5}}, "flat.name": 1}


@pytest.mark.parametrize(
    "name",
    [
        "parameters",
        "params:depth",
        "params:model",
        "params:model.trees",
        "params:model.trees.count",
        "params:flat.name",
        "params:ds",
        "params:dag_run",
        "params:dag_run.run_id",
        "params:var_x",
        "params:var_x.below",
    ],
)
def test_parameters_of_the_project_and_of_airflow_are_known(name: str) -> None:
    run = {"macro_params": ["ds", "dag_run.run_id"], "variables_params": ["var_x"]}
    assert check([node("n", name)], {}, parameters=PARAMETERS, **run) == []


def test_an_unknown_parameter_is_an_error_where_a_schedule_starts_the_runs() -> None:
    nodes = [node("first", "params:model.tree"), node("second", "params:model.tree")]
    found = only(check(nodes, {}, parameters=PARAMETERS), "unknown-parameter")
    assert found.severity == "warning"
    assert "started with a value" in found.consequence
    found = only(
        check(nodes, {}, parameters=PARAMETERS, cron_expression="@daily"), "unknown-parameter"
    )
    assert found.severity == "error"
    assert "'first'" in found.problem
    assert "Did you mean 'model.trees'?" in found.problem


def test_parameters_that_could_not_be_read_are_not_missed() -> None:
    assert check([node("n", "params:x")], {}, parameters=None) == []


def test_credentials_that_no_file_has_are_a_warning_with_their_datasets() -> None:
    catalog = {
        "orders": {"type": PICKLE, "filepath": "s3://b/o", "credentials": "dev_s3"},
        "totals": {"type": PICKLE, "filepath": "s3://b/t", "credentials": "dev_s3"},
    }
    found = only(check(CHAIN, catalog, credentials=frozenset(["dev_s4"])), "unknown-credentials")
    assert shown([found]) == [("unknown-credentials", "warning", "credentials 'dev_s3'")]
    assert "Datasets 'orders', 'totals' use them." in found.problem
    assert "Did you mean 'dev_s4'?" in found.problem
    assert check(CHAIN, catalog, credentials=frozenset(["dev_s3"])) == []
    assert check(CHAIN, catalog, credentials=None) == []


@pytest.mark.parametrize(
    ("secret", "is_file"),
    [
        ({"deploy_type": "volume", "deploy_target": "/home/kedro_docker/conf/local"}, True),
        ({"deploy_type": "volume", "deploy_target": "/conf"}, True),
        ({"deploy_type": "volume", "deploy_target": "/home/kedro_docker/config"}, False),
        ({"deploy_type": "env"}, False),
    ],
)
def test_a_secret_that_is_mounted_in_the_configuration_may_be_the_credentials(
    secret: dict[str, str], is_file: bool
) -> None:
    catalog = {**ENDS, "orders": {"type": PICKLE, "filepath": "s3://b/o", "credentials": "s3"}}
    secrets = [{"secret": "credentials", **secret}]
    found = check(CHAIN, catalog, credentials=frozenset(), secrets=secrets)
    assert [finding.code for finding in found] == ["unknown-credentials"] * (not is_file)
