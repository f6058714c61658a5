"""module.json and text.json: what stays on one machine."""

from tests.vectors.parties import Fields, malformed, refusal, vector_file

ITEMS: dict[str, bytes] = {
    "phase": b"auth",
    "service": b"sshd",
    "user": b"alice",
    "rhost": b"192.0.2.7",
    "tty": b"ssh",
    "uid": b"0",
    "loginuid": b"4294967295",
    "sessionid": b"4294967295",
    "pid": b"4711",
    "ppid": b"4700",
    "conn": b"192.0.2.7 50022 192.0.2.1 22",
    "methods": b"publickey ssh-ed25519 AAAA\n",
    "role": b"attempt",
    "flags": b"0",
    "wait": b"120",
    "cut": b"0",
}
LEAST = {
    key: ITEMS[key] for key in ("phase", "uid", "pid", "ppid", "role", "wait", "cut")
}
COMMAND = b"/usr/bin/sudo\0-k\0id\0"
NUMBERS = ("uid", "loginuid", "sessionid", "pid", "ppid", "flags", "wait", "cut")


def datagram(items: dict[str, bytes], command: bytes | None = None) -> bytes:
    """Return the first datagram of the module."""
    parts = [b"pushmfa1"] + [key.encode() + b"=" + item for key, item in items.items()]
    tail = b"" if command is None else b"command=" + command
    return b"".join(part + b"\0" for part in parts) + tail


def module_file() -> Fields:
    """Return module.json."""
    good = {
        "the first datagram of an ssh login": (ITEMS, b"/usr/sbin/sshd\0-R\0"),
        "the first datagram of a sudo": (
            ITEMS
            | {
                "service": b"sudo",
                "ruser": b"alice",
                "uid": b"1000",
                "display": b"info",
            },
            COMMAND,
        ),
        "only what must be there": (LEAST, None),
        "an empty item is not a missing one": (
            LEAST | {"ruser": b"", "user": b""},
            b"",
        ),
        "bytes that are not UTF-8 are kept": (
            LEAST | {"user": b"al\xffice"},
            b"\xff\0",
        ),
        "a value may have an equals sign": (
            LEAST | {"tty": b"a=b"},
            b"X=1\0command=2\0",
        ),
        "the account phase": (LEAST | {"phase": b"account"}, b""),
        "a decoy": (LEAST | {"role": b"decoy"}, b""),
        "a command that was cut": (LEAST | {"cut": b"1"}, bytes(32_768)),
        "the order of items does not matter": (dict(reversed(LEAST.items())), b""),
    }
    cases: list[Fields] = [
        {
            "name": name,
            "operation": "first",
            "datagram": datagram(items, command).hex(),
            "expected": _expected(items, command),
        }
        for name, (items, command) in good.items()
    ]
    cases += [
        {"name": f"{name} is refused", "operation": "first", "datagram": raw.hex()}
        | malformed("7")
        for name, raw in _bad_datagrams().items()
    ]
    return vector_file(
        "Datagrams between PAM module and daemon. `first`: what the module sends"
        " first; raw values in hexadecimal. `say`: what the daemon sends, or what it"
        " must not. `typed`: what the module sends after a prompt.",
        "section 7",
        cases + _said() + _typed(),
    )


def _expected(items: dict[str, bytes], command: bytes | None) -> Fields:
    values: Fields = {}
    for key, value in items.items():
        if key in NUMBERS:
            values[key] = int(value)
        elif key in ("phase", "role", "display"):
            values[key] = value.decode()
        else:
            values[key] = value.hex()
    values["command"] = None if command is None else command.hex()
    return values


