"""How long commands take to start, beside `python3 -c "import click"`.

Prints medians of interleaved runs in milliseconds, and how many times click's they are.
`status` talks to a daemon made of a script, so that its answer is decoded and shown.
"""

import compileall
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.unit.control_peer import STATUS, ControlPeer

RUNS: Final = 20
GOAL: Final = 2.0
_PUSHMFA: Final = str(Path(sys.executable).with_name("pushmfa"))


def measure(argv: list[str]) -> float:
    """Return the wall time of one run, in milliseconds."""
    began = time.perf_counter()
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - began) * 1000


def main() -> int:
    """Measure and print; return 1 if status takes longer than the goal."""
    # As an installer does; without it each run would compile some files again.
    compileall.compile_dir(Path(__file__).parents[2] / "pushmfa", quiet=1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "pushmfa.toml"
        config.write_text(f'paths.run = "{folder}"\n')
        config.chmod(0o600)
        commands = {
            "python3 -c pass": [sys.executable, "-c", "pass"],
            "import click": [sys.executable, "-c", "import click"],
            "pushmfa status": [_PUSHMFA, "--config", str(config), "status"],
            "pushmfa --help": [_PUSHMFA, "--help"],
            "pushmfa status --help": [_PUSHMFA, "status", "--help"],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        with ControlPeer(folder, *([STATUS] for _ in range(RUNS + 1))):
            for argv in commands.values():
                measure(argv)
            for _ in range(RUNS):
                for name, argv in commands.items():
                    times[name].append(measure(argv))
    medians = {name: statistics.median(found) for name, found in times.items()}
    base = medians["import click"]
    for name, median in medians.items():
        sys.stdout.write(f"{name:24}{median:8.1f} ms{median / base:7.2f} x\n")
    return 0 if medians["pushmfa status"] <= GOAL * base else 1


if __name__ == "__main__":
    sys.exit(main())
