"""Settings of notifications: which events are reported, to whom, and in which words."""

import re
from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Annotated, Any, Literal

from jinja2 import Environment, TemplateSyntaxError, meta
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    WithJsonSchema,
    create_model,
    model_validator,
)
from typing_extensions import Self

from kedro_airflow_k8s.config import values
from kedro_airflow_k8s.config.errors import choice, problems_error
from kedro_airflow_k8s.config.section import Section
from kedro_airflow_k8s.config.wording import Nearest

Event = Literal["failure", "success", "retry", "deadline"]
CHANNELS = ("slack", "teams", "webhook", "pagerduty", "smtp")
MESSAGE_NAMES = (
    *("event", "dag_id", "run_id", "task_id", "failed_tasks", "reason", "log_url"),
    *("dag", "dag_run"),
)
"""What a message can use. The code in the DAG gives it these names."""

_OLD_KEYS = ("type", "connection_id", "message_template")
_OLD_NAMES = {
    "task": "task_id",
    "dag": "dag_id",
    "execution_time": "dag_run.logical_date",
    "url": "log_url",
}
"""The names in `message_template` of version 0.8, to the names in a message."""

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)
_ADDRESS = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+")


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _not_empty(events: tuple[str, ...]) -> tuple[str, ...]:
    if not events:
        raise ValueError("must name at least one event")
    return events


def _channel(text: str) -> str:
    if text not in CHANNELS and not _PATH.fullmatch(text):
        hint = Nearest(CHANNELS).hint(text)
        reason = f"must be {', '.join(CHANNELS)} or the dotted path of a notifier class"
        raise ValueError(f"{reason}.{hint}" if hint else reason)
    return text


def _message(text: str) -> str:
    environment = Environment(autoescape=False)  # noqa: S701 - nothing is rendered
    try:
        names = meta.find_undeclared_variables(environment.parse(text))
    except TemplateSyntaxError as error:
        reason = f"must be a Jinja template: {error.message}, in line {error.lineno}"
        raise ValueError(reason) from None
    unknown = sorted(names.difference(MESSAGE_NAMES))
    if unknown:
        reason = f"uses {unknown[0]!r}: {choice(MESSAGE_NAMES, unknown[0])}"
        raise ValueError(reason)
    return text


