"""A name for what belongs to one run of a DAG: its claim, its folder, the mark of its pods."""

from __future__ import annotations

import hashlib
import re


def run_slug(dag_id: str, run_id: str) -> str:
    """Readable, a valid DNS label, and different for every run."""
    readable = re.sub(r"[^a-z0-9]+", "-", dag_id.lower()).strip("-")[:40].rstrip("-")
    digest = hashlib.sha256(f"{dag_id}/{run_id}".encode()).hexdigest()[:12]
    return f"{readable or 'dag'}-{digest}"
