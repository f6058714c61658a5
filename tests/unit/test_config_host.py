"""pushmfa.toml: every key, every refusal, all problems at once."""

import datetime
import os
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushmfa.config.host import (
    RESERVED_TABLES,
    load_host_config,
    parse_host_config,
)
from pushmfa.config.model import HostConfig, HostRelays, ServiceSettings
from pushmfa.config.run_dir import DEFAULT_RUN, load_run_dir
from pushmfa.errors import ConfigError

LEAST = """\
[relay]
urls = ["wss://relay.example"]
[web]
origin = "https://app.example"
"""

WHOLE = """\
profile = "default"

[host]
name = "web1"

[paths]
state = "/srv/state"
run = "/srv/run"

[relay]
urls = ["wss://relay.example", "wss://relay.example:8443", "ws://[::1]:8300"]
proxy = "http://proxy.example:3128"
ca = "/etc/pushmfa/ca.pem"

[web]
origin = "https://app.example:8443"

[login]
lifetime = 90
digits = 6
max_pending = 5
unreachable = "allow"
unreachable_users = ["root", "alice"]
unreachable_networks = ["192.0.2.0/24", "2001:db8::/32"]
unenrolled = "allow until 2026-12-31"
trusted_hops = 1
verification = "required"
verification_users = ["root"]

[service.sudo]
first_factor = "stack"

[service.sshd]
display = "info"

[su]
ask = "target"

[enroll]
first_device = "root"

[audit]
"""

MISTAKES = """\
profil = "x"
paths.run = "run"
service."sudo i".display = 3
[relay]
urls = [
  "wss://Relay.example:443/",
]
[web]
origin = "http://app.example"
[[rule]]
user = "alice"
[login]
lifetme = 60
digits = 9
max_pending = true
unreachable = "allow"
unreachable_networks = ["10.0.0.1/8", "foo.example"]
unenrolled = "allow"
[service.sshd]
first_factor = "stak"
disply = "info"
[audit]
keep = 3
"""

PROBLEMS = """\
pushmfa.toml:1: profil: unknown key; did you mean "profile"?
pushmfa.toml:2: paths.run: must be an absolute path, not "run"
pushmfa.toml:3: service.sudo i: is no name of a PAM service
pushmfa.toml:3: service.sudo i.display: must be a text, not an integer
pushmfa.toml:5: relay.urls: write "wss://relay.example" instead of \
"wss://Relay.example:443/"
pushmfa.toml:9: web.origin: http:// is for localhost only, write https:// instead of \
"http://app.example"
pushmfa.toml:10: rule: belongs to a later version of pushmfa; this one would ignore it
pushmfa.toml:13: login.lifetme: unknown key; did you mean "lifetime"?
pushmfa.toml:14: login.digits: 9 is not between 2 and 8
pushmfa.toml:15: login.max_pending: must be an integer, not true
pushmfa.toml:16: login.unreachable: "allow" needs both unreachable_users and \
unreachable_networks, not empty
pushmfa.toml:17: login.unreachable_networks: "10.0.0.1/8" is no network, write it as \
"192.0.2.0/24"; for the whole network write 10.0.0.0/8
pushmfa.toml:17: login.unreachable_networks: "foo.example" is no network, write it as \
"192.0.2.0/24"
pushmfa.toml:18: login.unenrolled: must be "refuse" or "allow until YYYY-MM-DD", not \
"allow"
pushmfa.toml:20: service.sshd.first_factor: must be "stack", not "stak"
pushmfa.toml:21: service.sshd.disply: unknown key; did you mean "display"?
pushmfa.toml:23: audit.keep: unknown key"""


def problems_of(text: str) -> str:
    with pytest.raises(ConfigError) as raised:
        parse_host_config(text)
    assert raised.value.exit_code == 8
    return str(raised.value)


def test_least() -> None:
    config = parse_host_config(LEAST)
    assert config == HostConfig(
        relay=HostRelays(urls=("wss://relay.example",)),
        web_origin="https://app.example",
    )
    assert config.login.lifetime == 60
    assert config.login.digits == 2
    assert config.login.max_pending == 3
    assert config.login.unreachable == "refuse"
    assert config.login.verification == "none"
    assert config.login.verification_users == ()
    assert config.login.unenrolled_until is None
    assert config.host_name is None
    assert config.service("sshd") == ServiceSettings()
    assert config.enroll.first_device == "ticket"
    assert config.su.ask == "requesting"


def test_whole() -> None:
    config = parse_host_config(WHOLE)
    assert config.host_name == "web1"
    assert config.paths.run == Path("/srv/run")
    assert config.relay.urls[2] == "ws://[::1]:8300"
    assert config.relay.ca == Path("/etc/pushmfa/ca.pem")
    assert config.relay.proxy == "http://proxy.example:3128"
    assert config.login.unreachable_users == ("root", "alice")
    assert config.login.unreachable_networks[1] == ip_network("2001:db8::/32")
    assert config.login.trusted_hops == 1
    assert config.login.verification == "required"
    assert config.login.verification_users == ("root",)
    assert config.service("sudo").first_factor == "stack"
    assert config.service("sshd").display == "info"
    assert (config.su.ask, config.enroll.first_device) == ("target", "root")


