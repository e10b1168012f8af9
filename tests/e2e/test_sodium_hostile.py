"""What a receiver does with a client that breaks the rules, and with one that replays."""
import signal
import struct
import subprocess

import pytest
from harness import until, write_secret
from sodium import PART, Site, random_file
from sodiumwire import (BEGIN, BLOCK, BLOCK_ZSTD, DATA, DIRECTORY, END, FILE, FINISH, OFFER, PONG, RESUME,
                        START, STREAM, Client, begin, blake2b, end)


@pytest.fixture
def site(programs):
    site = Site(programs)
    site.receiver = site.receive()
    return site


@pytest.fixture
def outside(site):
    """Whatever is done to the receiver, only its target changes, and it goes on."""
    (site.home / "secret").write_text("untouched")
    before = {p.name: p.stat().st_mtime_ns for p in site.home.iterdir() if p != site.into}
    yield
    after = {p.name: p.stat().st_mtime_ns for p in site.home.iterdir() if p != site.into}
    for name in ("secret", "server.key", "users"):
        assert after[name] == before[name]
    assert set(after) - set(before) <= {"server.key.seen", "receive.sock"}
    site.send(random_file(site.home / "fine", 10))
    assert (site.into / "fine").exists()


def put(client, name, data=b"evil", **kw):
    client.send(BEGIN, begin(0, name, size=len(data), **kw))
    client.send(START, struct.pack(">IQ", 0, 0))
    client.send(BLOCK, data)
    client.send(END, end(0, len(data)))


@pytest.mark.parametrize("name", [
    [b".."], [b"."], [b"..", b"secret"], [b"a", b"..", b"..", b"secret"], [b"/etc", b"x"],
    [b"a/b"], [b""], [b"x\0y"], [b"a"] * 65])
def test_a_name_that_no_name_may_be_ends_the_connection(site, outside, name):
    client = Client(site).extend()
    put(client, name)
    client.ended()
    assert not list(site.into.iterdir())


@pytest.mark.parametrize("kind", [FILE, DIRECTORY, STREAM])
def test_a_link_in_the_target_leads_nowhere(site, outside, kind):
    (site.into / "up").symlink_to("..")
    client = Client(site).extend()
    client.send(BEGIN, begin(0, [b"up", b"new"], kind=kind))
    if kind != DIRECTORY:
        client.send(START, struct.pack(">IQ", 0, 0))
        client.send(END, end(0, 0))
    assert "symbolic link" in client.error()
    assert not (site.home / "new").exists()


def test_a_link_is_not_replaced(site, outside):
    (site.into / "link").symlink_to("../secret")
    client = Client(site).extend()
    put(client, [b"link"])
    assert "symbolic link" in client.error()
    assert (site.into / "link").is_symlink()


def test_a_directory_is_not_replaced_by_a_file(site, outside):
    (site.into / "d").mkdir()
    client = Client(site).extend()
    put(client, [b"d"])
    assert "another kind of file" in client.error()


def test_a_part_s_name_is_refused(site, outside):
    client = Client(site).extend()
    put(client, [PART.encode() + b"00"])
    assert "kept for parts" in client.error()


def test_names_are_escaped_in_the_log(site, outside):
    (site.into / "\x1b[2J").mkdir()
    client = Client(site).extend()
    put(client, [b"\x1b[2J"])
    assert "\\x1b[2J" in client.error()
    until(lambda: "\\x1b[2J" in site.receiver.log(), "a log line")
    assert "\x1b" not in site.receiver.log()


def test_more_bytes_than_announced_end_it(site, outside):
    client = Client(site).extend()
    client.send(BEGIN, begin(0, [b"f"], size=3))
    client.send(START, struct.pack(">IQ", 0, 0))
    client.send(BLOCK, b"1234")
    client.ended()
    assert not (site.into / "f").exists()


def test_the_end_of_the_connection_is_no_end_of_a_file(site, outside):
    client = Client(site).extend()
    client.send(BEGIN, begin(0, [b"f"], size=4))
    client.send(START, struct.pack(">IQ", 0, 0))
    client.send(BLOCK, b"1234")
    client.wire.shutdown()
    client.ended()
    site.receiver.wait_for("lost")
    assert not (site.into / "f").exists()


def packed(data):
    return subprocess.run(["zstd", "-3", "-c", "--no-check"], input=data, capture_output=True,
                          check=True).stdout


@pytest.mark.parametrize("bomb", [
    struct.pack(">I", 1 << 20) + packed(bytes(200 << 20)), struct.pack(">I", 1000) + packed(b"x" * 999),
    struct.pack(">I", 1000) + packed(b"x" * 500) + packed(b"x" * 500),
    struct.pack(">I", 1000) + b"no frame at all"])