def _bad_datagrams() -> dict[str, bytes]:
    good = datagram(LEAST, COMMAND)
    bad = {
        "an empty datagram": b"",
        "the magic alone": b"pushmfa1",
        "another version": good.replace(b"pushmfa1", b"pushmfa2"),
        "no magic": good.removeprefix(b"pushmfa1\0"),
        "an item without an end": datagram(LEAST) + b"tty=x",
        "an item without an equals sign": datagram(LEAST) + b"tty\0",
        "an unknown item": datagram(LEAST | {"colour": b"red"}),
        "an item in capitals": datagram(LEAST | {"TTY": b"x"}),
        "an item without a name": datagram(LEAST | {"": b"x"}),
        "a name that is not ASCII": datagram(LEAST) + b"tt\xff=x\0",
        "a doubled item": datagram(LEAST) + b"uid=0\0",
        "an empty item between two": datagram(LEAST) + b"\0",
        "a command of 32,769 bytes": datagram(LEAST, bytes(32_769)),
        "a datagram of 65,537 bytes": datagram(
            LEAST | {"user": b"u" * (65_537 - len(datagram(LEAST)) - 6)}
        ),
        "JSON": b'{"phase":"auth"}',
    }
    for key in LEAST:
        rest = {other: item for other, item in LEAST.items() if other != key}
        bad[f"a datagram without {key}"] = datagram(rest, COMMAND)
    for number in (b"", b"-1", b"+1", b" 1", b"1 ", b"1_0", b"0x1", b"1.0", b"1\n"):
        bad[f"the uid {number!r}"] = datagram(LEAST | {"uid": number})
    for number in ("\u0661".encode(), b"4294967296", b"00000000001", b"9" * 5_000):
        bad[f"the uid {number[:12]!r}"] = datagram(LEAST | {"uid": number})
    bad["cut as 2"] = datagram(LEAST | {"cut": b"2"})
    bad["an unknown phase"] = datagram(LEAST | {"phase": b"session"})
    bad["an unknown role"] = datagram(LEAST | {"role": b"first_factor"})
    bad["an unknown display"] = datagram(LEAST | {"display": b"both"})
    bad["an empty display"] = datagram(LEAST | {"display": b""})
    return bad


def _said() -> list[Fields]:
    prompt = "pushmfa: enter 42 on your phone (Pixel), then press Enter: "
    good = [
        ("an information", "I", "pushmfa: enter 42 on your phone.", None),
        ("an information of two lines", "I", "one\ntwo", None),
        ("an error", "E", "pushmfa: denied.", None),
        ("a prompt", "P", prompt, None),
        ("500 characters", "I", "x" * 500, None),
        ("an approval", "V", "", "approved"),
        ("a denial", "V", "pushmfa: denied on Pixel.", "denied"),
        ("a wrong number", "V", "pushmfa: a wrong number.", "wrong_number"),
        ("the end of the lifetime", "V", "pushmfa: nobody answered.", "expired"),
        ("a cancellation", "V", "", "canceled"),
        ("too many attempts", "V", "pushmfa: too many.", "throttled"),
        ("a lock", "V", "pushmfa: locked.", "locked"),
        ("no device", "V", "pushmfa: no device.", "not_enrolled"),
        ("no service", "V", "pushmfa: not available.", "unavailable"),
    ]
    cases: list[Fields] = []
    for name, letter, text, verdict in good:
        head = letter.encode() + (verdict.encode() + b"\0" if verdict else b"")
        case: Fields = {"name": f"the daemon says {name}", "operation": "say"}
        case |= {"letter": letter, "text": text}
        case |= {"verdict": verdict} if verdict else {}
        cases.append(case | {"expected": (head + text.encode()).hex()})
    cases += [
        {
            "name": f"the daemon does not say {name}",
            "operation": "say",
            "letter": letter,
            "text": text,
        }
        | refusal("ValueError", "7: texts")
        for name, letter, text in (
            ("an escape character", "I", "\x1b[2J"),
            ("a carriage return", "E", "one\rtwo"),
            ("a NUL", "I", "one\0two"),
            ("a tab", "P", "one\ttwo"),
            ("a delete character", "I", "\x7f"),
            ("a prompt of two lines", "P", "one\ntwo"),
            ("nothing as an information", "I", ""),
            ("nothing as an error", "E", ""),
            ("nothing as a prompt", "P", ""),
        )
    ]
    return cases