def test_unenrolled_holds_to_the_end_of_that_day() -> None:
    until = parse_host_config(WHOLE).login.unenrolled_until
    assert until is not None
    end = datetime.datetime.fromtimestamp(until, datetime.UTC)
    assert end.isoformat() == "2027-01-01T00:00:00+00:00"


def test_all_problems_at_once_each_with_key_and_line() -> None:
    assert problems_of(MISTAKES) == PROBLEMS


def test_empty_file_says_what_is_missing() -> None:
    assert problems_of("") == (
        "pushmfa.toml: relay.urls: missing, must be 1 to 3\n"
        "pushmfa.toml: web.origin: missing; it is where the phone app is, https://..."
    )


@pytest.mark.parametrize("name", RESERVED_TABLES)
@pytest.mark.parametrize("form", ["[{}]", "[[{}]]", "[{}.x]"])
def test_reserved_tables_are_not_ignored(name: str, form: str) -> None:
    assert f":5: {name}: belongs to a later version" in problems_of(
        LEAST + form.format(name)
    )


@pytest.mark.parametrize("profile", ["aal2", "pci"])
def test_reserved_profiles(profile: str) -> None:
    text = f'profile = "{profile}"\n{LEAST}'
    assert problems_of(text) == (
        f'pushmfa.toml:1: profile: "{profile}" belongs to a later version of pushmfa'
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("lifetime = 9", "lifetime: 9 is not between 10 and 600"),
        ("lifetime = 601", "lifetime: 601 is not between 10 and 600"),
        ("digits = 1", "digits: 1 is not between 2 and 8"),
        ("max_pending = 0", "max_pending: 0 is not between 1 and 20"),
        ("trusted_hops = 17", "trusted_hops: 17 is not between 0 and 16"),
        ('verification = "on"', 'must be "none" or "required", not "on"'),
        ("verification = true", "verification: must be"),
        ('verification_users = "root"', "must be an array of texts"),
        ('verification_users = ["a b"]', '"a b" is no user name'),
        ("lifetime = 60.0", "lifetime: must be an integer, not a float"),
        ('unreachable = "open"', 'must be "refuse" or "allow", not "open"'),
        ('unreachable = "allow"\nunreachable_users = ["a"]', "needs both"),
        ('unreachable = "allow"\nunreachable_networks = ["::/0"]', "needs both"),
        ('unreachable_users = "root"', "must be an array of texts"),
        ('unreachable_users = ["a b"]', '"a b" is no user name'),
        ('unreachable_users = ["a", "a"]', "says the same thing twice"),
        ('unenrolled = "allow until 2026-02-30"', "is no day of the calendar"),
        ('unenrolled = "allow until soon"', "is no date, write YYYY-MM-DD"),
        ("unenrolled = 2026-12-31", "must be a text, not a date or time"),
    ],
)
def test_login_problems(line: str, problem: str) -> None:
    assert problem in problems_of(f"{LEAST}[login]\n{line}\n")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("relay = 3", "relay: must be a table, not an integer"),
        ('[host]\nname = "a\\u001b[2J"', r"printable characters, not"),
        ('[host]\nname = ""', "must be 1 to 64 printable characters"),
        ("[web]\norigin = 3", "web.origin: must be a text, not an integer"),
        ('[web]\norigin = "https://app.example/"', 'write "https://app.example"'),
        ("[relay]\nurls = []", "0 of them, must be 1 to 3"),
        ('[relay]\nurls = ["1", "2", "3", "4"]', "4 of them, must be 1 to 3"),
        ('[relay]\nurls = ["wss://r", "wss://r"]', "says the same thing twice"),
        ('[relay]\nurls = ["ws://relay.example"]', "ws:// is for localhost only"),
        ('[relay]\nproxy = "http://u:p@h"', "without path, user or password"),
        ('[relay]\nproxy = "socks5://h"', "must be http:// or https://"),
        ('[relay]\nca = "ca.pem"', "must be an absolute path"),
        ('[su]\nask = "me"', 'must be "requesting" or "target" or "login"'),
        ('[enroll]\nfirst_device = "any"', 'must be "ticket" or "root"'),
    ],
)
def test_other_problems(text: str, problem: str) -> None:
    assert problem in problems_of(text)


