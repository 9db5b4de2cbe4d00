"""Messages about runs: what is taken, in which forms, and what is refused with the way out."""

from typing import Any

import pytest
import yaml

from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.config.notify import NotifyConfig
from kedro_airflow_k8s.config.origins import as_text, settings
from kedro_airflow_k8s.config.warnings import config_warnings
from kedro_airflow_k8s.errors import ConfigError

SLACK = {"on": ["failure"], "with": "slack", "connection": "alerts"}


def entries(*given: Any, key: str = "notify", **run: Any) -> tuple[NotifyConfig, ...]:
    run_config = {key: list(given), **run}
    return load_config({"run_config": run_config}, "airflow-k8s.yaml").run_config.notify


def refusal(*given: Any, key: str = "notify") -> str:
    with pytest.raises(ConfigError) as caught:
        entries(*given, key=key)
    _, line = str(caught.value).split("\n  ")
    return line.removeprefix("run_config.")


def test_on_needs_no_quotes_although_yaml_reads_it_as_true() -> None:
    text = "{on: failure, with: smtp, connection: smtp_default, to: team@example.com}"
    given = yaml.safe_load(text)
    assert True in given

    (entry,) = entries(given)

    assert (entry.on, entry.channel, entry.to) == (("failure",), "smtp", ("team@example.com",))
    assert (entry.level, entry.message, entry.arguments) == ("dag", None, {})


def test_a_failure_handler_of_the_old_plugin_is_a_message_about_each_task() -> None:
    old = {
        "type": "slack",
        "connection_id": "slack",
        "message_template": "{task} of {dag} at {execution_time}: {url} {{x}}\n",
    }
    new = {
        "on": ["failure"],
        "level": "task",
        "with": "slack",
        "connection": "slack",
        "message": "{{ task_id }} of {{ dag_id }} at {{ dag_run.logical_date }}: {{ log_url }}"
        " {x}\n",
    }

    assert entries(old, key="failure_handlers") == entries(new)
    (short,) = entries({"type": "slack", "connection_id": "a"}, key="failure_handlers")
    assert short.message == "Task failed!"


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ({**SLACK, "on": []}, "notify[0].on: found a list of 0; must name at least one event"),
        (
            {**SLACK, "on": ["fail"]},
            "notify[0].on[0]: found the text 'fail'; must be one of failure, success, retry,",
        ),
        ({**SLACK, "on": "retry"}, "has `retry`, an event of a task: make it an entry with"),
        ({**SLACK, "on": "deadline", "level": "task"}, "has `deadline`, an event of a run"),
        ({**SLACK, "on": "deadline"}, "notify[0].on: found the text 'deadline'; has `deadline`,"),
        (
            {**SLACK, "with": "slak"},
            (
                "notify[0].with: found the text 'slak'; must be slack, teams, webhook, pagerduty,"
                " smtp or the dotted path of a notifier class. Did you mean 'slack'?"
            ),
        ),
        ({"on": "failure", "with": "slack"}, "notify[0].connection: is missing: it has the"),
        ({**SLACK, "with": "smtp"}, "notify[0].to: is missing: who gets the mail"),
        ({**SLACK, "to": "a@example.com"}, "notify[0].to: found the text 'a@example.com'; must be"),
        ({**SLACK, "with": "smtp", "to": "team"}, "must be an e-mail address, such as"),
        ({**SLACK, "message": "{{ reson }}"}, "Did you mean 'reason'?"),
        ({**SLACK, "message": "{{ reason"}, "must be a Jinja template: unexpected end of template"),
        ({**SLACK, "arguments": {"a": 1}}, "must be omitted: they are for a notifier class"),
        (
            {**SLACK, "with": "a.B"},
            "notify[0].connection: found the text 'alerts'; must be omitted",
        ),
        (
            {"on": "failure", "with": "a.B", "arguments": {"a-b": 1}},
            "has 'a-b', which is not the name of an argument",
        ),
        ({**SLACK, "channel": "slack"}, "notify[0].channel: unknown key. Did you mean 'with'?"),
    ],
    ids=str,
)
def test_a_mistake_is_refused_with_the_key_and_the_way_out(
    entry: dict[str, Any], line: str
) -> None:
    assert line in refusal(entry)


@pytest.mark.parametrize(
    ("handler", "line"),
    [
        (
            {"type": "slack", "connection_id": "a", "message_template": "{tsk} failed"},
            (
                "failure_handlers[0].message_template: found the text '{tsk} failed'; has a name"
                " in braces that must be one of {task}, {dag}, {execution_time}, {url}."
            ),
        ),
        ({"type": "mail", "connection_id": "a"}, "failure_handlers[0].with: "),
        ({"type": "slack"}, "failure_handlers[0].connection: is missing"),
    ],
)
def test_a_mistake_in_an_old_handler_is_reported_at_its_place(
    handler: dict[str, Any], line: str
) -> None:
    assert line in refusal(handler, key="failure_handlers")


def test_an_address_in_place_of_a_connection_is_refused_without_showing_it() -> None:
    line = refusal({**SLACK, "connection": "https://hooks.slack.com/services/T0/B0/hunter2"})

    assert line.startswith("notify[0]: found a mapping with the keys 'on, with, connection'; has")
    assert "put it into a connection in Airflow" in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("name", "value"),
    [("token", "hunter2"), ("url", "https://hooks.slack.com/services/T0/B0/hunter2")],
)
def test_a_secret_among_the_arguments_is_warned_of_and_masked(name: str, value: str) -> None:
    entry = {"on": "failure", "with": "chat.Notifier", "arguments": {"room": "a", name: value}}
    config = load_config({"run_config": {"notify": [entry]}}, "airflow-k8s.yaml")

    (warning,) = config_warnings(config)
    assert warning.path == f"run_config.notify[0].arguments.{name}"
    assert "Airflow connection" in warning.fix
    shown = "\n".join(as_text(settings(config, {}, "__default__")))
    assert "room: a" in shown
    assert "hunter2" not in shown


def test_a_deadline_needs_the_longest_time_of_a_run() -> None:
    (entry,) = entries({**SLACK, "on": ["deadline"]}, dagrun_timeout="2h")

    assert entry.on == ("deadline",)
    assert "needs `dagrun_timeout`" in refusal({**SLACK, "on": ["deadline"]})


def test_a_pipeline_can_tell_others() -> None:
    config = load_config(
        {
            "run_config": {"notify": [SLACK]},
            "pipelines": {"train": {"notify": [{**SLACK, "connection": "gpu"}]}, "a": {}},
        },
        "airflow-k8s.yaml",
    )

    assert [config.of(name).run_config.notify[0].connection for name in ("train", "a")] == [
        *("gpu", "alerts")
    ]
