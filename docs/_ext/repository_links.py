"""Links from a page to Markdown files of the repository outside docs/, such as CONTRIBUTING.md.

MyST takes every Markdown file for a page. Those that are none are handed out as files, like all
other files of the repository that pages link to.
"""

from __future__ import annotations

import os
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata


def link_as_files(app: Sphinx, document: nodes.document) -> None:
    """Make downloads of the links that lead to Markdown files outside the documentation."""
    outside = [
        link
        for link in document.findall(addnodes.pending_xref)
        if link.get("refdomain") == "doc" and Path(link["reftarget"]).is_absolute()
    ]
    for link in outside:
        page = Path(app.env.doc2path(link["refdoc"]))
        target = os.path.relpath(f"{link['reftarget']}.md", page.parent)
        download = addnodes.download_reference(
            "", *link.children, refdoc=link["refdoc"], reftarget=target, refdomain=None
        )
        download.source, download.line = link.source, link.line
        link.replace_self(download)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register it, before Sphinx collects the files to hand out."""
    app.connect("doctree-read", link_as_files, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
