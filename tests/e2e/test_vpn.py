"""Two machines joined by `adit vpn`: what passes, and what is left when it ends."""
import json
import re

import pytest
import vpn

pytestmark = pytest.mark.skipif(vpn.missing() is not None, reason=str(vpn.missing()))

SIZES = (1, 1400, 1472, 1473, 8000)  # of datagrams; from 1473 on they come in fragments


def test_two_machines_reach_each_other(net):
    left, right = net.up()
    right.ns.ping("fd00:9::1")
    left.ns.ping("10.9.0.2")
    vpn.udp_echo(right.ns, left.ns, "10.9.0.1", SIZES)
    vpn.udp_echo(left.ns, right.ns, "fd00:9::2", SIZES)
    assert not any(left.peer("right")["drops"].values())
    for host, source, sink in (("10.9.0.1", right.ns, left.ns), ("fd00:9::2", left.ns, right.ns)):
        vpn.transfer(source, sink, host, 8 << 20)
    seen = left.peer("right")
    assert seen["protection"] == "session keys" and seen["segmented"]
    assert seen["bytes_sent"] > 8 << 20 and seen["bytes_received"] > 8 << 20
    # Of a transfer some may be, when the other end is not run for a moment: TCP sends them again.
    assert not any(count for why, count in seen["drops"].items() if why != "full")
    right.stop()
    left.stop()
    assert not left.ns.routes() - {("192.0.2.0/24", "to-b")}


def test_peers_without_segments_get_packets_of_their_size(net):
    left, right = net.ends_of(*net.pair())
    for peer in right.settings["peers"]:
        peer["segmented"] = False
    left.start()
    right.start()
    right.ns.ping("10.9.0.1")
    assert not left.peer("right")["segmented"]
    vpn.transfer(right.ns, left.ns, "10.9.0.1", 4 << 20)
    vpn.transfer(left.ns, right.ns, "fd00:9::2", 4 << 20)


def test_ethernet_carries_arp_and_both_families(net):
    left, right = net.up(mode="ethernet")
    right.ns.ping("fd00:9::1")
    neighbours = json.loads(right.ns.ip("-j", "neigh", "show", "dev", "adit0"))
    assert any(n["dst"] == "10.9.0.1" and "lladdr" in n for n in neighbours)
    vpn.udp_echo(right.ns, left.ns, "10.9.0.1", SIZES)
    vpn.transfer(right.ns, left.ns, "10.9.0.1", 4 << 20)
    vpn.transfer(left.ns, right.ns, "fd00:9::2", 4 << 20)
    assert right.peer("left")["stations"] >= 1


@pytest.mark.parametrize("mode", ["ip", "ethernet"])
def test_machines_reach_each_other_through_one_in_the_middle(net, mode):
    middle, *outside = (net.add(letter) for letter in "abc")
    middle.sysctl("net.ipv4.ip_forward", 1)
    hub = vpn.End(net, "hub", middle, mode=mode, address=["10.9.0.1/24"]).listens()
    ends = []
    for number, ns in enumerate(outside, 2):
        net.wire(middle, ns, number)
        end = vpn.End(net, f"end{number}", ns, mode=mode, address=[f"10.9.0.{number}/24"])
        end.knows(hub, ["10.9.0.0/24"] if mode == "ip" else None,
                  connect=f"192.0.{number}.1:{vpn.PORT}")
        hub.knows(end, [f"10.9.0.{number}/32"] if mode == "ip" else None)
        ends.append(end)
    for end in (hub, *ends):
        end.start()
    ends[0].ns.ping("10.9.0.3")
    vpn.transfer(ends[0].ns, ends[1].ns, "10.9.0.3", 4 << 20)
    ends[1].ns.ping("10.9.0.1")


def test_padding_and_new_keys_every_megabyte(net):
    left, right = net.ends_of(*net.pair(), pad_to=128)
    for end in (left, right):
        end.settings["session"] = {"key_bytes": "1MiB", "key_age": "1s"}
    left.start()
    right.start()
    right.ns.ping("10.9.0.1")
    vpn.transfer(right.ns, left.ns, "10.9.0.1", 24 << 20)
    assert left.peer("right")["key_updates"] + right.peer("left")["key_updates"] > 20
    assert left.peer("right")["connections"] == 1


def test_a_killed_end_leaves_nothing_and_starts_again(net):
    left, right = net.up()
    vpn.harness.until(lambda: ("10.9.0.1", "adit0") in right.ns.routes(), "the route is there")
    right.kill()
    vpn.harness.until(lambda: "adit0" not in right.ns.links(), "the device is gone")
    assert not [dst for dst, device in right.ns.routes() | right.ns.routes(6) if device == "adit0"]
    right.start()
    right.ns.ping("10.9.0.1")
    assert left.peer("right")["connections"] == 2


