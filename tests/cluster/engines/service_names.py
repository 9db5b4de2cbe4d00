"""A name server for the Services of a namespace, on clusters that have none."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from kubernetes.client.exceptions import ApiException

from tests.cluster.cluster import Namespace

HOST = "E2E_DNS_HOST"
_PORT = 53


@contextmanager
def resolver_of_pods(namespace: Namespace) -> Iterator[dict[str, Any]]:
    """The settings `dns` with which pods find Services; none if the cluster has a name server.

    Until the block ends, an address of this machine, which the environment variable names, answers.
    """
    host = os.environ.get(HOST)
    if host is None:
        yield {}
        return
    domain = f"{namespace.name}.svc.cluster.local"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((host, _PORT))
        threading.Thread(target=_serve, args=(server, namespace, domain), daemon=True).start()
        yield {"dns": {"policy": "None", "nameservers": [host], "searches": [domain]}}


def _serve(server: socket.socket, namespace: Namespace, domain: str) -> None:
    while True:
        try:
            data, client = server.recvfrom(4096)
        except OSError:
            return  # It is closed.
        server.sendto(_answer(dns.message.from_wire(data), namespace, domain).to_wire(), client)


def _answer(query: dns.message.Message, namespace: Namespace, domain: str) -> dns.message.Message:
    answer = dns.message.make_response(query, recursion_available=True)
    question = query.question[0]
    name, _, rest = question.name.to_text(omit_final_dot=True).partition(".")
    addresses = _addresses(namespace, name) if rest == domain else []
    if not addresses:
        answer.set_rcode(dns.rcode.NXDOMAIN)
    elif question.rdtype == dns.rdatatype.A:
        answer.answer.append(dns.rrset.from_text(question.name, 5, "IN", "A", *addresses))
    return answer


def _addresses(namespace: Namespace, service: str) -> list[str]:
    """Return the addresses of the pods behind a headless Service."""
    try:
        found = namespace.core.read_namespaced_endpoints(service, namespace.name)
    except ApiException:
        return []
    subsets = found.subsets or []
    return [
        each.ip
        for subset in subsets
        for each in [*(subset.addresses or []), *(subset.not_ready_addresses or [])]
    ]
