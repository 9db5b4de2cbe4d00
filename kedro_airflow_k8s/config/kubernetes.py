"""Kubernetes' syntax of names, labels, quantities and tolerations.

A `*_reason` function returns None for a valid text, else a phrase that says what is allowed
("must be ..."). The sources are pages of the Kubernetes documentation.
"""

import re
from decimal import Decimal

from kedro_airflow_k8s.config.wording import Nearest

LABEL_PATTERN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN_PATTERN = rf"{LABEL_PATTERN}(\.{LABEL_PATTERN})*"
_LABEL = re.compile(LABEL_PATTERN)
_SUBDOMAIN = re.compile(SUBDOMAIN_PATTERN)
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_SECRET_KEY = re.compile(r"[-._a-zA-Z0-9]+")
QUANTITY_PATTERN = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?"
_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))"
    r"(?:(?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[+-]?[0-9]+))?",
)
_SUFFIXES = {
    **{
        name: Decimal(1024) ** (i + 1)
        for i, name in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))
    },
    **{name: Decimal(1000) ** (i + 1) for i, name in enumerate("kMGTPE")},
    **{name: Decimal(1000) ** -(i + 1) for i, name in enumerate("mun")},
}
_LARGEST_QUANTITY = 2**63 - 1
_LONGEST_QUANTITY = 64
RESOURCE_NAMES = ("cpu", "memory", "ephemeral-storage")


def dns_label_reason(text: str) -> str | None:
    """Check the name of a namespace.

    Source: Object Names and IDs, RFC 1123 Label Names.
    """
    if len(text) <= 63 and _LABEL.fullmatch(text):
        return None
    return (
        "must be a DNS label: lower case letters a-z, digits and `-`, with a letter or digit "
        "at both ends, at most 63 characters"
    )


def service_name_reason(text: str) -> str | None:
    """Check the name of a Service.

    Source: Object Names and IDs, RFC 1035 Label Names.
    """
    if text[:1].isdigit():
        return "must be a DNS label that begins with a letter"
    return dns_label_reason(text)


def dns_subdomain_reason(text: str) -> str | None:
    """Check the name of a Secret, a storage class or a service account.

    Source: Object Names and IDs, DNS Subdomain Names.
    """
    if len(text) <= 253 and _SUBDOMAIN.fullmatch(text):
        return None
    return (
        "must be a DNS name: lower case letters a-z, digits, `-` and `.`, with a letter or digit "
        "at both ends of every part, at most 253 characters"
    )


def is_dns_subdomain(text: str) -> bool:
    """Return whether `dns_subdomain_reason` finds nothing."""
    return dns_subdomain_reason(text) is None


def label_key_reason(text: str) -> str | None:
    """Check the key of a label, an annotation, a node selector or a toleration.

    Source: Labels and Selectors, Syntax and character set.
    """
    prefix, slash, name = text.rpartition("/")
    if slash and not is_dns_subdomain(prefix):
        return (
            f"{prefix!r}, the part before the `/`, must be a DNS name: lower case letters a-z, "
            "digits, `-` and `.`, at most 253 characters"
        )
    if len(name) <= 63 and _QUALIFIED.fullmatch(name):
        return None
    return (
        f"{name!r}{', the part after the `/`,' if slash else ''} must be letters, digits, `-`, "
        "`_` and `.`, with a letter or digit at both ends, 1 to 63 characters"
    )


def label_value_reason(text: str) -> str | None:
    """Check the value of a label, a node selector or a toleration.

    Source: Labels and Selectors, Syntax and character set.
    """
    if text == "" or (len(text) <= 63 and _QUALIFIED.fullmatch(text)):
        return None
    return (
        "must be letters, digits, `-`, `_` and `.`, with a letter or digit at both ends, "
        "at most 63 characters"
    )


def secret_key_reason(text: str) -> str | None:
    """Check a key of a Secret.

    Source: Secrets, Constraints on Secret names and data.
    """
    if len(text) <= 253 and _SECRET_KEY.fullmatch(text) and text != "." and text[:2] != "..":
        return None
    return (
        "must be letters, digits, `-`, `_` and `.`, at most 253 characters, "
        "neither `.` nor anything that begins with `..`"
    )


