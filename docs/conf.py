"""How Sphinx builds the site. A warning is an error, and so is a reference that leads nowhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapshot_dr_provider import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "snapshot_dr_provider"
author = "The snapshot_dr_provider authors"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"snapshot_dr_provider {release}"
html_copy_source = False
html_show_copyright = False

# Headings can be linked to, as on the pages of a repository.
myst_heading_anchors = 3

nitpicky = True
# The classes of others have sites of their own, which the build does not ask for.
nitpick_ignore_regex = [("py:.*", r"(airflow|datetime|collections)\..*|Airflow\w*Exception")]

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True

_CHECKOUT: Final = Path(__file__).parent.parent
_PAGES_OF_THE_CHECKOUT: Final = {"readme": "README.md", "changes": "CHANGELOG.md", "contributing": "CONTRIBUTING.md"}


def _take_from_checkout(_: Sphinx, docname: str, source: list[str]) -> None:
    """Give a page that lies at the top of the checkout as it reads from here."""
    name = _PAGES_OF_THE_CHECKOUT.get(docname)
    if name is None:
        return
    text = (_CHECKOUT / name).read_text(encoding="utf-8")
    for page, file in _PAGES_OF_THE_CHECKOUT.items():
        text = text.replace(f"]({file}", f"](docs/{page}.md")
    source[0] = re.sub(r"\]\((?!\w+:|#)", "](../", text).replace("](../docs/", "](")


def setup(app: Sphinx) -> None:
    """Read these pages from where they are."""
    app.connect("source-read", _take_from_checkout)
