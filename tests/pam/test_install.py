"""`make install` and `make uninstall`, and the manual page."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "pam_module"
MODULE = Path(os.environ.get("PUSHMFA_MODULE", ""))


def make(target: str, destination: Path, *variables: str) -> None:
    command = ["make", "-C", str(SOURCES), target, f"DESTDIR={destination}"]
    subprocess.run(
        [*command, f"OUT={MODULE}", *variables], check=True, capture_output=True
    )


def files(destination: Path) -> set[str]:
    found = (path for path in destination.rglob("*") if not path.is_dir())
    return {str(path.relative_to(destination)) for path in found}


def multiarch() -> str:
    command = ["gcc", "-print-multiarch"]
    return subprocess.run(
        command, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.parametrize("prefix", ["usr", "opt/x"])
def test_install_and_uninstall(prefix: str, tmp_path: Path) -> None:
    module = f"{prefix}/lib/{multiarch()}/security/pam_pushmfa.so"
    page = f"{prefix}/share/man/man8/pam_pushmfa.8"
    variables = [] if prefix == "usr" else [f"PREFIX=/{prefix}"]
    make("install", tmp_path, *variables)
    assert files(tmp_path) == {module, page}
    for name in (module, page):
        status = (tmp_path / name).stat()
        assert stat.S_IMODE(status.st_mode) == 0o644
        assert status.st_uid == os.geteuid()  # root's, where root installs
    assert (tmp_path / module).read_bytes() == MODULE.read_bytes()
    make("uninstall", tmp_path, *variables)
    assert files(tmp_path) == set()
    make("uninstall", tmp_path, *variables)  # twice is no error


def test_the_page_is_clean() -> None:
    page = str(SOURCES / "pam_pushmfa.8")
    checks = [["groff", "-ww", "-t", "-man", "-Tutf8", "-z", page]]
    if shutil.which("mandoc"):
        checks.append(["mandoc", "-T", "lint", "-W", "warning", page])
    for command in checks:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")
