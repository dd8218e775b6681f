"""Prints docs/checks.md and docs/commands.md from the docstrings and the help texts: `python -m
imageclinic.cli.docs_pages`.

A test fails when the committed pages are stale.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer.main

from imageclinic.audit import runner
from imageclinic.cli.app import app

NOTE = "<!-- Written by `python -m imageclinic.cli.docs_pages`. Change the docstrings, not this page. -->"


def checks() -> str:
    """The page on the checks."""
    parts = ["# Checks", NOTE]
    for check in runner.load().values():
        parts += [f"## {check.name}", check.help]
        if check.options:
            options = "\n".join(f"- `--set {check.name}.{name}={value}`" for name, value in check.options.items())
            parts.append(f"Options and their defaults:\n\n{options}")
    return "\n\n".join(parts) + "\n"


def commands() -> str:
    """The page on the commands. Made from the parameters, because versions of typer print help differently."""
    parts = ["# Commands", NOTE]
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
        usage = " ".join(["imageclinic", name, *(_shown(a) for a in arguments), "[OPTIONS]"])
        rows = [f"- `{_shown(a)}`: {a.help}" for a in arguments] + [_option(o) for o in options]
        parts += [f"## imageclinic {name}", f"`{usage}`", command.help, "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


def _shown(argument: Any) -> str:
    name = (argument.metavar or argument.name.upper()).strip("[]")
    return str(name) if argument.required else f"[{name}]"


def _option(option: Any) -> str:
    names = ", ".join(f"`{o}`" for o in (*option.opts, *option.secondary_opts))
    plain = option.default is None or option.default == "" or isinstance(option.default, bool) or option.multiple
    return f"- {names}: {option.help}" + ("" if plain else f" Default: `{option.default}`.")


PAGES = {"checks.md": checks, "commands.md": commands}

if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    for file, page in PAGES.items():
        (folder / file).write_text(page(), "utf-8")
