"""The types of values in `airflow-k8s.yaml`, with their checks.

A check raises ValueError with a phrase saying what is allowed; `errors` adds path and value.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from kedro_airflow_k8s.config import durations
from kedro_airflow_k8s.config import kubernetes as k8s
from kedro_airflow_k8s.config.cron import unfollowed
from kedro_airflow_k8s.config.wording import Nearest, did_you_mean
from kedro_airflow_k8s.pod.environment import OWN_VARIABLES, RAW_VARIABLE

_T = TypeVar("_T")

# Airflow's own presets and those of its cron library. `@continuous` and `@once` are not cron.
CRON_PRESETS = (
    "@once",
    "@continuous",
    "@hourly",
    "@daily",
    "@midnight",
    "@weekly",
    "@monthly",
    "@quarterly",
    "@yearly",
    "@annually",
)
_DAY = re.compile(r"([0-9]{4})(-?)([0-9]{2})\2([0-9]{2})")
_MACRO = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
# The key of a parameter on Kedro's command line, with dots if it is nested. Kubernetes would
# replace `$(NAME)` by an environment variable.
_VARIABLE = re.compile(r"[^,=$\[\].\s]+(\.[^,=$\[\].\s]+)*")
_VARIABLE_ALLOWED = (
    "must be a name that can be a Kedro parameter: without spaces, `,`, `=`, `$`, `[`, `]`, and"
    " without dots at its ends or side by side"
)
# The grammar of the distribution project's package `reference`, which container engines share.
_IMAGE_NAME = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_HOST_PART = r"[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?"
_IMAGE_HOST = rf"({_HOST_PART}(\.{_HOST_PART})*|\[[0-9a-fA-F:]+\])"
_IMAGE = re.compile(
    rf"({_IMAGE_HOST}(:[0-9]+)?/)?{_IMAGE_NAME}(/{_IMAGE_NAME})*"
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@[A-Za-z][A-Za-z0-9+._-]*:[0-9a-fA-F]{32,})?"
)
_AIRFLOW_ID = re.compile(r"[\w.-]{1,250}")
_CONNECTION_ID = re.compile(r"[\w#!()\-.:/\\]{1,250}")


FILL_PATH = "/mnt/kedro-data"
"""Where the task that fills a new volume mounts it, next to the data folder of the image."""


def mount_reason(path: str) -> str | None:
    """Return why nothing can be mounted at a path in a pod, or None if something can."""
    if f"{path}/".startswith(f"{FILL_PATH}/") or f"{FILL_PATH}/".startswith(f"{path}/"):
        return f"must not overlap with {FILL_PATH}, where a new volume is filled"
    return k8s.mount_path_reason(path)


def variable_reason(name: str) -> str | None:
    """Return why a pod's environment variable cannot have a name, or None if it can."""
    if name.startswith(OWN_VARIABLES) and name != RAW_VARIABLE:
        return f"must not begin with {OWN_VARIABLES}: the DAG sets these variables itself"
    return k8s.env_name_reason(name)


def _fits(pattern: re.Pattern[str], allowed: str) -> Callable[[str], str | None]:
    return lambda text: None if pattern.fullmatch(text) else allowed


def _unless(reason: Callable[[str], str | None]) -> AfterValidator:
    def check(text: str) -> str:
        problem = reason(text)
        if problem:
            raise ValueError(problem)
        return text

    return AfterValidator(check)


def _blank_reason(text: str) -> str | None:
    if text.strip():
        return None
    return "must not be empty: omit the key, or give it no value, for the default"


def _run_name_reason(text: str) -> str | None:
    if "--" in text:
        return (
            "must not have two dashes in a row: in the name of a DAG they separate the run name "
            "from the environment"
        )
    return _blank_reason(text)


def _host_reason(text: str) -> str | None:
    allowed = "must be the base address of Airflow, such as https://airflow.example.com"
    if not text.isprintable() or " " in text:
        return allowed
    try:
        url = urlsplit(text)
        url.port  # noqa: B018 - reading it checks it
    except ValueError:
        return allowed
    if url.scheme not in ("http", "https") or not url.hostname:
        return f"{allowed}: with http:// or https:// in front"
    if "@" in url.netloc:
        return f"{allowed}: user and password do not belong in this file"
    if "?" in text or "#" in text:
        return f"{allowed}: without `?` and `#`"
    return None


