"""Several workers: any device reaches any peer, and peers change under it."""
import os
import queue
import threading

import pytest

from harness import Wire, client_hello, in_thread, until
from tunnel import Site
from wire import CLOSE, DATA, NEW, connect_peer, credential

NAMES = [f"house-{n}.example" for n in range(8)]


class Household:
    """A raw peer that answers each channel with its name and what the device said."""

    def __init__(self, site, name):
        self.name = name
        self.mux = connect_peer(site.host, site.port, credential(site.programs.key, name))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        waiting = {}
        try:
            while True:
                frame = self.mux.receive()
                if frame.flag == NEW:
                    waiting[frame.channel] = b""
                elif frame.flag == DATA and frame.channel in waiting:
                    waiting[frame.channel] += frame.payload
                    if waiting[frame.channel].endswith(b"!"):
                        said = waiting.pop(frame.channel)
                        self.mux.send(frame.channel, DATA, self.name.encode() + said[-17:])
                        self.mux.send(frame.channel, CLOSE)
                elif frame.flag == 8 and frame.extra[:4] == b"ping":
                    self.mux.send(frame.channel, 8, extra=b"pong")
        except (AssertionError, OSError, ValueError):
            pass


def visit(site, name, number):
    """A device of one name; what it was answered, None when its peer went away."""
    said = os.urandom(16).replace(b"!", b"?") + b"!"
    try:
        with Wire.dial(site.host, site.port, f"127.0.1.{1 + number % 200}") as device:
            device.send(client_hello(name) + said)
            answer = device.ended()
    except (ConnectionResetError, BrokenPipeError):
        return None
    assert answer in (b"", name.encode() + said) or answer[:1] == b"\x15", answer
    return answer == name.encode() + said


@pytest.mark.threads
def test_devices_of_every_worker_reach_the_peers_of_every_other(programs):
    site = Site(programs, "--workers", "4")
    houses = [Household(site, name) for name in NAMES]
    for house in houses:
        site.said(f" peer: {house.name}")
    jobs = [in_thread(lambda name=name: [visit(site, name, n) for n in range(20)])
            for name in NAMES]
    for job in jobs:
        assert job.finish() == [True] * 20
    status = programs.status(site.process)
    assert status["counters"]["handed_over"] > 0
    assert sum(worker["peers"] for worker in status["workers"]) == 1 + len(NAMES)
    site.check()


@pytest.mark.threads
def test_devices_never_reach_another_house_while_peers_are_replaced(programs):
    site = Site(programs, "--workers", "4")
    for name in NAMES:
        Household(site, name)
        site.said(f" peer: {name}")
    over, outcomes = threading.Event(), queue.Queue()

    def devices(name):
        number = 0
        while not over.is_set():
            number += 1
            outcomes.put(visit(site, name, number))

    jobs = [in_thread(devices, name) for name in NAMES[:4]]
    for turn in range(5):
        for name in NAMES:
            older = Household(site, name)
            if turn % 2:
                older.mux.wire.cut()
                Household(site, name)
    over.set()
    for job in jobs:
        job.finish()
    results = [outcomes.get() for _ in range(outcomes.qsize())]
    assert results.count(True) > 0
    for name in NAMES:
        Household(site, name).mux.send(bytes(16), 0x40)
        until(lambda name=name: visit(site, name, 1), f"{name} is reached")
    site.check()
