"""Networks of a test's own: namespaces joined by a router that can drop one direction or both."""
import ctypes
import itertools
import os
import pathlib
import subprocess

from harness import HANG_S, in_thread

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
_numbers = itertools.count()


def possible():
    """Whether this user may make namespaces."""
    return os.getuid() == 0 and subprocess.run(["ip", "netns", "list"], check=False,
                                               capture_output=True).returncode == 0


def ip(*words):
    subprocess.run(["ip", *map(str, words)], check=True, capture_output=True)


def _check(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Namespace:
    """A network namespace; `hosts` is a file that is /etc/hosts for what is started in it."""

    def __init__(self, hosts=None):
        self.name = f"adit-{os.getpid()}-{next(_numbers)}"
        self.hosts = hosts
        ip("netns", "add", self.name)
        ip("-n", self.name, "link", "set", "lo", "up")

    def ip(self, *words):
        ip("-n", self.name, *words)

    def _enter(self):
        fd = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        _check(LIBC.setns(fd, CLONE_NEWNET))
        os.close(fd)
        if self.hosts:
            _check(LIBC.unshare(CLONE_NEWNS))
            _check(LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
            _check(LIBC.mount(str(self.hosts).encode(), b"/etc/hosts", None, MS_BIND, None))

    def run(self, function, *args, hang_s=3 * HANG_S, **kw):
        """Calls function in a thread that is in the namespace: so are its sockets and programs."""
        def inside():
            self._enter()
            return function(*args, **kw)
        return in_thread(inside).finish(hang_s)

    def close(self):
        ip("netns", "del", self.name)


class Internet:
    """A home and a site, each in a namespace, and a router between them."""

    HOME = "10.88.0.2"
    SITES = ("10.77.0.2", "10.77.0.3")

    def __init__(self, hosts=None):
        self.home, self.site, self.router = Namespace(hosts), Namespace(), Namespace()
        self.router.run(pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text, "1")
        self._join(self.home, "home", [self.HOME], "10.88.0.1")
        self._join(self.site, "site", self.SITES, "10.77.0.1")
        self.holes = []

    def _join(self, place, link, addresses, gateway):
        ip("link", "add", link, "netns", self.router.name, "type", "veth", "peer", "name", "out",
           "netns", place.name)
        self.router.ip("address", "add", f"{gateway}/24", "dev", link)
        self.router.ip("link", "set", link, "up")
        for address in addresses:
            place.ip("address", "add", f"{address}/24", "dev", "out")
        place.ip("link", "set", "out", "up")
        place.ip("route", "add", "default", "via", gateway)

    def drop(self, *addresses):
        """Packets for these addresses vanish from now on."""
        for address in addresses:
            self.router.ip("route", "add", "blackhole", f"{address}/32")
            self.holes.append(address)

    def mend(self):
        for address in self.holes:
            self.router.ip("route", "del", "blackhole", f"{address}/32")
        self.holes = []

    def close(self):
        for place in (self.home, self.site, self.router):
            place.close()
