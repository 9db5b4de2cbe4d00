"""Web addresses that only one machine answers to."""

import ipaddress
from urllib.parse import urlsplit


def is_on_this_machine(address: str) -> bool:
    """Return whether a web address leads to the machine that asks for it.

    On a developer's machine that is the sandbox or a test server; in a pod it is the pod itself.
    """
    try:
        name = urlsplit(address).hostname or ""
    except ValueError:
        return False
    try:
        ip = ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    return ip.is_loopback or ip.is_unspecified
