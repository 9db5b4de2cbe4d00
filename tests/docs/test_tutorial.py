"""The tutorial, and the how-to guides that need an Airflow: each command works, in its order.

DOCS_OUTPUT=<folder> writes what each reader has typed and seen.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml

from tests.docs.clouds import Airflow, aws_credentials, google_credentials, start_airflow
from tests.docs.pages import DOCS, Reader
from tests.docs.readers import at_another_page, clone_repository, keep_project, new_reader
from tests.docs.stand_ins import ANSWERS, CLUSTER, SECRETS
from tests.support.storage_servers import S3, Gcs

FIRST, SECOND = (DOCS / "tutorial" / name for name in ("1-on-this-machine.md", "2-on-a-cluster.md"))
DAGS_BUCKET, RESULTS_BUCKET = "airflow-example-com", "shop-results"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Someone who has read the first part of the tutorial."""
    folder = tmp_path_factory.mktemp("reader")
    with new_reader(folder, "tutorial-1") as reader:
        clone_repository(reader.terminal.folder / "kedro-airflow-k8s")
        reader.follow(FIRST)
        keep_project(reader, folder / "kept")
        yield reader


@pytest.fixture(scope="module")
def airflow(first: Reader, s3_server: S3, tmp_path_factory: pytest.TempPathFactory) -> Airflow:
    """An Airflow with a cluster, which has a Secret and runs what is pushed to a registry."""
    keys = {
        "AWS_ACCESS_KEY_ID": "your-key",
        "AWS_SECRET_ACCESS_KEY": "your-secret",
        "AWS_ENDPOINT_URL": s3_server.url,
    }
    secrets = tmp_path_factory.mktemp("cluster") / "secrets.yaml"
    metadata = {"name": "storage-keys", "namespace": "kedro"}
    secrets.write_text(yaml.safe_dump({"kind": "Secret", "metadata": metadata, "stringData": keys}))
    project = first.terminal.folder
    return start_airflow(
        f"{first.terminal.environment['VIRTUAL_ENV']}/bin/python", project, secrets
    )


@contextmanager
def reader_of(
    first: Reader, name: str, addresses: Mapping[str, str], **environment: str
) -> Iterator[Reader]:
    """The same reader at another page, who knows addresses of clouds."""
    project = first.terminal.folder
    kept = Path(first.terminal.environment["HOME"]).parent / "kept"
    with at_another_page(first, kept, name, {CLUSTER: str(project), **environment}) as reader:
        reader.addresses = addresses
        yield reader


def as_new_dag(dag_id: str) -> dict[str, str]:
    """What lets `run-once` on a page run a DAG that Airflow has never had.

    Airflow stores a new version of a DAG that it has at most every half minute, and all pages share
    one Airflow.
    """
    command = "kedro airflow-k8s run-once"
    return {f"{command}\n": f"{command} --dag-name {dag_id}\n"}


@pytest.mark.core
def test_the_first_part_leads_from_nothing_to_a_run_in_the_sandbox(first: Reader) -> None:
    seen = "".join(first.transcript)

    assert "success: 6 of 6 tasks succeeded, 4 pods ran." in seen
    assert "success: 6 of 6 tasks succeeded.\n" in seen
    assert "http://127.0.0.1:" in seen


def test_the_second_part_leads_to_runs_on_a_cluster_and_a_schedule(
    first: Reader, airflow: Airflow, s3_server: S3
) -> None:
    for bucket in (DAGS_BUCKET, RESULTS_BUCKET):
        s3_server.make_bucket(bucket)
    with (
        airflow.elsewhere() as host,
        reader_of(
            first,
            "tutorial-2",
            {
                "https://airflow.example.com": host,
                "https://minio.example.com": s3_server.url,
                **airflow.user,
            },
        ) as reader,
        airflow.reading(s3_server, DAGS_BUCKET, "dags"),
    ):
        seen = reader.follow(SECOND)

    assert "success: 6 of 6 tasks succeeded.\n" in seen
    assert json.loads(s3_server.read(RESULTS_BUCKET, "best_sellers.json")) == {
        "cappuccino": 143.0,
        "espresso": 135.0,
    }
    uploaded = s3_server.read(DAGS_BUCKET, "dags/shop.py")
    assert 'schedule="0 6 * * 1-5"' in uploaded
    assert "-dirty" not in uploaded
    # The cluster of the test has the Secret that the page makes.
    made = yaml.safe_load((Path(reader.terminal.environment["HOME"]) / SECRETS).read_text())
    values = {key: b64decode(value).decode() for key, value in made["data"].items()}
    assert made["metadata"] == {"name": "storage-keys", "namespace": "kedro"}
    assert values["AWS_ENDPOINT_URL"] == s3_server.url


def test_the_guide_to_composer_deploys_with_credentials_of_google(
    first: Reader, airflow: Airflow, gcs_server: Gcs, tmp_path: Path
) -> None:
    for bucket in ("composer-shop", RESULTS_BUCKET):
        gcs_server.make_bucket(bucket)
    with ExitStack() as stack:
        enter = stack.enter_context
        answers = {
            "airflowUri": enter(airflow.behind_google()),
            "dagGcsPrefix": "gs://composer-shop/dags",
        }
        environment = {
            **enter(google_credentials(tmp_path)),
            "STORAGE_EMULATOR_HOST": gcs_server.url,
            ANSWERS: json.dumps(answers),
        }
        reader = enter(reader_of(first, "composer", as_new_dag("composer"), **environment))
        enter(airflow.reading(gcs_server, "composer-shop", "dags"))

        seen = reader.follow(DOCS / "how-to/google-cloud-composer.md")

    assert "Started run run-once-" in seen
    assert "composer-user-workloads" in gcs_server.read("composer-shop", "dags/shop.py")


def test_the_guide_to_mwaa_deploys_with_a_session_of_mwaa(
    first: Reader, airflow: Airflow, s3_server: S3, tmp_path: Path
) -> None:
    s3_server.make_bucket("shop-airflow")
    with ExitStack() as stack:
        enter = stack.enter_context
        address = enter(airflow.behind_mwaa())
        environment = {
            **enter(aws_credentials(tmp_path, s3_server.url)),
            ANSWERS: json.dumps({"WebserverUrl": address.removeprefix("http://")}),
        }
        # Only the real one has a certificate.
        addresses = {"https://$HOST": "http://$HOST", **as_new_dag("mwaa")}
        reader = enter(reader_of(first, "mwaa", addresses, **environment))
        enter(airflow.reading(s3_server, "shop-airflow", "dags"))

        seen = reader.follow(DOCS / "how-to/amazon-mwaa.md")

    assert "Started run run-once-" in seen
    assert '"kubernetes_conn_id": "eks-batch"' in s3_server.read("shop-airflow", "dags/shop.py")


def test_the_guide_to_airflow_by_helm_deploys_to_a_folder(first: Reader, airflow: Airflow) -> None:
    folder = str(airflow.sandbox.output)
    with airflow.elsewhere() as host:
        addresses = {"https://airflow.example.com": host, "/mnt/airflow-dags": folder}
        with reader_of(
            first, "helm", {**addresses, **airflow.user, **as_new_dag("helm")}
        ) as reader:
            seen = reader.follow(DOCS / "how-to/helm-airflow.md")

    assert f"Uploaded DAG shop to {airflow.sandbox.output}/shop.py" in seen
    assert "Started run run-once-" in seen
