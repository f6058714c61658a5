"""Writes pushmfa(1) from the commands themselves: one text, which cannot drift.

    python -m pushmfa.cli.manual > build/man/pushmfa.1

The language is that of groff's man macros.
"""

import sys
from collections.abc import Iterator
from typing import Final

import click

from pushmfa.cli.main import program
from pushmfa.terms import VERSION

_HEAD: Final = f""".\\" Made by pushmfa/cli/manual.py from the commands; do not edit.
.TH PUSHMFA 1 "" "pushmfa {VERSION}" "User commands"
.SH NAME
pushmfa \\- SSH and sudo on Linux, approved on a second device
.SH SYNOPSIS
.B pushmfa
[\\fB\\-\\-config\\fR \\fIFILE\\fR] \\fICOMMAND\\fR [\\fIARGUMENTS\\fR]
.SH DESCRIPTION
Someone logs in; the terminal shows a number; the person's device shows who, where, from
where and what; the person types the number into the device; the device signs; the host
checks signature and number; the login goes on.
.PP
Every command has \\fB\\-\\-help\\fR. Commands that print state take \\fB\\-\\-json\\fR
and then print one object on standard output. Errors go to standard error.
.SH COMMANDS
"""

_TAIL: Final = """.SH EXIT STATUS
.TP
.B 0
done, approved, healthy
.TP
.B 1
denied, wrong number, unhealthy
.TP
.B 2
usage
.TP
.B 3
daemon or relay not reachable
.TP
.B 4
expired
.TP
.B 5
throttled or locked
.TP
.B 6
not enrolled
.TP
.B 7
not permitted
.TP
.B 8
configuration invalid
.TP
.B 130
interrupted
.SH ENVIRONMENT
.TP
.B PUSHMFA_CONFIG
the configuration file, as \\-\\-config
.TP
.B PUSHMFA_DEBUG
1: show where an internal error happened
.TP
.B NO_COLOR
print no colors
.SH FILES
.TP
.I /etc/pushmfa/pushmfa.toml
the configuration of a host
.TP
.I /etc/pushmfa/relay.toml
the configuration of a relay
.TP
.I /run/pushmfa/control.sock
where commands ask the daemon
.SH SEE ALSO
.BR pam_pushmfa (8)
"""


def render() -> str:
    """Return pushmfa(1)."""
    context = click.Context(program, info_name="pushmfa")
    pieces = [piece for name in program.list_commands(context) for piece in _of(name)]
    return _HEAD + "".join(pieces) + _TAIL


def _of(name: str) -> Iterator[str]:
    context = click.Context(program, info_name="pushmfa")
    command = program.get_command(context, name)
    if command is not None:
        yield from _command(command, click.Context(command, context, info_name=name))


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    usage = " ".join(command.collect_usage_pieces(context))
    yield f".SS {_escape(context.command_path)} {_escape(usage)}\n"
    for paragraph in _paragraphs(command.help or ""):
        yield f"{_escape(paragraph)}\n.PP\n"
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and "--help" not in record[0]:
            yield f".TP\n\\fB{_escape(record[0])}\\fR\n{_escape(record[1])}\n"
    lines = [line for line in (command.epilog or "").splitlines() if line[:1] == " "]
    if lines:
        yield ".PP\n.nf\n" + "".join(f"{_escape(line)}\n" for line in lines) + ".fi\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                below = click.Context(inner, context, info_name=name)
                yield from _command(inner, below)


def _paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a docstring, each on one line."""
    found = text.replace("\b", "").strip().split("\n\n")
    return [" ".join(paragraph.split()) for paragraph in found]


def _escape(text: str) -> str:
    r"""Return text so that groff shows it as it is: `\` `-` and dots in front."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text[:1] in (".", "'") else text


if __name__ == "__main__":
    sys.stdout.write(render())
