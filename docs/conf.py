"""How the documentation is built: `make docs`."""

from __future__ import annotations

import os
import tempfile

# Autodoc imports the operators, and Airflow makes a folder of its own when it is imported
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-docs-")

from airflow_provider_voucherify import __version__

project = "airflow-provider-voucherify"
author = copyright = "The authors of airflow-provider-voucherify"  # noqa: A001
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "sphinx_design"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"Voucherify provider {version}"
html_logo = html_favicon = "integration-logos/voucherify.svg"

exclude_patterns = ["_build"]

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
