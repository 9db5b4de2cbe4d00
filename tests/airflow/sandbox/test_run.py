"""`kedro airflow-k8s sandbox run` as a person types it, on Airflow 3 and on Airflow 2.11."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.airflow.sandbox.sandbox_runs import (
    HOSTILE,
    NODES,
    command,
    copy_of,
    environment,
    final_states,
    kept_log,
    leftovers,
    replace_node,
    sandbox_run,
)
from tests.support.airflow_environments import AIRFLOW_PYTHONS


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the small example, with Airflow's variable and the secrets it needs."""
    made = copy_of("every-key", tmp_path)
    config = made / "conf/base/airflow-k8s.yaml"
    # A failure would be tried again after minutes.
    config.write_text(config.read_text().replace("\n  retries: 2\n", "\n  retries: 0\n"))
    return made


@pytest.mark.core
@pytest.mark.parametrize("python", AIRFLOW_PYTHONS)
def test_the_example_with_every_key_runs_to_success(project: Path, python: Path) -> None:
    ran = sandbox_run(
        project,
        *("--airflow-python", python, "--secrets", "sandbox-secrets.yaml"),
        *("--keep", "--logs", "--params", "reading.shortest=3"),
    )

    assert ran.returncode == 0, ran.stdout
    assert "The pods run this project, not the image airflow-k8s-plugin-demo." in ran.stdout
    # Once, though every pod has them.
    for field in ("nodeSelector", "tolerations", "securityContext"):
        notices = re.findall(rf"^No effect in the sandbox: .*\b{field}\b", ran.stdout, re.MULTILINE)
        assert len(notices) == 1, ran.stdout
    assert ran.stdout.count("The sidecar proxy does not run: the sandbox does not have") == 1
    # The parameter of this run has an effect, and the logs of tasks that succeed are shown.
    assert "words have 3 to" in report_of(ran.stdout)
    assert "Log of split_words" in ran.stdout
    assert "Running node: split" in ran.stdout
    assert set(final_states(ran.stdout).values()) == {"success"}
    assert "9 of 9 tasks succeeded, 5 pods ran" in ran.stdout
    # The Airflow variable reached the node as it is, and so did the day of the run.
    assert HOSTILE in report_of(ran.stdout)
    assert re.search(r"\d{4}-\d{2}-\d{2}", report_of(ran.stdout))


def report_of(output: str) -> str:
    """What the last node has written."""
    kept = re.search(r"^Kept in (.*)$", output, re.MULTILINE)
    assert kept is not None
    listed = re.search(r"^ +[\d.]+ \w+  (.*report\.txt)$", output, re.MULTILINE)
    assert listed is not None
    return Path(kept[1], listed[1]).read_text()


@pytest.mark.parametrize("python", AIRFLOW_PYTHONS)
def test_a_node_that_fails_fails_the_run_and_its_log_is_shown_and_the_volume_is_gone(
    project: Path, python: Path
) -> None:
    replace_node(project, "measure_words", 'raise RuntimeError("no ruler")')

    ran = sandbox_run(project, "--airflow-python", python, "--secrets", "sandbox-secrets.yaml")

    assert ran.returncode == 1, ran.stdout
    states = final_states(ran.stdout)
    assert states["statistics.measure"] == "failed"
    assert states["write_report"] == "upstream failed"
    assert states["delete_volume"] == "success"
    place = (project / NODES).read_text().splitlines().index(
        '    raise RuntimeError("no ruler")'
    ) + 1
    assert ran.stdout.splitlines()[-1] == (
        f"Error: statistics.measure failed: RuntimeError: no ruler (nodes.py:{place})"
    )
    assert re.search(
        r"^failed: 1 failed, \d+ not run, \d+ succeeded, \d+ pods ran\.$", ran.stdout, re.M
    )
    assert "On the volume" not in ran.stdout
    # Once, and no frame but the project's.
    assert ran.stdout.count("Traceback") == 1
    assert re.findall(r'File "([^"]*)"', ran.stdout) == [NODES]
    assert re.search(r"\(\d+ frames of kedro\)", ran.stdout)
    assert "(All frames: --raw.)\n" in ran.stdout
    # What went well is in the file only.
    assert "Running node: split" not in ran.stdout
    log = kept_log(project, ran.stdout)
    assert "===== split_words: success =====" in log
    assert "Running node: split" in log
    assert leftovers(project) == []


def test_a_failure_is_shown_with_all_frames_where_that_is_wanted(project: Path) -> None:
    replace_node(project, "split_words", 'raise RuntimeError("no ruler")')

    ran = sandbox_run(project, "--secrets", "sandbox-secrets.yaml", "--raw")

    assert ran.returncode == 1, ran.stdout
    # Those of Kedro, and what Airflow has said.
    assert "kedro/framework/session/session.py" in ran.stdout
    assert "--- Airflow's log" in ran.stdout
    assert "[base]" not in ran.stdout
    assert "Error: split_words failed: RuntimeError: no ruler" in ran.stdout.splitlines()[-1]


