"""One function a command: imports the file that it stands in, and no other."""

import click


def enroll() -> click.Command:
    """Return `pushmfa enroll`."""
    from pushmfa.cli import enroll

    return enroll.enroll


def devices() -> click.Command:
    """Return `pushmfa devices`."""
    from pushmfa.cli import devices

    return devices.devices


def status() -> click.Command:
    """Return `pushmfa status`."""
    from pushmfa.cli import status

    return status.status


def test() -> click.Command:
    """Return `pushmfa test`."""
    from pushmfa.cli import test

    return test.test


def confirm() -> click.Command:
    """Return `pushmfa confirm`."""
    from pushmfa.cli import confirm

    return confirm.confirm


def mute() -> click.Command:
    """Return `pushmfa mute`."""
    from pushmfa.cli import mute

    return mute.mute


def unlock() -> click.Command:
    """Return `pushmfa unlock`."""
    from pushmfa.cli import mute

    return mute.unlock


def audit() -> click.Command:
    """Return `pushmfa audit`."""
    from pushmfa.cli import audit

    return audit.audit


def device() -> click.Command:
    """Return `pushmfa device`."""
    from pushmfa.cli import device

    return device.device


def host() -> click.Command:
    """Return `pushmfa host`."""
    from pushmfa.cli import host

    return host.host


def completion() -> click.Command:
    """Return `pushmfa completion`."""
    from pushmfa.cli import completion

    return completion.completion


def daemon() -> click.Command:
    """Return `pushmfa daemon`."""
    from pushmfa.cli import services

    return services.daemon


def relay() -> click.Command:
    """Return `pushmfa relay`."""
    from pushmfa.cli import services

    return services.relay


def demo() -> click.Command:
    """Return `pushmfa demo`."""
    from pushmfa.cli import demo

    return demo.demo
