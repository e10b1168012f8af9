"""Full tunnels, network configuration that is handed out, and a mesh: what `adit vpn` makes of the
kernel's routes."""
import json
import signal
import socket

import harness
import pytest
import vpn

pytestmark = pytest.mark.skipif(vpn.missing() is not None, reason=str(vpn.missing()))

# ---- Full tunnel ----

WORLD = {4: "203.0.113.1", 6: "2001:db8:113::1"}
EVERYTHING = ["0.0.0.0/0", "::/0"]


def full_tunnel(net, block_leaks):
    """A machine whose way to everywhere is another one: first by a cable, then by the tunnel. That
    one says whom it has been called by."""
    home, world = net.pair()
    for family, prefix in ((4, 32), (6, 128)):
        world.ip("addr", "add", f"{WORLD[family]}/{prefix}", "dev", "lo")
    harness.until(lambda: "tentative" not in world.ip("addr") + home.ip("addr"), "addresses")
    home.ip("route", "add", "default", "via", "192.0.2.2")
    home.ip("-6", "route", "add", "default", "via", "2001:db8:2::2")
    far = vpn.End(net, "far", world, address=["10.9.0.2/24", "fd00:9::2/64"])
    near = vpn.End(net, "near", home, address=["10.9.0.1/24", "fd00:9::1/64"],
                   block_leaks=block_leaks)
    far.listens().knows(near, ["10.9.0.1/32", "fd00:9::1/128"])
    near.knows(far, EVERYTHING, connect=f"192.0.2.2:{vpn.PORT}")
    return far, near


