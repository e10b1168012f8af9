"""A VPN under load for longer: throughput both ways, keys, restarts of either end."""
import os
import threading

import harness
import pytest
import vpn

pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.timeout(300),
              pytest.mark.skipif(vpn.missing() is not None, reason=str(vpn.missing()))]

MEGABYTE = 1 << 20
SECONDS = 2


@pytest.mark.parametrize("mode", ["ip", "ethernet"])
@pytest.mark.parametrize("host", ["10.9.0.1", "fd00:9::1"])
def test_iperf3_runs_both_ways(net, mode, host):
    left, right = net.up(mode)
    right.ns.ping(host)
    for flags in ((), ("-R",), ("--bidir",), ("-P", 8)):
        end = vpn.iperf3(net, right.ns, left.ns, host, "-n", 40 * MEGABYTE, *flags)
        assert end["sum_received"]["bytes"] > 10 * MEGABYTE

    def datagrams_pass():
        end = vpn.iperf3(net, right.ns, left.ns, host, "-u", "-b", "20M", "-t", SECONDS)["sum"]
        return end["packets"] > 1000 and end["lost_percent"] < 50

    harness.until(datagrams_pass, "more than half of the datagrams arrive")
    assert left.peer("right")["connections"] == 1


def test_a_hundred_megabytes_arrive_as_they_were(net):
    left, right = net.up()
    right.ns.ping("fd00:9::1")
    both = [harness.in_thread(vpn.transfer, right.ns, left.ns, "10.9.0.1", 100 * MEGABYTE),
            harness.in_thread(vpn.transfer, left.ns, right.ns, "fd00:9::2", 100 * MEGABYTE)]
    for thread in both:
        thread.finish()


def test_keys_change_all_the_time_under_load(net):
    left, right = net.ends_of(*net.pair())
    for end in (left, right):
        end.settings["session"] = {"key_bytes": "1MiB", "key_age": "1s"}
    left.start()
    right.start()
    right.ns.ping("10.9.0.1")
    both = [harness.in_thread(vpn.transfer, right.ns, left.ns, "10.9.0.1", 200 * MEGABYTE),
            harness.in_thread(vpn.transfer, left.ns, right.ns, "10.9.0.2", 200 * MEGABYTE)]
    for thread in both:
        thread.finish()
    seen = left.peer("right")
    assert seen["key_updates"] + right.peer("left")["key_updates"] >= 30
    assert seen["connections"] == 1


def demo_namespaces(process):
    mine = f"adit-demo-{process.pid}-"
    return [line for line in vpn.ip("netns", "list").splitlines() if line.startswith(mine)]


def test_the_demo_prints_both_figures_and_leaves_nothing(programs):
    process = programs.python(harness.ROOT / "scripts" / "demo-vpn", "--seconds", 1,
                              harness.adit_path())
    process.wait_for(r"back, Mbit/s +\d+ +\d+")
    assert process.wait_exit() == 0
    assert demo_namespaces(process) == []


@pytest.mark.parametrize("when", ["two machines", "tunnel is up"])
def test_a_demo_that_is_ended_leaves_nothing(programs, when):
    process = programs.python(harness.ROOT / "scripts" / "demo-vpn", harness.adit_path())
    process.wait_for(f"(?i){when}")
    assert len(demo_namespaces(process)) == 2
    assert process.stop() == 1
    assert demo_namespaces(process) == []


class Stream:
    """Numbered bytes from one end to the other by TCP, which must outlive what is done to both."""

    def __init__(self, source, sink, host):
        self.server = sink.ns.listen(host)
        self.sender = source.ns.dial(host, self.server.getsockname()[1])
        self.receiver, _ = self.server.accept()
        self.receiver.settimeout(120)
        self.sender.settimeout(120)
        self.stop = threading.Event()
        self.block = os.urandom(1 << 16)
        self.received = 0
        self.threads = [harness.in_thread(self._send), harness.in_thread(self._receive)]

    def _send(self):
        sent = 0
        while not self.stop.is_set():
            self.sender.sendall(sent.to_bytes(8, "big") + self.block)
            sent += 1
        self.sender.close()
        return sent

    def _receive(self):
        wire = harness.Wire(self.receiver)
        self.receiver.settimeout(120)
        count = 0
        while head := self.receiver.recv(1):
            record = head + wire.receive(7 + len(self.block))
            assert record == count.to_bytes(8, "big") + self.block, f"record {count} is another"
            count += 1
            self.received = count
        return count

    def goes_on(self):
        seen = self.received
        harness.until(lambda: self.received > seen + 100, "the stream goes on")

    def finish(self):
        self.stop.set()
        assert self.threads[0].finish() == self.threads[1].finish()
        self.receiver.close()
        self.server.close()


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
@pytest.mark.parametrize("restarted", ["left", "right"])
def test_a_stream_outlives_restarts_under_load(net, restarted, killed):
    left, right = net.up()
    end = {"left": left, "right": right}[restarted]
    stream = Stream(right, left, "10.9.0.1")
    for round_number in range(3):
        stream.goes_on()
        if killed:
            end.kill()
            harness.until(lambda: "adit0" not in end.ns.links(), "the device is gone")
        else:
            end.stop()
        end.start()
        right.wait_state("left")
        stream.goes_on()
    stream.finish()


def test_a_line_that_is_cut_again_and_again(net):
    left, right = net.ends_of(*net.pair())
    for end in (left, right):
        end.settings["session"] = {"ping_after": "500ms", "dead_after": "1s"}
    left.start()
    right.start()
    right.ns.ping("10.9.0.1")
    stream = Stream(right, left, "10.9.0.1")
    for _ in range(3):
        stream.goes_on()
        left.ns.ip("link", "set", "to-b", "down")
        right.wait_state("left", "waiting")
        left.ns.ip("link", "set", "to-b", "up")
        right.wait_state("left")
        stream.goes_on()
    stream.finish()
