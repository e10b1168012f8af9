"""What the tests stand on: programs, sockets, endpoints. Nothing sleeps to decide; every wait is
for a condition, and HANG_S only ends what would wait for ever."""
import errno
import importlib.util
import os
import pathlib
import queue
import random
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import weakref

HANG_S = int(os.environ.get("ADIT_HANG_S", "60"))  # more under valgrind
ROOT = pathlib.Path(__file__).resolve().parents[2]
PEER = ROOT / "tests" / "peers" / "snitun_peer.py"
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|"
                       r"SUMMARY: \w+Sanitizer")

_spec = importlib.util.spec_from_file_location("snitun_peer", PEER)
peer = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(peer)


def adit_path():
    """The program under test: $ADIT, or that of the build directory $ADIT_BUILD, or of the
    sanitized build, or of the plain one."""
    if os.environ.get("ADIT"):
        return pathlib.Path(os.environ["ADIT"]).resolve()
    build = os.environ.get("ADIT_BUILD")
    builds = [pathlib.Path(build).resolve()] if build else [ROOT / "build-asan", ROOT / "build"]
    return next((b / "adit" for b in builds if (b / "adit").exists()), builds[-1] / "adit")


class Process:
    """A program with its output read line by line."""

    def __init__(self, argv, name, stdin=None, env=None, cwd=None, close_fds=True):
        self.name = name
        self.argv = [str(a) for a in argv]
        self.lines = []  # (stream, text)
        self.changed = threading.Condition()
        self.open_streams = 2
        self.expected_codes = None
        self.popen = subprocess.Popen(
            self.argv, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
            env={**os.environ, **(env or {})}, cwd=cwd, close_fds=close_fds)
        self.readers = [threading.Thread(target=self._read, args=(s, f), daemon=True)
                        for s, f in (("out", self.popen.stdout), ("err", self.popen.stderr))]
        for reader in self.readers:
            reader.start()
        if stdin is not None:
            self.popen.stdin.write(stdin)
            self.popen.stdin.close()

    @property
    def pid(self):
        return self.popen.pid

    def _read(self, stream, file):
        for line in file:
            with self.changed:
                self.lines.append((stream, line.rstrip("\n")))
                self.changed.notify_all()
        with self.changed:
            self.open_streams -= 1
            self.changed.notify_all()

    def log(self):
        with self.changed:
            return "\n".join(f"{stream}| {text}" for stream, text in self.lines)

    def text(self, stream=None):
        with self.changed:
            return "\n".join(t for s, t in self.lines if stream in (None, s))

    def matches(self, pattern, after=0):
        with self.changed:
            found = (re.search(pattern, text) for _, text in self.lines[after:])
            return [m for m in found if m]

    def mark(self):
        """For `after`: only what is said from now on."""
        with self.changed:
            return len(self.lines)

    def wait_for(self, pattern, count=1, after=0, hang_s=HANG_S):
        """The count-th line that matches."""
        end = time.monotonic() + hang_s
        with self.changed:
            while True:
                found = self.matches(pattern, after)
                if len(found) >= count:
                    return found[count - 1]
                left = end - time.monotonic()
                if left <= 0 or not self.open_streams:
                    raise AssertionError(f"{self.name}: no line {count} like /{pattern}/ "
                                         f"({'hangs' if self.open_streams else 'ended'}):\n"
                                         + self.log())
                self.changed.wait(left)

    def wait_exit(self):
        try:
            code = self.popen.wait(HANG_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} does not end:\n{self.log()}") from None
        for reader in self.readers:
            reader.join(HANG_S)
        return code

    def signal(self, number):
        self.popen.send_signal(number)

    def running(self):
        return self.popen.poll() is None

    def stop(self):
        """SIGTERM; the exit code."""
        if self.running():
            self.popen.send_signal(signal.SIGTERM)
        return self.wait_exit()

    def kill(self):
        if self.running():
            self.popen.kill()
        self.popen.wait()


def until(condition, what):
    """Waits for a condition that has no line of its own (a file, a port, a counter)."""
    end = time.monotonic() + HANG_S
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"never: {what}"
        threading.Event().wait(0.02)


def port_answers(host, port):
    try:
        socket.create_connection((host, port), 1).close()
        return True
    except OSError:
        return False


FIRST_PORT, PORTS = 10000, 10000  # below those of adit demo, and the ephemeral ones


