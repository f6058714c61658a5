"""Reads `[push]` of relay.toml: Web Push, a hook, a command."""

import re
from typing import Final

from pushmfa.config.model import PushConfig
from pushmfa.config.names import parse_place
from pushmfa.config.table import Table, name_value

MAX_URL: Final = 1_024
MAX_WORDS: Final = 32
MAX_WORD: Final = 1_024

_PLACEHOLDERS: Final = ("{mailbox}", "{envelope}")
_CONTACT: Final = re.compile(
    r"mailto:[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+|https://[A-Za-z0-9.-]+(/[!-~]*)?",
    re.ASCII,
)
_HOOK: Final = re.compile(r"(?P<place>https?://[^/?#]+)(?P<rest>[/?][!-~]*)?", re.ASCII)


def read_push(table: Table) -> PushConfig:
    """Return what the table says; what is wrong is noted."""
    hook, command = table.table("hook"), table.table("command")
    config = PushConfig(
        enabled=table.boolean("enabled", True),
        contact=table.text("contact", None, _contact),
        hook_url=hook.text("url", None, _hook_url),
        # Not texts(): a command may well say the same word twice.
        command=_read_argv(command),
    )
    for part in (hook, command, table):
        part.finish()
    return config


def _contact(text: str) -> str:
    if not _CONTACT.fullmatch(text) or len(text) > MAX_URL:
        raise ValueError(
            f'must be like "mailto:you@example.com" or an https:// URL, not '
            f"{name_value(text)}"
        )
    return text


def _hook_url(text: str) -> str:
    match = _HOOK.fullmatch(text) if len(text) <= MAX_URL else None
    if match is None:
        raise ValueError(f"{name_value(text)} is no URL of a hook")
    # The ids stand behind the host: whoever is asked is the operator's choice alone.
    place = parse_place(match["place"], ("https", "http"))
    if place.scheme == "http" and not place.is_local:
        raise ValueError("http:// is for localhost only, write https://")
    _check_placeholders(match["rest"] or "")
    return text


def _read_argv(table: Table) -> tuple[str, ...]:
    argv: tuple[str, ...] = table.words("argv", MAX_WORDS, _word)
    if argv and not argv[0].startswith("/"):
        table.reject("argv", "the program must be an absolute path")
        return ()
    if argv and "{" in argv[0]:
        table.reject("argv", "the program itself cannot hold a placeholder")
        return ()
    return argv


def _word(text: str) -> str:
    if "\x00" in text or len(text) > MAX_WORD:
        raise ValueError(f"must be a word of at most {MAX_WORD} characters")
    _check_placeholders(text)
    return text


def _check_placeholders(text: str) -> None:
    rest = text
    for placeholder in _PLACEHOLDERS:
        rest = rest.replace(placeholder, "")
    if "{" in rest or "}" in rest:
        raise ValueError("knows only {mailbox} and {envelope} in braces")
