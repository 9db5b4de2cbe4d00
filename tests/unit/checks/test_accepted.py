"""`checks.accept`: what it accepts, and what it reports about itself."""

from __future__ import annotations

from typing import Any

import pytest

from kedro_airflow_k8s.checks.accepted import accepted_names, unused, with_accepted
from kedro_airflow_k8s.checks.findings import Finding, as_json, counts, messages, paragraphs
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.config.checks import AcceptedFinding, Code
from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.errors import ConfigError


def entries(*given: dict[str, Any]) -> tuple[AcceptedFinding, ...]:
    accept = [{"reason": "It is known.", **entry} for entry in given]
    config = load_config({"run_config": {}, "checks": {"accept": accept}}, "airflow-k8s.yaml")
    return config.checks.accept


def finding(where: str, code: Code = "outside-volume", *names: str) -> Finding:
    return Finding(
        code=code,
        severity="warning",
        where=where,
        problem="It is here.",
        consequence="It is lost.",
        fix="Move it.",
        names=names,
    )


def severities(accept: tuple[AcceptedFinding, ...], *found: Finding) -> list[str]:
    return [finding.severity for finding in with_accepted(found, accept)]


@pytest.mark.parametrize(
    ("entry", "accepted"),
    [
        ({"code": "outside-volume", "name": "report"}, True),
        ({"code": "outside-volume"}, True),
        ({"code": "outside-volume", "name": "repor"}, False),
        ({"code": "not-kept", "name": "report"}, False),
    ],
)
def test_code_and_name_choose_what_is_accepted(entry: dict[str, Any], accepted: bool) -> None:
    assert severities(entries(entry), finding("dataset 'report'")) == [
        "accepted" if accepted else "warning"
    ]


def test_a_key_of_the_configuration_is_a_name() -> None:
    accept = entries({"code": "image-tag", "name": "run_config.image"})
    assert severities(accept, finding("run_config.image", "image-tag")) == ["accepted"]


def test_a_finding_about_several_is_accepted_if_all_of_them_are() -> None:
    one = {"code": "not-kept", "name": "a"}
    other = {"code": "not-kept", "name": "b"}
    found = finding("datasets 'a' and 1 more", "not-kept", "a", "b")
    assert severities(entries(one), found) == ["warning"]
    assert severities(entries(one, other), found) == ["accepted"]


def test_of_several_names_the_accepted_ones_come_first_and_apart() -> None:
    names = accepted_names(entries({"code": "not-kept", "name": "b"}))
    subject = Subject(pipeline=None, run=None, plan=None, accepted=names)  # type: ignore[arg-type]
    assert list(subject.accepted_and_others("not-kept", ["a", "b", "c"])) == [["b"], ["a", "c"]]
    assert list(subject.accepted_and_others("not-kept", ["b"])) == [["b"]]
    assert list(subject.accepted_and_others("not-kept", [])) == []


def test_what_is_accepted_is_counted_and_not_shown() -> None:
    accept = entries({"code": "outside-volume", "name": "report"})
    found = with_accepted([finding("dataset 'report'"), finding("dataset 'model'")], accept)
    assert counts(found) == "0 errors, 1 warning, 1 accepted"
    assert len(paragraphs(found)) == len(messages(found)) == 1
    assert "'model'" in messages(found)[0].text
    assert "report" not in as_json(found)


def test_an_unknown_code_is_refused_with_the_nearest() -> None:
    accept = [{"code": "not-kpt", "reason": "r"}]
    with pytest.raises(ConfigError, match=r"checks\.accept\[0\]\.code.* mean 'not-kept'\?"):
        load_config({"run_config": {}, "checks": {"accept": accept}}, "x.yaml")


def test_an_entry_that_matches_nothing_is_a_warning() -> None:
    accept = entries({"code": "outside-volume", "name": "report"}, {"code": "image-tag"})
    found = with_accepted([finding("dataset 'report'")], accept)
    (warning,) = unused(accept, found)
    assert (warning.code, warning.severity) == ("unused-accept", "warning")
    assert warning.where == "checks.accept[1]"


def test_an_entry_needs_a_reason() -> None:
    with pytest.raises(ConfigError, match=r"checks\.accept\[0\]\.reason: a value is required"):
        load_config({"run_config": {}, "checks": {"accept": [{"code": "not-kept"}]}}, "x.yaml")
