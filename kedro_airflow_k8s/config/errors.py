"""Turn the errors of pydantic into one message for a person who edits a YAML file.

Each line has the path of the key, the value, what is allowed, and the nearest valid name.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, get_args, get_origin

from pydantic import AliasChoices, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from kedro_airflow_k8s.config.foreign_keys import entry_instead, foreign_key_hint
from kedro_airflow_k8s.config.layers import merged
from kedro_airflow_k8s.config.section import Section
from kedro_airflow_k8s.config.wording import Nearest, did_you_mean
from kedro_airflow_k8s.pod.redaction import without_credentials

_PROBLEMS = "problems"
_NOTHING = object()
_LONGEST_SHOWN = 80
_SHORTEST_HIDDEN = 4
_MOST_KEYS = 20
_KEY_MARK = "[key]"  # pydantic's last step of the path when a mapping's key is at fault
_BOUNDS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
}

Steps = tuple[Any, ...]
"""The path of a key: keys of mappings and positions in lists."""
_RESOURCES: Steps = ("run_config", "resources")


def problems_error(problems: Mapping[Steps, str]) -> PydanticCustomError:
    """Return an error for a validator with several problems: path below its value, to reason."""
    return PydanticCustomError(_PROBLEMS, "several problems", {_PROBLEMS: dict(problems)})


def refusal(
    error: ValidationError,
    model: type[Section],
    data: Any,
    source: str,
    taken: Mapping[str, str],
) -> str:
    """Return the whole message: what `model` refuses in `data`, which was read from `source`.

    In place of values in `taken`, which come from the environment, the message has their names.
    """
    if not data and isinstance(data, Mapping | None):
        return f"{source} is empty: it needs at least `run_config:` with the image to run"
    found = error.errors(include_url=False)
    for each in found:
        each["loc"] = _without_tags(each["loc"])
    marks = [(each["loc"], each["type"], each["input"]) for each in found]
    lines = [
        line
        for each in found
        if not any((o, each["type"], each["input"]) in marks for o in _inherited(each["loc"]))
        for line in _lines(_at_source(each, found, model, data), model, data, taken)
    ]
    lines = list(dict.fromkeys(lines))
    count = "a mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
    return "\n  ".join([f"{source} has {count}:", *lines])


def problem_texts(error: ValidationError) -> Iterator[str]:
    """Yield the problems of an error of `problems_error`, with their paths."""
    for each in error.errors(include_url=False):
        for path, reason in each.get("ctx", {}).get(_PROBLEMS, {(): each["msg"]}).items():
            yield f"{shown_path((*each['loc'], *path))} {reason}"


def shown_path(path: Sequence[Any]) -> str:
    """Return the path of a key for a message, such as `run_config.secrets[0].key`."""
    text = ""
    for step in path:
        if isinstance(step, str) and re.fullmatch(r"[\w-]+", step) and step.isprintable():
            text += f".{step}" if text else step
        else:
            text += f"[{_shortened(repr(step)) if isinstance(step, str) else step}]"
    return text


def _without_tags(path: Steps) -> Steps:
    """Return the path of a key without the steps that pydantic adds for kinds of variables."""
    if "env_vars" not in path:
        return path
    tag = path.index("env_vars") + 2
    return (*path[:tag], *path[tag + 1 :]) if path[tag : tag + 1] != (_KEY_MARK,) else path


def _in_run_config(path: Steps) -> Steps:
    """Return the path of a setting of a pipeline as that of all pipelines."""
    return ("run_config", *path[2:]) if path[:1] == ("pipelines",) else path


def _inherited(path: Steps) -> Iterator[Steps]:
    """Yield the paths from which a setting may be inherited."""
    length = 1 if path[:1] == ("run_config",) else 2
    if path[length : length + 1] == ("resources",) and len(path) > length + 2:
        yield (*path[:length], *path[length + 2 :])
    if path[:1] == ("pipelines",):
        of_all = _in_run_config(path)
        yield of_all
        yield from _inherited(of_all)


def _at_source(
    error: ErrorDetails, found: Sequence[ErrorDetails], model: type[Section], data: Any
) -> ErrorDetails:
    """Return an error of a pipeline or entry as that of all, if all have it.

    Pydantic compares the keys of a section only if each entry below it is sound.
    """
    path: Steps = error["loc"]
    run: Steps = ("run_config",)
    if error["type"] != _PROBLEMS:
        return error
    of_run = [each.get("ctx") for each in found if each["loc"] == run]
    if path[:1] == ("pipelines",) and len(path) == 2 and error["ctx"] in of_run:
        return {**error, "loc": run}
    section = _section_at(path, model)
    if section is None or _in_run_config(path)[:-1] != _RESOURCES:
        return error
    levels = {run: _at(run, data)}
    if path[:-2] != run:
        levels[path[:-2]] = merged(levels[run], _at(path[:-2], data))
    for level, settings in levels.items():
        if error["ctx"] in _contexts(section, settings):
            return {**error, "loc": level}
    return error


def _contexts(section: type[Section], settings: Mapping[str, Any]) -> list[Any]:
    """Return the contexts of the errors that settings have as those of a section."""
    try:
        section.model_validate({k: v for k, v in settings.items() if k in section.model_fields})
    except ValidationError as error:
        return [each.get("ctx") for each in error.errors(include_url=False)]
    return []


def _lines(
    error: ErrorDetails, model: type[Section], data: Any, taken: Mapping[str, str]
) -> Iterator[str]:
    path: Steps = error["loc"]
    if error["type"] == _PROBLEMS:
        for rest, reason in error["ctx"][_PROBLEMS].items():
            yield _line((*path, *rest), _at((*path, *rest), data), reason, taken)
    elif error["type"] == "extra_forbidden":
        yield f"{shown_path(path)}: {_unknown_key(path, model)}"
    elif error["type"] == "invalid_key" or path[-1:] == (_KEY_MARK,):
        yield _bad_key(error)
    elif not path:
        yield _line(path, data, "must be keys with values, like `output: x`", taken)
    elif error["type"] == "missing":
        yield _line(path, _at(path, data), _reason(error, path, model), taken)
    else:
        yield _line(path, error["input"], _reason(error, path, model), taken)


def _line(path: Steps, found: Any, reason: str, taken: Mapping[str, str]) -> str:
    where = shown_path(path) or "the whole file"
    if found is _NOTHING:
        return f"{where}: {reason}"
    if isinstance(found, str):
        with_names = _with_names(found, taken)
        reason = reason if with_names == found else _with_names(reason, taken)
        found = with_names
    return f"{where}: found {_shown(found)}; {reason}"


def _reason(error: ErrorDetails, path: Steps, model: type[Section]) -> str:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "missing":
        section = _section_of(path[:-1], model)
        return f"a value is required. {section.model_fields[str(path[-1])].description}"
    if kind == "literal_error":
        return choice(re.findall(r"'([^']*)'", context["expected"]), value)
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        return f"must be {words} {context[bound]}"
    if kind == "string_type":
        plain = isinstance(value, bool | int | float) or hasattr(value, "isoformat")
        return "must be a string" + (": put it in quotes" if plain else "")
    if kind == "bool_type":
        return "must be true or false"
    if kind == "int_type":
        return "must be a whole number"
    if kind == "tuple_type":
        single = isinstance(value, str) and re.fullmatch(r"[\w.-]{1,40}", value)
        return "must be a list" + (f": write [{value}]" if single else "")
    if kind in ("dict_type", "model_type", "model_attributes_type"):
        return _keys_wanted(path, model)
    return str(error["msg"])


def choice(allowed: Sequence[str], value: Any) -> str:
    """Return what is allowed, and a hint at the nearest."""
    text = f"must be {'one of ' if len(allowed) > 1 else ''}{', '.join(allowed)}"
    hint = Nearest(allowed).hint(value) if isinstance(value, str) else ""
    return f"{text}.{hint}" if hint else text


def _keys_wanted(path: Steps, model: type[Section]) -> str:
    section = _section_at(path, model)
    if section is None:
        return "must be keys with values, indented below it"
    word = f"a {shorthand}, or " if (shorthand := getattr(section, "shorthand", "")) else ""
    keys = _allowed(section)
    if _in_run_config(path)[:-1] == _RESOURCES and (place := entry_instead(str(path[-1]))):
        return f"below `resources` are names of entries.{did_you_mean(place)}"
    return f"must be {word}keys with values, indented below it, out of: {keys}"


def _unknown_key(path: Steps, model: type[Section]) -> str:
    section, key = _section_of(path[:-1], model), str(path[-1])
    names = {alias: name for name in section.model_fields for alias in _names(section, name)}
    if key in names:
        others = " and ".join(alias for alias in names if names[alias] == names[key])
        return f"{others} are two names of one key: keep one of them"
    allowed = f"allowed here: {_allowed(section)}"
    hint = foreign_key_hint(key, section.__name__, section.model_fields)
    if _in_run_config(path)[:-2] == _RESOURCES and path[-2] in section.model_fields:
        hint = did_you_mean(f"{shown_path(path[:-2])}.__default__.{path[-2]}.{key}").strip()
    hint = f" {hint}" if hint else Nearest(names).hint(key)
    if hint:
        return f"unknown key.{hint}"
    places = dict(_places(model, ""))
    exact = [place for place, name in places.items() if name == key]
    if exact:
        return f"unknown key. It belongs at {' or '.join(exact)}: check the indentation ({allowed})"
    near = Nearest(places.values()).find(key)
    where = min((place for place, name in places.items() if name == near), key=len, default=None)
    return f"unknown key{f'.{did_you_mean(where)}' if where else ''} ({allowed})"


def _allowed(section: type[Section]) -> str:
    names = list(section.model_fields)
    if len(names) <= _MOST_KEYS:
        return ", ".join(names)
    return f"{len(names)} keys, which the reference of the configuration lists"


def _bad_key(error: ErrorDetails) -> str:
    steps, key = [step for step in error["loc"] if step != _KEY_MARK], error["input"]
    if not isinstance(key, str):
        return f"{shown_path(steps)}: the key is {_shown(key)}, not a string: put it in quotes"
    return f"{shown_path(steps)}: the key {_reason(error, (), Section)}"


def _names(section: type[Section], field: str) -> list[str]:
    alias = section.model_fields[field].validation_alias
    return [str(name) for name in alias.choices] if isinstance(alias, AliasChoices) else [field]


def _nested(annotation: Any) -> tuple[type[Section] | None, bool]:
    """Return the section in a field, and whether there are many (a list or a mapping)."""
    for candidate in _parts(annotation):
        # On Python 3.10, dict[str, str] passes for a type.
        plain = get_origin(candidate) is None and isinstance(candidate, type)
        if plain and issubclass(candidate, Section):
            outer = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
            return candidate, get_origin(outer) in (tuple, dict)
    return None, False


def _parts(annotation: Any) -> Iterator[Any]:
    """Yield the types that a type consists of."""
    inner = get_args(annotation)
    if not inner:
        yield annotation
    for part in inner:
        yield from _parts(part)


def _section_at(path: Steps, model: type[Section]) -> type[Section] | None:
    """Return the section whose keys are below `path`; None for a free mapping such as labels."""
    section: type[Section] | None = model
    steps = iter(path)
    for step in steps:
        field = section.model_fields.get(str(step)) if section else None
        section, many = _nested(field.annotation) if field else (None, False)
        if many and next(steps, None) is None:
            return None
    return section


def _section_of(path: Steps, model: type[Section]) -> type[Section]:
    return _section_at(path, model) or model


def _places(section: type[Section], prefix: str) -> Iterator[tuple[str, str]]:
    """Yield every key of the file: its path, and its name."""
    for name, field in section.own_fields().items():
        for alias in _names(section, name):
            yield prefix + alias, alias
        inner, many = _nested(field.annotation)
        if inner is not None:
            yield from _places(inner, f"{prefix}{name}{'[]' if many else ''}.")


def _at(path: Steps, data: Any) -> Any:
    for step in path:
        if isinstance(data, Mapping) and step in data:
            data = data[step]
            continue
        if not isinstance(data, list | tuple) or not isinstance(step, int) or step >= len(data):
            return _NOTHING
        data = data[step]
    return data


def _shown(value: Any) -> str:
    """Return a short description of a value for a message."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"the number {value}" if abs(value) < 10**30 else "a number of over 30 digits"
    if isinstance(value, float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {_shortened(repr(without_credentials(value)))}"
    if isinstance(value, Mapping):
        keys = _shortened(", ".join(str(key) for key in value if isinstance(key, str)))
        return f"a mapping with the keys {keys!r}" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return f"{type(value).__name__} {_shortened(repr(value))}"


def _with_names(text: str, taken: Mapping[str, str]) -> str:
    """Return a text with names in place of the values of variables, which may be secret."""
    whole = {value: name for name, value in taken.items()}.get(text)
    if whole is not None:
        return f"${{kedro_config:{whole}}}"
    for name, value in sorted(taken.items(), key=lambda item: -len(item[1])):
        # Short values are parts of ordinary words.
        if len(value) >= _SHORTEST_HIDDEN:
            text = text.replace(value, f"${{kedro_config:{name}}}")
    return text


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 5]} ..."
