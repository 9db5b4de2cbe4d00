"""Messages about runs and tasks, sent by Airflow's callbacks."""

from __future__ import annotations

import logging
from html import escape
from importlib import import_module
from typing import Any

import requests
from airflow.providers.common.compat.sdk import BaseHook
from jinja2 import Template

NOTIFY_LOG = logging.getLogger("kedro_airflow_k8s.notify")
MESSAGE = """\
{{ 'Task ' ~ task_id ~ ' of ' if task_id }}DAG {{ dag_id }} \
{{ 'succeeded' if event == 'success' else 'failed' }}\
{{ ' and will be tried again' if event == 'retry' }}{{ ': ' ~ reason if reason }}
Run: {{ run_id }}
{{ 'Failed tasks: ' ~ failed_tasks | join(', ') if failed_tasks and not task_id }}
{{ 'Log: ' ~ log_url if log_url }}"""

HOSTS = {"slack": "hooks.slack.com/services", "pagerduty": "events.pagerduty.com/v2/enqueue"}


class Notify:
    """A callback that sends a message. What goes wrong is logged, and fails nothing else."""

    def __init__(
        self, event: str, via: str, connection: str = "", message: str = MESSAGE, **options: Any
    ) -> None:
        self.event, self.via, self.connection = event, via, connection
        self.message, self.options = message, options

    def __call__(self, context: Any) -> None:
        """Send the message, if the context is that of the event."""
        if self.event == "deadline" and context.get("reason") != "timed_out":
            return
        try:
            self.send(context, facts(self.event, context))
            NOTIFY_LOG.info("Sent the message about %s with %s.", self.event, self.via)
        except Exception as error:
            # An error of requests contains the address, which can be secret.
            text = "" if isinstance(error, requests.RequestException) else f": {error}"
            words = "The message about %s was not sent with %s. %s%s"
            NOTIFY_LOG.warning(words, self.event, self.via, type(error).__name__, text)

    def send(self, context: Any, found: dict[str, Any]) -> None:
        """Send the message with a notifier of Airflow's interface, by mail or by HTTP."""
        module, _, name = self.via.rpartition(".")
        if module:
            context["notify"] = found
            getattr(import_module(module), name)(**self.options)(context)
            return
        objects = {"dag": context["dag"], "dag_run": context.get("dag_run")}
        lines = Template(self.message).render(**objects, **found).splitlines()
        text = "\n".join(line for line in lines if line.strip())
        if self.via != "smtp":
            self.post(text, found)
            return
        from airflow.providers.smtp.hooks.smtp import SmtpHook

        with SmtpHook(smtp_conn_id=self.connection) as hook:
            content = f"<pre>{escape(text)}</pre>"
            hook.send_email_smtp(subject=lines[0], html_content=content, **self.options)

    def post(self, text: str, found: dict[str, Any]) -> None:
        """Post the message as JSON to the address in the connection, or in its password."""
        conn, auth = BaseHook.get_connection(self.connection), None
        body: dict[str, Any] = {"text": text}
        secret, url = (conn.password or "").strip(), conn.host or HOSTS.get(self.via, "")
        if "://" in secret:
            url = secret
        elif "://" not in url:
            host, slash, path = url.partition("/")
            port = f":{conn.port}" if conn.port else ""
            url = f"{conn.schema or 'https'}://{host}{port}{slash}{path}"
        if self.via == "webhook":
            body |= found
            auth = (conn.login or "", secret) if secret and url != secret else None
        elif self.via == "pagerduty":
            body = {
                "routing_key": secret,
                "event_action": "resolve" if self.event == "success" else "trigger",
                "dedup_key": found["dag_id"],
                "payload": {"summary": text, "source": found["dag_id"], "severity": "error"},
            }
        elif secret and url != secret:
            url = f"{url.rstrip('/')}/{secret.lstrip('/')}"
        if self.via == "teams":
            block = {"type": "TextBlock", "text": text.replace("\n", "\n\n"), "wrap": True}
            card = {"type": "AdaptiveCard", "version": "1.4", "body": [block]}
            kind = "application/vnd.microsoft.card.adaptive"
            body = {"type": "message", "attachments": [{"contentType": kind, "content": card}]}
        answer = requests.post(url, json=body, auth=auth, timeout=10)
        if not answer.ok:
            raise RuntimeError(f"The server answered {answer.status_code}.")


def facts(event: str, context: Any) -> dict[str, Any]:
    """Return what a message can say of a run, or of a task."""
    dag, run_id, ti = context["dag"], context["run_id"], context.get("ti")
    found: dict[str, Any] = {"event": event, "dag_id": dag.dag_id, "run_id": run_id}
    found |= {"task_id": "", "reason": ""}
    if "reason" not in context:  # Airflow calls it for a task.
        reason = one_line(context.get("exception"))
        return {
            **found,
            "task_id": ti.task_id,
            "reason": reason,
            "log_url": ti.log_url,
            "failed_tasks": [] if event == "success" else [ti.task_id],
        }
    found |= {"failed_tasks": [], "log_url": ""}
    if event != "success" and ti:
        try:
            found |= failures(context)
        except Exception as error:
            NOTIFY_LOG.warning("The failed tasks are unknown. %s: %s", type(error).__name__, error)
    if context["reason"] == "timed_out":
        found["reason"] = f"the run took longer than {dag.dagrun_timeout}"
    return found


def failures(context: Any) -> dict[str, Any]:
    """Return the tasks of a run that failed, and the reason and the log of the first."""
    dag, run_id, ti = context["dag"], context["run_id"], context["ti"]
    if hasattr(ti, "get_task_states"):  # Airflow 3
        states = ti.get_task_states(dag_id=dag.dag_id, run_ids=[run_id]).get(run_id, {})
    else:
        states = {each.task_id: each.state for each in context["dag_run"].get_task_instances()}
    names = [each for each in dag.task_ids if each != "fail_run"]
    failed = [each for each in names if states.get(each) == "failed"]
    if not failed:
        return {}
    reasons = {each: ti.xcom_pull(each, key="reason", map_indexes=-1) for each in failed}
    # A task that was stopped has no reason.
    first = next((each for each in failed if reasons[each]), failed[0])
    if hasattr(ti, "model_copy"):  # Airflow 3
        ti = ti.model_copy(update={"task_id": first, "try_number": 0})
    else:
        ti = context["dag_run"].get_task_instance(first)
    return {"failed_tasks": failed, "reason": reasons[first] or "", "log_url": ti.log_url}


def one_line(error: Any) -> str:
    """Return the last line of an exception: for a pod, what it left as its reason."""
    lines = str(error or "").strip().splitlines()
    return lines[-1][:500] if lines else type(error).__name__ if error else ""


def keep_reason(context: Any) -> None:
    """Store why a task has failed, for the message about its run."""
    try:
        context["ti"].xcom_push(key="reason", value=one_line(context.get("exception")))
    except Exception as error:
        NOTIFY_LOG.warning("The reason was not stored. %s: %s", type(error).__name__, error)