def _image_reason(text: str) -> str | None:
    if len(text) <= 1024 and _IMAGE.fullmatch(text):
        return None
    allowed = (
        "must be an image as `docker pull` takes it, such as registry.example.com/team/app:1.0"
    )
    if "://" in text:
        return f"{allowed}: without {text.partition('://')[0]}://"
    if any(character.isspace() for character in text):
        return f"{allowed}: without spaces"
    if text != text.lower():
        return f"{allowed}: repository names are lower case"
    return allowed


def cron_reason(text: str) -> str | None:
    """Check a schedule: one of Airflow's presets, or a cron expression of five fields."""
    if text in CRON_PRESETS:
        return None
    presets = f"a preset ({', '.join(CRON_PRESETS)})"
    if text.strip().startswith("@"):
        return f"must be {presets} or a cron expression of five fields such as `0 6 * * *`"
    fields = text.split()
    if len(fields) != 5:
        more = " (Airflow has no seconds or years)" if len(fields) > 5 else ""
        return (
            "must have five fields (minute, hour, day of month, month, day of week), not"
            f" {len(fields)}{more}, or be {presets}"
        )
    if any(re.fullmatch(r"(?i)[rh](\(.*)?(/.*)?", field) for field in fields):
        return "must not have the random fields `R` and `H`: each parse would give another schedule"
    return unfollowed(fields)


UTC = "UTC"
"""The default time zone, which needs no list of time zones."""


def timezone_reason(name: str) -> str | None:
    """Return why a DAG cannot have a time zone, or None if it can."""
    if name == UTC:
        return None
    from zoneinfo import available_timezones  # looks through hundreds of files

    # Some systems list these two among the zones, although they are not zones.
    known = available_timezones() - {"Factory", "localtime"}
    if not known:
        return (
            "cannot be checked: this machine has no list of time zones."
            " `pip install tzdata` installs one"
        )
    if name in known:
        return None
    cities = {zone.rpartition("/")[2]: zone for zone in sorted(known)}
    near = Nearest(known).find(name) or cities.get(Nearest(cities).find(name) or "")
    allowed = "must be the IANA name of a time zone, such as Europe/Paris"
    return f"{allowed}.{did_you_mean(near)}" if near else allowed


def twice_reason(names: Sequence[str], earlier: Mapping[str, str]) -> str | None:
    """Return why these cannot all be parameters beside earlier ones, or None if they can.

    Args:
        names: The names, with dots where they are nested.
        earlier: Other names, each with the key of the configuration that has it.
    """
    both = [name for name in names if name in earlier]
    if both:
        keys = " and ".join(dict.fromkeys(earlier[name] for name in both))
        return f"must not repeat {keys}, both become parameters: {', '.join(both)}"
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        return f"must not have duplicates: {', '.join(twins)}"
    for name in names:
        if any(other.startswith(f"{name}.") for other in (*earlier, *names)):
            return f"must not have {name} beside one below it: a parameter has one value"
        above = [other for other in earlier if name.startswith(f"{other}.")]
        if above:
            return f"must not have {name} below {above[0]}: a parameter has one value"
    return None


def _parameter_reason(name: str) -> str | None:
    if name == "kedro_params":
        return "must not be kedro_params: runs use this name for parameters without a form field"
    return None if _VARIABLE.fullmatch(name) else _VARIABLE_ALLOWED


def _day(value: Any) -> date:
    allowed = 'must be a date, written "20210721" or "2021-07-21"'
    if isinstance(value, datetime):
        # pydantic collects ValueErrors only
        raise ValueError(allowed + ", without a time of day")  # noqa: TRY004
    if isinstance(value, date):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        value = _digits(value)
    match = _DAY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(allowed)
    try:
        return date(int(match[1]), int(match[3]), int(match[4]))
    except ValueError as error:
        reason = f"{allowed}; the calendar has no such day ({error})"
        raise ValueError(reason) from error


def _digits(number: int) -> str:
    # Python refuses to write out integers of more than 4300 digits.
    return str(number) if abs(number) < 10**30 else ""


