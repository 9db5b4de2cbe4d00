"""The Jinja environment of all templates in this package."""

from __future__ import annotations

import contextlib
import sys
from importlib.util import cache_from_source
from pathlib import Path

from jinja2 import Environment, FileSystemBytecodeCache, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket

from kedro_airflow_k8s import __version__


def jinja_environment(
    room: str, folder: str, *, autoescape: bool = False, **delimiters: str
) -> Environment:
    """Return the environment for the templates in a folder of this package.

    Args:
        room: The subpackage with the templates, such as `dag` or `init`.
        folder: Their folder in it; empty if they are directly in the subpackage.
        autoescape: Whether the results are HTML, and values become text in it. Others are Python
            and YAML.
        delimiters: Jinja's options for other delimiters, such as `variable_start_string`.
    """
    return Environment(
        loader=PackageLoader(f"kedro_airflow_k8s.{room}", folder),
        undefined=StrictUndefined,
        autoescape=autoescape,  # noqa: S701 - on where the results are HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        bytecode_cache=None if sys.dont_write_bytecode else _ByteCode(),
        **delimiters,  # type: ignore[arg-type] # Jinja's other options are not strings.
    )


class _ByteCode(FileSystemBytecodeCache):
    """Compiled templates, kept where Python keeps the byte code of this package.

    Compiling the template of DAGs takes ten times as long as rendering a small DAG with it.
    """

    def __init__(self) -> None:
        folder = Path(cache_from_source(__file__)).parent
        super().__init__(str(folder), f"jinja-{__version__}-%s.cache")

    def load_bytecode(self, bucket: Bucket) -> None:
        """Read the file if it exists. Jinja compares text and Python version."""
        with contextlib.suppress(OSError):
            super().load_bytecode(bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Write it, unless the folder is read-only, as that of another user's Python."""
        with contextlib.suppress(OSError):
            super().dump_bytecode(bucket)