def _typed() -> list[Fields]:
    good = {
        "nothing typed": b"",
        "six digits": b"482913",
        "512 bytes": b"x" * 512,
        "bytes that are not UTF-8": b"\xff\0\n",
    }
    bad = {
        "an empty datagram": b"",
        "another letter": b"B482913",
        "a small letter": b"a482913",
        "digits without letter": b"482913",
        "513 typed bytes": b"A" + b"x" * 513,
    }
    return [
        {
            "name": f"{name} arrives",
            "operation": "typed",
            "datagram": (b"A" + raw).hex(),
            "expected": raw.hex(),
        }
        for name, raw in good.items()
    ] + [
        {"name": f"{name} is no answer", "operation": "typed", "datagram": raw.hex()}
        | malformed("7")
        for name, raw in bad.items()
    ]


HARMLESS = {
    "plain text is left alone": ("alice on web1.example", None),
    "letters beyond ASCII are left alone": ("B\u00e4r \u6771 \U0001f4f1", None),
    "a tab": ("a\tb", "a\\x09b"),
    "a line end": ("a\nb", "a\\x0ab"),
    "a carriage return": ("a\rb", "a\\x0db"),
    "a NUL": ("a\0b", "a\\x00b"),
    "an escape sequence": ("\x1b[31mred", "\\x1b[31mred"),
    "a delete character": ("a\x7fb", "a\\x7fb"),
    "a control sequence of C1": ("a\x9b1mb", "a\\x9b1mb"),
    "a next line of C1": ("a\x85b", "a\\x85b"),
    "a line separator": ("a\u2028b", "a\\u2028b"),
    "a paragraph separator": ("a\u2029b", "a\\u2029b"),
    "a right-to-left override": ("a\u202eb", "a\\u202eb"),
    "a left-to-right isolate": ("a\u2066b\u2069", "a\\u2066b\\u2069"),
    "a right-to-left mark": ("a\u200fb", "a\\u200fb"),
    "a zero-width space": ("a\u200bb", "a\\u200bb"),
    "a zero-width joiner": ("a\u200db", "a\\u200db"),
    "a byte order mark": ("\ufeffa", "\\ufeffa"),
    "a soft hyphen": ("a\u00adb", "a\\xadb"),
    "a tag character": ("a\U000e0041b", "a\\U000e0041b"),
    "a private character": ("a\ue000b", "a\\ue000b"),
    "a noncharacter": ("a\uffffb", "a\\uffffb"),
    "a no-break space": ("a\u00a0b", "a b"),
    "an ideographic space": ("a\u3000b", "a b"),
    "a letter and its accent": ("e\u0301", "\u00e9"),
    "an empty text": ("", None),
    "a filler that shows nothing": ("ali\u3164ce", "ali\\u3164ce"),
    "a variation selector": ("alice\ufe0f", "alice\\ufe0f"),
    "an empty braille pattern": ("ali\u2800ce", "ali\\u2800ce"),
}


