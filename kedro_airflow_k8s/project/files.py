"""The files that datasets name."""

from __future__ import annotations

import posixpath
import re

_LOCAL_SCHEME = re.compile(r"(?:file|local)://", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_IN_MEMORY = "memory://"


def local_path(path: str | None) -> str | None:
    """Return a place on a pod's disk in its shortest form, or None for one elsewhere.

    A relative path is below the project's folder. A path of Windows does not exist in a pod, but
    would be on its disk.
    """
    if not path:
        return None
    text = path.strip()
    if text.lower().startswith(_IN_MEMORY):
        # fsspec's files in memory end with the process, as those on the pod's disk do.
        return text
    if ":" in text:
        text, count = _LOCAL_SCHEME.subn("", text, count=1)
        if not count and (_SCHEME.match(text) or "::" in text):
            return None
    found = posixpath.normpath(text.replace("\\", "/"))
    # There is nothing to lose there.
    return None if found.startswith("/dev/") else found
