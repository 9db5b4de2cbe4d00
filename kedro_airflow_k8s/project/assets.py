"""The address of a dataset that outlives the run: the same wherever the same place is named.

It is a URI that Airflow 2.11 and 3 leave as it is, so that it can be the name of an asset, too.
Source: `_sanitize_uri` in airflow.datasets and airflow.sdk.definitions.asset.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from itertools import dropwhile
from typing import Any
from urllib.parse import quote

from kedro_airflow_k8s.project.parameters import has_stand_in, stand_in

LONGEST_URI = 1500
"""What Airflow 3 takes for the name and the URI of an asset."""

_STORES = {
    "s3": "s3",
    "s3a": "s3",
    "s3n": "s3",
    "gs": "gs",
    "gcs": "gs",
    "abfs": "abfs",
    "abfss": "abfs",
    "az": "abfs",
    "hdfs": "hdfs",
}
"""The protocols of fsspec for storage that outlives a run, to the scheme of the URI."""

_PATH = re.compile(
    r"(?:(?:simple|file|block)cache::)?(?P<scheme>\w+)://(?P<host>[^/]*)(?P<path>.*)", re.DOTALL
)
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?(?::\d{1,5})?")
_AZURE = re.compile(r"(?P<container>[a-z0-9-]+)@(?P<account>[a-z0-9]+\.(?:dfs|blob)\.[a-z0-9.]+)")


_ADDRESS = ("host", "port", "database", "schema")
"""The keys of a connection of Ibis that name a place and are not secret."""

_FILES = re.compile(r"(?:.*\.)?(?:Partitioned|Incremental)Dataset")
"""The classes whose data is the files of a folder that end with `filename_suffix`."""

EVERY_PARTITION = "*"
"""What a URI has in place of the partition key, and of the names of files that have a suffix.

Quoted text has no such sign.
"""


def asset_uri(
    kind: str,
    config: Mapping[str, Any],
    path: str | None,
    credentials: str | None,
    partition: str | None = None,
) -> str | None:
    """Return the URI of a dataset; None if nothing is known of its place, or it ends with the run.

    Args:
        kind: The class of the dataset.
        config: The keys of the dataset in the catalog.
        path: The path of its data; None if it has none.
        credentials: The name of its entry of credentials.yml.
        partition: The runtime parameter with the partition key, if runs have partitions: all
            partitions are one asset.
    """
    key = stand_in(partition) if partition else ""
    suffix = str(config.get("filename_suffix") or "") if _FILES.fullmatch(kind) else ""
    place = f"{path}{suffix}" if path else ""
    if has_stand_in(place.replace(key, "") if place else dict(config)):
        return None
    uri = _of_path(path) if path else _of_table(kind, config, credentials)
    if uri and suffix:
        uri = f"{uri.rstrip('/')}/{EVERY_PARTITION}{_quoted(suffix)}"
    if uri and key:
        uri = uri.replace(_quoted(key), EVERY_PARTITION)
    return uri if uri and len(uri) <= LONGEST_URI else None


def _of_path(path: str) -> str | None:
    found = _PATH.fullmatch(path.strip())
    scheme = _STORES.get(found["scheme"].lower()) if found else None
    # A query may be a signature, and so a password.
    if found is None or scheme is None or "?" in path:
        return None
    host, key = found["host"], found["path"]
    if scheme == "abfs" and (azure := _AZURE.fullmatch(host)):
        # Airflow takes what is before an @ for a user, and drops it.
        host, key = azure["account"], f"/{azure['container']}{key}"
    if not _HOST.fullmatch(host):
        return None
    return f"{scheme}://{host}{_quoted(key).rstrip('/') or '/'}"


def _of_table(kind: str, config: Mapping[str, Any], credentials: str | None) -> str | None:
    package, _, name = kind.rpartition(".")
    if name == "GBQTableDataset":
        steps = _steps(config, "project", "dataset", "table_name")
        return f"bigquery://{'/'.join(steps)}" if len(steps) == 3 and all(steps) else None
    if name == "SQLTableDataset" and "pandas" in package:
        arguments = [config.get(key) or {} for key in ("save_args", "load_args")]
        schemas = [each.get("schema") for each in arguments if isinstance(each, Mapping)]
        found = {**config, "schema": next(filter(None, schemas), None)}
        steps = _steps(found, "schema", "table_name")
    elif name == "SnowparkTableDataset":
        steps = _steps(config, "database", "schema", "table_name")
    elif name == "TableDataset" and "ibis" in package:
        steps = _ibis_steps(config)
    else:
        return None
    # Only the name of the credentials: what they hold is secret, and not known before the run.
    server = _quoted(credentials or "", safe="")
    known = server and steps and config.get("table_name")
    return f"x-table://{server}/{'/'.join(steps)}" if known else None


def _ibis_steps(config: Mapping[str, Any]) -> list[str]:
    """Return where a table of Ibis is; nothing if the address may hold a secret."""
    given = config.get("connection")
    connection = given if isinstance(given, Mapping) else {}
    address = [str(connection.get(key) or "") for key in _ADDRESS]
    if any(sign in text for text in address for sign in "?@"):
        return []
    named = {f"connection.{key}": text for key, text in zip(_ADDRESS, address, strict=True)}
    return _steps({**config, **named}, *named, "database", "table_name")


def _steps(config: Mapping[str, Any], *keys: str) -> list[str]:
    """Return the values of keys as steps of a path: an empty one for a missing key, but the first.

    So `database` alone and `schema` alone are two places.
    """
    found = [_quoted(str(config.get(key) or ""), safe="") for key in keys]
    return list(dropwhile(operator.not_, found))


def _quoted(text: str, safe: str = "/=+,:~@") -> str:
    """Return a text with what a URI, or Airflow, would read in another way as `%..`."""
    return quote(text, safe=safe, errors="surrogatepass")