def test_a_frame_that_is_not_what_was_said_of_it_ends_the_connection(site, outside, bomb):
    client = Client(site).extend(options=1)
    client.send(BEGIN, begin(0, [b"f"], size=1 << 20))
    client.send(START, struct.pack(">IQ", 0, 0))
    client.send(BLOCK_ZSTD, bomb)
    client.ended()
    site.receiver.wait_for("a zstd frame that is not what was said of it")
    assert not (site.into / "f").exists()
    assert site.parts_len() == 0


def test_a_zip_bomb_counts_against_the_quota_before_it_is_unpacked(site):
    line = site.users.read_text().strip()
    write_secret(site.users, line + "size=3000000\n")
    site.receiver.signal(signal.SIGHUP)
    site.receiver.wait_for("reloaded")
    client = Client(site).extend(options=1)
    client.send(BEGIN, begin(0, [b"f"], size=1 << 30))
    client.send(START, struct.pack(">IQ", 0, 0))
    for _ in range(3):
        client.send(BLOCK_ZSTD, struct.pack(">I", 1 << 20) + packed(bytes(1 << 20)))
    assert "more than the 3000000 bytes" in client.error()
    assert site.parts_len() <= 3_000_000
    assert not (site.into / "f").exists()


@pytest.mark.parametrize("frame", [
    struct.pack(">I", 0) + packed(b""), struct.pack(">I", (1 << 20) + 1) + b"x" * 100,
    struct.pack(">I", 511) + packed(b"x" * 511), struct.pack(">I", 600) + bytes(600)])
def test_a_length_that_no_frame_may_say_is_a_breach(site, outside, frame):
    client = Client(site).extend(options=1)
    client.send(BEGIN, begin(0, [b"f"], size=1 << 21))
    client.send(START, struct.pack(">IQ", 0, 0))
    client.send(BLOCK_ZSTD, frame)
    client.ended()


def test_a_frame_without_having_chosen_it_is_a_breach(site, outside):
    client = Client(site).extend()
    client.send(BEGIN, begin(0, [b"f"], size=1000))
    client.send(START, struct.pack(">IQ", 0, 0))
    client.send(BLOCK_ZSTD, struct.pack(">I", 1000) + packed(bytes(1000)))
    client.ended()


@pytest.mark.parametrize("breach", [
    {"kind": 99}, {"kind": DATA, "body": b"x"}, {"kind": PONG, "body": bytes(16)},
    {"kind": BLOCK, "body": b"x"}, {"kind": BLOCK, "body": b"", "size": 262145},
    {"kind": FINISH, "body": struct.pack(">I", 7)}, {"kind": START, "body": bytes(12)},
    {"kind": BEGIN, "body": begin(0, [b"f"]), "tag": 3},
    {"kind": BEGIN, "body": begin(5, [b"f"])}, {"kind": BEGIN, "body": begin(0, [b"f"], mode=0o4755)},
    {"kind": BEGIN, "body": begin(0, [b"f"]), "magic": 0}])
def test_a_breach_ends_the_connection_without_a_trace(site, outside, breach):
    client = Client(site).extend()
    client.send(**breach)
    client.ended()
    assert not list(site.into.iterdir())


def test_a_tampered_byte_ends_the_connection(site, outside):
    client = Client(site).extend()
    wire = bytearray(client.pdu(BEGIN, begin(0, [b"f"], kind=DIRECTORY)))
    wire[40] ^= 1
    client.raw(bytes(wire))
    client.ended()
    assert not list(site.into.iterdir())


def test_a_replayed_session_is_refused(site, outside):
    client = Client(site).extend()
    client.send(BEGIN, begin(0, [b"d"], kind=DIRECTORY))
    client.receive()
    recorded = client.sent
    client.wire.close()
    (site.into / "d").rmdir()
    replay = Client(site)
    replay.raw(recorded)
    replay.ended()
    site.receiver.wait_for("a recorded login")
    assert not list(site.into.iterdir())


def test_a_replay_is_refused_after_a_restart(site):
    client = Client(site).open()
    recorded = client.sent
    client.wire.close()
    site.receiver.stop()
    receiver = site.receive(name="second")
    replay = Client(site)
    replay.raw(recorded)
    replay.ended()
    receiver.wait_for("a recorded login")


def test_garbage_and_another_version_are_closed_unheard(site, outside):
    for attack in (lambda c: c.raw(bytes(400)), lambda c: c.auth(version=1),
                   lambda c: c.raw(b"GET / HTTP/1.1\r\n\r\n" * 30)):
        client = Client(site)
        attack(client)
        assert client.wire.ended() == b""
    assert site.programs.status(site.receiver)["counters"]["hashes"] == 0


def test_who_says_nothing_is_closed_after_ten_seconds(site, outside):
    client = Client(site)
    client.ended()
    site.receiver.wait_for("closed")


