"""Checks of files: what they find, and what they let pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kedro_airflow_k8s.checks import check_pipeline, storage
from kedro_airflow_k8s.checks.findings import Finding
from tests.support.checked import PICKLE, check, node, only, shown, stored, subject

CHAIN = [node("clean", "orders", "clean_orders"), node("total", "clean_orders", "totals")]
ENDS = stored(orders="data/01/orders.pkl", totals="s3://b/totals.pkl")
DISABLED = {"disabled": True}


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


def test_results_on_the_volume_go_with_it_and_are_reported_in_one_finding() -> None:
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


def test_all_results_that_are_not_kept_are_listed() -> None:
    names = [f"result_{number}" for number in range(8)]
    nodes = [node(f"make_{name}", "", name) for name in names]
    catalog = stored(**{name: f"data/{name}.pkl" for name in names})
    found = only(check(nodes, catalog), "not-kept")
    assert found.where == "datasets " + ", ".join(map(repr, names))


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
    ids=["reads before", "reads after", "no one writes", "transcoded"],
)
def test_two_names_of_one_file_with_an_order_are_fine(nodes: Any) -> None:
    names = ("one", "other", "one@pandas", "one@spark")
    assert check(nodes, stored(**dict.fromkeys(names, "data/x.pkl"))) == []


def test_two_nodes_that_write_one_file_are_reported_once() -> None:
    nodes = [node("first", "", "one"), node("second", "", "other")]
    only(check(nodes, stored(one="s3://b/x", other="s3://b/x")), "same-file")


DATED = "s3://shop/<runtime_params:run_date>/t.pkl"
DATES: dict[str, Any] = {"date_param": "run_date", "volume": {"disabled": True}}


def of_dates(entry: dict[str, Any], in_run: dict[str, Any] | None = None, **run: Any) -> Any:
    """What is said of a result in the runs of dates."""
    checked = subject([node("n", "", "t")], {"t": {"type": PICKLE, **entry}}, **run)
    checked = replace(checked, config_in_run=lambda _: in_run)
    return shown(list(storage.overwritten(checked)))


def test_a_result_whose_path_lacks_the_date_of_the_run_is_overwritten_by_each_run() -> None:
    found = [("overwritten", "warning", "dataset 't'")]
    entry = {"filepath": "s3://shop/t.pkl"}
    assert of_dates(entry, **DATES) == found
    assert of_dates(entry, entry, **DATES) == found
    # Without a date, runs are not for dates.
    assert of_dates(entry) == []


def test_a_result_with_a_place_for_each_date_is_not_overwritten() -> None:
    assert of_dates({"filepath": DATED}, **DATES) == []
    # The catalog has a default for `kedro run` on this machine.
    assert of_dates({"filepath": "s3://shop/today/t.pkl"}, {"filepath": DATED}, **DATES) == []
    assert of_dates({"filepath": "s3://shop/t.pkl", "versioned": True}, **DATES) == []
    partitions = {"type": "partitions.PartitionedDataset", "path": "s3://shop/t"}
    assert of_dates({**partitions, "dataset": PICKLE}, **DATES) == []
    # On the volume of the run.
    assert of_dates({"filepath": "data/t.pkl"}, date_param="run_date") == []


def test_a_result_whose_path_lacks_the_partition_of_the_run_is_overwritten_by_each_run() -> None:
    parts: dict[str, Any] = {"partitioned": "daily", "volume": {"disabled": True}}
    found = [("overwritten", "warning", "dataset 't'")]
    assert of_dates({"filepath": "s3://shop/t.pkl"}, **parts) == found
    assert of_dates({"filepath": "s3://shop/<runtime_params:partition_key>.pkl"}, **parts) == []