def test_enrollment_link_must_fit_its_qr_code() -> None:
    fits = "https://" + "a" * 40 + ".example"
    config = f'[relay]\nurls = ["wss://{{}}"]\n[web]\norigin = "{fits}"\n'
    room = 106 - len(fits) - len("/#1") - 22
    label = "b" * (room - len(".example"))
    parse_host_config(config.format(f"{label}.example"))
    problem = problems_of(config.format(f"b{label}.example"))
    assert "enrollment links have 107 bytes, a QR code holds 106" in problem
    # One host for both: the link does not name it twice.
    same = fits.removeprefix("https://")
    parse_host_config(config.format(same))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a = 1\na = 2", ":2: no TOML: Cannot overwrite a value (at end of"),
        ("a = 1\nb = ?\n", ":2: no TOML: Invalid value (column 5)"),
        ("a = [", "no TOML: Invalid value (at end of document)"),
        ("a = " + "[" * 20_000, "no TOML: nested too deep"),
        ("a = " + "9" * 5_000, "no TOML"),
        ("\x1b[2J = 1", ":1: no TOML"),
    ],
)
def test_no_toml(text: str, problem: str) -> None:
    assert problem in problems_of(text)
    assert "\x1b" not in problems_of(text)


def test_hostile_keys_are_harmless() -> None:
    assert "\\x1b[2J: unknown key" in problems_of('"\\u001b[2J" = 1\n' + LEAST)


@given(st.text(max_size=200))
def test_any_text_is_a_configuration_or_a_config_error(text: str) -> None:
    with suppress(ConfigError):
        assert isinstance(parse_host_config(text), HostConfig)


VALUE = st.sampled_from(
    '"allow" 3 -1 true 1.5 nan [] ["a"] [[1]] {} {a=1} 1979-05-27 "" "\\u0000" "/x" '
    '"wss://a" [1,{}]'.split()
)
KEY = st.sampled_from(
    "profile host.name paths.run relay.urls relay.proxy web.origin login.digits "
    "login.unreachable login.unreachable_users login.unreachable_networks "
    "login.unenrolled service.x.display service.x su.ask enroll audit rule "
    "fleet.a host paths relay web login".split()
)


@given(st.lists(st.tuples(KEY, VALUE), max_size=8))
def test_any_value_anywhere(lines: list[tuple[str, str]]) -> None:
    text = "\n".join(f"{key} = {value}" for key, value in lines)
    with suppress(ConfigError):
        parse_host_config(text)


# --- the file -------------------------------------------------------------------------


def write(folder: Path, text: str = LEAST, mode: int = 0o644) -> Path:
    path = folder / "pushmfa.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def load_problem(path: Path) -> ConfigError:
    with pytest.raises(ConfigError) as raised:
        load_host_config(path)
    return raised.value


def test_load(tmp_path: Path) -> None:
    assert load_host_config(write(tmp_path)) == parse_host_config(LEAST)
    path = write(tmp_path, "x = 1\n" + LEAST)
    assert str(load_problem(path)).startswith(f"{path}:1: x: unknown key")


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666, 0o620])
def test_file_that_others_can_write(tmp_path: Path, mode: int) -> None:
    # Attack: whoever can write it gives himself `unreachable = "allow"`.
    error = load_problem(write(tmp_path, mode=mode))
    assert f"others can write it (mode 0{mode:o})" in str(error)
    assert "chmod go-w" in error.hint


def test_file_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path)
    owner = path.stat().st_uid
    if owner == 0:
        os.chown(path, 4_711, 0)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert "neither to root nor to you" in str(load_problem(path))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "No such file" in str(load_problem(tmp_path / "none.toml"))
    assert "Is a directory" in str(load_problem(tmp_path))
    os.mkfifo(tmp_path / "fifo")
    assert "not a regular file" in str(load_problem(tmp_path / "fifo"))
    assert "null" in str(load_problem(Path("a\x00b")))
    big = write(tmp_path, "#" * 1_048_577)
    assert "more than 1048576 bytes" in str(load_problem(big))
    big.write_bytes(b"# fine\n# \xff\n")
    assert str(load_problem(big)) == f"{big}:2: not UTF-8"


def test_windows_line_ends(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes((LEAST + "x = 1\n").replace("\n", "\r\n").encode())
    assert ":5: web.x: unknown key" in str(load_problem(path))


def test_run_dir(tmp_path: Path) -> None:
    # What else is wrong with the file does not keep a command from asking.
    path = write(tmp_path, '[paths]\nrun = "/srv/run"\n[nonsense]\n')
    assert load_run_dir(path) == Path("/srv/run")
    with pytest.raises(ConfigError, match="must be an absolute path"):
        load_run_dir(write(tmp_path, '[paths]\nrun = "srv"\n'))
    with pytest.raises(ConfigError):
        load_run_dir(tmp_path / "none")


def test_run_dir_of_the_default_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pushmfa.toml"
    monkeypatch.setattr("pushmfa.config.run_dir.DEFAULT_PATH", path)
    assert load_run_dir(None) == DEFAULT_RUN
    write(tmp_path, "nonsense")
    assert load_run_dir(None) == DEFAULT_RUN
    write(tmp_path, 'paths.run = "/srv/run"')
    assert load_run_dir(None) == Path("/srv/run")


def test_a_file_that_is_not_there_is_to_be_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file") as caught:
        load_host_config(tmp_path / "pushmfa.toml")
    assert "docs/configuration.md" in caught.value.hint