COMMANDS = {
    "plain arguments stay bare": (
        b"/usr/bin/id\0-u\0alice@web1\0",
        "/usr/bin/id -u alice@web1",
    ),
    "nothing at all": (b"", ""),
    "an argument without its NUL": (b"ls\0-l", "ls -l"),
    "an empty argument is seen": (b"sh\0\0-c\0", "sh '' -c"),
    "an empty argument at the end is seen": (b"echo\0\0", "echo ''"),
    "spaces stand in quotes": (b"echo\0a b\0", "echo 'a b'"),
    "what a shell would obey stands in quotes": (
        b"sh\0-c\0id; rm *\0",
        "sh -c 'id; rm *'",
    ),
    "a quote is escaped": (b"echo\0it's\0", "echo $'it\\'s'"),
    "a line end is escaped": (b"echo\0a\nb\tc\rd\0", "echo $'a\\nb\\tc\\rd'"),
    "a control character is escaped": (b"echo\0\x1b[2J\0", "echo $'\\x1b[2J'"),
    "a backslash stays in quotes": (b"echo\0a\\b\0", "echo 'a\\b'"),
    "a backslash beside an escape is escaped": (b"echo\0\\\x07\0", "echo $'\\\\\\x07'"),
    "a byte that is not UTF-8 is escaped": (b"echo\0\xff\0", "echo $'\\xff'"),
    "text that looks like an escaped byte is told from one": (
        b"echo\0\\xff\0",
        "echo '\\xff'",
    ),
    "half of a character is escaped": (b"echo\0\xe6\x9d\0", "echo $'\\xe6\\x9d'"),
    "letters of other scripts stay": (
        "echo\0\u6771\u4eac\0".encode(),
        "echo '\u6771\u4eac'",
    ),
    "an override is escaped": ("echo\0a\u202eb\0".encode(), "echo $'a\\u202eb'"),
    "a zero-width space is escaped": ("echo\0a\u200bb\0".encode(), "echo $'a\\u200bb'"),
    "a space that is another is escaped": (
        "echo\0a\u00a0b\0".encode(),
        "echo $'a\\u00a0b'",
    ),
    "a combining mark is escaped": ("echo\0\u0301\0".encode(), "echo $'\\u0301'"),
    "a mark that encloses what is before it is escaped": (
        "echo\0\u20dd\0".encode(),
        "echo $'\\u20dd'",
    ),
    "a tag character is escaped": (
        "echo\0\U000e0041\0".encode(),
        "echo $'\\U000e0041'",
    ),
    "a picture stays": ("echo\0\U0001f4f1\0".encode(), "echo '\U0001f4f1'"),
}


def text_file() -> Fields:
    """Return text.json."""
    cases: list[Fields] = [
        {"name": name, "operation": "make_harmless", "text": text}
        | {"expected": text if expected is None else expected}
        for name, (text, expected) in HARMLESS.items()
    ]
    cases += [
        {"name": name, "operation": operation, "text": text, "limit": limit}
        | {"expected": expected}
        for name, operation, text, limit, expected in (
            ("a text as long as the limit", "make_harmless", "a" * 10, 10, "a" * 10),
            ("a longer text is cut", "make_harmless", "a" * 11, 10, "aaaaaaa..."),
            ("escapes count", "make_harmless", "\x1b" * 4, 10, "\\x1b\\x1..."),
            ("ASCII is left alone", "make_ascii", "alice", 10, "alice"),
            ("an umlaut in ASCII", "make_ascii", "B\u00e4r", 10, "B\\xe4r"),
            ("a character in ASCII", "make_ascii", "\u6771", 10, "\\u6771"),
            ("a picture in ASCII", "make_ascii", "\U0001f4f1", 10, "\\U0001f4f1"),
            ("an override in ASCII", "make_ascii", "\u202e", 10, "\\u202e"),
            ("a longer one is cut", "make_ascii", "\u6771" * 2, 10, "\\u6771\\..."),
        )
    ]
    cases += [
        {"name": name, "operation": "decode_text", "bytes": raw.hex()}
        | {"expected": expected}
        for name, raw, expected in (
            ("UTF-8 is text", "\u6771".encode(), "\u6771"),
            ("a byte that is not UTF-8", b"a\xffb", "a\\xffb"),
            ("a surrogate in UTF-8", b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
        )
    ]
    cases += [
        {"name": name, "operation": "command", "command": raw.hex()}
        | {"expected": expected}
        for name, (raw, expected) in COMMANDS.items()
    ]
    return vector_file(
        "Text from outside, as a terminal, a log or a page shows it: control, format,"
        " surrogate, private and unassigned characters and line separators as escapes"
        " (two, four or eight hexadecimal digits), other spaces plain, after NFC."
        " `command`: arguments with NUL after each, as a shell would read them.",
        "section 2.1",
        cases,
    )
