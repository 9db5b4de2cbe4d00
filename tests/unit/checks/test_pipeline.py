"""Checks of datasets, parameters, credentials and files: what they find, and what they let pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kedro_airflow_k8s.checks import check_pipeline
from kedro_airflow_k8s.checks.findings import Finding
from tests.support.checked import PICKLE, check, node, only, shown, stored, subject

CHAIN = [node("clean", "orders", "clean_orders"), node("total", "clean_orders", "totals")]
ENDS = stored(orders="data/01/orders.pkl", totals="s3://b/totals.pkl")
DISABLED = {"disabled": True}


# --- data in memory ---------------------------------------------------------------------------


def test_data_in_memory_between_tasks_is_lost_without_a_place_to_hand_it_on() -> None:
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
    ],
    ids=["volume", "object storage", "grouped by memory", "one pod"],
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


def test_an_output_that_nobody_reads_may_stay_in_memory() -> None:
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


# --- inputs that nobody gives -----------------------------------------------------------------


def test_an_input_that_nobody_makes_and_the_catalog_lacks_has_the_nearest_name() -> None:
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
    assert "whoever starts the run" in found.consequence
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
    assert "'orders' and 1 more" in found.problem
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


# --- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "mount"),
    [
        ("data/02/x.pkl", "/home/kedro_docker/data"),
        ("./data//02/../x.pkl", "/home/kedro_docker/data"),
        ("data", "/home/kedro_docker/data"),
        ("file://data/x.pkl", "/home/kedro_docker/data"),
        ("/home/kedro_docker/data/x.pkl", "/home/kedro_docker/data"),
        ("file:///home/kedro_docker/data/x.pkl", "/home/kedro_docker/data"),
        ("data/02_intermediate/x.pkl", "/home/me/data/02_intermediate"),
        ("storage/x.pkl", "/data/shop/storage"),
        ("/mnt/volume/x.pkl", "/mnt/volume"),
        ("s3://bucket/x.pkl", "/home/kedro_docker/data"),
        ("dbfs:/x.pkl", "/home/kedro_docker/data"),
        ("simplecache::s3://bucket/x.pkl", "/home/kedro_docker/data"),
        ("https://example.com/x.pkl", "/home/kedro_docker/data"),
        ("/dev/null", "/home/kedro_docker/data"),
    ],
)
def test_what_is_on_the_volume_or_elsewhere_on_the_network_may_cross_tasks(
    path: str, mount: str
) -> None:
    catalog = {**ENDS, **stored(clean_orders=path, totals="gs://b/t")}
    assert check(CHAIN, catalog, volume={"mount_path": mount}) == []


@pytest.mark.parametrize(
    ("path", "mount"),
    [
        ("data/../x.pkl", "/home/kedro_docker/data"),
        ("../data/x.pkl", "/home/kedro_docker/data"),
        ("database/x.pkl", "/home/kedro_docker/data"),
        ("artifacts/x.pkl", "/home/kedro_docker/data"),
        ("/tmp/x.pkl", "/home/kedro_docker/data"),
        ("/home/kedro_docker/data/../x.pkl", "/home/kedro_docker/data"),
        ("/home/kedro_docker/database/x.pkl", "/home/kedro_docker/data"),
        ("file:///tmp/x.pkl", "/home/kedro_docker/data"),
        ("FILE://tmp/x.pkl", "/home/kedro_docker/data"),
        ("local:///tmp/x.pkl", "/home/kedro_docker/data"),
        ("memory://x.pkl", "/home/kedro_docker/data"),
        ("C:\\Users\\me\\x.pkl", "/home/kedro_docker/data"),
        ("data/01_raw/x.pkl", "/home/me/data/02_intermediate"),
        ("data/x.pkl", "/mnt/volume"),
        (".", "/home/kedro_docker/data"),
    ],
)
def test_what_is_on_the_disk_of_a_pod_does_not_reach_the_next(path: str, mount: str) -> None:
    catalog = {**ENDS, **stored(clean_orders=path, totals="gs://b/t")}
    found = only(check(CHAIN, catalog, volume={"mount_path": mount}), "outside-volume")
    assert shown([found]) == [("outside-volume", "error", "dataset 'clean_orders'")]
    assert path in found.problem
    assert mount in found.problem
    assert "'total'" in found.consequence


def test_a_result_outside_the_volume_is_a_warning() -> None:
    catalog = {**ENDS, **stored(totals="reports/totals.pkl")}
    found = only(check(CHAIN, catalog), "outside-volume")
    assert found.severity == "warning"
    assert "gone when the pod ends" in found.consequence
    # The volume would not keep it either.
    assert "data folder" not in found.fix
    assert "object storage" in found.fix


def test_a_file_for_other_tasks_may_be_on_the_volume_or_on_object_storage() -> None:
    catalog = {**ENDS, **stored(clean_orders="/tmp/x.pkl")}
    fix = only(check(CHAIN, catalog), "outside-volume").fix
    assert "below the data folder" in fix
    assert "object storage" in fix
    fix = only(check(CHAIN, catalog, volume=DISABLED), "outside-volume").fix
    assert "data folder" not in fix
    assert "object storage" in fix


RESULTS = [node("load", "", "one two"), node("use", "two", "three four@pandas five")]


def test_results_on_the_volume_go_with_it_and_are_told_in_one_finding() -> None:
    catalog = stored(
        one="data/1.pkl",
        two="data/2.pkl",
        three="/home/kedro_docker/data/3.pkl",
        **{"four@pandas": "data/4.pkl"},
        five="s3://b/5",
    )
    found = only(check(RESULTS, catalog), "not-kept")
    assert found.severity == "warning"
    assert found.where == "datasets 'one', 'three', 'four'"
    assert found.pipeline == "sales"
    for word in ("object storage", "database", "MLflow"):
        assert word in found.fix
    alone = only(check(RESULTS, stored(one="data/1.pkl")), "not-kept")
    assert alone.where == "dataset 'one'"


def test_results_elsewhere_in_memory_or_read_again_need_no_keeping() -> None:
    assert check(RESULTS, stored(one="s3://b/1", two="data/2.pkl")) == []
    assert check(RESULTS, {"three": {"type": "MemoryDataset"}}) == []
    catalog = stored(one="data/1.pkl", one_again="./data/1.pkl")
    by_another_name = [*RESULTS, node("read", "one_again")]
    assert [f.code for f in check(by_another_name, catalog)] == ["same-file"]


def test_without_a_volume_a_result_in_the_data_folder_is_gone_with_its_pod() -> None:
    catalog = {**ENDS, **stored(totals="data/totals.pkl")}
    found = check(CHAIN, catalog, volume=DISABLED, grouping="pipeline")
    assert [finding.code for finding in found] == ["outside-volume"]


def test_a_file_that_only_its_own_task_reads_may_be_on_the_disk_of_the_pod() -> None:
    catalog = {**ENDS, **stored(clean_orders="/tmp/x.pkl")}
    assert check(CHAIN, catalog, grouping="pipeline") == []


def test_without_a_volume_no_local_path_crosses_tasks() -> None:
    catalog = {**ENDS, **stored(clean_orders="data/x.pkl", totals="s3://b/t")}
    found = only(check(CHAIN, catalog, volume=DISABLED), "outside-volume")
    assert found.severity == "error"
    assert "no volume" in found.problem


@pytest.mark.parametrize(
    "path", ["/home/me/shop/data/o.pkl", "file:///opt/o.pkl", "C:\\Users\\me\\o.pkl", "/home/o.pkl"]
)
def test_an_input_at_a_path_of_somebodys_machine_is_a_doubt(path: str) -> None:
    catalog = {**ENDS, **stored(orders=path)}
    for volume in ({}, DISABLED):
        found = only(check(CHAIN, catalog, grouping="pipeline", volume=volume), "laptop-path")
        assert shown([found]) == [("laptop-path", "warning", "dataset 'orders'")]
        assert path in found.problem
        assert "/home/kedro_docker," in found.problem


@pytest.mark.parametrize(
    "path",
    [
        *("data/o.pkl", "../o.pkl", "reference/o.pkl", "~/o.pkl", "/dev/stdin", "s3://b/o.pkl"),
        *("/home/kedro_docker/reference/o.pkl", "/home/kedro_docker/data/o.pkl"),
        *("/secrets/o.pkl", "https://example.com/o.pkl"),
    ],
)
def test_an_input_of_the_project_or_from_the_network_is_fine(path: str) -> None:
    secret = {"secret": "s", "deploy_type": "volume", "deploy_target": "/secrets"}
    assert check(CHAIN, {**ENDS, **stored(orders=path)}, secrets=[secret]) == []


def test_where_the_volume_is_at_the_top_the_project_may_be_anywhere() -> None:
    catalog = {**ENDS, **stored(orders="/opt/orders.pkl")}
    assert check(CHAIN, catalog, volume={"mount_path": "/data"}) == []


def test_an_input_that_a_node_writes_by_another_name_comes_from_no_laptop() -> None:
    nodes = [node("write", "", "one"), node("read", "other one")]
    catalog = stored(one="/tmp/x.pkl", other="/tmp/x.pkl")
    assert check(nodes, catalog, grouping="pipeline") == []


def made_elsewhere(path: str, **run: Any) -> list[Finding]:
    """The findings about a pipeline whose input another one makes."""
    own = subject(CHAIN, {**ENDS, **stored(orders=path)}, **run)
    return check_pipeline(replace(own, makers=lambda name: ["buy"] if name == "orders" else []))


def test_an_input_on_the_volume_that_another_pipeline_makes_is_on_another_volume() -> None:
    found = only(made_elsewhere("data/orders.pkl"), "other-run")
    assert shown([found]) == [("other-run", "warning", "dataset 'orders'")]
    assert "'buy'" in found.problem
    assert "image's data folder" in found.consequence
    assert made_elsewhere("s3://b/orders") == []
    assert made_elsewhere("data/orders.pkl", volume=DISABLED, grouping="pipeline") == []
    emptied = made_elsewhere("data/orders.pkl", volume={"skip_init": True})
    assert [finding.code for finding in emptied] == ["empty-volume"]


def test_partitions_and_versions_are_where_their_dataset_is() -> None:
    parts = {"type": "partitions.PartitionedDataset", "path": "/tmp/parts", "dataset": PICKLE}
    versions = {"type": PICKLE, "filepath": "data/x.pkl", "versioned": True}
    catalog = {**ENDS, **stored(totals="s3://b/t")}
    only(check(CHAIN, {**catalog, "clean_orders": parts}), "outside-volume")
    parts["path"] = "data/parts"
    assert check(CHAIN, {**catalog, "clean_orders": parts}) == []
    assert check(CHAIN, {**catalog, "clean_orders": versions}) == []


@pytest.mark.parametrize("path", ["/tmp/model.pkl", "data/model.pkl"])
def test_a_result_that_mlflow_takes_is_not_gone(path: str) -> None:
    artifact = {
        "type": "kedro_mlflow.io.artifacts.MlflowArtifactDataset",
        "dataset": {"type": PICKLE, "filepath": path},
    }
    found = check(CHAIN, {**ENDS, "totals": artifact})
    assert {finding.code for finding in found} <= {"unknown-type", "missing-extra"}


def test_a_volume_that_is_left_empty_hides_the_files_of_the_image() -> None:
    volume = {"skip_init": True}
    found = only(check(CHAIN, ENDS, volume=volume), "empty-volume")
    assert shown([found]) == [("empty-volume", "error", "dataset 'orders'")]
    elsewhere = {**ENDS, **stored(orders="s3://b/orders")}
    assert check(CHAIN, elsewhere, volume=volume) == []
    assert check(CHAIN, ENDS) == []


def test_what_a_node_writes_to_an_empty_volume_can_be_read_by_another_name() -> None:
    nodes = [node("write", "", "one"), node("read", "other one")]
    catalog = stored(one="data/x.pkl", other="./data/x.pkl")
    assert check(nodes, catalog, volume={"skip_init": True}) == []


def test_two_names_of_one_file_without_an_order_are_a_race() -> None:
    nodes = [node("write", "", "one"), node("read", "other")]
    catalog = stored(one="data/x.pkl", other="data/./x.pkl")
    found = only(check(nodes, catalog), "same-file")
    assert shown([found]) == [("same-file", "warning", "datasets 'one' and 'other'")]
    assert "'write'" in found.problem
    assert "'read'" in found.problem


@pytest.mark.parametrize(
    "nodes",
    [
        [node("read", "other", "x"), node("write", "x", "one")],
        [node("write", "", "one"), node("read", "one other")],
        [node("read", "other"), node("read_too", "one")],
        [node("write", "", "one@pandas"), node("read", "one@spark")],
    ],
    ids=["reads before", "reads after", "nobody writes", "transcoded"],
)
def test_two_names_of_one_file_with_an_order_are_fine(nodes: Any) -> None:
    names = ("one", "other", "one@pandas", "one@spark")
    assert check(nodes, stored(**dict.fromkeys(names, "data/x.pkl"))) == []


def test_two_nodes_that_write_one_file_are_told_once() -> None:
    nodes = [node("first", "", "one"), node("second", "", "other")]
    only(check(nodes, stored(one="s3://b/x", other="s3://b/x")), "same-file")
