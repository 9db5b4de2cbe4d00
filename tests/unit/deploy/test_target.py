"""Which Airflow a command takes: that of the configuration, which may be the sandbox's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath

import pytest
from kedro.framework.startup import bootstrap_project

from kedro_airflow_k8s.deploy.target import Target
from kedro_airflow_k8s.errors import AirflowK8sError, ConfigError, SandboxError
from kedro_airflow_k8s.project.reader import KedroProject
from kedro_airflow_k8s.sandbox import folder as sandbox_folder
from kedro_airflow_k8s.sandbox.folder import SandboxFolder, SandboxState
from kedro_airflow_k8s.sandbox.image import LOCAL_IMAGE
from kedro_airflow_k8s.sandbox.spec import SandboxSpec
from tests.support.kedro_projects import (
    ProjectFolder,
    as_in_a_new_process,
    project_fixture,  # noqa: F401 - fixture
)

PORT = 8093
RUN = "run_config: {image: shop:1.0}\n"


def target_of(
    project: ProjectFolder, config: str, *, sandbox: bool = False, run: str = RUN
) -> Target:
    project.config(config + run)
    with as_in_a_new_process():
        found = KedroProject(bootstrap_project(project.path))
    return Target(found, sandbox=sandbox, warn=pytest.fail)


def record_of(project: ProjectFolder) -> SandboxFolder:
    """Make the records of a sandbox that was started; none of its processes runs."""
    folder = SandboxFolder(project.path)
    folder.create()
    folder.create_airflow_home("3.3.2")
    home = PurePosixPath("/home/kedro_docker")
    state = SandboxState(
        spec=SandboxSpec(
            project=folder.project, connection="kubernetes_default", home=home, namespace="default"
        ),
        version="3.3.2",
        port=PORT,
        temporary=project.path / "tmp",
        services={"api-server": 1},
    )
    folder.write_state(state)
    return folder


def test_the_port_of_a_sandbox_is_known_when_it_is_stopped(project: ProjectFolder) -> None:
    folder = record_of(project)
    folder.clear(folder.read_state())
    assert folder.read_state() is None
    assert folder.last_port() == PORT
    folder.port_file.write_text("no number")
    assert folder.last_port() is None


Pretend = Callable[[ProjectFolder], SandboxFolder]


@pytest.fixture
def pretend_it_runs(monkeypatch: pytest.MonkeyPatch) -> Pretend:
    """Pretend that the process of a sandbox's only service runs."""
    monkeypatch.setattr(sandbox_folder, "runs", lambda pid, folder: pid == 1)
    return record_of


@pytest.mark.parametrize("host", [f"http://127.0.0.1:{PORT}", f"http://localhost:{PORT}/"])
def test_the_address_of_the_running_sandbox_is_the_sandbox(
    project: ProjectFolder, host: str, pretend_it_runs: Pretend
) -> None:
    folder = pretend_it_runs(project)
    target = target_of(project, f"host: {host}\n")
    assert target.host == f"http://127.0.0.1:{PORT}"
    config = target.dag_config(None, None)
    assert config.output == str(folder.dags)
    assert config.run_config.image == "shop:1.0"
    assert target.dag_config("shop:2.0", "elsewhere").output == "elsewhere"


def test_a_dag_that_goes_elsewhere_needs_no_sandbox(project: ProjectFolder) -> None:
    target = target_of(project, f"host: http://127.0.0.1:{PORT}\noutput: .airflow-sandbox/dags\n")
    target.refresh_image("elsewhere")
    target.refresh_image("gs://bucket/dags")
    for output in (None, str(SandboxFolder(project.path).dags)):
        with pytest.raises(SandboxError, match="is not running"):
            target.refresh_image(output)
    with pytest.raises(SandboxError, match="is not running"):
        target_of(project, "", sandbox=True).refresh_image("elsewhere")


