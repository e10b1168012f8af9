"""Every cipher and version in both roles, no cell skipped: the independent peer as client against
`adit serve` and as server against `adit publish`, adit against adit, and the peer against itself,
which proves the tests."""
import ipaddress
import os
import struct

import pytest

from harness import Wire, client_hello
from wire import credential

CIPHERS = ["aes-cbc", "aes-gcm", "aes-gcm-siv"]
VERSIONS = [0, 1, 2]
PAIRS = [("adit", "peer"), ("peer", "adit"), ("adit", "adit"), ("peer", "peer")]
NAME = "home.example"
LOOPBACK = {4: "127.0.0.1", 6: "::1"}
CALLER = {4: "127.0.0.77", 6: "::1"}
PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n"


def read_proxy_header(wire):
    """The source that a PROXY header of either version names, None when it names none."""
    start = wire.receive(8)
    if start == b"PROXY UN":
        wire.receive_line()
        return None
    if start[:6] == b"PROXY ":
        return (start + wire.receive_line()).split()[2].decode()
    assert start + wire.receive(4) == PROXY_V2
    command, family, length = struct.unpack(">BBH", wire.receive(4))
    rest = wire.receive(length)
    if command == 0x20 or family == 0:
        return None
    assert command == 0x21
    size = {0x11: 4, 0x21: 16}[family]
    return str(ipaddress.ip_address(rest[:size]))


class Tunnel:
    """A server, a publisher and an endpoint that is the test itself."""

    def __init__(self, programs, pair, cipher, version, family):
        self.version, self.family = version, family
        server, self.publisher_kind = pair
        if server == "adit":
            host = "[::1]:0" if family == 6 else "127.0.0.1:0"
            self.server = programs.serve(listen=[host])
        else:
            self.server = programs.peer_server(LOOPBACK[family])
        self.endpoint = programs.endpoint()
        cred = credential(programs.key, NAME, cipher, version)
        if self.publisher_kind == "adit":
            header = "v1" if family == 4 else "v2"
            self.publisher = programs.publish(self.server, cred, self.endpoint.address,
                                              "--proxy-protocol", header)
        else:
            self.publisher = programs.peer_client(self.server, cred, self.endpoint.address)

    def open(self):
        """A device and its connection at the endpoint, ClientHello passed; the caller seen."""
        mark = self.publisher.mark()
        device = Wire.dial(self.server.host, self.server.port, CALLER[self.family])
        hello = client_hello(NAME)
        device.send(hello)
        service = self.endpoint.accept()
        if self.publisher_kind == "adit":
            caller = read_proxy_header(service)
        else:
            line = self.publisher.wait_for(r'"new", "address": "([^"]*)"', after=mark)
            caller = None if line[1] == "0.0.0.0" else line[1]
        assert service.receive(len(hello)) == hello
        return device, service, caller


@pytest.fixture(params=PAIRS, ids=lambda p: f"{p[0]}-serves-{p[1]}-publishes")
def pair(request):
    return request.param


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("cipher", CIPHERS)
def test_a_channel_carries_both_directions_and_closes_from_either_side(programs, pair, cipher,
                                                                       version):
    tunnel = Tunnel(programs, pair, cipher, version, 4)
    block = os.urandom(300_000)

    device, service, caller = tunnel.open()
    assert caller == CALLER[4]
    device.send(b"ping")
    assert service.receive(4) == b"ping"
    service.send(b"pong!")
    assert device.receive(5) == b"pong!"
    device.send(block)
    device.close()
    assert service.receive_to_end() == block, "data before the device's end is delivered"

    device, service, _ = tunnel.open()
    service.send(block)
    service.close()
    assert device.receive_to_end() == block, "data before the endpoint's end is delivered"

    device, service, _ = tunnel.open()
    other, other_service, _ = tunnel.open()
    device.close()
    assert service.receive_to_end() == b""
    other.send(b"still here")
    assert other_service.receive(10) == b"still here", "a close ends its own channel alone"
    other.shutdown()
    assert other_service.receive_to_end() == b"", "there is no half-close"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("cipher", CIPHERS)
def test_an_ipv6_caller_is_seen_from_version_2_on(programs, pair, cipher, version):
    tunnel = Tunnel(programs, pair, cipher, version, 6)
    device, service, caller = tunnel.open()
    assert caller == (CALLER[6] if version >= 2 else None)
    service.send(b"hello")
    assert device.receive(5) == b"hello"
    device.close()
    assert service.receive_to_end() == b""
