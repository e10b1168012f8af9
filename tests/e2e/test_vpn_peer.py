"""`adit vpn` and an independent end of QuickTunTcp (tests/peers/quicktun_peer.py), in both roles;
and what a hostile one gets away with."""
import contextlib
import ipaddress

import harness
import pytest
import vpn
from vpn import PORT, Stranger

pytestmark = pytest.mark.skipif(vpn.missing() is not None, reason=str(vpn.missing()))

PEER_IP = "10.9.0.9"


def end_and_peer(net, dials=False, session=None, **peer):
    """An end that knows a Python peer, and the socket that joins them, not yet used."""
    a, b = net.pair()
    end = vpn.End(net, "adit", a, address=["10.9.0.1/24"])
    end.settings["session"] = session or {}
    stranger = Stranger("python")
    if dials:
        server = b.listen("192.0.2.2", PORT)
        end.knows(stranger, [f"{PEER_IP}/32"], connect=f"192.0.2.2:{PORT}", **peer).start()
        with server:
            sock = server.accept()[0]
        sock.settimeout(vpn.HANG_S)
    else:
        end.listens().knows(stranger, [f"{PEER_IP}/32"], **peer).start()
        sock = b.dial("192.0.2.1", PORT)
    return end, stranger, sock


def udp_socket(end, host="10.9.0.1", port=9):
    sock = end.ns.socket(vpn.socket.AF_INET, vpn.socket.SOCK_DGRAM)
    sock.bind((host, port))
    return sock


def is_udp(packet):
    return packet[:1] == b"\x45" and packet[9] == 17


def answers_pings(end, peer):
    """The machine pings the peer, which returns what it gets; a datagram says that it is enough."""
    def ping():
        end.ns.ping(PEER_IP)
        with end.ns.socket(vpn.socket.AF_INET, vpn.socket.SOCK_DGRAM) as sock:
            sock.sendto(b"enough", (PEER_IP, 7))

    pinging = harness.in_thread(ping)
    while not is_udp(packet := peer.next_packet(lambda packet: packet[:1] == b"\x45")):
        peer.send_packet(vpn.quicktun.exchanged(packet))
    pinging.finish()


@pytest.mark.parametrize("dials", [False, True], ids=["adit listens", "adit dials"])
def test_an_independent_end_is_reached(net, dials):
    end, stranger, sock = end_and_peer(net, dials)
    with stranger.join(sock, end) as peer:
        answers_pings(end, peer)
        peer.send_echo(b"are you there?")
        assert peer.until(lambda: peer.echoes) == [b"are you there?"]
        seen = end.peer("python")
        assert seen["protection"] == "session keys" and not seen["segmented"]


@pytest.mark.parametrize("how", ["listen", "connect"])
def test_the_independent_end_runs_as_a_program(net, how):
    a, b = net.pair()
    key_file = net.programs.directory / "python.key"
    public = net.programs.run("keygen", "box", "--out", key_file).text("out").strip()
    end = vpn.End(net, "adit", a, address=["10.9.0.1/24"]).listens()
    end.settings["peers"].append({"name": "python", "public_key": public,
                                  "allowed_ips": [f"{PEER_IP}/32"]})
    if how == "listen":
        end.settings["peers"][0]["connect"] = f"192.0.2.2:{PORT}"
    else:
        end.start()
    process = net.programs.start(
        b.argv("/usr/bin/python3", harness.ROOT / "tests/peers/quicktun_peer.py", how,
               f"192.0.2.{2 if how == 'listen' else 1}:{PORT}", "--secret-file", key_file,
               "--peer-key", end.public, "--answer"), "quicktun_peer")
    if how == "listen":
        process.wait_for("listening")
        end.start()
    process.wait_for('"up"')
    end.ns.ping(PEER_IP)
    end.stop()
    assert process.wait_exit() == 0


def test_keys_change_on_both_sides_while_packets_pass(net):
    end, stranger, sock = end_and_peer(net, session={"key_bytes": "1MiB"})
    with stranger.join(sock, end) as peer, udp_socket(end) as service:
        payload = bytes(1200)
        for number in range(1500):
            service.sendto(payload, (PEER_IP, 7))
            peer.send_packet(vpn.udp(PEER_IP, "10.9.0.1", number.to_bytes(4, "big") + payload))
            assert int.from_bytes(service.recv(2000)[:4], "big") == number
            assert len(peer.next_packet(is_udp)) == 1228
            if number % 100 == 0:
                peer.begin_update()
        assert peer.key_updates >= 15
        assert end.peer("python")["key_updates"] >= 3