def _recipient(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise ValueError("must be an e-mail address, such as team@example.com")
    return text


def _plain(found: dict[str, Any]) -> dict[str, Any]:
    for name, value in found.items():
        if not name.isidentifier():
            reason = f"has {name!r}, which is not the name of an argument"
            raise ValueError(reason)
        _check_plain(value)
    return found


def _check_plain(value: Any) -> None:
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ValueError("must have strings as keys: put them in quotes")
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _check_plain(item)
    elif value is not None and not isinstance(value, str | bool | int | float):
        reason = f"must not have {value!r}: put it in quotes"
        raise ValueError(reason)


Events = Annotated[
    tuple[Event, ...],
    BeforeValidator(_one_or_more),
    values.Distinct,
    AfterValidator(_not_empty),
]
Channel = Annotated[
    str,
    AfterValidator(_channel),
    WithJsonSchema({"anyOf": [{"enum": list(CHANNELS)}, {"type": "string", "pattern": r"\."}]}),
]
Message = Annotated[values.Text, AfterValidator(_message)]
Recipient = Annotated[
    str,
    AfterValidator(_recipient),
    WithJsonSchema({"type": "string", "pattern": "^[^@ ]+@[^@ ]+$"}),
]
Arguments = Annotated[
    dict[str, Any],
    AfterValidator(_plain),
    WithJsonSchema({"type": "object", "additionalProperties": True}),
]


# `with` is a keyword of Python, so a class statement cannot have a field of this name.
_FIELDS: dict[str, Any] = {
    "with": (
        Channel,
        Field(
            description="`slack`, `teams`, `webhook`, `pagerduty` or `smtp`; or the dotted path of "
            "a notifier class that Airflow can import."
        ),
    )
}
_With = create_model("_With", __base__=Section, **_FIELDS)


class NotifyConfig(_With):  # type: ignore[misc, valid-type]
    """A message about events of a run or a task."""

    on: Events = Field(
        description="Events to report: `failure`, `success`, `deadline` (a run took longer than "
        "`dagrun_timeout`) and, for tasks, `retry`. One word, or a list.",
    )
    level: Literal["dag", "task"] = Field(
        default="dag",
        description="`dag`: one message for a run. `task`: a message for each task.",
    )
    connection: values.ConnectionId | None = Field(
        default=None,
        description="Airflow connection with the address and the password. A notifier class has "
        "its own.",
    )
    message: Message | None = Field(
        default=None,
        description=f"Text, as a Jinja template with {', '.join(MESSAGE_NAMES[:7])}, and "
        "Airflow's dag and dag_run. Default: what has happened, why, and the link to the log.",
    )
    to: Annotated[tuple[Recipient, ...], BeforeValidator(_one_or_more)] = Field(
        default=(), description="With `smtp`: who gets the mail, one address or a list."
    )
    arguments: Arguments = Field(
        default={},
        description="With a notifier class: its arguments. In their templates, `notify` has what a "
        "message has, such as `{{ notify.reason }}`.",
    )

    @model_validator(mode="before")
    @classmethod
    def _as_before(cls, data: Any) -> Any:
        """Read `on` without quotes, which is true in YAML, and a failure handler of 0.8."""
        if not isinstance(data, Mapping):
            return data
        found = {"on" if key in (True, "true") else key: value for key, value in data.items()}
        if not found.keys() & set(_OLD_KEYS):
            return found
        kept = {key: value for key, value in found.items() if key not in _OLD_KEYS}
        template = found.get("message_template", "Task failed!")
        if not isinstance(template, str):
            raise problems_error({("message_template",): "must be a string"})
        new = {
            "on": ["failure"],
            "level": "task",
            "with": found.get("type"),
            "connection": found.get("connection_id"),
            "message": _new_message(template),
        }
        return {**{key: value for key, value in new.items() if value is not None}, **kept}

    @model_validator(mode="after")
    def _keys_fit_together(self) -> Self:
        problems: dict[tuple[str, ...], str] = {(key,): reason for key, reason in self._problems()}
        if "://" in (self.connection or ""):
            # Without the value, which can be secret.
            problems[()] = (
                "has an address as `connection`: put it into a connection in Airflow, as the"
                " password, and its id here"
            )
        if problems:
            raise problems_error(problems)
        return self

    @property
    def channel(self) -> str:
        """The value of `with`."""
        return str(getattr(self, "with"))

    def _problems(self) -> Iterator[tuple[str, str]]:
        if self.level == "dag" and "retry" in self.on:
            yield "on", "has `retry`, an event of a task: make it an entry with `level: task`"
        if self.level == "task" and "deadline" in self.on:
            yield "on", "has `deadline`, an event of a run: make it an entry without `level`"
        if self.channel in CHANNELS:
            if self.connection is None:
                yield "connection", "is missing: it has the address for the messages"
            if self.arguments:
                yield "arguments", "must be omitted: they are for a notifier class"
        else:
            for key in ("connection", "message"):
                if getattr(self, key) is not None:
                    yield key, "must be omitted: a notifier class gets it in `arguments`"
        if self.channel == "smtp" and not self.to:
            yield "to", "is missing: who gets the mail"
        if self.channel != "smtp" and self.to:
            yield "to", "must be omitted: it is for `with: smtp`"


def _new_message(template: str) -> str:
    """Return a template of version 0.8, which had names in single braces, as one for Jinja."""
    try:
        parts = [(text, name) for text, name, _, _ in Formatter().parse(template)]
    except ValueError as error:
        reason = f"must be text with names in braces: {error}"
        raise problems_error({("message_template",): reason}) from None
    for _, name in parts:
        if name is not None and name not in _OLD_NAMES:
            allowed = choice([f"{{{old}}}" for old in _OLD_NAMES], f"{{{name}}}")
            reason = f"has a name in braces that {allowed}"
            raise problems_error({("message_template",): reason})
    return "".join(
        text if name is None else f"{text}{{{{ {_OLD_NAMES[name]} }}}}" for text, name in parts
    )