def reserve_port(host="127.0.0.1"):
    """A socket that holds a port for programs that cannot pick one themselves, or that come back to
    it: until it is closed nobody gets that port who does not ask for it by number."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    at = random.randrange(PORTS)
    while True:
        at += 1
        sock = socket.socket(family)
        try:
            sock.bind((host, FIRST_PORT + at % PORTS))
        except OSError:
            sock.close()
            continue
        # Bound without this, it has the port for itself; with it a program may listen there.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return sock


def free_port(host="127.0.0.1"):
    """A port that is free now, where nothing can hold it."""
    with reserve_port(host) as sock:
        return sock.getsockname()[1]


def join(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Wire:
    """A connected socket that says what is missing."""

    open = weakref.WeakSet()

    def __init__(self, sock):
        Wire.open.add(self)
        self.sock = sock
        sock.settimeout(HANG_S)

    @classmethod
    def dial(cls, host, port, source=None, receive_buffer=None):
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            sock.settimeout(HANG_S)
            if receive_buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            if source:
                sock.bind((source, 0))
            sock.connect((host, port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            sock.close()
            raise
        return cls(sock)

    def send(self, data):
        """All of it, however long that takes while the other side takes some."""
        left = memoryview(data)
        while left:
            left = left[self.sock.send(left):]

    def receive(self, n):
        """Exactly n bytes."""
        parts = []
        left = n
        while left:
            part = self.sock.recv(min(left, 1 << 18))
            assert part, f"end after {n - left} of {n} bytes"
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def receive_line(self):
        line = b""
        while not line.endswith(b"\n"):
            line += self.receive(1)
        return line

    def receive_to_end(self):
        """All bytes up to the end of file; a reset is no end."""
        parts = []
        while True:
            part = self.sock.recv(1 << 18)
            if not part:
                return b"".join(parts)
            parts.append(part)

    def ended(self):
        """Waits for the end or a reset; the bytes that came before."""
        parts = []
        try:
            while True:
                part = self.sock.recv(1 << 18)
                if not part:
                    break
                parts.append(part)
        except ConnectionResetError:
            pass
        return b"".join(parts)

    def readable(self):
        """Whether there are bytes, or the end, right now."""
        return bool(select.select([self.sock], [], [], 0)[0])

    def shutdown(self):
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:  # the other side has been quicker
                raise

    def close(self):
        self.sock.close()

    def cut(self):
        """Ends it even while another thread waits for bytes of it."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Endpoint:
    """A listening socket; the test itself is the service behind it."""

    def __init__(self, host="127.0.0.1"):
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((host, 0))
        self.sock.listen(1024)
        self.sock.settimeout(HANG_S)
        self.host, self.port = self.sock.getsockname()[:2]
        self.accepted = []

    @property
    def address(self):
        return join(self.host, self.port)

    def accept(self):
        wire = Wire(self.sock.accept()[0])
        wire.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.accepted.append(wire)
        return wire

    def idle(self):
        """Whether no connection waits to be accepted."""
        self.sock.setblocking(False)
        try:
            self.sock.accept()[0].close()
            return False
        except BlockingIOError:
            return True
        finally:
            self.sock.settimeout(HANG_S)

    def close(self):
        for wire in self.accepted:
            wire.close()
        self.sock.close()


class Service:
    """A service in threads: serve(wire) for each connection, until close()."""

    def __init__(self, serve, host="127.0.0.1"):
        self.endpoint = Endpoint(host)
        self.endpoint.sock.settimeout(None)
        self.address = self.endpoint.address
        self.host, self.port = self.endpoint.host, self.endpoint.port
        self.errors = queue.Queue()
        self.serve = serve
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                wire = self.endpoint.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(wire,), daemon=True).start()

    def _serve(self, wire):
        try:
            self.serve(wire)
        except (OSError, AssertionError) as error:
            self.errors.put(error)
        finally:
            wire.close()

    def close(self):
        try:
            self.endpoint.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join(HANG_S)
        self.endpoint.close()


def echo(wire):
    """Sends back what comes, until the end."""
    while True:
        data = wire.sock.recv(1 << 16)
        if not data:
            return
        wire.sock.sendall(data)


def in_thread(function, *args):
    """Runs function beside the test; join() gives its result or its error."""
    box = []

    def run():
        try:
            box.append((function(*args), None))
        except BaseException as error:  # handed to the test, whatever it is
            box.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def finish(hang_s=3 * HANG_S):
        thread.join(hang_s)
        assert box, f"{function} hangs"
        value, error = box[0]
        if error:
            raise error
        return value

    thread.finish = finish
    return thread


def client_hello(name, alpn=("http/1.1",)):
    """A real ClientHello, from OpenSSL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if alpn:
        context.set_alpn_protocols(list(alpn))
    out = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def call_echo(host, port, name):
    """A device's connection to a service that echoes: its ClientHello has come back."""
    wire = Wire.dial(host, port)
    hello = client_hello(name)
    wire.send(hello)
    assert wire.receive(len(hello)) == hello
    return wire


def write_secret(path, text):
    path.touch(mode=0o600)
    path.write_text(text)
    path.chmod(0o600)
    return path


if sys.version_info < (3, 11):
    raise SystemExit("the end-to-end tests need Python 3.11")
