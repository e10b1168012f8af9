"""Sockets that the supervisor holds: nobody is lost while the server is restarted."""
import os
import signal
import socket

from harness import Wire, adit_path, client_hello, echo
from wire import credential

NAME, SITE = "home.example", "www.example"

# What systemd does: the sockets from descriptor 3 on, and their number for this very process.
LAUNCHER = """
import os, sys
fds = [int(word) for word in sys.argv[1].split(",")]
kept = [os.dup(fd) for fd in fds]
for number, fd in enumerate(kept):
    os.dup2(fd, 3 + number)
    os.set_inheritable(3 + number, True)
os.closerange(3 + len(fds), 1024)
os.environ.update(LISTEN_FDS=str(len(fds)), LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


class Supervisor:
    """Holds listening sockets and starts the server with them."""

    def __init__(self, programs, count=1):
        self.programs = programs
        self.sockets = [socket.create_server(("127.0.0.1", 0), backlog=1000) for _ in range(count)]

    def address(self, index=0):
        return "127.0.0.1:%d" % self.sockets[index].getsockname()[1]

    def serve(self, *flags, listen, name="serve"):
        """As Programs.role() does it, by way of the launcher, which hands the sockets on."""
        launcher = self.programs.directory / "launcher.py"
        launcher.write_text(LAUNCHER)
        user = ["--user", "root"] if os.getuid() == 0 else []
        for sock in self.sockets:
            sock.set_inheritable(True)
        fds = ",".join(str(sock.fileno()) for sock in self.sockets)
        process = self.programs.python(
            launcher, fds, adit_path(), "serve", "--listen", listen, "--fernet-key-file",
            self.programs.key_file, "--drain", "1s", "--control", "none", *user, *flags,
            name=f"adit {name}", close_fds=False)
        self.programs.ready(process)
        return process

    def dial(self, index=0):
        return Wire.dial("127.0.0.1", self.sockets[index].getsockname()[1])


def test_who_connects_during_a_restart_is_served_after_it(programs):
    held = Supervisor(programs)
    service = programs.service(echo)
    flags = ("--route", f"{SITE}={service.address}", "--early-per-address", "1000")
    first = held.serve(*flags, listen=held.address())
    hello = client_hello(SITE)
    before = held.dial()
    before.send(hello)
    assert before.receive(len(hello)) == hello
    before.close()
    first.signal(signal.SIGTERM)
    assert first.wait_exit() == 0
    waiting = [held.dial() for _ in range(100)]
    for wire in waiting:
        wire.send(hello)
    held.serve(*flags, listen=held.address(), name="serve again")
    for wire in waiting:
        assert wire.receive(len(hello)) == hello


def test_a_publisher_that_comes_during_a_restart_waits_for_it(programs):
    held = Supervisor(programs)
    first = held.serve(listen=held.address())
    cred = credential(programs.key, NAME)
    publisher = programs.publish(held.address(), cred, programs.service(echo).address)
    first.signal(signal.SIGTERM)
    assert first.wait_exit() == 0
    mark = publisher.mark()
    again = held.serve(listen=held.address(), name="serve again")
    publisher.wait_for(r"\bconnected\b", after=mark)
    again.wait_for(f" peer: {NAME} ")
    assert not publisher.matches("unreachable")


def test_a_socket_that_no_option_names_is_closed_with_a_word(programs):
    held = Supervisor(programs, 2)
    process = held.serve(listen=held.address(0))
    process.wait_for(f"warn inherited: nobody is to listen on {held.address(1)}")
    unused = held.address(1)
    held.sockets[1].close()
    assert not can_connect(unused)
    assert can_connect(held.address(0))


def test_an_address_without_a_socket_is_bound(programs):
    held = Supervisor(programs)
    process = held.serve("--listen", "127.0.0.1:0", listen=held.address())
    addresses = programs.ready(process)
    assert len(addresses) == 2
    for host, port in addresses:
        assert can_connect(f"{host}:{port}")


def can_connect(address):
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), 5).close()
        return True
    except ConnectionRefusedError:
        return False
