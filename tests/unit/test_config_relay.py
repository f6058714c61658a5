"""relay.toml."""

import dataclasses
import os
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushmfa.cli.services import relay_settings
from pushmfa.config.model import RateLimit, RelayConfig, WebConfig
from pushmfa.config.relay import (
    COUNT_LIMITS,
    RATE_LIMITS,
    load_relay_config,
    parse_relay_config,
)
from pushmfa.errors import ConfigError
from pushmfa.relay.limits import Rate, RelayLimits
from pushmfa.relay.settings import PushSettings, RelaySettings, WebSettings

LEAST = """\
[public]
urls = ["wss://relay.example"]
"""

WHOLE = """\
[listen]
address = "0.0.0.0"
port = 8443
tls_cert = "/etc/pushmfa/cert.pem"
tls_key = "/etc/pushmfa/key.pem"
trusted_proxies = ["192.0.2.1/32"]

[public]
urls = ["wss://relay.example:8443", "ws://localhost:8443"]

[web]
origins = ["https://app.example"]
listen = "[::1]:8301"
relays = ["wss://other.example"]
tls_cert = "/etc/pushmfa/app.pem"
tls_key = "/etc/pushmfa/app-key.pem"

[push]
enabled = false
contact = "https://relay.example/contact"

[push.hook]
url = "https://ntfy.example/{mailbox}?auth=secret"

[push.command]
argv = ["/usr/local/bin/wake", "-v", "-v", "{mailbox}", "{envelope}"]

[limits]
max_links = 100
device_frames = { burst = 10, per_second = 0.5 }

[paths]
state = "/srv/relay"
"""

MISTAKES = """\
[listen]
address = "::"
tls_key = "/x"
port = 0
[limits]
conections = 3
max_links = 0
connections = { burst = 3 }
host_frames = 3
device_frames = { burst = 1, per_second = nan, more = 1 }
[push]
[cluster]
[admission]
[web]
listen = "localhost:80"
"""

PROBLEMS = """\
relay.toml: public.urls: missing, must be 1 to 16
relay.toml:2: listen.address: :: is reached from elsewhere: give tls_cert and tls_key, \
or trusted_proxies if a proxy does TLS
relay.toml:3: listen.tls_key: needs tls_cert, too
relay.toml:4: listen.port: 0 is not between 1 and 65535
relay.toml:6: limits.conections: unknown key; did you mean "connections"?
relay.toml:7: limits.max_links: 0 is not between 1 and 10000000
relay.toml:8: limits.connections.per_second: missing; write { burst = 60, \
per_second = 2 }
relay.toml:9: limits.host_frames: must be a table, not an integer
relay.toml:10: limits.device_frames.per_second: is not between 0.001 and 1e+06
relay.toml:10: limits.device_frames.more: unknown key; known here: burst, per_second
relay.toml:12: cluster: belongs to a later version of pushmfa; this one would ignore it
relay.toml:13: admission: belongs to a later version of pushmfa; this one would \
ignore it
relay.toml:15: web.listen: must be like "127.0.0.1:8301", not "localhost:80\""""


def test_least() -> None:
    config = parse_relay_config(LEAST)
    assert config == RelayConfig(public_urls=("wss://relay.example",))
    assert (config.listen.address, config.listen.port) == ("127.0.0.1", 8300)
    assert config.state == Path("/var/lib/pushmfa-relay")


def test_whole() -> None:
    config = parse_relay_config(WHOLE)
    assert config.web == WebConfig(
        origins=("https://app.example",),
        listen=("::1", 8301),
        relays=("wss://other.example",),
        tls_cert=Path("/etc/pushmfa/app.pem"),
        tls_key=Path("/etc/pushmfa/app-key.pem"),
    )
    assert config.limits == {
        "max_links": 100,
        "device_frames": RateLimit(burst=10, per_second=0.5),
    }


