"""pushmfa(1) is made from the commands and is what groff takes."""

import shutil
import subprocess

import click

from pushmfa.cli.main import program
from pushmfa.cli.manual import render


def test_every_command_and_option_is_in_it() -> None:
    page = render()
    context = click.Context(program)
    for name in program.list_commands(context):
        assert f"\n.SS pushmfa {name}" in page
    assert "\\-\\-timeout SECONDS" in page
    assert ".SS pushmfa audit tail" in page
    assert "130" in page


def test_groff_has_nothing_to_say() -> None:
    groff = shutil.which("groff")
    assert groff is not None, "groff is missing: make install-needs"
    done = subprocess.run(
        [groff, "-man", "-Tutf8", "-ww", "-z"],
        input=render(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""


def test_no_line_is_taken_for_a_request() -> None:
    known = ("TH", "SH", "SS", "TP", "PP", "B", "BR", "I", "nf", "fi", '\\"')
    for line in render().splitlines():
        if line.startswith((".", "'")):
            assert line[1:].split(" ")[0] in known, line