def test_an_anonymous_end_that_knows_the_password_is_reached(net):
    a, b = net.pair()
    word = harness.write_secret(net.programs.directory / "word", "correct horse\n")
    end = vpn.End(net, "adit", a, address=["10.9.0.1/24"]).listens()
    end.settings["peers"].append({"name": "anybody", "weak_unproven_peer": True,
                                  "ask_password_file": str(word),
                                  "allowed_ips": [f"{PEER_IP}/32"]})
    end.start()
    wrong = vpn.quicktun.Peer(b.dial("192.0.2.1", PORT), peer_key=end.raw_public, password=b"oops")
    with wrong:
        assert wrong.until_closed()
    peer = vpn.quicktun.Peer(b.dial("192.0.2.1", PORT), peer_key=end.raw_public,
                             password=b"correct horse")
    with peer.until_both_up():
        answers_pings(end, peer)


def test_an_end_with_another_key_is_not_let_in(net):
    end, _, sock = end_and_peer(net)
    peer = vpn.quicktun.Peer(sock, secret=vpn.quicktun.new_secret(), peer_key=end.raw_public)
    with peer:
        assert peer.until_closed()
        assert not peer.up
    assert end.peer("python")["state"] == "absent"


def test_packets_from_addresses_of_others_are_dropped_and_counted(net):
    end, stranger, sock = end_and_peer(net)
    with stranger.join(sock, end) as peer, udp_socket(end) as service:
        for source in ("10.9.0.8", "10.9.0.1", "192.0.2.2", "0.0.0.0"):
            peer.send_packet(vpn.udp(source, "10.9.0.1", b"for another"))
        peer.send_packet(b"\x60" + bytes(39))
        peer.send_packet(vpn.udp(PEER_IP, "10.9.0.1", b"its own"))
        data, sender = service.recvfrom(100)
        assert (data, sender[0]) == (b"its own", PEER_IP)
        assert end.peer("python")["drops"]["source"] == 5


def test_what_is_no_packet_is_dropped(net):
    end, stranger, sock = end_and_peer(net)
    good = vpn.udp(PEER_IP, "10.9.0.1", b"good")
    with stranger.join(sock, end) as peer, udp_socket(end) as service:
        peer.send_packet(b"")
        for packet in (b"\x45", good[:19], b"\x46" + good[1:20], b"\x10" + good[1:],
                       good[:2] + b"\xff\xff" + good[4:], b"\x60" + bytes(10)):
            peer.send_packet(packet)
        peer.send_batch([good[:5], good])
        assert service.recv(100) == b"good"
        assert peer.up and end.peer("python")["state"] == "connected"


def test_a_newer_connection_replaces_the_older_once_it_is_proven(net):
    end, stranger, sock = end_and_peer(net)
    b = net.namespaces["b"]
    with stranger.join(sock, end) as first:
        thief = vpn.quicktun.Peer(b.dial("192.0.2.1", PORT), secret=vpn.quicktun.new_secret(),
                                  peer_key=end.raw_public)
        thief.until_closed()
        thief.close()
        answers_pings(end, first)
        with stranger.join(b.dial("192.0.2.1", PORT), end) as second:
            assert first.until_closed()
            answers_pings(end, second)


def test_a_connection_that_says_nothing_is_closed(net):
    a, b = net.pair()
    end = vpn.End(net, "adit", a, address=["10.9.0.1/24"]).listens()
    end.knows(Stranger("python"), [f"{PEER_IP}/32"])
    end.settings["limits"] = {"early_timeout": "3s", "early_per_address": 4}
    end.start()
    silent = []
    for _ in range(6):
        with contextlib.suppress(ConnectionResetError):  # one too many may hear so while it dials
            silent.append(b.dial("192.0.2.1", PORT))
    for sock in silent:
        with harness.Wire(sock) as wire:
            wire.ended()
    end.process.wait_for("refused: .*did not show in time", count=4)
    end.process.wait_for("refused-address: .*its address holds as many")
    harness.until(lambda: end.status()["counters"]["refused"] == 6, "two were refused at once")


def test_a_flood_of_commands_closes(net):
    end, stranger, sock = end_and_peer(net)
    with stranger.join(sock, end) as peer:
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(10000):
                peer.send_many([b"\xc8a command of the future"] * 500)
    end.process.wait_for("disconnected: python .*more commands than a peer may send")


@pytest.mark.long
@pytest.mark.slow
def test_a_peer_that_never_answers_is_given_up(net):
    end, stranger, sock = end_and_peer(net, session={"key_age": "1s"})
    with stranger.join(sock, end) as peer, udp_socket(end) as service:
        service.sendto(b"traffic", (PEER_IP, 7))
        peer.next_packet(is_udp)
        harness.Wire(peer.sock).ended()  # what comes is taken, and not answered
    end.process.wait_for("disconnected: python .*answer")


# ---- Ethernet ----

def frame(destination, source, payload=b"what a frame carries"):
    return destination + source + b"\x88\xb5" + payload.ljust(46, b"\0")


def station(peer, number):
    return bytes([2, peer]) + number.to_bytes(4, "big")


def is_ours(packet):
    return packet[12:14] == b"\x88\xb5"