def counter(site, name):
    return site.programs.status(site.receiver)["counters"][name]


def test_an_address_that_says_nothing_holds_sixteen_places(site):
    waiting = [Client(site, source="127.0.1.1") for _ in range(20)]
    until(lambda: counter(site, "connections_refused") == 4, "four are refused")
    assert counter(site, "connections") == 16
    site.receiver.wait_for("127.0.1.1: as many of its address as may be are not let in yet")
    site.send(random_file(site.home / "fine", 10))
    for client in waiting:
        client.wire.close()


def test_who_holds_all_places_keeps_no_sender_out(site):
    waiting = []

    def one_more():
        waiting.append(Client(site, source=f"127.0.1.{len(waiting) // 16 + 1}"))  # for 10 s
        return "a connection that says nothing gives way: 64 are not let in yet" in site.receiver.log()

    until(one_more, "all places are taken")
    site.send(random_file(site.home / "fine", 10))
    assert counter(site, "connections_refused") == 0
    for client in waiting:
        client.wire.close()
    until(lambda: not site.programs.status(site.receiver)["connections"], "all gone")


@pytest.mark.long
def test_sixteen_logins_wait_for_their_hash_and_no_more(site):
    """One is hashed at a time; from addresses of their own, so that none is held back. All may come
    before the first one's turn."""
    clients = [Client(site, source=f"127.0.1.{number + 1}") for number in range(30)]
    for client in clients:
        client.auth(passphrase=b"wrong")
    for client in clients:
        assert client.wire.ended() == b""
    counters = site.programs.status(site.receiver)["counters"]
    assert counters["logins_turned_away"] >= 1
    assert counters["hashes"] == counters["logins_refused"] >= 16
    assert counters["hashes"] + counters["logins_turned_away"] == 30
    site.send(random_file(site.home / "fine", 10))


def test_a_client_that_goes_away_while_it_waits_costs_nothing(site):
    for _ in range(20):
        Client(site).auth(passphrase=b"wrong").wire.cut()
    until(lambda: not site.programs.status(site.receiver)["connections"], "all gone")
    counters = site.programs.status(site.receiver)["counters"]
    assert counters["hashes"] < 20 - counters["logins_turned_away"]


def test_one_address_does_not_take_all_places(site):
    """Its guesses wait for their back-off; somebody else is let in beside them."""
    clients = [Client(site, source="127.0.1.1") for _ in range(16)]
    for client in clients:
        client.auth(passphrase=b"wrong")
    counters = lambda: site.programs.status(site.receiver)["counters"]
    until(lambda: counters()["logins_turned_away"] >= 11, "most are turned away")
    site.send(random_file(site.home / "fine", 10))
    assert counters()["hashes"] <= 6
    for client in clients:
        client.wire.close()
    site.send(random_file(site.home / "fine", 10))


def test_a_wrong_guess_holds_its_address_back(site):
    for _ in range(3):
        client = Client(site).auth(passphrase=b"wrong")
        assert client.wire.ended() == b""
    counters = site.programs.status(site.receiver)["counters"]
    assert counters["hashes"] == counters["logins_refused"] == 3


def test_what_resumes_is_offered_by_its_hash(site, outside):
    (site.into / "f").write_bytes(b"1234")
    client = Client(site).extend()
    client.send(BEGIN, begin(0, [b"f"], exists=RESUME, size=4))
    kind, body = client.receive()
    assert kind == OFFER and body == struct.pack(">IBQ", 0, 1, 4) + blake2b(b"1234", 32)


def test_who_resumes_what_takes_long_to_hash_keeps_nobody_waiting(site):
    """As many as there are helper threads, and more; nothing of them is hashed to its end here."""
    with open(site.into / "huge", "wb") as file:
        file.truncate(1 << 40)
    hogs = [Client(site).extend() for _ in range(4)]
    for hog in hogs:
        hog.send(BEGIN, begin(0, [b"huge"], exists=RESUME, size=1 << 40))
        hog.send(BEGIN, begin(1, [b"huge"], exists=RESUME, size=1 << 40))
    until(lambda: counter(site, "hashes") == len(hogs), "all are let in")
    site.send(random_file(site.home / "fine", 10))
    for hog in hogs:
        hog.wire.close()
    until(lambda: not site.programs.status(site.receiver)["connections"], "all gone")


def test_many_connections_have_less_under_way(site):
    clients = [Client(site).extend() for _ in range(28)]
    credits = [client.credit for client in clients]
    assert credits[0] == credits[11] == 32 << 20
    assert credits[-1] == 1 << 20
    assert credits == sorted(credits, reverse=True) and sum(credits) <= (16 * 32 + 28) << 20
    for client in clients:
        client.wire.close()
    until(lambda: not site.programs.status(site.receiver)["connections"], "all gone")
    assert Client(site).extend().credit == 32 << 20
