"""The child process of `pushmfa test --service`: runs one PAM stack, once.

    python -m pushmfa.cli.stack SERVICE USER UID KEY

In a process of its own, for modules of a stack do as they like with their process.
It opens no session and starts nothing: it ends with PAM's own code, and says no more.

python-pam's conversation answers every hidden prompt with one password that is given
beforehand, and shows nothing before the end: no number would be seen. So this one
stands in its place: what the stack says is shown, what it asks is read from the
terminal, each in its turn.
"""

import ctypes
import getpass
import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, Final

from pushmfa.cli.options import has_terminal
from pushmfa.text import decode_text, make_harmless

PAM_SUCCESS: Final = 0
_PAM_RUSER: Final = 8
_ECHO_OFF, _ECHO_ON = 1, 2

_LOCAL: Final = frozenset({"sudo", "sudo-i", "su", "su-l"})
"""Services whose program has the real uid of the person at the keyboard."""


def _conversation(internals: Any) -> Callable[..., int]:
    """Return what stands in the place of python-pam's own conversation."""
    libc = ctypes.CDLL(None)
    libc.calloc.restype = libc.strdup.restype = ctypes.c_void_p
    libc.calloc.argtypes = (ctypes.c_size_t, ctypes.c_size_t)
    libc.strdup.argtypes = (ctypes.c_char_p,)

    def converse(count: int, messages: Any, responses: Any, *_: Any) -> int:
        """Answer as the person at the terminal does; PAM frees the answers."""
        memory = libc.calloc(count, ctypes.sizeof(internals.PamResponse))
        answers = ctypes.cast(memory, ctypes.POINTER(internals.PamResponse))
        responses[0] = answers
        for number in range(count):
            message = messages[number].contents
            try:
                answer = _ask(message.msg_style, decode_text(message.msg or b""))
            except (EOFError, OSError):
                # Nobody can be asked: the stack goes on without an answer.
                answer = None
            if answer is not None:
                raw = answer.encode(errors="surrogateescape")
                answers[number].resp = libc.strdup(raw)
        return PAM_SUCCESS

    return converse


def _ask(style: int, text: str) -> str | None:
    shown = make_harmless(text)
    if style == _ECHO_OFF:
        # Python would warn that it cannot hide what is typed, and read a pipe.
        return getpass.getpass(shown) if has_terminal() else None
    sys.stderr.write(shown)
    if style == _ECHO_ON:
        sys.stderr.flush()
        return sys.stdin.readline().rstrip("\n")
    sys.stderr.write("\n")
    sys.stderr.flush()
    return None


def run(service: str, user: str, uid: int, *, has_key: bool) -> int:
    """Run the stack of service for user and return PAM's code."""
    internals: Any = importlib.import_module("pam.__internals")
    internals.my_conv = _conversation(internals)
    authenticator = internals.PamAuthenticator()
    start = authenticator.pam_start

    def start_with_caller(*arguments: Any) -> int:
        code: int = start(*arguments)
        if code == PAM_SUCCESS and service in _LOCAL:
            name = ctypes.c_char_p(user.encode())
            authenticator.pam_set_item(authenticator.handle, _PAM_RUSER, name)
        return code

    authenticator.pam_start = start_with_caller
    environment = {}
    if service.startswith("sshd"):
        # As sshd tells the module: where from, and what was proved before.
        environment["SSH_CONNECTION"] = "127.0.0.1 1 127.0.0.1 22"
        if has_key:
            environment["SSH_AUTH_INFO_0"] = "publickey pushmfa-test"
    if service in _LOCAL:
        # Of sudo and su the module asks the real uid's device; euid stays root's.
        os.setresuid(uid, 0, 0)
    os.environ.pop("DISPLAY", None)
    authenticator.authenticate(user, "", service, env=environment, resetcreds=False)
    return int(authenticator.code)


if __name__ == "__main__":
    # An exception in the conversation would be lost on its way through libpam.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(
        run(sys.argv[1], sys.argv[2], int(sys.argv[3]), has_key=sys.argv[4] == "1")
    )
