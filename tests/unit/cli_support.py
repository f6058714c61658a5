"""Runs the command line as click's runner does, against a scripted daemon."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from pushmfa.cli.main import program

CONFIG = 'paths.run = "{}"\n'


def run(
    folder: Path, *words: str, typed: str = "", env: dict[str, str] | None = None
) -> Result:
    """Run `pushmfa WORDS`; folder has the sockets."""
    config = folder / "pushmfa.toml"
    config.write_text(CONFIG.format(folder))
    config.chmod(0o600)
    variables = {"PUSHMFA_CONFIG": str(config), "SUDO_UID": None, **(env or {})}
    return CliRunner().invoke(
        program, list(words), input=typed, env=variables, catch_exceptions=False
    )


def parse_object(result: Result) -> dict[str, Any]:
    """Return the one object on standard output."""
    assert result.stdout.count("\n") == 1
    whole: dict[str, Any] = json.loads(result.stdout)
    return whole
