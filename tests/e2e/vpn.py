"""Network namespaces, ends of a VPN in them, and traffic between them."""
import base64
import contextlib
import ctypes
import hashlib
import importlib.util
import ipaddress
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import time

import harness
from harness import HANG_S

_spec = importlib.util.spec_from_file_location(
    "quicktun_peer", harness.ROOT / "tests" / "peers" / "quicktun_peer.py")
quicktun = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(quicktun)

CLONE_NEWNET = 0x40000000
PREFIX = "adit-e2e"
STALE_S = 1800
PORT = 2998
libc = ctypes.CDLL(None, use_errno=True)


def missing():
    """Why there can be no namespaces and devices here, or None."""
    if os.getuid() != 0:
        return "needs root"
    if not pathlib.Path("/dev/net/tun").exists():
        return "needs /dev/net/tun"
    return next((f"needs {tool}" for tool in ("ip", "ping", "iperf3") if not shutil.which(tool)),
                None)


def ip(*argv):
    done = subprocess.run(["ip", *map(str, argv)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(map(str, argv))}: {done.stderr}"
    return done.stdout


class Namespace:
    """One machine."""

    def __init__(self, name):
        self.name = name
        ip("netns", "add", name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *argv):
        return ip("-n", self.name, *argv)

    def argv(self, *argv):
        return ["ip", "netns", "exec", self.name, *map(str, argv)]

    def run(self, *argv, code=0):
        done = subprocess.run(self.argv(*argv), capture_output=True, text=True, check=False,
                              timeout=3 * HANG_S)
        assert code is None or done.returncode == code, \
            f"{self.name}: {' '.join(map(str, argv))}: {done.stdout}{done.stderr}"
        return done

    def inside(self, function):
        """The result of a function that runs in this namespace."""
        def enter():
            with open(f"/var/run/netns/{self.name}", encoding="ascii") as file:
                if libc.setns(file.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            return function()

        return harness.in_thread(enter).finish()

    def socket(self, *args):
        """A socket of this namespace, for use anywhere."""
        sock = self.inside(lambda: socket.socket(*args))
        sock.settimeout(HANG_S)
        return sock

    def listen(self, host, port=0):
        sock = self.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(16)
        return sock

    def dial(self, host, port):
        sock = self.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        sock.connect((host, port))
        return sock

    def sysctl(self, name, value):
        path = pathlib.Path("/proc/sys", *name.split("."))
        self.inside(lambda: path.write_text(str(value)))

    def ping(self, to, *flags):
        """Until one comes back: a tunnel may still be on its way up."""
        harness.until(lambda: self.pings(to, *flags), f"{self.name} reaches {to}")

    def pings(self, to, *flags):
        return self.run("ping", "-n", "-q", "-c", 1, "-W", 1, *flags, to, code=None).returncode == 0

    def links(self):
        return {link["ifname"] for link in json.loads(self.ip("-j", "link", "show"))}

    def routes(self, family=4, table="main"):
        """Destinations by device."""
        said = self.ip("-j", f"-{family}", "route", "show", "table", table)
        return {(route["dst"], route.get("dev")) for route in json.loads(said or "[]")}

    def rules(self, family=4):
        return self.ip(f"-{family}", "rule", "show")


class End:
    """`adit vpn` in a namespace, with a key, a configuration file and a control socket."""

    def __init__(self, net, name, ns, **interface):
        self.net, self.programs, self.name, self.ns = net, net.programs, name, ns
        home = net.programs.directory
        self.key_file = home / f"{name}.key"
        self.public = net.programs.run("keygen", "box", "--out", self.key_file).text("out").strip()
        self.raw_public = base64.b64decode(self.public)
        self.config_file = home / f"{name}.yaml"
        self.control = home / f"{name}.sock"
        self.device = "adit0"
        self.user = "root"
        self.through = []  # a command that starts it
        self.settings = {
            "role": "vpn", "interface": {"name": self.device, **interface},
            "private_key_file": str(self.key_file), "peers": []}
        self.process = None

    def listens(self, host="0.0.0.0", port=PORT):
        self.settings["listen"] = [harness.join(host, port)]
        return self

    def knows(self, other, allowed_ips=None, connect=None, **more):
        """other: an End or a Python peer, by name and public key."""
        entry = {"name": other.name, "public_key": other.public, **more}
        if allowed_ips is not None:
            entry["allowed_ips"] = list(allowed_ips)
        if connect:
            entry["connect"] = connect
        self.settings["peers"].append(entry)
        return self

    def write(self):
        # JSON is YAML.
        self.config_file.write_text(json.dumps(self.settings, indent=2))
        return self.config_file

    def begin(self, *flags):
        """Starts it and does not wait."""
        self.process = self.programs.start(
            self.ns.argv(*self.through, harness.adit_path(), "vpn", "--config", self.write(), "--control",
                         self.control, "--user", self.user, *flags), self.name)
        self.net.ends.append(self)
        return self

    def start(self, *flags):
        self.begin(*flags)
        self.process.wait_for(r"\bready\b")
        return self

    def status(self):
        done = self.programs.run("vpn", "--show", "--json", "--control", self.control)
        return json.loads(done.text("out"))

    def peer(self, name):
        return next(p for p in self.status()["peers"] if p["name"] == name)

    def wait_state(self, name, state="connected"):
        harness.until(lambda: self.peer(name)["state"] == state, f"{self.name}: {name} {state}")

    def stop(self):
        """Ends as it should, and takes its device along."""
        code = self.process.stop()
        assert code == 0, f"{self.name} ended with {code}\n{self.process.log()}"
        assert self.device not in self.ns.links()

    def kill(self):
        self.process.kill()


class Stranger:
    """A Python peer that is not started: a name and a key."""

    def __init__(self, name):
        self.name = name
        self.secret = quicktun.new_secret()
        self.raw_public = quicktun.public_of(self.secret)
        self.public = base64.b64encode(self.raw_public).decode()

    def join(self, sock, end, **more):
        """On a connected socket, until packets pass both ways."""
        peer = quicktun.Peer(sock, secret=self.secret, peer_key=end.raw_public, **more)
        return peer.until_both_up()


class Net:
    """The namespaces of one test and what runs in them."""

    def __init__(self, programs):
        self.programs = programs
        self.namespaces = {}
        self.ends = []
        self.remove_stale()

    @staticmethod
    def remove_stale():
        """Those of a run that was killed, long ago: who shares them may not share our processes."""
        for name in re.findall(rf"^{PREFIX}-\d+-\w+", ip("netns", "list"), re.M):
            with contextlib.suppress(AssertionError, FileNotFoundError):
                age_s = time.time() - pathlib.Path("/var/run/netns", name).stat().st_ctime
                if age_s > STALE_S and not pathlib.Path("/proc", name.split("-")[2]).exists():
                    ip("netns", "del", name)

    def add(self, letter):
        self.namespaces[letter] = Namespace(f"{PREFIX}-{os.getpid()}-{letter}")
        return self.namespaces[letter]

    def wire(self, a, b, number=2):
        """Joins two by a cable: 192.0.N.1 and .2, 2001:db8:N::1 and ::2."""
        ip("link", "add", f"to-{b.name[-1]}", "netns", a.name, "type", "veth", "peer", "name",
           f"to-{a.name[-1]}", "netns", b.name)
        for host, (ns, other) in enumerate(((a, b), (b, a)), 1):
            device = f"to-{other.name[-1]}"
            ns.ip("addr", "add", f"192.0.{number}.{host}/24", "dev", device)
            ns.ip("addr", "add", f"2001:db8:{number}::{host}/64", "dev", device, "nodad")
            ns.ip("link", "set", device, "up")

    def pair(self, letters="ab"):
        a, b = (self.add(letter) for letter in letters)
        self.wire(a, b)
        return a, b

    def ends_of(self, a, b, mode="ip", **peer):
        """b dials a. 10.9.0.1 and .2, fd00:9::1 and ::2."""
        left = End(self, "left", a, mode=mode, address=["10.9.0.1/24", "fd00:9::1/64"]).listens()
        right = End(self, "right", b, mode=mode, address=["10.9.0.2/24", "fd00:9::2/64"])
        allowed = (["10.9.0.2/32", "fd00:9::2/128"], ["10.9.0.1/32", "fd00:9::1/128"])
        if mode != "ip":
            allowed = (None, None)
        left.knows(right, allowed[0], **peer)
        right.knows(left, allowed[1], connect=f"192.0.2.1:{PORT}", **peer)
        return left, right

    def up(self, mode="ip"):
        """Two machines, joined by a tunnel."""
        left, right = self.ends_of(*self.pair(), mode=mode)
        left.start()
        right.start()
        right.ns.ping("10.9.0.1")
        return left, right

    def finish(self):
        """Ends all; returns what was wrong."""
        wrong = []
        for end in reversed(self.ends):
            if end.process.running():
                try:
                    end.stop()
                except AssertionError as error:
                    wrong.append(str(error))
        for ns in self.namespaces.values():
            for pid in ip("netns", "pids", ns.name).split():
                with contextlib.suppress(OSError):
                    os.kill(int(pid), 9)
            ip("netns", "del", ns.name)
        return wrong


# ---- Traffic ----

def transfer(source, sink, host, size, block=1 << 18):
    """Sends so many random bytes by TCP from one namespace to an address of the other; the
    checksums must agree."""
    server = sink.listen(host)

    def receive():
        digest = hashlib.sha256()
        sock, _ = server.accept()
        with sock, server:
            sock.settimeout(HANG_S)
            while data := sock.recv(1 << 20):
                digest.update(data)
        return digest.digest()

    receiving = harness.in_thread(receive)
    digest = hashlib.sha256()
    with source.dial(host, server.getsockname()[1]) as sock:
        for at in range(0, size, block):
            data = os.urandom(min(block, size - at))
            digest.update(data)
            sock.sendall(data)
    assert receiving.finish() == digest.digest()


class UdpEcho:
    """Returns datagrams, until closed."""

    def __init__(self, ns, host):
        self.sock = ns.socket(socket.AF_INET6 if ":" in host else socket.AF_INET,
                              socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.sock.settimeout(None)
        self.port = self.sock.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            data, sender = self.sock.recvfrom(1 << 16)
            if not data:
                return
            self.sock.sendto(data, sender)

    def close(self):
        with socket.socket(self.sock.family, socket.SOCK_DGRAM):
            self.sock.sendto(b"", self.sock.getsockname())
        self.thread.join(HANG_S)
        self.sock.close()


def udp_echo(source, sink, host, sizes):
    """Datagrams of these sizes there and back, one at a time; a lost one is sent again."""
    echo = UdpEcho(sink, host)
    sock = source.socket(echo.sock.family, socket.SOCK_DGRAM)
    sock.settimeout(1)
    try:
        for size in sizes:
            data = os.urandom(size)

            def back(data=data):
                sock.sendto(data, (host, echo.port))
                with contextlib.suppress(TimeoutError):
                    return sock.recv(1 << 16) == data
                return False

            harness.until(back, f"a datagram of {size} bytes comes back")
    finally:
        sock.close()
        echo.close()


def iperf3(net, source, sink, host, *flags):
    """The result of a run as iperf3 tells it."""
    server = net.programs.start(
        sink.argv("iperf3", "-s", "-1", "--forceflush", "-B", host), "iperf3 -s")
    server.wait_for("Server listening")
    done = source.run("iperf3", "-J", "-c", host, *flags, code=None)
    result = json.loads(done.stdout)
    assert done.returncode == 0 and "error" not in result, done.stdout
    server.wait_exit()
    return result["end"]


def ipv4(source, destination, payload=b"", protocol=17):
    """An IPv4 packet."""
    head = bytearray(b"\x45\0" + (20 + len(payload)).to_bytes(2, "big") + b"\0\1\0\0\x40" +
                     bytes([protocol]) + b"\0\0" + ipaddress.ip_address(source).packed +
                     ipaddress.ip_address(destination).packed)
    total = sum(int.from_bytes(head[i:i + 2], "big") for i in range(0, 20, 2))
    total = (total & 0xffff) + (total >> 16)
    head[10:12] = (0xffff - ((total & 0xffff) + (total >> 16))).to_bytes(2, "big")
    return bytes(head) + payload


def udp(source, destination, payload, port=9):
    """An IPv4 packet with a datagram; without a checksum, as UDP allows."""
    length = 8 + len(payload)
    return ipv4(source, destination,
                port.to_bytes(2, "big") * 2 + length.to_bytes(2, "big") + b"\0\0" + payload)
