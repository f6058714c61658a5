"""Where the sockets are: all that commands need of pushmfa.toml.

By itself, so that `pushmfa status` starts fast and works where the rest is wrong.
"""

from pathlib import Path
from typing import Final

from pushmfa.errors import ConfigError

DEFAULT_PATH: Final = Path("/etc/pushmfa/pushmfa.toml")
DEFAULT_RUN: Final = Path("/run/pushmfa")


def load_run_dir(path: Path | None) -> Path:
    """Return the folder of the sockets, for a command that needs nothing else.

    path None is the default file, and then whatever is wrong with it is left to the
    daemon: `pushmfa status` has to work where the configuration does not.
    """
    if path is None and not DEFAULT_PATH.exists():
        return DEFAULT_RUN
    from pushmfa.config.files import load_text, parse_toml
    from pushmfa.config.table import absolute_path

    try:
        top, problems = parse_toml(
            load_text(path or DEFAULT_PATH).text, str(path or DEFAULT_PATH)
        )
        run = top.table("paths").text("run", DEFAULT_RUN, absolute_path)
        problems.raise_any()
    except ConfigError:
        if path is not None:
            raise
        return DEFAULT_RUN
    return run