def test_all_problems_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        parse_relay_config(MISTAKES)
    assert str(raised.value) == PROBLEMS


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.7"])  # noqa: S104  to be refused
def test_beyond_localhost_only_with_tls_or_behind_a_proxy(address: str) -> None:
    listen = f'[listen]\naddress = "{address}"\n'
    with pytest.raises(ConfigError, match="is reached from elsewhere"):
        parse_relay_config(LEAST + listen)
    with pytest.raises(ConfigError, match="is reached from elsewhere"):
        parse_relay_config(LEAST + listen + "trusted_proxies = []\n")
    parse_relay_config(LEAST + listen + 'trusted_proxies = ["192.0.2.1"]\n')
    tls = 'tls_cert = "/cert"\ntls_key = "/key"\n'
    parse_relay_config(LEAST + listen + tls)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1"])
def test_localhost_needs_no_tls(address: str) -> None:
    parse_relay_config(f'{LEAST}[listen]\naddress = "{address}"\n')


APP = '[web]\norigins = ["https://app.example"]\n'


def test_the_app_has_the_certificate_of_the_relay_unless_it_has_its_own() -> None:
    tls = 'tls_cert = "/cert"\ntls_key = "/key"\n'
    listen = f"[listen]\n{tls}"
    web = parse_relay_config(LEAST + listen + APP + 'listen = "0.0.0.0:443"\n').web
    assert (web.tls_cert, web.tls_key) == (Path("/cert"), Path("/key"))
    with pytest.raises(ConfigError, match="needs tls_key, too"):
        parse_relay_config(LEAST + listen + APP + 'tls_cert = "/other"\n')


@pytest.mark.parametrize("written", ["", 'listen = ""\n'])
def test_the_app_is_not_served_unless_somebody_says_where(written: str) -> None:
    config = parse_relay_config(LEAST + APP + written)
    assert config.web.listen is None
    assert relay_settings(config).web is None


@pytest.mark.parametrize("address", ["0.0.0.0", "[::]", "192.0.2.7"])  # noqa: S104  to be refused
def test_the_app_beyond_localhost_only_with_tls_or_behind_a_proxy(address: str) -> None:
    listen = f'listen = "{address}:8301"\n'
    with pytest.raises(ConfigError, match=r"web.listen: .* is reached from elsewhere"):
        parse_relay_config(LEAST + APP + listen)
    parse_relay_config(
        LEAST + '[listen]\ntrusted_proxies = ["192.0.2.1"]\n' + APP + listen
    )
    parse_relay_config(LEAST + APP + listen + 'tls_cert = "/c"\ntls_key = "/k"\n')


def test_an_app_whose_own_pages_would_be_refused() -> None:
    with pytest.raises(ConfigError, match=r"web.origins: missing; the origin"):
        parse_relay_config(LEAST + '[web]\nlisten = "127.0.0.1:8301"\n')


@pytest.mark.parametrize("address", ["localhost", "fe80::1%eth0", "", "1.2.3"])
def test_addresses_are_no_names(address: str) -> None:
    with pytest.raises(ConfigError, match="must be an IP address"):
        parse_relay_config(f'{LEAST}[listen]\naddress = "{address}"\n')


def test_state_of_a_file_that_is_not_roots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "relay.toml"
    path.write_text(LEAST)
    path.chmod(0o600)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    if os.geteuid() == 0:
        assert load_relay_config(path).state == Path("/var/lib/pushmfa-relay")
        os.chown(path, 4_711, 0)
        monkeypatch.setattr(os, "geteuid", lambda: 4_711)
    assert load_relay_config(path).state == tmp_path / "state" / "pushmfa-relay"


@given(st.text(max_size=200))
def test_any_text_is_a_configuration_or_a_config_error(text: str) -> None:
    with suppress(ConfigError):
        assert isinstance(parse_relay_config(text), RelayConfig)


# --- what the relay makes of it ---------------------------------------------------


def test_limits_are_those_of_the_relay() -> None:
    kinds = {
        limit.name: type(getattr(RelayLimits(), limit.name))
        for limit in dataclasses.fields(RelayLimits)
    }
    expected = dict.fromkeys(COUNT_LIMITS, int) | dict.fromkeys(RATE_LIMITS, Rate)
    assert kinds == expected


