"""The Dockerfile, as far as it can be held without an engine: what it copies is there, and nothing is left out."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import tomllib
from pathlib import Path

import typer.main

from imageclinic.cli.app import app
from imageclinic.workflows.doctor import PORT

ROOT = Path(__file__).resolve().parents[1]
#: Instruction and what follows it, in order; continued lines are joined, comments left out.
STEPS = [
    tuple(line.split(maxsplit=1))
    for line in re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.M)
    .replace("\\\n", " ")
    .splitlines()
    if line
]


def values(instruction: str) -> list[str]:
    return [rest for name, rest in STEPS if name == instruction]


def test_what_is_copied_is_there_and_not_ignored() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    kept = {line[1:] for line in lines if line.startswith("!")}
    copied = [source for step in values("COPY") for source in shlex.split(step)[:-1]]
    assert all((ROOT / source).exists() for source in copied)
    assert set(copied) == kept
    assert "*" in lines and lines.index("*") < lines.index("!imageclinic")
    links = {p.name for p in (ROOT / "imageclinic").iterdir() if p.is_symlink()}
    assert links <= set(copied), "a link would lead nowhere"


def test_it_copies_what_the_wheel_is_built_from() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    copied = {source for step in values("COPY") for source in shlex.split(step)[:-1]}
    assert {project["project"]["readme"], "pyproject.toml", "LICENSE"} <= copied
    assert {*project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]} <= copied
    minor = re.search(r"python:3\.(\d+)-slim", values("FROM")[0])
    assert minor and f">=3.{minor[1]}" == project["project"]["requires-python"]


def test_it_starts_the_command_as_a_user_without_rights() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    assert json.loads(values("ENTRYPOINT")[0]) == list(scripts)
    names = [name for name, _ in STEPS]
    assert values("USER") == ["imageclinic"]
    assert names.index("USER") > max(at for at, name in enumerate(names) if name in ("RUN", "COPY"))
    assert values("EXPOSE") == [str(PORT)]


def test_the_documented_commands_exist() -> None:
    page = (ROOT / "docs/how-to/install.md").read_text("utf-8")
    runs = re.findall(r"^docker run (.*?) imageclinic (\w+)(.*)$", page, re.M)
    group = typer.main.get_command(app)
    for options, command, arguments in runs:
        known = {option for parameter in group.commands[command].params for option in parameter.opts}
        assert set(re.findall(r"--[\w-]+", arguments)) <= known
        assert not re.search(r"-p (?!127\.0\.0\.1:)", options), "the network would be let in"
    assert {command for _, command, _ in runs} == {"audit", "review"}
    assert not fnmatch.filter([options for options, _, _ in runs], "*--privileged*")
