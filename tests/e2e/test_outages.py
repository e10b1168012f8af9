"""Publishers whose path or server goes away, many at a time: each is back, with a working tunnel.
Times are printed (pytest -s); what bounds them is the simulator."""
import socket
import threading
import time

import pytest

import harness
import netns
from harness import Wire, client_hello, echo, until
from wire import credential

SERVER_NAME = "tunnel.example.net"
PORT = 8443
NOTICE_HANG_S = 90  # 20 s without a byte, on either side, and a busy machine
BACK_HANG_S = 120   # attempts that failed meanwhile have made the next wait longer

needs_namespaces = pytest.mark.skipif(not netns.possible(), reason="needs root")


class Outage:
    """Publishers of one server and their devices; strike() harms them, heal() makes the path whole.
    """

    def __init__(self, programs, count):
        self.programs, self.count = programs, count
        self.kind = type(self).__name__
        self.names = [f"{self.kind.lower()}-{n}.example" for n in range(count)]

    def start_publishers(self, address, to):
        self.publishers = [self.programs.publish(address, credential(self.programs.key, name), to,
                                                 name=name.removesuffix(".example"), wait=False)
                           for name in self.names]
        for publisher in self.publishers:
            publisher.wait_for(r"\bconnected\b", hang_s=BACK_HANG_S)

    def visit(self, name):
        """A device that the endpoint has answered, or None."""
        device, hello = self.dial(), client_hello(name)
        try:
            device.send(hello)
            assert device.receive(len(hello)) == hello
            return device
        except (AssertionError, OSError):
            device.close()
            return None

    def visit_all(self):
        """A device for each name; a publisher is connected before the server has taken it."""
        return [until(lambda name=name: self.visit(name), f"{name} is reached")
                for name in self.names]

    def run(self):
        for device in self.visit_all():
            device.send(bytes(100_000))  # on its way when it happens
        struck = time.monotonic()
        self.strike()
        for publisher in self.publishers:
            publisher.wait_for(r"\bdisconnected\b", hang_s=NOTICE_HANG_S)
        noticed = time.monotonic()
        self.heal()
        for publisher in self.publishers:
            publisher.wait_for(r"\bconnected\b", count=2, hang_s=BACK_HANG_S)
        self.visit_all()
        print(f"\n{self.kind}: {self.count} publishers noticed within "
              f"{noticed - struck:.1f} s, were back {time.monotonic() - noticed:.1f} s after")

    def heal(self):
        pass


class OverTheInternet(Outage):
    """A home and a site apart."""

    def __init__(self, programs, count):
        super().__init__(programs, count)
        self.hosts = programs.directory / f"hosts-{self.kind}"
        self.move(0)
        self.net = netns.Internet(self.hosts)
        programs.networks.append(self.net)
        self.servers = [self.net.site.run(programs.serve, "--early-per-address", "1000",
                                          listen=[f"{at}:{PORT}"], name=f"{self.kind}-{at}")
                        for at in self.net.SITES]
        service = self.net.home.run(programs.service, echo)
        self.net.home.run(self.start_publishers, f"{SERVER_NAME}:{PORT}", service.address,
                          hang_s=3 * BACK_HANG_S)

    def move(self, site):
        """Where the name of the server leads."""
        self.at = netns.Internet.SITES[site]
        self.hosts.write_text(f"127.0.0.1 localhost\n{self.at} {SERVER_NAME}\n")

    def dial(self):
        return self.net.site.run(Wire.dial, self.at, PORT)

    def heal(self):
        self.net.mend()


class CutOutwards(OverTheInternet):
    def strike(self):
        self.net.drop(*self.net.SITES)


class CutInwards(OverTheInternet):
    def strike(self):
        self.net.drop(self.net.HOME)


class CutBothWays(OverTheInternet):
    def strike(self):
        self.net.drop(self.net.HOME, *self.net.SITES)


class ServerMoved(OverTheInternet):
    """The machine at the old address is gone without a word, the name leads to another one."""

    def strike(self):
        self.net.drop(self.at)
        self.move(1)

    def heal(self):
        pass  # the old one stays away


class MiddleForgot(Outage):
    """Between them is a machine that keeps connections open, takes their bytes and has forgotten
    where they led: what a front does whose server went away, and worse than a NAT."""

    def __init__(self, programs, count):
        super().__init__(programs, count)
        self.server = programs.serve("--early-per-address", "1000", name=f"{self.kind}-server")
        self.remembered = threading.Event()
        self.remembered.set()
        self.middle = programs.service(self.relay)
        self.start_publishers(self.middle.address, programs.service(echo).address)

    def dial(self):
        return Wire.dial(self.server.host, self.server.port)

    def relay(self, wire):
        remembered = self.remembered
        onward = Wire.dial(self.server.host, self.server.port)
        back = harness.in_thread(self.carry, onward, wire, remembered)
        self.carry(wire, onward, remembered)
        back.finish()

    @staticmethod
    def carry(source, sink, remembered):
        try:
            while data := source.sock.recv(1 << 16):
                if remembered.is_set():
                    sink.send(data)
        except OSError:
            pass
        for wire in (source, sink):
            try:
                wire.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def strike(self):
        forgotten, self.remembered = self.remembered, threading.Event()
        self.remembered.set()
        forgotten.clear()


KINDS = [CutOutwards, CutInwards, CutBothWays, ServerMoved, MiddleForgot]


@needs_namespaces
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_publishers_come_back_from_every_outage(programs):
    """A few of each kind, all at once."""
    outages = [kind(programs, 2) for kind in KINDS]
    for job in [harness.in_thread(outage.run) for outage in outages]:
        job.finish(NOTICE_HANG_S + 2 * BACK_HANG_S)


@needs_namespaces
@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", KINDS)
def test_50_publishers_come_back(programs, kind):
    kind(programs, 50).run()
