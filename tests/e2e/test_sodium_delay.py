"""A long path: a quarter of a second each way, which is long enough for a window to be filled in on
a machine that has other things to do, too."""
import json

import pytest
from harness import ROOT
from sodium import Site, digest, random_file

RELAY = ROOT / "tests" / "tools" / "delay_relay.py"
MIB = 1 << 20


@pytest.fixture
def site(programs):
    return Site(programs)


def through_relay(site, delay_ms=250):
    relay = site.programs.python(RELAY, "--to", site.address, "--delay-ms", str(delay_ms),
                                 name="relay")
    site.address = relay.wait_for(r"ready: (\S+)").group(1)
    return relay


def carried(relay):
    return json.loads(relay.wait_for(r"peak_up").string)


def test_the_pipe_stays_full(site):
    """What is under way is what the rate follows from: three quarters of the window, whatever the
    delay. A sender that waited for answers would have one block of it."""
    site.receive("--window", "2MiB")
    relay = through_relay(site)
    file = random_file(site.home / "f", 12 * MIB)
    site.send(file)
    assert digest(site.into / "f") == digest(file)
    assert carried(relay)["peak_up"] > 1.25 * MIB


def test_many_small_files_wait_for_no_answer_each(site):
    """200 files in one round trip each would be 100 s at least: announcements run ahead."""
    site.receive()
    relay = through_relay(site)
    top = site.home / "many"
    top.mkdir()
    for number in range(200):
        (top / f"{number}").write_bytes(b"%d" % number * 3000)
    said = json.loads(site.send(top, "--json").text("out"))
    assert said["ok"] and said["seconds"] < 50
    assert carried(relay)["up"] > sum(p.stat().st_size for p in top.iterdir())


def test_the_public_protocol_keeps_sixteen_blocks_under_way(site):
    site.receive("--public-only", into=site.home / "target")
    relay = through_relay(site)
    file = random_file(site.home / "f", 6 * MIB)
    site.send(file)
    assert carried(relay)["peak_up"] > 8 * 131_000