def test_defaults_of_the_relay_are_within_the_bounds() -> None:
    for name, (low, high) in COUNT_LIMITS.items():
        assert low <= getattr(RelayLimits(), name) <= high


def test_relay_takes_it() -> None:
    settings = relay_settings(parse_relay_config(WHOLE))
    assert settings == RelaySettings(
        public_urls=frozenset({"wss://relay.example:8443", "ws://localhost:8443"}),
        state_path=Path("/srv/relay/relay.db"),
        address="0.0.0.0",  # noqa: S104  what the text says; nothing listens
        port=8443,
        tls_cert=Path("/etc/pushmfa/cert.pem"),
        tls_key=Path("/etc/pushmfa/key.pem"),
        trusted_proxies=(ip_network("192.0.2.1/32"),),
        origins=frozenset({"https://app.example"}),
        web=WebSettings(
            address="::1",
            port=8301,
            relays=("wss://other.example",),
            tls_cert=Path("/etc/pushmfa/app.pem"),
            tls_key=Path("/etc/pushmfa/app-key.pem"),
        ),
        push=PushSettings(
            enabled=False,
            contact="https://relay.example/contact",
            hook_url="https://ntfy.example/{mailbox}?auth=secret",
            command=("/usr/local/bin/wake", "-v", "-v", "{mailbox}", "{envelope}"),
        ),
        limits=RelayLimits(max_links=100, device_frames=Rate(10, 0.5)),
    )


def test_push_without_a_table() -> None:
    settings = relay_settings(parse_relay_config(LEAST))
    assert settings.push == PushSettings(contact="mailto:root@relay.example")


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("enabled = 1", "must be true or false"),
        ('contact = "root@relay.example"', 'must be like "mailto:you@example.com"'),
        ('contact = "mailto:a@b\\r\\nX: y"', 'must be like "mailto:'),
        ("allow_private = true", "unknown key"),
        ("[push.hook]\nurl = 1", "must be a text"),
        ('[push.hook]\nurl = "ftp://ntfy.example/x"', "no URL of a hook"),
        ('[push.hook]\nurl = "http://ntfy.example/x"', "for localhost only"),
        ('[push.hook]\nurl = "https://u:p@ntfy.example/"', "must be"),
        ('[push.hook]\nurl = "https://{mailbox}.example/"', "no host name"),
        ('[push.hook]\nurl = "https://ntfy.example/{topic}"', "knows only"),
        ('[push.hook]\nurl = "https://ntfy.example/a b"', "no URL of a hook"),
        ('[push.hook]\nurl = "https://ntfy.example/"\nbody = "x"', "unknown key"),
        ("[push.command]\nargv = []", "must be an array of texts"),
        ('[push.command]\nargv = "/bin/true"', "must be an array of texts"),
        ('[push.command]\nargv = ["true"]', "must be an absolute path"),
        ('[push.command]\nargv = ["/bin/{mailbox}"]', "cannot hold a placeholder"),
        ('[push.command]\nargv = ["/bin/true", "{user}"]', "knows only"),
        ('[push.command]\nargv = ["/bin/true", "\\u0000"]', "must be a word"),
        ('[push.command]\nargv = ["/bin/true", 1]', "must be a text"),
    ],
)
def test_mistakes_in_push(lines: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        parse_relay_config(f"{LEAST}[push]\n{lines}\n")


def test_a_command_of_too_many_words() -> None:
    words = ", ".join(['"/bin/true"'] * 33)
    with pytest.raises(ConfigError, match="33 of them, must be at most 32"):
        parse_relay_config(f"{LEAST}[push.command]\nargv = [{words}]\n")


@pytest.mark.parametrize(
    "url", ["https://ntfy.example/{mailbox}", "http://localhost:8080/x?y={envelope}"]
)
def test_urls_of_hooks(url: str) -> None:
    config = parse_relay_config(f'{LEAST}[push.hook]\nurl = "{url}"\n')
    assert config.push.hook_url == url
