"""By which address the pods of a cluster reach this machine, which has the MLflow server."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import subprocess
from urllib.parse import urlsplit

from tests.cluster.cluster import Cluster

HOST = "E2E_MLFLOW_HOST"


class NoWayBack(Exception):
    """It is not configured how pods reach this machine, and it cannot be worked out."""


def address_for_pods(cluster: Cluster) -> str:
    """The address of this machine for the pods, which also has to lead here from here.

    Raises:
        NoWayBack: It is not known.
    """
    if host := os.environ.get(HOST):
        return host
    try:
        if cluster.context.startswith("kind-"):
            return _gateway_of_kind()
        if cluster.context == "minikube":
            return _host_of_minikube()
        return _way_to(urlsplit(cluster.server).hostname or "")
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise NoWayBack(
            f"How pods of context {cluster.context} reach the MLflow server of this machine is not"
            f" known ({error}): set {HOST} to this machine's name or address for them"
            " (docs/contributing/cluster-tests.md)."
        ) from error


def _gateway_of_kind() -> str:
    gateways = "{{range .IPAM.Config}}{{.Gateway}} {{end}}"
    inspect = ["docker", "network", "inspect", "--format", gateways, "kind"]
    return _first_ipv4(_said(inspect))


def _host_of_minikube() -> str:
    return _first_ipv4(
        _said(["minikube", "ssh", "--", "getent", "hosts", "host.minikube.internal"])
    )


def _said(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def _first_ipv4(text: str) -> str:
    """The first address in words.

    Raises:
        ValueError: There is none.
    """
    found = re.search(r"\b\d+(\.\d+){3}\b", text)
    if found is None:
        raise ValueError(f"no address in {text!r}")
    return found[0]


def _way_to(api_server: str) -> str:
    """This machine's address in the network in which the API server is.

    Raises:
        ValueError: The API server is on this machine, which says nothing of its pods.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        # Nothing is sent: the address is that of the way which packets would take.
        way.connect((api_server, 9))
        address = str(way.getsockname()[0])
    if ipaddress.ip_address(address).is_loopback:
        raise ValueError(f"its API server is at {api_server}, on this machine")
    return address