class Callers:
    """Listens in the world and tells who calls."""

    def __init__(self, ns):
        self.servers = {family: ns.listen(host, 80) for family, host in WORLD.items()}

    def caller(self, ns, family):
        """The address that a call from a namespace comes from, or None where none can leave."""
        sock = ns.socket(socket.AF_INET6 if family == 6 else socket.AF_INET)
        with sock:
            sock.settimeout(2)
            try:
                sock.connect((WORLD[family], 80))
            except OSError:
                return None
            with self.servers[family].accept()[0] as accepted:
                return accepted.getpeername()[0]

    def wait_caller(self, ns, family, expected):
        harness.until(lambda: self.caller(ns, family) == expected[family],
                      f"a call from {expected[family]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.servers.values():
            server.close()


THROUGH = {4: "10.9.0.1", 6: "fd00:9::1"}
PAST = {4: "192.0.2.1", 6: "2001:db8:2::1"}


def test_everything_goes_through_a_full_tunnel_but_its_carrier(net):
    far, near = full_tunnel(net, block_leaks=False)
    with Callers(far.ns) as callers:
        before = {f: (near.ns.rules(f), near.ns.routes(f)) for f in (4, 6)}
        for family in (4, 6):
            callers.wait_caller(near.ns, family, PAST)
        far.start()
        near.start()
        near.ns.ping("10.9.0.2")
        for family in (4, 6):
            callers.wait_caller(near.ns, family, THROUGH)
        vpn.transfer(near.ns, far.ns, WORLD[4], 4 << 20)
        assert near.peer("far")["address"] == f"192.0.2.2:{vpn.PORT}"
        assert near.peer("far")["connections"] == 1
        near.stop()
        assert {f: (near.ns.rules(f), near.ns.routes(f)) for f in (4, 6)} == before
        for family in (4, 6):
            callers.wait_caller(near.ns, family, PAST)


@pytest.mark.slow
def test_nothing_leaks_while_a_full_tunnel_is_down(net):
    far, near = full_tunnel(net, block_leaks=True)
    with Callers(far.ns) as callers:
        far.start()
        near.start()
        near.ns.ping("10.9.0.2")
        callers.wait_caller(near.ns, 4, THROUGH)
        far.stop()
        near.wait_state("far", "waiting")
        assert [callers.caller(near.ns, f) for f in (4, 6)] == [None, None]
        near.kill()
        harness.until(lambda: "adit0" not in near.ns.links(), "the device is gone")
        assert [callers.caller(near.ns, f) for f in (4, 6)] == [None, None]
        far.start()
        near.start()
        near.ns.ping("10.9.0.2")
        callers.wait_caller(near.ns, 6, THROUGH)
        near.stop()
        for family in (4, 6):
            callers.wait_caller(near.ns, family, PAST)


# ---- Network configuration ----

def handed_out(net, accepts):
    """Two ends; the right one has no address of its own. And what its hook was told."""
    left, right = net.ends_of(*net.pair())
    left.settings["peers"][0].update(
        allowed_ips=["10.9.0.7/32", "fd00:9::7/128"],
        network={"address": ["10.9.0.7/24", "fd00:9::7/64"], "dns": ["10.9.0.1", "fd00:9::1"]})
    told = net.programs.directory / "told"
    hook = net.programs.directory / "hook"
    hook.write_text(f"#!/bin/sh\necho \"$@\" >> {told}\n")
    hook.chmod(0o755)
    right.settings["interface"]["hook"] = str(hook)
    del right.settings["interface"]["address"]
    right.settings["peers"][0]["accept_network"] = accepts
    return left, right, told


def addresses(end):
    said = json.loads(end.ns.ip("-j", "addr", "show", "dev", "adit0"))
    return {a["local"] for a in said[0]["addr_info"] if a["scope"] == "global"}


def test_a_handed_out_network_is_taken_where_that_is_allowed(net):
    left, right, told = handed_out(net, True)
    left.start()
    right.start()
    right.ns.ping("10.9.0.1")
    right.ns.ping("fd00:9::1")
    assert addresses(right) == {"10.9.0.7", "fd00:9::7"}
    harness.until(told.exists, "the hook has run")
    right.process.wait_for("the hook has ended with status 0")
    assert told.read_text() == "dns adit0 10.9.0.1 fd00:9::1\n"
    right.settings["peers"][0]["accept_network"] = False
    right.write()
    right.process.signal(signal.SIGHUP)
    harness.until(lambda: not addresses(right), "the addresses are gone")
    harness.until(lambda: told.read_text().splitlines()[1:] == ["dns adit0"], "no servers")


def test_the_hook_hears_of_the_end(net):
    left, right, told = handed_out(net, True)
    hook = net.programs.directory / "hook"
    hook.write_text(hook.read_text() + "sleep 0.2\n")
    left.start()
    right.start()
    harness.until(lambda: told.exists() and told.read_text(), "the hook runs")
    right.stop()
    assert told.read_text().splitlines()[1:] == ["dns adit0"]


def test_a_handed_out_network_is_not_taken_otherwise(net):
    left, right, told = handed_out(net, False)
    left.start()
    right.start()
    right.wait_state("left")
    left.wait_state("right")
    right.ns.ip("addr", "add", "10.9.0.7/24", "dev", "adit0")
    right.ns.ping("10.9.0.1")  # by now it has heard of it
    assert addresses(right) == {"10.9.0.7"}
    assert not told.exists()


# ---- Mesh ----

QUICK = {"ping_after": "500ms", "dead_after": "1s"}


def triangle(net):
    """Three machines, each with a network of its own behind it, each joined with each."""
    spaces = [net.add(letter) for letter in "abc"]
    ends = []
    for number, ns in enumerate(spaces, 1):
        ns.ip("addr", "add", f"10.20.{number}.1/24", "dev", "lo")
        ns.sysctl("net.ipv4.ip_forward", 1)
        end = vpn.End(net, f"end{number}", ns, address=[f"10.9.0.{number}/24"]).listens()
        end.settings.update(announce=[f"10.20.{number}.0/24", f"10.9.0.{number}/32"],
                            router_id=f"10.9.0.{number}", session=QUICK)
        ends.append(end)
    for number, (i, j) in enumerate(((0, 1), (1, 2), (2, 0)), 2):
        net.wire(spaces[i], spaces[j], number)
        more = {"announce": True, "accept_routes": ["10.20.0.0/16", "10.9.0.0/24"]}
        ends[i].knows(ends[j], [f"10.9.0.{j + 1}/32"], **more)
        ends[j].knows(ends[i], [f"10.9.0.{i + 1}/32"],
                      connect=f"192.0.{number}.1:{vpn.PORT}", **more)
    return ends


def hops(source, to):
    """Machines between two: the time to live that is left of 64 tells."""
    said = source.ns.run("ping", "-n", "-c", 1, "-W", 1, to, code=None).stdout
    return 64 - int(said.split("ttl=")[1].split()[0]) if "ttl=" in said else None


@pytest.mark.slow
def test_a_triangle_heals_when_a_link_is_cut(net):
    first, second, third = triangle(net)
    for end in (first, second, third):
        end.start()
    for to in ("10.20.3.1", "10.9.0.3"):
        harness.until(lambda to=to: hops(first, to) == 0, f"{to} directly")
    first.ns.ip("link", "set", "to-c", "down")
    for to in ("10.20.3.1", "10.9.0.3"):
        harness.until(lambda to=to: hops(first, to) == 1, f"{to} by the other machine")
    vpn.transfer(third.ns, first.ns, "10.20.1.1", 1 << 20)
    assert first.peer("end3")["state"] != "connected"
    first.ns.ip("link", "set", "to-c", "up")
    harness.until(lambda: hops(first, "10.20.3.1") == 0, "directly again")
    second.stop()
    harness.until(lambda: ("10.20.2.0/24", "adit0") not in first.ns.routes(), "withdrawn")
    harness.until(lambda: hops(first, "10.20.3.1") == 0, "directly, as before")
