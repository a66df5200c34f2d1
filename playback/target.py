"""Where a replay may send its requests: judged before the first byte, by address, resolved once.

A replay writes, uploads and starts jobs. It reaches only origins named in PROFILE_PLAYBACK_ALLOWED_ORIGINS
(comma-separated; the word `loopback`, which is the default, stands for 127.0.0.0/8 and ::1 on any port), and never an
application whose recorder says that it runs in production. What counts is where the bytes go: the internal URL when
there is one. The base URL is then only the name under which the application knows itself.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import httpx

from playback.errors import TargetRefused, Unjudgeable

__all__ = ["ALLOWED", "Target", "check_target", "refuse_production"]

ALLOWED = "PROFILE_PLAYBACK_ALLOWED_ORIGINS"
LOOPBACK = "loopback"
PORTS = {"http": 80, "https": 443}
PROBE = 1.0  # seconds to find which of several addresses listens
ASK = 10.0  # seconds for the recorder's answer
RECORDER = "/recorder"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# What inet_aton(3) takes for an IPv4 address, and so does every C library: 2130706433, 0x7f.1, 0177.0.0.1
_AN_ADDRESS = re.compile(r"(?:0[xX][0-9a-fA-F]*|[0-9]+)(?:\.(?:0[xX][0-9a-fA-F]*|[0-9]+)){0,3}")
_A_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*")


@dataclass(frozen=True)
class Target:
    """An application that a replay may reach.

    `origin` and `base_path` are its public name: cookies, Host, Origin and Referer belong to it. Connections go to
    `address` and `port`, which were judged; the name in `internal_origin` is not resolved a second time.
    """

    origin: str
    base_path: str
    internal_origin: str
    address: str
    port: int

    @property
    def connect_origin(self) -> str:
        """Scheme, address and port to connect to, as an origin."""
        shown = f"[{self.address}]" if ":" in self.address else self.address
        return f"{urlsplit(self.internal_origin).scheme}://{shown}:{self.port}"

    @property
    def host(self) -> str:
        """The Host header: the public name, with its port when it is not the scheme's own."""
        return urlsplit(self.origin).netloc

    @property
    def forwarded(self) -> str | None:
        """The public scheme where the bytes travel by another one: what the proxy that we stand for would say of it."""
        public = urlsplit(self.origin).scheme
        return public if public != urlsplit(self.internal_origin).scheme else None

    @property
    def tls_name(self) -> str:
        """The name that the certificate must carry (httpx: the request extension `sni_hostname`)."""
        return urlsplit(self.internal_origin).hostname or ""


def check_target(base_url: str, internal_url: str | None, environ: Mapping[str, str]) -> Target:
    """Return the target of a replay against `base_url`, whose bytes go to `internal_url` when that is given.

    Raises TargetRefused for anything but an http or https origin on the allow-list, Unjudgeable when its name does not
    resolve. Both say what to change.
    """
    public = _split(base_url)
    internal = _split(internal_url) if internal_url else public
    base_path = _base_path(public)
    if internal_url and _base_path(internal):
        raise TargetRefused(f"{internal_url} has a path; PROFILE_PLAYBACK_INTERNAL_URL is scheme, host and port alone.")
    origin, internal_origin = _origin(public), _origin(internal)
    host, port = _host(internal), _port(internal)
    named, loopback = _allowed(environ)
    addresses = None if internal_origin in named else _resolve(host, port)
    if addresses is not None and not (loopback and all(ipaddress.ip_address(a).is_loopback for a in addresses)):
        raise TargetRefused(_refusal(internal_origin, host, addresses, named, loopback))
    return Target(origin, base_path, internal_origin, _listening(addresses or _resolve(host, port), port), port)


def refuse_production(target: Target, client: httpx.Client, prefix: str = RECORDER) -> None:
    """Ask the target's recorder, below `prefix`, which environment it is.

    Returns when it is not production, or when there is no recorder. Raises TargetRefused when it is production or does
    not say, Unjudgeable when nothing answers.
    """
    for path in dict.fromkeys((prefix + "/status", target.base_path + prefix + "/status")):
        try:
            answer = client.get(
                target.connect_origin + path,
                headers={"Host": target.host, "Accept": "application/json"},
                extensions={"sni_hostname": target.tls_name},
                follow_redirects=False,
                timeout=ASK,
            )
        except httpx.RequestError as error:
            reason = str(error) or type(error).__name__
            raise Unjudgeable(
                f"Nothing answers at {target.internal_origin} ({reason}). Start the application, or say where it is "
                "with --base-url or PROFILE_PLAYBACK_BASE_URL."
            ) from error
        if "x-recorder" not in answer.headers:
            continue
        environment = _environment(answer)
        if environment is None or environment == "production":
            says = "says that it is production" if environment else "does not say which environment it is"
            raise TargetRefused(
                f"The recorder at {target.internal_origin} {says}; profiles are not replayed there. If it is a test "
                "system, set RECORDER_ENVIRONMENT=development (or staging, test) where the application runs."
            )
        return


