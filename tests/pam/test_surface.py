"""What the module shows to the world: names, size, and what it opens.

Run by `make -C pam_module surface`, which builds the module and the runner.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MODULE = Path(os.environ.get("PUSHMFA_MODULE", ""))
RUNNER = Path(os.environ.get("PUSHMFA_RUNNER", ""))
FAULT_CALLS = frozenset(os.environ.get("PUSHMFA_FAULT_CALLS", "").split())

EXPORTS = frozenset({"pam_sm_authenticate", "pam_sm_setcred", "pam_sm_acct_mgmt"})

# Cannot fail, or not so that it mattered; all others are in FAULT_CALLS.
HARMLESS_IMPORTS = {
    "memory": {"explicit_bzero", "memchr", "memcmp", "memcpy", "memset", "memmove"},
    "strings": {
        *("strchr", "strcmp", "strcspn", "strlen", "strncmp", "strnlen", "strrchr"),
        *("strtoul", "strerror", "snprintf", "inet_pton"),
    },
    "who we are": {"geteuid", "getpgrp", "getpid", "getppid", "getuid"},
    "signal sets": {"sigaddset", "sigemptyset", "sigismember"},
    "libpam, a pointer of its own": {"pam_getenv", "pam_strerror"},
    "freeing": {"free"},
    "allocation, which fails in tests/pam/faults/allocations.c": {"strdup"},
    "compiler and loader": {
        *("errno_location", "stack_chk_fail", "cxa_finalize", "gmon_start"),
        *("ITM_deregisterTMCloneTable", "ITM_registerTMCloneTable"),
    },
}

# Of the module without what only a debugger reads.
SIZE_MAX = 48 * 1024

# What syslog(3) opens: the time zone, for its stamp, and the log.
SYSLOG_PATHS = frozenset({"/etc/localtime", "/dev/log"})
MODULE_PATHS = frozenset(
    {
        *("/proc/self/loginuid", "/proc/self/sessionid", "/proc/self/cmdline"),
        "/dev/tty",
        "SOCKET",
        "FOLDER",  # of the socket; looked at, not opened
    }
)
# In the window, by name: the module's, and memory and syslog(3) of libc.
SYSTEM_CALLS = frozenset(
    {
        *("openat", "read", "close", "newfstatat", "lstat", "statx", "ioctl", "poll"),
        *("socket", "setsockopt", "getsockopt", "connect", "sendto", "recvmsg"),
        *("getpeername", "rt_sigprocmask", "signalfd4", "getuid", "geteuid"),
        *("getpid", "getppid", "getpgrp", "getpgid", "clock_gettime"),
        *("brk", "mmap", "munmap", "getrandom", "fstat", "lseek", "access", "futex"),
    }
)

# A case, and how many connect() come before the one of syslog(3).
CASES = {
    "prompt/number.pam": 1,
    "client/watched.pam": 2,
    "account/grant.pam": 1,
    "typed/code.pam": 1,
    "sudo/approved-blocked.pam": 1,
    "role/decoy.pam": 1,
}


def names(*options: str) -> set[str]:
    """Dynamic symbols, without version and what _FORTIFY_SOURCE or C23 add."""
    command = ["nm", "-D", *options, str(MODULE)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    symbols = {line.split()[-1].partition("@")[0] for line in lines.splitlines()}
    return {re.sub(r"^_+(isoc23_)?|(_chk|_+)$", "", symbol) for symbol in symbols}


def trace(case: str, folder: Path) -> list[str]:
    """The system calls of the module itself, as strace prints them.

    The log gets no line: it would tell of a login that never was.
    """
    silence = f"inject=connect:error=ENOENT:when={CASES[case] + 1}+"
    command = ["strace", "-ff", "-qq", "-y", "-s", "200", "-e", silence]
    command += ["-o", str(folder / "trace"), str(RUNNER), str(MODULE)]
    done = subprocess.run(
        [*command, str(HERE / case)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [line for path in folder.glob("trace.*") for line in window(path)]


def window(path: Path) -> list[str]:
    """What stands between the marks of surface/window.c.

    libpam ends each call with a record for the kernel's audit, from its netlink
    socket on; this is not the module's.
    """
    inside, lines = False, []
    for line in path.read_text().splitlines():
        if "AF_NETLINK" in line or '"/module/ends"' in line:
            inside = False
        if inside:
            lines.append(line)
        if '"/module/begins"' in line:
            inside = True
    return lines


def paths(lines: list[str]) -> set[str]:
    """Every path that a system call names, the test's own folder replaced."""
    named = {
        match for line in lines for match in re.findall(r'[(,=] ?"(/[^"]*)"', line)
    }
    folder = r"^.*/pushmfa\.[A-Za-z0-9]{6}/run"
    return {
        re.sub(folder + "$", "FOLDER", re.sub(folder + r"/pam\.sock$", "SOCKET", path))
        for path in named
    }


def test_the_module_exports_what_pam_calls_and_nothing_else() -> None:
    assert names("--defined-only") == EXPORTS


def test_every_import_is_named_here_or_fails_in_a_test() -> None:
    imported = names("--undefined-only")
    harmless = set[str]().union(*HARMLESS_IMPORTS.values())
    assert FAULT_CALLS <= imported
    assert imported <= harmless | FAULT_CALLS


def test_the_module_is_small(tmp_path: Path) -> None:
    stripped = tmp_path / "module.so"
    subprocess.run(["strip", "-o", str(stripped), str(MODULE)], check=True)
    assert stripped.stat().st_size <= SIZE_MAX


@pytest.mark.parametrize("case", CASES)
def test_the_module_opens_nothing_else(case: str, tmp_path: Path) -> None:
    lines = trace(case, tmp_path)
    seen = paths(lines)
    assert {"/proc/self/cmdline", "SOCKET"} <= seen
    assert seen <= MODULE_PATHS | SYSLOG_PATHS


@pytest.mark.parametrize("case", CASES)
def test_the_module_makes_no_other_system_call(case: str, tmp_path: Path) -> None:
    lines = trace(case, tmp_path)
    assert {line.partition("(")[0] for line in lines} <= SYSTEM_CALLS
    sockets = [line for line in lines if line.startswith("socket(")]
    assert all("AF_UNIX" in line and "SOCK_CLOEXEC" in line for line in sockets)
    masks = [line for line in lines if line.startswith("rt_sigprocmask(")]
    assert all("NULL, " in line for line in masks)
