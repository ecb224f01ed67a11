"""Sphinx configuration; `make docs` builds the pages offline, after scripts beside it have written those that come from code and notebooks."""

import importlib.metadata

project = "cortex-sim"
copyright = "the cortex-sim developers"
release = importlib.metadata.version("cortex-sim")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax", "sphinx-mathjax-offline"]
myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 3
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "README.md"]
html_theme = "pydata_sphinx_theme"
html_title = "cortex-sim"
html_theme_options = {"show_prev_next": False, "navigation_depth": 2, "secondary_sidebar_items": ["page-toc"]}
html_show_sourcelink = False
autodoc_typehints = "none"
add_module_names = False
autodoc_member_order = "bysource"
suppress_warnings = ["myst.header", "myst.xref_missing"]  # pages are read on GitHub too, where links to files of the repository work
nitpicky = False
