"""Options that several commands share, and what they lead to."""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from pushmfa.cli.program import State
from pushmfa.errors import UsageError

if TYPE_CHECKING:
    from pushmfa.client import Client

F = TypeVar("F", bound=Callable[..., Any])

CONFIG_VARIABLE: Final = "PUSHMFA_CONFIG"
MAX_NAME: Final = 255
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def examples(*lines: str) -> str:
    r"""Return an epilog with lines as they are (\b: click must not wrap them)."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def _keep_config(
    context: click.Context, parameter: click.Parameter, value: Path | None
) -> None:
    if value is not None:
        context.ensure_object(State).config = value


def config_option(*, outermost: bool = False, is_used: bool = True) -> Callable[[F], F]:
    """Return `--config FILE`; every command has it, the nearest one counts.

    is_used: whether the command reads a configuration at all.
    """
    text = (
        "Configuration file, instead of the one in /etc/pushmfa "
        f"(or {CONFIG_VARIABLE})."
    )
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        # Read once, outermost: it must not win over an option given there.
        envvar=CONFIG_VARIABLE if outermost else None,
        metavar="FILE",
        expose_value=False,
        callback=_keep_config,
        help=text if is_used else "Accepted everywhere; not used here.",
    )


def json_option(function: F) -> F:
    """Add `--json`."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON object."
    )(function)


def user_option(function: F) -> F:
    """Add `--user U`."""
    return click.option(
        "--user",
        callback=limit(MAX_NAME),
        metavar="USER",
        help="Account; without it, your own. Other accounts are for root.",
    )(function)


def limit(most: int) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Return a callback that refuses other than 1 to most characters of UTF-8."""

    def check(context: click.Context, parameter: click.Parameter, text: Any) -> Any:
        if text is None:
            return None
        try:
            # argv is bytes; what is no UTF-8 comes as surrogates.
            text.encode()
        except UnicodeEncodeError:
            raise click.BadParameter(
                "is not valid UTF-8", ctx=context, param=parameter
            ) from None
        if not 1 <= len(text) <= most:
            raise click.BadParameter(
                f"must have 1 to {most} characters", ctx=context, param=parameter
            )
        return text

    return check


def utf8(text: str) -> str:
    """Return an argument as UTF-8 has it, whatever the locale takes it for."""
    try:
        return os.fsencode(text).decode("utf-8")
    except UnicodeError:
        return text


class Duration(click.ParamType[int]):
    """A time like 90s, 30m, 2h or 1d, in seconds."""

    name = "duration"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int:
        """Return the seconds, or raise BadParameter."""
        found = re.fullmatch(r"([0-9]{1,7})([smhd])", str(value), re.ASCII)
        if found is None:
            self.fail(f"{value!r} is no time; write 30m, 2h or 1d", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


def config_path(context: click.Context, default: Path) -> Path:
    """Return the configuration file that this command reads."""
    return context.ensure_object(State).config or default


def open_client(context: click.Context, *, timeout: float | None = None) -> "Client":
    """Return a client of the daemon that the configuration names; timeout: seconds."""
    from pushmfa.client import ANSWER_TIMEOUT, Client

    return Client(load_run_dir(context), timeout=timeout or ANSWER_TIMEOUT)


def load_run_dir(context: click.Context) -> Path:
    """Return the folder of the sockets that the configuration names."""
    from pushmfa.config import run_dir

    return run_dir.load_run_dir(context.ensure_object(State).config)


def has_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


def ask_secret(
    question: str, *, why: str, hint: str = "Run it in a terminal.", twice: bool = False
) -> bytes:
    """Return what somebody types without echo, twice if it is a new secret.

    Without a terminal UsageError, which says why it is needed. Python would warn
    that it cannot hide what is typed, and read it from a pipe all the same.
    """
    if not has_terminal():
        raise UsageError(f"{why}, and there is no terminal to ask", hint=hint)
    typed: str = click.prompt(
        question, hide_input=True, confirmation_prompt=twice, err=True
    )
    return typed.encode()


def is_root() -> bool:
    """Whether the caller may do everything."""
    return os.geteuid() == 0
