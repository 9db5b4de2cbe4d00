"""How Sphinx builds this documentation: `make docs`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
# Read, not imported: the documentation builds without Kedro.
_VERSION = re.search(
    r'^__version__ = "([^"]+)"', (_ROOT / "kedro_airflow_k8s/__init__.py").read_text(), re.M
)
if _VERSION is None:
    raise RuntimeError("kedro_airflow_k8s/__init__.py has no __version__")

project = "kedro-airflow-k8s"
release = version = _VERSION[1]
author = f"the authors of {project}"
project_copyright = author

sys.path.insert(0, str(_ROOT / "docs/_ext"))
extensions = ["myst_parser", "sphinx_copybutton", "repository_links"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
# Every reference has to lead somewhere; `make docs` makes an error of each warning.
nitpicky = True

# Anchors of headings as GitHub makes them, so that links work in the repository, too.
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

html_theme = "furo"
html_title = f"{project} {release}"
html_show_copyright = False
html_show_sphinx = False
# Nothing in the pages depends on when or where they were built.
html_last_updated_fmt = None
# What people type, without the prompt and without the answers.
copybutton_exclude = ".linenos, .gp, .go"