def test_only_a_dag_of_the_sandbox_needs_no_image(
    project: ProjectFolder, pretend_it_runs: Pretend
) -> None:
    folder = pretend_it_runs(project)
    target = target_of(project, f"host: http://127.0.0.1:{PORT}\n", run="run_config: {}\n")
    assert target.dag_config(None, None).run_config.image == LOCAL_IMAGE
    assert target.dag_config(None, str(folder.dags)).run_config.image == LOCAL_IMAGE
    assert target.dag_config("shop:2.0", "gs://b/dags").run_config.image == "shop:2.0"
    assert target.dag_config(None, "gs://bucket/dags").run_config.image is None


def test_an_image_that_the_sandbox_would_not_run_is_refused(
    project: ProjectFolder, pretend_it_runs: Pretend
) -> None:
    folder = pretend_it_runs(project)
    target = target_of(project, f"host: http://127.0.0.1:{PORT}\n")
    for output in (None, str(folder.dags)):
        with pytest.raises(SandboxError, match=r"cannot run the image 'shop:2\.0'.*Omit --image"):
            target.dag_config("shop:2.0", output)


@pytest.mark.parametrize(
    "host",
    [
        f"http://127.0.0.1:{PORT + 1}",
        f"https://127.0.0.1:{PORT}",
        f"http://127.0.0.1:{PORT}/airflow",
        f"http://127.0.0.1.example.com:{PORT}",
        f"http://airflow.example.com:{PORT}",
    ],
)
def test_another_address_is_not_and_gets_no_password_of_the_sandbox(
    project: ProjectFolder, host: str, pretend_it_runs: Pretend
) -> None:
    pretend_it_runs(project)
    target = target_of(project, f"host: {host}\noutput: gs://bucket/dags\n")
    assert target.host == host
    assert target.dag_config(None, None).output == "gs://bucket/dags"
    target.refresh_image(None)


def test_a_sandbox_that_has_ended_is_not_taken_for_what_is_at_its_port_now(
    project: ProjectFolder,
) -> None:
    record_of(project)
    target = target_of(project, f"host: http://127.0.0.1:{PORT}\noutput: /dags\n")
    assert target.dag_config(None, None).output == "/dags"


@pytest.mark.parametrize("host", ["", "host: http://127.0.0.1:8080\n"])
def test_the_folder_of_the_sandbox_as_output_means_it_whatever_its_port(
    project: ProjectFolder, host: str, pretend_it_runs: Pretend
) -> None:
    config = f"{host}output: .airflow-sandbox/dags\n"
    with pytest.raises(SandboxError, match="Start it with `kedro airflow-k8s sandbox up`"):
        _ = target_of(project, config).host
    folder = pretend_it_runs(project)
    assert target_of(project, config).host == f"http://127.0.0.1:{PORT}"
    absolute = f"{host}output: {folder.dags}\n"
    assert target_of(project, absolute).host == f"http://127.0.0.1:{PORT}"


def test_a_host_elsewhere_counts_more_than_the_folder_of_the_sandbox(
    project: ProjectFolder, pretend_it_runs: Pretend
) -> None:
    pretend_it_runs(project)
    config = "host: https://airflow.example.com\noutput: .airflow-sandbox/dags\n"
    assert target_of(project, config).host == "https://airflow.example.com"


def test_without_a_host_and_an_output_the_messages_name_init(project: ProjectFolder) -> None:
    target = target_of(project, "")
    with pytest.raises(ConfigError, match="kedro airflow-k8s init"):
        _ = target.host
    with pytest.raises(AirflowK8sError, match="`kedro airflow-k8s init`"):
        target.dag_config(None, None)


def test_the_option_takes_the_sandbox_whatever_is_configured(
    project: ProjectFolder, pretend_it_runs: Pretend
) -> None:
    folder = pretend_it_runs(project)
    target = target_of(project, "host: https://a.example.com\noutput: /x\n", sandbox=True)
    assert target.dag_config(None, None).output == str(folder.dags)
