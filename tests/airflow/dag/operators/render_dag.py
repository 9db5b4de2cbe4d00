"""A DAG whose task renders templates in the context of a real run, one after the other.

`TEMPLATES` names a file with a JSON object of templates, `RENDERED` the file for what came of them.
"""

from __future__ import annotations

import json
import os
import warnings
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import DAG, BaseOperator, Context


class RenderOperator(BaseOperator):
    """Renders the templates."""

    def execute(self, context: Context) -> None:
        """Write down what comes of each template."""
        templates = json.loads(Path(os.environ["TEMPLATES"]).read_text())
        found = {name: self.rendered(text, context) for name, text in templates.items()}
        Path(os.environ["RENDERED"]).write_text(json.dumps(found))

    def rendered(self, template: str, context: Context) -> dict[str, Any]:
        """What comes of one: text or error."""
        result: dict[str, Any] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                result["text"] = self.render_template(template, context, self.get_template_env())
            except Exception as error:  # noqa: BLE001 - is reported
                result["error"] = f"{type(error).__name__}: {error}"
        return result


with DAG(
    dag_id="rendering",
    schedule="@daily",
    start_date=datetime(2025, 1, 1, tzinfo=timezone.utc),
    catchup=False,
) as dag:
    RenderOperator(
        task_id="render",
    )