def test_a_device_that_is_taken_away_ends_the_program(net):
    left, _ = net.up()
    left.ns.ip("link", "del", "adit0")
    assert left.process.wait_exit() == 1
    left.process.wait_for(r"adit0")


def test_a_name_that_is_taken_is_said(net):
    left, _ = net.ends_of(*net.pair())
    left.ns.ip("link", "add", "adit0", "type", "veth", "peer", "name", "other")
    left.begin()
    assert left.process.wait_exit() == 1
    assert re.search(r"adit0.*there is one of that name", left.process.text()), left.process.log()
    assert "adit0" in left.ns.links()


def test_missing_privileges_are_said(net):
    left, _ = net.ends_of(*net.pair())
    path = left.write()
    process = net.programs.start(
        left.ns.argv("setpriv", "--bounding-set", "-net_admin", vpn.harness.adit_path(), "vpn",
                     "--config", path, "--control", left.control, "--user", "root"), "denied")
    assert process.wait_exit() == 1
    assert re.search(r"adit0.*(permi|privileg|denied|root)", process.text()), process.log()


def test_every_mistake_in_the_file_is_named_at_once(net):
    end = vpn.End(net, "left", net.add("a"), mode="token-ring", mtu=20, address=["10.9.0.1/33"])
    end.settings.update(listen=["anywhere"], announce=["10.1.2.3/8"])
    end.settings["peers"] = [{"name": "a", "public_key": "short", "connect": "nowhere",
                              "allowed_ips": ["10.0.0.0/8"], "pad_to": 1000, "network": {"dns": 1}}]
    wrong = ("interface.mode", "interface.mtu", "interface.address", "listen", "announce",
             "peers.public_key", "peers.connect", "peers.pad_to", "peers.network.dns")
    for argv, code in ((("check", end.write()), 1), (("vpn", "--config", end.write()), 2)):
        said = net.programs.run(*argv, code=code).text()
        for key in wrong:
            assert re.search(rf"left\.yaml:\d+:\d+: {re.escape(key)}: ", said), (key, said)


def test_peers_that_do_not_fit_together_are_named(net):
    end = vpn.End(net, "left", net.add("a"), address=["10.9.0.1/24"])
    end.knows(vpn.Stranger("b"), ["10.9.0.2/32"], connect="192.0.2.2:2998")
    end.settings["peers"] += [dict(end.settings["peers"][0]),
                              {"name": "c", "allowed_ips": ["10.9.0.3/32"]}]
    said = net.programs.run("check", end.write(), code=1).text()
    for key in ("name", "public_key", "allowed_ips", "connect"):
        assert f"peers.{key}: " in said, said


def test_what_is_no_yaml_is_said(net):
    end = vpn.End(net, "left", net.add("a"))
    end.config_file.write_text("interface: {name: adit0\npeers: [")
    said = net.programs.run("vpn", "--config", end.config_file, code=2).text()
    assert re.search(r"left\.yaml:\d+:\d+: ", said), said


def test_ambient_capabilities_are_given_up(net):
    left, right = net.ends_of(*net.pair())
    left.start()
    right.user = "nobody"
    # As systemd would, with what a device and a key need that are root's.
    capabilities = "+net_admin,+dac_override"
    right.through = ["setpriv", "--reuid", "nobody", "--clear-groups", "--inh-caps", capabilities,
                     "--ambient-caps", capabilities]
    right.start()
    right.ns.ping("10.9.0.1")
    status = open(f"/proc/{right.process.pid}/status", encoding="ascii").read()
    assert re.findall(r"^Cap(?:Inh|Prm|Eff|Amb):\s*(\w+)$", status, re.M) == 4 * ["0" * 16]
    right.process.stop()
    assert "adit0" not in right.ns.links()


def test_privileges_are_given_up(net):
    left, right = net.ends_of(*net.pair())
    left.start()
    right.user = "nobody"
    right.start()
    right.ns.ping("10.9.0.1")
    status = open(f"/proc/{right.process.pid}/status", encoding="ascii").read()
    assert not re.search(r"^Uid:.*\b0\b", status, re.M)
    assert re.search(r"^CapEff:\s*0+$", status, re.M)
    assert re.search(r"^NoNewPrivs:\s*1$", status, re.M)
    right.stop()
    assert not [dst for dst, device in right.ns.routes() if device == "adit0"]
