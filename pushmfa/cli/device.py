"""`pushmfa device`: the terminal authenticator."""

import click

from pushmfa.cli.program import Group


@click.group(cls=Group)
def device() -> None:
    """Be the second device in a terminal, instead of a phone."""
