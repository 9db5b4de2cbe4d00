"""A DAG whose task renders templates in the context of a real run, one after the other.

`TEMPLATES` names a file with a JSON object of templates, `RENDERED` the file for what came of them.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import DAG, BaseOperator, Context


class Collector(logging.Handler):
    """Keeps messages."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.messages.append(record.getMessage())


class RenderOperator(BaseOperator):
    """Renders its arguments as every operator does, and then the templates."""

    template_fields = ("arguments",)

    def __init__(self, *, arguments: list[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.arguments = arguments

    def execute(self, context: Context) -> None:
        """Write down what comes of each template."""
        templates = json.loads(Path(os.environ["TEMPLATES"]).read_text())
        found = {name: self.rendered(text, context) for name, text in templates.items()}
        found["arguments"] = {"text": self.arguments}
        Path(os.environ["RENDERED"]).write_text(json.dumps(found))

    def rendered(self, template: str, context: Context) -> dict[str, Any]:
        """What comes of one: text or error, with what is logged and warned of."""
        collector = Collector()
        logger = logging.getLogger("airflow.task.kedro_params")
        logger.addHandler(collector)
        result: dict[str, Any] = {}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result["text"] = self.render_template(template, context, self.get_template_env())
            except Exception as error:  # noqa: BLE001 - is reported
                result["error"] = f"{type(error).__name__}: {error}"
        logger.removeHandler(collector)
        result["warnings"] = [str(warning.message) for warning in caught]
        return {**result, "log": collector.messages}


with DAG(
    dag_id="rendering",
    schedule="@daily",
    start_date=datetime(2025, 1, 1, tzinfo=timezone.utc),
    catchup=False,
) as dag:
    RenderOperator(
        task_id="render",
        arguments=["kedro", "run", "--params={{ kedro_params(macros=['run_id', 'nothing']) }}"],
    )
