"""What all sections of `airflow-k8s.yaml` share."""

import re
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema

_NULL = {"type": "null"}
# Python refuses to read numbers of more than 4300 digits.
_WHOLE_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,29})")


class Section(BaseModel):
    """A section of the file, frozen; unknown keys are refused."""

    # Only the whole file is read: most sections never need a validator of their own.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    also_named: ClassVar[Mapping[str, str]] = {}
    """Other names of a field, to its name."""
    shorthand: ClassVar[str] = ""
    """The field whose value may replace the whole section, if any."""

    @classmethod
    def own_fields(cls) -> dict[str, FieldInfo]:
        """Return the fields, without those that are documented elsewhere in the file."""
        return dict(cls.model_fields)

    @model_validator(mode="before")
    @classmethod
    def _no_value_means_default(cls, data: Any) -> Any:
        """Treat null as absent: YAML has it where everything below a key is commented out."""
        if data is None:
            return {}
        if cls.shorthand and isinstance(data, str):
            return {cls.shorthand: data}
        if not isinstance(data, Mapping):
            return data
        known = {**cls.model_fields, **cls.also_named}
        return {
            key: cls._read(key, value) if isinstance(value, str) else value
            for key, value in data.items()
            if value is not None or key not in known
        }

    @classmethod
    def _read(cls, key: Any, text: str) -> Any:
        """Convert the string of a key to its type: values from the environment are strings."""
        name = cls.also_named.get(key, key)
        wanted = _kind(cls.model_fields[name].annotation) if name in cls.model_fields else None
        if wanted is int:
            return _number_of(text)
        return _truth_of(text) if wanted is bool else text

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Add what the validator above accepts: other names, keys without a value, shorthands."""
        reference = handler(core_schema)
        section = handler.resolve_ref_schema(reference)
        keys = section["properties"]
        for name in keys:
            keys[name] = _described(keys[name], required=name in section.get("required", ()))
        for alias, name in cls.also_named.items():
            keys[alias] = {**keys[name], "description": f"Another name of `{name}`."}
        if cls.also_named:
            section["allOf"] = [
                {"not": {"required": list(pair)}} for pair in cls.also_named.items()
            ]
        if cls.shorthand:
            alone = {k: v for k, v in keys[cls.shorthand].items() if k != "description"}
            section["anyOf"] = [{"type": section.pop("type")}, alone]
        return reference


def _number_of(text: str) -> int | str:
    """Return a text as a whole number, or unchanged if it is not one, such as `007`."""
    return int(text) if _WHOLE_NUMBER.fullmatch(text) else text


def _truth_of(text: str) -> bool | str:
    """Return `true` and `false` as a bool, any other text unchanged."""
    return {"true": True, "false": False}.get(text.lower(), text)


def _kind(annotation: Any) -> Any:
    """Return the type of a key with a single type, with or without None."""
    if get_origin(annotation) in (Union, UnionType):
        kinds = [part for part in get_args(annotation) if part is not NoneType]
        annotation = kinds[0] if len(kinds) == 1 else None
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _described(schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    """Return the schema of a key without a title; unless it is required, it may be null."""
    schema = {key: part for key, part in schema.items() if key != "title"}
    entries = schema.get("additionalProperties")
    if isinstance(entries, dict) and "$ref" in entries:
        schema["additionalProperties"] = {"anyOf": [entries, _NULL]}
    if "patternProperties" in schema:
        schema["additionalProperties"] = False
    if required:
        return schema
    notes: dict[str, Any] = {
        key: schema.pop(key) for key in ("description", "default") if key in schema
    }
    options = schema.get("anyOf", [schema])
    return {**notes, "anyOf": options if _NULL in options else [*options, _NULL]}
