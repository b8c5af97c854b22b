"""What the README and the pages under `docs/` show: commands, blocks of Python, links."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
}
ALL = "\n".join(PAGES.values())
EXAMPLES = sorted((ROOT / "example_dags").glob("*.py"))
# One block is often on several pages
PYTHON = list(dict.fromkeys(re.findall(r"```python\n(.*?)```", ALL, re.DOTALL)))


def python_block(beginning: str) -> str:
    """
    Find the shown block of Python that has a text.

    :param beginning: Some text of it, which no other block has.
    """
    (block,) = (block for block in PYTHON if beginning in block)
    return block


def commands() -> list[str]:
    """Find all commands that are shown in blocks or in the text."""
    in_blocks = [
        line.partition("  #")[0].strip()
        for block in re.findall(r"```bash\n(.*?)```", ALL, re.DOTALL)
        for line in block.splitlines()
    ]
    in_text = re.findall(r"`((?:airflow|bash|curl|make|nox|pip|python|voucherify-[a-z]+) [^`]+)`", ALL)
    return list(dict.fromkeys([*in_blocks, *in_text]))


def links() -> list[tuple[str, str]]:
    """Find all links to files: page and path, which is relative to the page."""
    return [
        (page, path.partition("#")[0])
        for page, text in PAGES.items()
        for path in re.findall(r"\]\((?!https?:|#)([^)\s]+)\)", text)
    ]


def included() -> set[str]:
    """Find the files that pages show whole or in part: their paths from the root."""
    return {
        str(((ROOT / page).parent / path).resolve().relative_to(ROOT))
        for page, text in PAGES.items()
        for path in re.findall(r"```\{literalinclude\} (\S+)", text)
    }
