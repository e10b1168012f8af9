"""Much, and often: part of make check alone."""
import json
import subprocess

import pytest
from harness import HANG_S, until
from sodium import Site, digest, random_file
from sodiumwire import BEGIN, Client, begin

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
MIB = 1 << 20


@pytest.fixture
def site(programs):
    return Site(programs)


def sha256sum(*paths):
    said = subprocess.run(["sha256sum", *paths], check=True, capture_output=True, text=True).stdout
    return [line.split()[0] for line in said.splitlines()]


def test_a_gigabyte_of_random_bytes(site):
    site.receive()
    file = random_file(site.home / "big", 1_000_000_000)
    process = site.begin(file)
    process.popen.wait(600)
    assert process.wait_exit() == 0, process.log()
    there, here = sha256sum(site.into / "big", file)
    assert there == here and not site.parts()
    file.unlink()
    (site.into / "big").unlink()


@pytest.mark.parametrize("victim", ["send", "receive"])
def test_killed_fifty_times_it_goes_on_each_time(site, victim):
    """64 MB; each try brings some of its share before it is killed, and is slow enough not to bring
    what is left."""
    size, kills = 64 * MIB, 50
    file = random_file(site.home / "f", size)
    address = site.programs.address()
    receiver = site.receive(listen=address)
    there = site.parts_len
    for number in range(kills):
        before = there()
        share = (size - before) // (kills - number + 1)
        sender = site.begin(file, "--limit-rate", str(share // 2))
        until(lambda: there() > before + share // 4 or not sender.running(), "more of the part")
        assert sender.running(), sender.log()
        if victim == "send":
            sender.kill()
            receiver.wait_for("lost", count=number + 1)
        else:
            receiver.kill()
            assert sender.wait_exit() == 1
            receiver = site.receive(listen=address, name=f"receive{number}")
        assert there() > before and not (site.into / "f").exists()
    done = json.loads(site.send(file, "--json").text("out"))
    assert done["bytes_resumed"] > 0
    assert done["bytes_resumed"] + done["bytes_sent"] == size
    assert digest(site.into / "f") == digest(file) and not site.parts()


def test_who_says_nothing_once_let_in_is_given_up(site):
    """180 s of silence; its place and its part are free then."""
    receiver = site.receive()
    client = Client(site).extend()
    client.send(BEGIN, begin(0, [b"f"], size=10))
    client.wire.sock.settimeout(240)
    client.ended()
    receiver.wait_for("lost.*(silent|does not answer pings)")
    assert not site.programs.status(receiver)["connections"]
    site.send(random_file(site.home / "f", 10))


def test_ten_thousand_small_files_through_a_small_window(site):
    """With a window of one mebibyte, packed, and read back."""
    site.receive("--window", "1MiB")
    top = site.home / "many"
    top.mkdir()
    for number in range(10_000):
        (top / f"{number:05}").write_bytes(b"%d" % number * (number % 50))
    process = site.begin("--compress", "--verify", top)
    process.popen.wait(10 * HANG_S)
    assert process.wait_exit() == 0, process.log()
    subprocess.run(["diff", "-r", top, site.into / "many"], check=True)
