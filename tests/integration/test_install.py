"""`make install` of the whole below DESTDIR, the wheel alone, and the sdist.

Needs what `make build` made.
"""

import calendar
import os
import re
import shutil
import stat
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from pushmfa.terms import VERSION

ROOT = Path(__file__).parents[2]
WHEEL = ROOT / f"dist/pushmfa-{VERSION}-py3-none-any.whl"
PREFIX = "opt/pushmfa-test"

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


def run(
    *words: str | Path,
    status: int = 0,
    environment: dict[str, str] | None = None,
    folder: Path = ROOT,
) -> str:
    done = subprocess.run(
        [str(word) for word in words],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | (environment or {}),
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def make(target: str, destination: Path, *more: str, status: int = 0) -> str:
    words = ["make", target, f"DESTDIR={destination}", f"PREFIX=/{PREFIX}", *more]
    # Attack: a umask that lets the group write.
    return run("sh", "-c", 'umask 002; exec "$@"', "sh", *words, status=status)


def all_below(folder: Path) -> list[Path]:
    return [folder, *folder.rglob("*")]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    destination = tmp_path_factory.mktemp("destination")
    said = make("install", destination)
    assert "No login asks it yet" in said
    return destination


def test_everything_stands_where_systems_look(installed: Path) -> None:
    below = {
        str(path.relative_to(installed))
        for path in all_below(installed)
        if not path.is_dir() and PREFIX not in str(path)
    }
    completions = {name for name in below if "complet" in name}
    modules = {name for name in below if name.endswith("/security/pam_pushmfa.so")}
    pages = {name for name in below if name.startswith("usr/share/man/man")}
    assert len(modules) == 1
    assert pages == {
        "usr/share/man/man1/pushmfa.1",
        "usr/share/man/man8/pam_pushmfa.8",
    }
    assert len(completions) == 3
    for name in completions:
        assert "_PUSHMFA_COMPLETE" in (installed / name).read_text()
    assert below - completions - modules - pages == {
        "etc/pushmfa/pushmfa.toml",
        "etc/pushmfa/relay.toml",
        "usr/bin/pushmfa",
        "usr/lib/systemd/system/pushmfa-control.socket",
        "usr/lib/systemd/system/pushmfa-pam.socket",
        "usr/lib/systemd/system/pushmfa-relay.service",
        "usr/lib/systemd/system/pushmfa.service",
        "usr/lib/sysusers.d/pushmfa.conf",
        "usr/lib/tmpfiles.d/pushmfa.conf",
    }
    assert os.readlink(installed / "usr/bin/pushmfa") == f"/{PREFIX}/bin/pushmfa"
    unit = installed / "usr/lib/systemd/system/pushmfa.service"
    assert f"ExecStart=/{PREFIX}/bin/pushmfa daemon\n" in unit.read_text()


def test_attack_nobody_else_may_change_what_root_runs(installed: Path) -> None:
    for path in installed.rglob("*"):
        status = path.lstat()
        assert status.st_uid == os.geteuid(), path
        if not path.is_symlink():
            assert not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH), path
            assert status.st_mode & stat.S_IROTH, path


def test_attack_no_code_from_environment_home_or_folder(
    installed: Path, tmp_path: Path
) -> None:
    evil = tmp_path / "evil"
    user_site = evil / ".local/lib" / "python{}.{}".format(*sys.version_info[:2])
    for folder in (evil, user_site / "site-packages"):
        folder.mkdir(parents=True, exist_ok=True)
        for name in (
            *("click", "pushmfa", "usercustomize", "sitecustomize", "asyncio"),
            *("ctypes", "pam"),
        ):
            (folder / f"{name}.py").write_text("raise SystemExit('evil')")
    program = installed / PREFIX / "bin/pushmfa"
    # Not through its first line, which names the place below DESTDIR as if it were /.
    first = program.read_text().splitlines()[0]
    assert first == f"#!/{PREFIX}/bin/python3 -I"
    python = installed / PREFIX / "bin/python3"
    environment = {
        "PYTHONPATH": str(evil),
        "PYTHONHOME": str(evil),
        "PYTHONSTARTUP": str(evil / "click.py"),
        "PYTHONUSERBASE": str(evil / ".local"),
        "HOME": str(evil),
    }
    said = run(
        *(python, "-I", program, "--version"), environment=environment, folder=evil
    )
    assert said == f"pushmfa {VERSION}\n"
    # This one starts another Python.
    tried = run(
        *(python, "-I", program, "test", "--service", "other", "--user", "nobody"),
        status=1,
        environment=environment,
        folder=evil,
    )
    assert "PAM code 7" in tried
    assert "evil" not in tried
    where = "import sys; print(*sys.path, sep='\\n')"
    paths = run(python, "-I", "-c", where, environment=environment, folder=evil)
    own = str(installed / PREFIX)
    assert [path for path in paths.split() if not path.startswith((own, "/usr/"))] == []
    assert "dist-packages" not in paths


def test_it_is_compiled_and_names_its_final_place(installed: Path) -> None:
    packages = next((installed / PREFIX / "lib").glob("python3*/site-packages"))
    compiled = list(packages.rglob("*.pyc"))
    assert len(compiled) > 500
    code = next(packages.glob("pushmfa/cli/__pycache__/main.*.pyc")).read_bytes()
    assert f"/{PREFIX}/lib/".encode() in code
    assert str(installed).encode() not in code
    assert sorted(path.name for path in (installed / PREFIX / "bin").iterdir())[:1] == [
        "pushmfa"
    ]


