"""How Sphinx makes the site of what `stage` has put together; ``make docs`` runs both."""

from __future__ import annotations

from importlib.metadata import version as version_of

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from docs.site.api import missing_packages

project = "dsice"
author = "The dsice developers"
version = release = version_of("dsice")
extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]
highlight_language = "text"
default_role = "py:obj"  # `Tuner` in a docstring is a link where there is such a name

myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_mock_imports = (
    missing_packages()
)  # the reference of dsice in other tools needs none of them
numpydoc_show_class_members = False
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = f"dsice {release}"
html_copy_source = False
html_show_search_summary = False  # it reads the pages found, which a browser refuses of file://


def setup(app: Sphinx) -> None:
    """Let a docstring of one page name what stands on another, as `Tuner` does in `Local`'s."""
    app.connect("missing-reference", _on_another_page)


def _on_another_page(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.Element | None:
    if node.get("refdomain") != "py":
        return None
    python, target = env.get_domain("py"), str(node["reftarget"]).removeprefix("~")
    found = [name for name in python.objects if name.endswith(f".{target}")]  # type: ignore[attr-defined]
    if len(found) != 1:
        return None
    page = node["refdoc"]
    return python.resolve_xref(env, page, app.builder, "obj", found[0], node, content)
