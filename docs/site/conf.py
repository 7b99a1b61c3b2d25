"""How Sphinx makes the site; docs/site/build.py calls it."""  # noqa: INP001 - a file that Sphinx reads

import re
from pathlib import Path
from typing import Final

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

ROOT: Final = Path(__file__).resolve().parents[2]

project = "Fieldgate"
release = re.findall(r'^__version__ = "(.+)"', (ROOT / "gateway/__init__.py").read_text(), re.MULTILINE)[0]
extensions = ["myst_parser"]
myst_heading_anchors = 4  # links to headings read as they do where the Markdown itself is shown
highlight_language = "text"

html_static_path = [str(ROOT / "gateway/console/static/icon.svg")]
html_theme = "theme"
html_theme_path = ["."]
html_title = f"Fieldgate {release}"
html_copy_source = False
html_show_sourcelink = False
html_use_index = False
html_domain_indices = False
html_show_search_summary = False  # it would fetch pages, which browsers do not let a page from a disk do
html_permalinks_icon = "#"


def setup(app: Sphinx) -> None:
    """For Sphinx: what Pygments has no colours for is text."""
    app.add_lexer("csv", TextLexer)
