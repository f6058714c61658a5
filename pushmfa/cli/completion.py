"""`pushmfa completion`: the script that completes commands in a shell."""

from typing import Final

import click

from pushmfa.cli import output
from pushmfa.cli.options import config_option, examples
from pushmfa.cli.program import COMPLETE_VARIABLE

SHELLS: Final = ("bash", "zsh", "fish")


@click.command(
    epilog=examples(
        "pushmfa completion bash > /etc/bash_completion.d/pushmfa",
        "pushmfa completion zsh > /usr/share/zsh/vendor-completions/_pushmfa",
        "pushmfa completion fish > ~/.config/fish/completions/pushmfa.fish",
    )
)
@click.argument("shell", type=click.Choice(SHELLS), metavar="bash|zsh|fish")
@config_option(is_used=False)
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    It completes commands, options, and the names of your devices.
    """
    from click.shell_completion import ShellComplete, get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.BadParameter(f"no completion for {shell}")
    outermost = context.find_root().command
    script = kind(outermost, {}, "pushmfa", COMPLETE_VARIABLE)
    # Not bash's own source(), which starts a bash to ask for its version.
    output.say(ShellComplete.source(script))
