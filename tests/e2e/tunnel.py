"""A whole tunnel: a server, a publisher and an endpoint that is the test itself."""
import ipaddress
import struct

from harness import Wire, client_hello
from wire import accept_peer, connect_peer, credential

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
    """A server and a publisher, each adit's or the independent peer's."""

    def __init__(self, programs, pair=("adit", "adit"), cipher="aes-gcm-siv", version=2, family=4):
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




class Site:
    """`adit serve` with a peer and a device that live through whatever a test does beside them;
    check() says that nothing of theirs was disturbed."""

    def __init__(self, programs, *flags, listen=("127.0.0.1:0",), name="bystander.example"):
        self.programs, self.name = programs, name
        self.server = programs.serve(*flags, listen=listen)
        self.process = self.server.process
        self.host, self.port = self.server.host, self.server.port
        peers = self.server.addresses[-1] if "--peer-listen" in flags else self.server.addresses[0]
        self.mux = connect_peer(*peers, credential(programs.key, name))
        self.mux.ping()
        self.mux.keep_alive()
        self.device, self.channel = self.open()

    def open(self, mux=None, name=None, source="127.0.0.9", port=None):
        """A device of a raw peer's: its socket and its channel."""
        mux, hello = mux or self.mux, client_hello(name or self.name)
        device = Wire.dial(self.host, port or self.port, source)
        device.send(hello)
        channel = mux.receive_flag(0x01).channel
        assert mux.receive_data(channel, len(hello)) == hello
        return device, channel

    def dial(self, source=None):
        return Wire.dial(self.host, self.port, source)

    def peer(self, name="home.example", cipher="aes-gcm-siv", version=2, **kw):
        """A further raw peer."""
        mux = connect_peer(self.host, self.port,
                           credential(self.programs.key, name, cipher, version), **kw)
        mux.ping()
        return mux

    def check(self):
        """The bystanders are as they were, and a new device is served."""
        self.device.send(b"to the peer")
        assert self.mux.receive_data(self.channel, 11) == b"to the peer"
        self.mux.send(self.channel, 0x02, b"to the device")
        assert self.device.receive(13) == b"to the device"
        device, channel = self.open()
        device.close()
        self.mux.receive_flag(0x04, channel)

    def said(self, pattern):
        return self.process.wait_for(pattern)


class Publisher:
    """`adit publish` under a raw server that the test plays."""

    def __init__(self, programs, *flags, cipher="aes-gcm-siv", version=2, to=None, **kw):
        self.programs = programs
        self.listener = programs.endpoint()
        self.endpoint = programs.endpoint()
        cred = credential(programs.key, NAME, cipher, version, **kw)
        self.process = programs.publish(self.listener.address, cred, to or self.endpoint.address,
                                        *flags, wait=False)
        self.mux = accept_peer(self.listener, programs.key)
        self.mux.ping()

    def open(self, first=b"hello"):
        """A channel and its connection at the endpoint."""
        channel = self.mux.open(bytes([192, 0, 2, 7]))
        self.mux.send(channel, 0x02, first)
        service = self.endpoint.accept()
        assert service.receive(len(first)) == first
        return channel, service

    def check(self):
        """A channel still works, on the same connection."""
        channel, service = self.open()
        service.send(b"answer")
        assert self.mux.receive_data(channel, 6) == b"answer"
        self.mux.send(channel, 0x04)
        assert service.ended() == b""