def env_name_reason(text: str) -> str | None:
    """Check the name of an environment variable on every supported Kubernetes.

    Source: Define Environment Variables for a Container. Newer servers allow more.
    """
    if _ENV_NAME.fullmatch(text) and text != "." and text[:2] != "..":
        return None
    return "must be letters, digits, `_`, `-` and `.`, and must not begin with a digit or with `..`"


def mount_path_reason(text: str) -> str | None:
    """Check the mount path of a volume.

    Source: Volumes, and the API reference of VolumeMount.
    """
    if ":" in text or any(not character.isprintable() for character in text):
        return "must be a path without `:` and without control characters"
    if not text.startswith("/") or text == "/":
        return "must be an absolute path below `/`, such as /home/kedro_docker/data"
    if any(part in ("", ".", "..") for part in text[1:].split("/")):
        return "must be written without `.`, `..`, doubled slashes and a slash at the end"
    return None


def parse_quantity(text: str) -> Decimal:
    """Return the amount of a Kubernetes quantity such as `500m`, `1.5Gi` or `1e3`.

    Source: the API reference of Quantity. Whatever exceeds 2^63-1 is refused here, where
    Kubernetes would quietly lower it.

    Raises:
        ValueError: If `text` is not a quantity; the message says what is allowed.
    """
    match = _QUANTITY.fullmatch(text) if len(text) <= _LONGEST_QUANTITY else None
    if match is None:
        raise ValueError(
            "must be a Kubernetes quantity: a number, then at once one of the units "
            "m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei or none, such as 500m, 2 or 1.5Gi"
        )
    amount = Decimal(match["number"])
    if match["suffix"]:
        amount *= _SUFFIXES[match["suffix"]]
    elif amount and match["exponent"]:
        exponent = int(match["exponent"])
        amount = amount.scaleb(max(-_LONGEST_QUANTITY, min(exponent, _LONGEST_QUANTITY)))
    if abs(amount) > _LARGEST_QUANTITY:
        raise ValueError("must not exceed 2^63-1, the largest amount Kubernetes can hold")
    return amount


def quantity_reason(text: str) -> str | None:
    """Check a quantity that is not negative.

    Source: Resource Management for Pods and Containers.
    """
    try:
        amount = parse_quantity(text)
    except ValueError as error:
        return str(error)
    return "must not be negative" if amount < 0 else None


def resource_reason(name: str, amount: str) -> str | None:
    """Check the amount of a resource that a container requests.

    Source: Resource Management for Pods and Containers; its extended resources are whole numbers.
    """
    if "/" not in name:
        known = name in RESOURCE_NAMES or name.startswith("hugepages-")
        if not known:
            hint = Nearest(RESOURCE_NAMES).hint(name)
            return (
                "is not a resource of a container; these are cpu, memory, ephemeral-storage, "
                "hugepages-<size> and full names of devices such as nvidia.com/gpu"
                + (f".{hint}" if hint else "")
            )
        return quantity_reason(amount)
    reason = label_key_reason(name) or quantity_reason(amount)
    if reason is None and parse_quantity(amount) % 1:
        return "must be a whole number, because devices are not shared"
    return reason


def toleration_problems(
    key: str | None,
    operator: str | None,
    value: str | None,
    effect: str | None,
    seconds: int | None,
) -> dict[str, str]:
    """Return what Kubernetes refuses in a toleration: field to reason.

    Source: Taints and Tolerations.
    """
    problems: dict[str, str | None] = {}
    if key:
        problems["key"] = label_key_reason(key)
    elif operator != "Exists":
        problems["key"] = "is missing; `operator: Exists` alone needs none, for all taints"
    if operator == "Exists":
        if value:
            problems["value"] = "must be omitted, because `operator: Exists` compares no value"
    else:
        problems["value"] = label_value_reason(value or "")
    if seconds is not None and effect != "NoExecute":
        problems["toleration_seconds"] = "needs `effect: NoExecute`"
    return {field: reason for field, reason in problems.items() if reason}
