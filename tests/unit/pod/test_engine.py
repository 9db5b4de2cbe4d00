"""The versions of a cluster and of the pods of its nodes."""

from __future__ import annotations

import json
import platform

import pytest

from kedro_airflow_k8s.pod.engine import check_versions, differing, say_versions


@pytest.mark.parametrize(
    ("package", "there", "here", "fits"),
    [
        ("Python", "3.11.7", "3.11.2", True),
        ("Python", "3.11.7", "3.12.7", False),
        ("ray", "2.51.1", "2.51.1", True),
        ("ray", "2.51.1", "2.51.0", False),
        ("distributed", "2025.11.0", "2025.11.2", True),
        ("distributed", "2025.11.0", "2025.9.1", False),
        ("pyspark", "4.1.0", "4.0.1", True),
        ("pyspark", "4.0.1", "4.1.0", False),
        ("pyspark", "4.0.1.dev0", "4.0.0", True),
    ],
)
def test_which_versions_work_together(package: str, there: str, here: str, fits: bool) -> None:
    assert list(differing({package: there}, {package: here})) == ([] if fits else [package])


def test_a_package_that_the_pod_lacks_is_left_to_the_node() -> None:
    check_versions(json.dumps([{"no-such-package": "1.0", "Python": platform.python_version()}]))


def test_a_pod_is_refused_with_both_versions(capsys: pytest.CaptureFixture[str]) -> None:
    say_versions("pytest")
    said = json.loads(capsys.readouterr().out.removeprefix("Versions: "))
    assert said == {"pytest": pytest.__version__, "Python": platform.python_version()}

    with pytest.raises(SystemExit, match=r"fit: pytest 1\.0 in the cluster, .* here\. Nothing was"):
        check_versions(json.dumps([{**said, "pytest": "1.0"}]))


def test_another_python_than_that_of_spark_is_only_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    check_versions(json.dumps([{"pyspark": "4.0.0", "Python": "3.4.1"}]))

    assert "The cluster has Python 3.4.1" in capsys.readouterr().out