def _environment(answer: httpx.Response) -> str | None:
    try:
        environment = answer.json()["environment"]
    except (ValueError, KeyError, TypeError):
        return None
    return environment.strip().lower() if isinstance(environment, str) and environment.strip() else None


def _split(url: str) -> SplitResult:
    """`url` in its parts, or TargetRefused: nothing that two parsers could read in two ways gets through."""
    shown = repr(re.sub(r"//[^/?#]*@", "//…@", url))
    if re.search(r"[\s\\]", url) or not url.isprintable():
        raise TargetRefused(f"{shown} holds a space, a backslash or a control character; write http://host:port.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise TargetRefused(f"{shown} is not a URL: {error}. Write http://host:port.") from None
    if parts.scheme not in PORTS:
        raise TargetRefused(f"{shown} does not begin with http:// or https://; only those can be replayed to.")
    if "@" in parts.netloc:
        raise TargetRefused(
            f"{shown} carries a user name or password; log in with --cookie or PROFILE_SECRET_… instead."
        )
    if not parts.hostname or port == 0:
        raise TargetRefused(f"{shown} names no host and port that could be connected to; write http://host:port.")
    if parts.query or parts.fragment:
        raise TargetRefused(f"{shown} carries a query or fragment; a base URL ends with its path.")
    _host(parts)
    return parts


def _host(parts: SplitResult) -> str:
    """The host, lower case, an address in its usual spelling whatever the one it came in."""
    host = (parts.hostname or "").removesuffix(".")
    if address := _address(host):
        return str(address)
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            raise TargetRefused(f"{host!r} is not a host name.") from None
    if not _A_NAME.fullmatch(host):
        raise TargetRefused(f"{host!r} is not a host name; letters, digits, '-', '_' and '.' make one.")
    return host


def _address(host: str) -> Address | None:
    """The address that `host` spells, in any way a C library would read it; None when it is a name."""
    try:
        address: Address = ipaddress.ip_address(host)
    except ValueError:
        if not _AN_ADDRESS.fullmatch(host):
            return None
        try:
            address = ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    return getattr(address, "ipv4_mapped", None) or address


def _port(parts: SplitResult) -> int:
    return parts.port or PORTS[parts.scheme]


def _origin(parts: SplitResult) -> str:
    host = _host(parts)
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if _port(parts) == PORTS[parts.scheme] else f":{_port(parts)}")


def _base_path(parts: SplitResult) -> str:
    path = parts.path.rstrip("/")
    if any(segment in ("", ".", "..") for segment in path.split("/")[1:]) or "%" in path:
        raise TargetRefused(f"{parts.geturl()!r} has '..', '//' or '%' in its path; write the path plainly.")
    return path


def _allowed(environ: Mapping[str, str]) -> tuple[list[str], bool]:
    """The origins on the allow-list, and whether loopback is one of them."""
    items = [item.strip() for item in environ.get(ALLOWED, "").split(",") if item.strip()] or [LOOPBACK]
    named = [_origin(_listed(item)) for item in items if item.lower() != LOOPBACK]
    return named, len(named) < len(items)


def _listed(item: str) -> SplitResult:
    if "://" not in item:
        meant = LOOPBACK if difflib.get_close_matches(item.lower(), [LOOPBACK]) else f"https://{item}"
        raise TargetRefused(f"{ALLOWED} holds {item!r}, which is no origin; did you mean {meant!r}?")
    parts = _split(item)
    if _base_path(parts):
        raise TargetRefused(f"{ALLOWED} holds {item!r}; an origin has no path: {_origin(parts)}.")
    return parts


def _resolve(host: str, port: int) -> list[str]:
    """The addresses of `host`, each once, in the resolver's order."""
    if address := _address(host):
        return [str(address)]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Unjudgeable(f"The name {host!r} does not resolve here ({reason}); check the base URL.") from None
    addresses = [_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    return list(dict.fromkeys(str(address) for address in addresses if address))


def _listening(addresses: list[str], port: int) -> str:
    """The address to pin. `localhost` has two, and most servers listen on one of them."""
    if len(addresses) > 1:
        for address in addresses:
            try:
                socket.create_connection((address, port), timeout=PROBE).close()
            except OSError:
                continue
            return address
    return addresses[0]


def _refusal(origin: str, host: str, addresses: list[str], named: list[str], loopback: bool) -> str:
    where = "" if addresses == [host] else f" (it resolves to {', '.join(addresses)})"
    valid = [*named, *([LOOPBACK] if loopback else [])]
    sentence = f"{origin}{where} is not on {ALLOWED} ({', '.join(valid) or 'which is empty'})"
    if ipaddress.ip_address(addresses[0]).is_unspecified:
        there = origin.replace("[::]", "127.0.0.1").replace("0.0.0.0", "127.0.0.1")
        return f"{sentence}: that is where a server listens; connect to {there} instead."
    if near := difflib.get_close_matches(origin, named, 1):
        return f"{sentence}; did you mean {near[0]}?"
    return f"{sentence}; if a replay may write there, set {ALLOWED}={','.join([*valid, origin])}."