def test_a_peer_that_invents_stations_takes_nobody_theirs(net):
    a, b = net.pair()
    end = vpn.End(net, "adit", a, mode="ethernet", address=["10.9.0.1/24"]).listens()
    strangers = [Stranger("honest"), Stranger("hostile")]
    for stranger in strangers:
        end.knows(stranger)
    end.start()
    honest, hostile = (s.join(b.dial("192.0.2.1", PORT), end) for s in strangers)
    with honest, hostile:
        everybody = b"\xff" * 6
        honest.send_packet(frame(everybody, station(1, 0)))
        assert hostile.next_packet(is_ours) == frame(everybody, station(1, 0))
        for number in range(30):
            hostile.send_batch([frame(station(1, 0), station(2, 100 * number + i))
                                for i in range(100)])
        for number in range(3000):
            assert honest.next_packet(is_ours)[6:12] == station(2, number)
        assert end.peer("hostile")["stations"] == 1024
        assert end.peer("honest")["stations"] == 1
        honest.send_packet(frame(station(2, 0), station(1, 0)))
        assert hostile.next_packet(is_ours) == frame(station(2, 0), station(1, 0))
        hostile.send_packet(frame(everybody, station(1, 0)[:1] + b"\1\0\0\0\0"))  # it has moved
        hostile.send_packet(frame(everybody, b"\3" + bytes(5)))  # of a group: nobody's
        hostile.send_packet(frame(everybody, station(2, 1)))
        assert [honest.next_packet(is_ours)[6:12] for _ in range(2)] == \
            [station(1, 0), station(2, 1)]


# ---- Routes ----

INSIDE, OUTSIDE = (ipaddress.ip_network(n) for n in ("10.20.3.0/24", "10.30.0.0/16"))
ID = b"\x0a\x09\x00\x09"


def test_routes_are_learned_inside_of_what_is_accepted(net):
    end, stranger, sock = end_and_peer(net, accept_routes=["10.20.0.0/16"])
    with stranger.join(sock, end) as peer:
        peer.send_route(OUTSIDE, [ID])
        peer.send_route(ipaddress.ip_network("192.0.2.0/24"), [ID])
        peer.send_route(ipaddress.ip_network("0.0.0.0/0"), [ID])
        peer.send_route(INSIDE, [ID, b"else"])
        harness.until(lambda: (str(INSIDE), "adit0") in end.ns.routes(), "the route is there")
        learned = {dst for dst, device in end.ns.routes() if device == "adit0"}
        assert learned == {"10.9.0.0/24", PEER_IP, str(INSIDE)}
        assert end.peer("python")["routes_learned"] == 1
        assert end.peer("python")["routes_refused"] == 3
        with udp_socket(end) as service:
            peer.send_packet(vpn.udp("10.30.0.1", "10.9.0.1", b"not accepted"))
            peer.send_packet(vpn.udp("10.20.3.1", "10.9.0.1", b"learned"))
            assert service.recv(100) == b"learned"
        peer.send_route(INSIDE, [ID], valid=False)
        harness.until(lambda: (str(INSIDE), "adit0") not in end.ns.routes(), "the route is gone")


def test_routes_of_a_peer_that_goes_go_with_it(net):
    end, stranger, sock = end_and_peer(net, accept_routes=["10.20.0.0/16"])
    with stranger.join(sock, end) as peer:
        peer.send_route(INSIDE, [ID])
        harness.until(lambda: (str(INSIDE), "adit0") in end.ns.routes(), "the route is there")
    harness.until(lambda: (str(INSIDE), "adit0") not in end.ns.routes(), "the route is gone")


def test_own_networks_are_announced(net):
    a, b = net.pair()
    stranger = Stranger("python")
    end = vpn.End(net, "adit", a, address=["10.9.0.1/24"]).listens()
    end.knows(stranger, [f"{PEER_IP}/32"], announce=True)
    end.settings.update(announce=["10.20.1.0/24", "fd00:20::/32"], router_id="10.9.0.1")
    end.start()
    with stranger.join(b.dial("192.0.2.1", PORT), end) as peer:
        peer.until(lambda: len(peer.routes) == 2)
        ours = bytes([10, 9, 0, 1])
        assert sorted(peer.routes) == [
            bytes([4, 1, 10, 20, 1, 0, 255, 255, 255, 0]) + ours,
            bytes([6, 1, 0xfd, 0, 0, 0x20]) + bytes(12) + b"\xff" * 4 + bytes(12) + ours]


def test_a_flood_of_routes_closes(net):
    end, stranger, sock = end_and_peer(net, accept_routes=["10.20.0.0/16"])
    harness.until(lambda: (PEER_IP, "adit0") in end.ns.routes(), "its own route is there")
    before = end.ns.routes()
    with stranger.join(sock, end) as peer:
        one = vpn.quicktun.route(OUTSIDE, [ID])
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(10000):
                peer.send_many([one] * 500)
    end.process.wait_for(r"disconnected: python .*too many routes")
    assert end.peer("python")["state"] == "absent"
    assert end.ns.routes() == before