def _number_as_text(value: Any) -> Any:
    """Convert a number to a string: YAML reads `cpu: 1` as a number, Kubernetes needs a string."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(value, int):
        return _digits(value) or "1e30"
    return str(value)


def _split_at_commas(value: Any) -> Any:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _without_twins(items: tuple[_T, ...]) -> tuple[_T, ...]:
    texts = [str(item) for item in items]
    twins = sorted({text for text in texts if texts.count(text) > 1})
    if twins:
        shown = ", ".join(text if text.isprintable() else repr(text) for text in twins)
        reason = f"must not have duplicates: {shown}"
        raise ValueError(reason)
    return items


def _access_modes(modes: tuple[str, ...]) -> tuple[str, ...]:
    if not modes:
        raise ValueError("must name at least one access mode")
    if "ReadWriteOncePod" in modes and len(set(modes)) > 1:
        raise ValueError("must not combine ReadWriteOncePod with another mode")
    return _without_twins(modes)


def _size_reason(text: str) -> str | None:
    reason = k8s.quantity_reason(text)
    if reason is None and k8s.parse_quantity(text) == Decimal(0):
        return "must be greater than 0, such as 1Gi"
    return reason


def is_suspiciously_small(quantity: str) -> bool:
    """Return whether an amount of bytes is below 1 Mi: its unit was probably forgotten."""
    return 0 < k8s.parse_quantity(quantity) < 1024**2


def _pattern(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^({pattern})$"})


Text = Annotated[str, _unless(_blank_reason), WithJsonSchema({"type": "string", "minLength": 1})]
RunName = Annotated[
    str, _unless(_run_name_reason), WithJsonSchema({"type": "string", "minLength": 1})
]
Host = Annotated[
    str,
    _unless(_host_reason),
    WithJsonSchema({"type": "string", "pattern": "^https?://[^ ?#@]+$"}),
]
Image = Annotated[
    str,
    _unless(_image_reason),
    WithJsonSchema({"type": "string", "pattern": "^[^\\s]+$"}),
]
Cron = Annotated[
    str,
    _unless(cron_reason),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(CRON_PRESETS)},
                {"type": "string", "pattern": r"^\s*[^\s@]\S*(\s+\S+){4}\s*$"},
            ]
        }
    ),
]
Day = Annotated[
    date,
    BeforeValidator(_day),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "string",
                    "pattern": r"^[0-9]{4}(-[0-9]{2}-[0-9]{2}|[0-9]{4})$",
                },
                {"type": "integer", "minimum": 10101, "maximum": 99991231},
            ]
        }
    ),
]
Duration = durations.Duration
Delay = durations.Delay
DnsLabel = Annotated[str, _unless(k8s.dns_label_reason), _pattern(k8s.LABEL_PATTERN)]
DnsName = Annotated[str, _unless(k8s.dns_subdomain_reason), _pattern(k8s.SUBDOMAIN_PATTERN)]
SecretKey = Annotated[str, _unless(k8s.secret_key_reason), _pattern(r"[-._a-zA-Z0-9]+")]
EnvName = Annotated[str, _unless(variable_reason), _pattern(r"[-._a-zA-Z][-._a-zA-Z0-9]*")]
MountPath = Annotated[str, _unless(mount_reason), _pattern(r"(/[^/:]+)+")]
Quantity = Annotated[
    str,
    BeforeValidator(_number_as_text),
    WithJsonSchema({"type": ["string", "number"], "pattern": f"^({k8s.QUANTITY_PATTERN})$"}),
]
Size = Annotated[Quantity, _unless(_size_reason)]
Macro = Annotated[
    str,
    _unless(_fits(_MACRO, "must be the dotted name of a macro, such as ds or dag_run.run_id")),
    _pattern(_MACRO.pattern),
]
Variable = Annotated[
    str,
    _unless(
        _fits(
            _VARIABLE,
            _VARIABLE_ALLOWED,
        )
    ),
    _pattern(_VARIABLE.pattern),
]
Parameter = Annotated[str, _unless(_parameter_reason), _pattern(_VARIABLE.pattern)]
TimeZone = Annotated[str, _unless(timezone_reason), _pattern(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")]
AirflowId = Annotated[
    str,
    _unless(
        _fits(
            _AIRFLOW_ID,
            "must be letters, digits, `_`, `-` and `.`, at most 250 characters",
        )
    ),
    _pattern(_AIRFLOW_ID.pattern),
]
ConnectionId = Annotated[
    str,
    _unless(_fits(_CONNECTION_ID, "must be the id of an Airflow connection, without spaces")),
    _pattern(_CONNECTION_ID.pattern.replace("#", "\\#")),
]
Distinct = AfterValidator(_without_twins)
AccessModes = AfterValidator(_access_modes)
Names = Annotated[
    tuple[DnsName, ...],
    BeforeValidator(_split_at_commas),
    AfterValidator(_without_twins),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "array",
                    "items": {"type": "string", "pattern": f"^({k8s.SUBDOMAIN_PATTERN})$"},
                    "uniqueItems": True,
                },
                {"type": "string", "minLength": 1},
            ]
        }
    ),
]
LONGEST_MINUTES = timedelta(days=durations.LONGEST_DAYS) // timedelta(minutes=1)
