"""Fixtures of the end-to-end tests: a sandbox with a real sshd, sudo and su.

    def test_x(sandbox):             # the bare world, with the accounts alice and bob
        sandbox.run(["id"], user="alice")
    def test_y(system):              # with relay, daemon, sshd and an enrolled device
        ssh = system.ssh("demo")
    def test_z(host):                # several stacks, and a phone in this process
        asked = host.ask_sudo("id")

Without root these tests fail; they are never skipped.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pushmfa.demo.main import PEOPLE
from pushmfa.demo.sandbox import Sandbox
from tests.e2e.programs import Host
from tests.e2e.support import MODULE, System, find_pushmfa, find_system_module


@pytest.fixture(scope="session")
def module() -> Path:
    assert MODULE.is_file(), f"{MODULE} is missing: make module"
    return MODULE


@pytest.fixture(scope="session")
def sandbox(module: Path) -> Iterator[Sandbox]:
    """A world with the module in its PAM stacks, but no daemon and no sshd."""
    with Sandbox(module=module) as world:
        world.add_people(PEOPLE)
        yield world


@pytest.fixture(scope="session")
def permitting_sandbox() -> Iterator[Sandbox]:
    """A world in which pam_permit stands for the module."""
    with Sandbox(module=find_system_module("pam_permit.so")) as world:
        world.add_people(PEOPLE)
        yield world


@pytest.fixture(scope="session")
def system(module: Path) -> Iterator[System]:
    """Everything, with a device of alice; challenges live 15 s."""
    with Sandbox(module=module, programs=find_pushmfa()[:1]) as world:
        world.add_people(PEOPLE)
        whole = System(world, lifetime=15, max_startups="30")
        whole.parts.enroll("alice")
        yield whole


@pytest.fixture(scope="session")
def host(module: Path) -> Iterator[Host]:
    """Every program and stack, three people with a device; see Host."""
    with Sandbox(module=module, programs=find_pushmfa()[:1]) as world:
        whole = Host(world)
        try:
            yield whole
        finally:
            whole.phone.close()
