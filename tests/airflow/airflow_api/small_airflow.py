"""As much of Airflow's REST API as the client asks for, in the test's own process."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from typing import Any

from tests.airflow.airflow_api.web_server import Reply, Request, WebServer

USER, PASSWORD = "ada", "corréct horse/battery+staple"


class SmallAirflow:
    """The state of a server and its answers, which a `WebServer` gives.

    Attributes:
        version: What it says that it is.
        dags: By id, what it reports of them beside their ids.
        runs: In the order in which they were started.
        page: The most items it gives at once.
    """

    def __init__(self, version: str = "3.3.2") -> None:
        self.version = version
        self.major = int(version[0])
        self.dags: dict[str, dict[str, Any]] = {}
        self.runs: list[dict[str, Any]] = []
        self.page = 100
        self.tokens: set[str] = set()
        self.log_ins = 0

    def serve(self) -> WebServer:
        return WebServer(self.answer)

    def expire(self) -> None:
        """From now on, no token given so far is good."""
        self.tokens.clear()

    def add_dag(self, dag_id: str, *tags: str, **values: Any) -> None:
        self.dags[dag_id] = {"tags": [{"name": tag} for tag in tags], **values}

    def add_run(self, dag_id: str, run_id: str, state: str = "success") -> None:
        self.runs.append(
            {
                "dag_id": dag_id,
                "dag_run_id": run_id,
                "state": state,
                "logical_date": None,
                "start_date": "2026-01-02T03:04:05.678901Z",
                "end_date": None,
            }
        )

    def answer(self, request: Request) -> Reply:
        parts = request.parts
        if request.path == "/auth/token" and self.major == 3:
            return self._log_in(request)
        if parts[:2] != ["api", f"v{self.major - 1}"]:
            return self.error(404, "API route not found")
        if parts[2:] == ["version"]:
            return Reply(body={"version": self.version})
        if not self._knows(request):
            return self.error(401 if self.major == 3 else 403, "Forbidden")
        return self._route(request, parts[2:])

    def error(self, status: int, words: str) -> Reply:
        """In the form of this version."""
        if self.major == 3:
            return Reply(status, {"detail": words})
        kind = {"Content-Type": "application/problem+json"}
        return Reply(status, {"detail": None, "title": words, "status": status}, kind)

    def _log_in(self, request: Request) -> Reply:
        if request.json != {"username": USER, "password": PASSWORD}:
            return self.error(401, "Invalid credentials")
        self.log_ins += 1
        token = f"token-number-{self.log_ins}"
        self.tokens.add(token)
        return Reply(201, {"access_token": token})

    def _knows(self, request: Request) -> bool:
        sent = request.headers.get("Authorization", "")
        if self.major == 3:
            return sent.removeprefix("Bearer ") in self.tokens
        return sent == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    def _route(self, request: Request, parts: list[str]) -> Reply:
        match (request.method, *parts):
            case ("GET", "dags"):
                return self._dag_list(request)
            case ("GET", "dagTags"):
                names = {tag["name"] for dag in self.dags.values() for tag in dag["tags"]}
                return self._list(request, "tags", sorted(names))
            case ("GET", "dags", dag_id) if dag_id in self.dags:
                return Reply(body=self._dag(dag_id))
            case ("POST", "dags", "~", "dagRuns", "list"):
                return self._newest_runs(request)
            case ("POST", "dags", dag_id, "dagRuns") if dag_id in self.dags:
                return self._trigger(request, dag_id)
            case ("GET", "dags", dag_id, "dagRuns", run_id):
                for run in self._runs_of(dag_id, run_id):
                    return Reply(body=run)
            case ("PATCH" | "DELETE", "dags", dag_id) if dag_id in self.dags:
                return self._change(request, dag_id)
            case _:
                pass
        return self.error(404, "There is no such thing")

    def _change(self, request: Request, dag_id: str) -> Reply:
        if request.method == "PATCH":
            self.dags[dag_id].update(request.json)
            return Reply(body=self._dag(dag_id))
        if any(run["state"] == "running" for run in self.runs if run["dag_id"] == dag_id):
            return self.error(409, "Task instances are still running")
        del self.dags[dag_id]
        return Reply(204)

    def _dag(self, dag_id: str) -> dict[str, Any]:
        common = {"dag_id": dag_id, "is_paused": False, "fileloc": f"/dags/{dag_id}.py"}
        own = {"is_stale": False, "is_active": True, "file_token": f"token-of-{dag_id}"}
        return {**common, **own, **self.dags[dag_id]}

    def _dag_list(self, request: Request) -> Reply:
        wanted = set(request.query.get("tags", []))
        dags = [self._dag(dag_id) for dag_id in sorted(self.dags)]
        found = [d for d in dags if not wanted or wanted & {tag["name"] for tag in d["tags"]}]
        return self._list(request, "dags", found)

    def _list(self, request: Request, key: str, items: list[Any]) -> Reply:
        limit = min(int(request.query["limit"][0]), self.page)
        offset = int(request.query.get("offset", ["0"])[0])
        page = items[offset : offset + limit]
        return Reply(body={key: page, "total_entries": len(items)})

    def _runs_of(self, dag_id: str, run_id: str) -> Iterator[dict[str, Any]]:
        for run in self.runs:
            if (run["dag_id"], run["dag_run_id"]) == (dag_id, run_id):
                yield run

    def _newest_runs(self, request: Request) -> Reply:
        body = request.json
        assert body["order_by"] == "-id"
        found = [run for run in reversed(self.runs) if run["dag_id"] in body["dag_ids"]]
        page = list(itertools.islice(found, min(body["page_limit"], self.page)))
        return Reply(body={"dag_runs": page, "total_entries": len(found)})

    def _trigger(self, request: Request, dag_id: str) -> Reply:
        body = request.json
        for run in self.runs:
            same_date = body.get("logical_date") and run["logical_date"] == body["logical_date"]
            if run["dag_id"] == dag_id and (run["dag_run_id"] == body["dag_run_id"] or same_date):
                if self.major == 3:
                    return Reply(409, {"detail": {"reason": "Unique constraint violation"}})
                return self.error(409, "There is such a run already")
        self.add_run(dag_id, body["dag_run_id"], "queued")
        self.runs[-1].update(logical_date=body.get("logical_date"), conf=body["conf"])
        return Reply(body=self.runs[-1])
