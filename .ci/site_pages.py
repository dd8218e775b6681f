"""Pages of the documentation site that lie elsewhere, README and its neighbours, and the notebooks (mkdocs hooks)."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
#: File at the top → its page.
TOP = {
    "README.md": "index.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "SECURITY.md": "SECURITY.md",
}
#: Places of the repository that are no page: their names stay, without a link.
_NO_PAGE = re.compile(r"\[([^\]]+)\]\((?:\.\./)?(?:benchmarks|sample_data)/[^)]*\)")


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages, and takes the notebooks for pages and not for files to fetch."""
    for source, page in TOP.items():
        text = (ROOT / source).read_text("utf-8").replace("](docs/", "](").replace("](README.md", "](index.md")
        text = text.replace(".ipynb)", ".md)")
        files.append(File.generated(config, page, content=_NO_PAGE.sub(r"\1", text)))
    for file in [f for f in files if f.src_uri.endswith(".ipynb")]:
        files.remove(file)
        text = notebook_page(json.loads(Path(str(file.abs_src_path)).read_text("utf-8")))
        files.append(File.generated(config, file.src_uri.removesuffix(".ipynb") + ".md", content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links to the top lead to the pages from there."""
    up = "../" * page.file.src_uri.count("/")
    for source, name in TOP.items():
        markdown = markdown.replace(f"](../{up}{source}", f"]({up}{name}")
    return _NO_PAGE.sub(r"\1", markdown)


def notebook_page(notebook: dict[str, Any]) -> str:
    """A notebook as Markdown, with what its cells have shown."""
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        outputs = cell.get("outputs", [])
        printed = "".join("".join(output["text"]) for output in outputs if output["output_type"] == "stream")
        parts += [_text(printed)] if printed else []
        parts += filter(None, (_drawn(output.get("data", {})) for output in outputs))
    return "\n\n".join(parts) + "\n"


def _drawn(data: dict[str, Any]) -> str:
    """What a cell has drawn; empty where it was no more than progress."""
    if "text/html" in data:
        return _block("".join(data["text/html"]))
    return _text("".join(data.get("text/plain", "")))


def _text(text: str) -> str:
    return f'<pre style="white-space:pre-wrap">{_block(html.escape(text))}</pre>' if text else ""


def _block(markup: str) -> str:
    """Markup without empty lines, which would end a block of HTML in Markdown."""
    return "\n".join(line for line in markup.splitlines() if line.strip())
