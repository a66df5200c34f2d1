"""Requests go out octet for octet, and answers are read to their end, however that is told; broken ones get a sentence."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import httpx
import pytest

from playback.connection import Answered, Connections, Head

GET = Head("GET", b"/", [(b"Host", b"a")])
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Peer:
    """A server of one answer a request. `received` is what came over each connection, whole."""

    connections: Connections
    received: list[bytearray] = field(default_factory=list)

    def ask(self, head: Head = GET, body: bytes | Iterable[bytes] = b"", timeout: float = 10.0) -> Answered:
        return self.connections.exchange(head, body, timeout)


@contextlib.contextmanager
def answering(*answers: bytes, close: bool = False, wait_for: bytes = b"\r\n\r\n") -> Iterator[Peer]:
    """A peer that gives one answer after the other, each when `wait_for` came; with `close` a connection for each.

    An empty answer is the end of the connection.
    """
    left = list(answers)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        peer = Peer(Connections(f"http://127.0.0.1:{listening.getsockname()[1]}", "", None))

        def serve() -> None:
            with contextlib.suppress(OSError):  # the test is over
                while left:
                    connection, _ = listening.accept()
                    peer.received.append(bytearray())
                    with connection, contextlib.suppress(OSError):
                        _talk(connection, peer.received[-1], left, wait_for, close=close)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield peer
        peer.connections.close()
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(60)


def _talk(connection: socket.socket, received: bytearray, left: list[bytes], wait_for: bytes, *, close: bool) -> None:
    while left:
        seen = len(received)
        while wait_for not in received[seen:]:
            if not (block := connection.recv(65536)):
                return
            received += block
        answer = left.pop(0)
        connection.sendall(answer)
        if close or not answer:
            return


def test_a_request_is_sent_octet_for_octet() -> None:
    headers = [(b"hOsT", b"a"), (b"X-Twice", b"1"), (b"x-octets", b"\xe4\xff"), (b"X-Twice", b"2")]
    with answering(OK) as peer:
        answer = peer.ask(Head("PURGE", b"/a%2Fb//c?x=1&&y", headers))
    assert answer == Answered(200, [(b"Content-Length", b"2")], b"ok")
    sent = b"PURGE /a%2Fb//c?x=1&&y HTTP/1.1\r\nhOsT: a\r\nX-Twice: 1\r\nx-octets: \xe4\xff\r\nX-Twice: 2\r\n\r\n"
    assert peer.received == [sent]


def test_a_body_may_be_chunked() -> None:
    head = Head("POST", b"/", [(b"Transfer-Encoding", b"chunked")], chunked=True)
    with answering(OK, wait_for=b"0\r\n\r\n") as peer:
        assert peer.ask(head, iter([b"one", b"", b"x" * 20])).body == b"ok"
    assert bytes(peer.received[0]).endswith(b"\r\n\r\n3\r\none\r\n14\r\n" + b"x" * 20 + b"\r\n0\r\n\r\n")


def test_a_connection_is_used_again() -> None:
    with answering(OK, OK) as peer:
        assert [peer.ask().body, peer.ask().body] == [b"ok", b"ok"]
    assert len(peer.received) == 1


@pytest.mark.parametrize(
    ("first", "close"),
    [
        (OK, True),
        (OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), True),
        (b"HTTP/1.0 200 OK\r\n\r\nok", True),
        (OK + b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsomeone's", True),
    ],
    ids=["closed without a word", "closed as announced", "HTTP/1.0", "more than was asked for"],
)
def test_a_connection_that_cannot_be_used_again_is_not(first: bytes, close: bool) -> None:
    with answering(first, OK, close=close) as peer:
        assert peer.ask().body == b"ok"
        assert peer.ask().body == b"ok"
    assert len(peer.received) == 2


def test_what_only_reads_is_sent_once_more_where_the_connection_ended() -> None:
    with answering(OK, b"", OK) as peer:
        assert [peer.ask().body, peer.ask().body] == [b"ok", b"ok"]
    assert [bytes(each).count(b"GET") for each in peer.received] == [2, 1]


def test_what_may_have_acted_is_not_sent_again() -> None:
    with answering(OK, b"", OK) as peer:
        peer.ask()
        with pytest.raises(httpx.RemoteProtocolError, match=r"without sending a response|reset"):
            peer.ask(Head("POST", b"/", [(b"Content-Length", b"0")]))
        assert len(peer.received) == 1
        peer.ask()


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nX-Sum: 1\r\n\r\n", b"abc"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b""),
        (b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", b"x"),
    ],
    ids=["to the end of the connection", "chunked, with trailers", "interim answers", "204", "304", "no reason"],
)
def test_an_answer_is_read_to_its_end(answer: bytes, body: bytes) -> None:
    with answering(answer, close=True) as peer:
        found = peer.ask()
    assert found.body == body
    names = [name for name, _ in found.headers]
    assert b"X-Sum" not in names
    assert b"Link" not in names


def test_an_answer_to_a_head_request_has_no_body_whatever_it_announces() -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", OK) as peer:
        assert peer.ask(Head("HEAD", b"/", [])).body == b""
        assert peer.ask().body == b"ok"
    assert len(peer.received) == 1


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"", "Server disconnected without sending a response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n", "in the middle of an answer's head"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nabc", "without sending complete message body .received 3 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "without sending complete message body"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "the answer is not HTTP"),
    ],
    ids=["nothing", "half a head", "too short", "no last chunk", "another protocol"],
)
def test_a_broken_answer_is_told(answer: bytes, sentence: str) -> None:
    with answering(answer, close=True) as peer, pytest.raises(httpx.RemoteProtocolError, match=sentence):
        peer.ask()


def test_an_upload_may_be_answered_before_it_is_read() -> None:
    """As 413 is: the server answers, and closes."""
    refused = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!"
    with answering(refused, close=True) as peer:
        head = Head("POST", b"/", [(b"Content-Length", b"%d" % (64 << 20))])
        with contextlib.suppress(httpx.ReadError):  # the kernel may drop the answer with the rest of the connection
            assert peer.ask(head, (bytes(1 << 16) for _ in range(1024))).status == 413


def test_a_file_that_cannot_be_read_is_not_taken_for_a_server_that_left() -> None:
    def broken() -> Iterator[bytes]:
        yield b"a"
        raise FileNotFoundError("gone")

    with answering(OK, wait_for=b"never") as peer, pytest.raises(FileNotFoundError, match="gone"):
        peer.ask(Head("POST", b"/", [(b"Content-Length", b"2")]), broken())


@pytest.mark.parametrize(
    "head",
    [
        Head("GET", b"/ HTTP/1.1\r\nX: 1", []),
        Head("GET", b"/a b", []),
        Head("G ET", b"/", []),
        Head("GET", b"/", [(b"X", b"1\r\nY: 2")]),
        Head("GET", b"/", [(b"X: 1\r\nY", b"2")]),
        Head("GET", b"/", [(b"", b"2")]),
    ],
)
def test_nothing_can_be_slipped_into_a_request(head: Head) -> None:
    with answering(OK) as peer:
        with pytest.raises(httpx.LocalProtocolError, match=r"no (request line|header) can hold"):
            peer.ask(head)
        assert peer.received == []
        peer.ask()


def test_whoever_waits_can_be_cut_off_from_another_thread() -> None:
    arrived = threading.Event()

    def cut(peer: Peer) -> Callable[[], None]:
        def run() -> None:
            arrived.wait(60)
            peer.connections.hang_up()

        return run

    def body() -> Iterator[bytes]:
        yield b"ab"
        arrived.set()

    with answering(OK, wait_for=b"never") as peer:
        thread = threading.Thread(target=cut(peer))
        thread.start()
        with pytest.raises(httpx.RequestError):
            peer.ask(Head("POST", b"/", [(b"Content-Length", b"2")]), body())
        thread.join(60)


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(httpx.ConnectError, match="refused"):
        Connections(f"http://127.0.0.1:{port}", "", None).exchange(GET, b"", 1.0)