@pytest.mark.parametrize("python", AIRFLOW_PYTHONS)
def test_a_task_that_fails_before_its_pod_is_there_says_why(project: Path, python: Path) -> None:
    config = project / "conf/base/airflow-k8s.yaml"
    config.write_text(config.read_text().replace("[env]", "[missing_here]"))
    relative = os.path.relpath(python, project)

    ran = sandbox_run(project, "--airflow-python", relative, "--secrets", "sandbox-secrets.yaml")

    assert ran.returncode == 1, ran.stdout
    assert "Airflow variable 'missing_here' does not exist" in ran.stdout
    assert leftovers(project) == []


def test_a_connection_of_the_users_never_leads_to_a_real_cluster(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = '{"conn_type": "kubernetes", "extra": {"kube_config_path": "/nowhere/kubeconfig"}}'
    monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", elsewhere)
    monkeypatch.setenv("AIRFLOW_CONN_PRODUCTION", elsewhere)
    config = project / "conf/base/airflow-k8s.yaml"
    text = config.read_text().replace(
        "\nrun_config:\n", "\nrun_config:\n  kubernetes_conn_id: production\n"
    )
    config.write_text(text)

    ran = sandbox_run(project, "--secrets", "sandbox-secrets.yaml", "--keep")

    assert ran.returncode == 0, ran.stdout
    (kept,) = (project.parent / "tmp").iterdir()
    # Only the volume: neither settings nor what opens the cluster.
    assert [path.name for path in kept.iterdir()] == ["volumes"]


def test_a_broken_copy_of_the_database_is_made_again(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cached = tmp_path / f"cache/kedro-airflow-k8s/airflow-{version('apache-airflow')}-admin.db"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"")

    ran = sandbox_run(project, "--secrets", "sandbox-secrets.yaml")

    assert ran.returncode == 0, ran.stdout
    assert cached.stat().st_size > 0


def test_secrets_that_do_not_exist_are_named_before_anything_runs(project: Path) -> None:
    (project / "some.yaml").write_text(
        "kind: Secret\nmetadata: {name: airflow-secrets, namespace: airflow}\n"
        "stringData: {other: x}\n"
    )

    ran = sandbox_run(project, "--secrets", "some.yaml")

    assert ran.returncode == 1, ran.stdout
    missing = "airflow-secrets (key sql_alchemy_conn)"
    assert (
        f"Error: Secrets of run_config.secrets are not in the sandbox: {missing}.\n" in ran.stdout
    )
    assert "kedro airflow-k8s sandbox run --secrets FILE" in ran.stdout
    assert final_states(ran.stdout) == {}


def test_ctrl_c_leaves_no_process_and_no_file_behind(project: Path) -> None:
    # Were it not for the interruption, the test would hang.
    replace_node(project, "split_words", '__import__("subprocess").run(["sleep", "600"])')
    with subprocess.Popen(
        command("--secrets", "sandbox-secrets.yaml"),
        cwd=project,
        env=environment(project),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as ran:
        assert ran.stdout is not None
        for line in ran.stdout:
            if line.startswith("split_words: running"):
                break
        # As `timeout` does.
        ran.send_signal(signal.SIGINT)
        ran.send_signal(signal.SIGINT)
        rest = ran.stdout.read()

    assert ran.returncode == 130, rest
    found = re.search(
        r"^Interrupted: split_words was running\. Logs: \.airflow-sandbox/(runs/.*)$", rest, re.M
    )
    assert found is not None
    assert "===== split_words: running" in (project / ".airflow-sandbox" / found[1]).read_text()
    assert "Aborted!" not in rest
    assert leftovers(project) == []


def test_a_python_without_airflow_says_what_to_install(project: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)

    ran = sandbox_run(project, "--airflow-python", tmp_path / "bare/bin/python")

    assert ran.returncode == 1
    assert "has no apache-airflow" in ran.stdout
    assert "pip install 'kedro-airflow-k8s[sandbox]'" in ran.stdout
    assert leftovers(project) == []


def test_a_file_of_secrets_that_is_not_one_is_refused_without_showing_it(project: Path) -> None:
    (project / "wrong.yaml").write_text("kind: Secret\nmetadata: {name: x}\ndata: {k: hunter2!}\n")

    ran = sandbox_run(project, "--secrets", "wrong.yaml")

    assert ran.returncode == 1
    assert "is not a file of Kubernetes Secrets" in ran.stdout
    assert "hunter2" not in ran.stdout