def test_again_keeps_configuration_and_no_old_code(installed: Path) -> None:
    config = installed / "etc/pushmfa/pushmfa.toml"
    config.write_text("# mine\n")
    old = next((installed / PREFIX / "lib").glob("python3*/site-packages")) / "old.py"
    old.write_text("")
    assert "kept: /etc/pushmfa/pushmfa.toml" in make("install", installed)
    assert config.read_text() == "# mine\n"
    assert not old.exists()


def test_uninstall_leaves_configuration_and_says_so(
    installed: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(installed, copy, symlinks=True)
    assert "What it knows stays: /etc/pushmfa" in make("uninstall", copy)
    left = {str(path.relative_to(copy)) for path in all_below(copy) if path.is_file()}
    assert left == {"etc/pushmfa/pushmfa.toml", "etc/pushmfa/relay.toml"}
    make("uninstall", copy)  # twice is no error


@pytest.mark.parametrize("prefix", ["/usr", "/", "opt/pushmfa", "/opt/../pushmfa", ""])
@pytest.mark.parametrize("target", ["install", "uninstall"])
def test_a_prefix_that_is_not_its_own_is_refused(
    target: str, prefix: str, tmp_path: Path
) -> None:
    said = make(target, tmp_path, f"PREFIX={prefix}", status=2)
    assert "no folder of pushmfa's own" in said
    assert "hint: An absolute path" in said


def test_a_folder_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    there = tmp_path / PREFIX / "precious"
    there.mkdir(parents=True)
    assert "no folder of pushmfa's own" in make("install", tmp_path, status=2)
    assert there.exists()


def test_the_wheel_holds_everything() -> None:
    with zipfile.ZipFile(WHEEL) as wheel:
        names = set(wheel.namelist())
    for folder in ("systemd", "pam_module", "docs"):
        files = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
        assert files
        for path in files:
            name = f"pushmfa/share/{path.relative_to(ROOT).as_posix()}"
            # Pictures are for the README, which is no file of the wheel.
            assert (name in names) == (path.suffix != ".png"), name
    app = [path for path in (ROOT / "pushmfa/app").rglob("*") if path.is_file()]
    assert app
    for path in app:
        assert path.relative_to(ROOT).as_posix() in names
    assert "pushmfa/share/samples/relay.toml" in names
    code = {name for name in names if name.endswith(".py")}
    assert len(code) == len(list((ROOT / "pushmfa").rglob("*.py")))


def test_the_same_sources_make_the_same_bytes(tmp_path: Path) -> None:
    """Also from the sdist, without git, at another time, under another umask."""
    sdist = WHEEL.with_name(f"pushmfa-{VERSION}.tar.gz")
    run("tar", "-xf", sdist, "-C", tmp_path)
    folder = tmp_path / f"pushmfa-{VERSION}"
    with zipfile.ZipFile(WHEEL) as wheel:
        moment = wheel.infolist()[0].date_time
    environment = {"SOURCE_DATE_EPOCH": str(calendar.timegm((*moment, 0, 0, 0)))}
    hatchling = ROOT / "build/venv/bin/hatchling"
    run(hatchling, "build", "-t", "wheel", environment=environment, folder=folder)
    (made,) = (folder / "dist").glob("*.whl")
    assert made.read_bytes() == WHEEL.read_bytes()


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A venv with nothing in it but the wheel and what it needs."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=False)
    run(
        ROOT / "build/venv/bin/pip", "--python", folder / "bin/python", "--isolated",
        "install", "-q", "--no-index", "--find-links", ROOT / "build/wheels", WHEEL,
    )  # fmt: skip
    return folder


def test_the_wheel_alone_starts_everything(fresh: Path, tmp_path: Path) -> None:
    pushmfa = fresh / "bin/pushmfa"
    assert run(pushmfa, "--version", folder=tmp_path) == f"pushmfa {VERSION}\n"
    for command in ("daemon", "relay", "device", "demo"):
        run(pushmfa, command, "--help", folder=tmp_path)
    said = run(pushmfa, "demo", "--module", tmp_path / "no", status=2, folder=tmp_path)
    assert "share/pam_module" in said
    state = f'[paths]\nstate = "{tmp_path}/relay"'
    config = tmp_path / "relay.toml"
    config.write_text(
        f'[listen]\nport = 18399\n[public]\nurls = ["ws://localhost:18399"]\n{state}\n'
    )
    config.chmod(0o600)
    with subprocess.Popen(
        [pushmfa, "--config", config, "relay"], stderr=subprocess.PIPE, text=True
    ) as relay:
        assert relay.stderr is not None
        line = relay.stderr.readline()
        relay.terminate()
    assert "the relay listens on 127.0.0.1 port 18399" in line
    assert relay.returncode == 0


def test_the_module_can_be_built_from_the_wheel(fresh: Path, tmp_path: Path) -> None:
    share = next(fresh.glob("lib/python3*/site-packages/pushmfa/share"))
    module = tmp_path / "pam_pushmfa.so"
    run("make", "-C", share / "pam_module", f"BUILD={tmp_path}/o", f"OUT={module}")
    assert module.is_file()


def test_every_runtime_package_is_pinned_with_its_hash() -> None:
    text = (ROOT / "requirements.lock").read_text("utf-8")
    for block in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"\S+==\S+", block), block
        assert "--hash=sha256:" in block
