"""Keys, hosts and processes change; connections that are not concerned lose nothing."""
import os
import signal
import threading

from cryptography.fernet import Fernet

from harness import Wire, call_echo, echo, in_thread, until, write_secret
from masters import Master
from wire import credential

HERE, THERE = "home.example", "other.example"
PIECE = 4096


class Pair:
    """A server that asks its master each second, and two publishers."""

    def __init__(self, programs):
        self.programs = programs
        address = programs.address()
        self.master = Master(programs, server=address, listen=programs.address())
        relay = self.master.key_file(self.master.add("relay", command="add-server"))
        self.server = programs.serve("--master", self.master.url(), "--server-key-file", relay,
                                     "--master-interval", "1s", listen=[address])
        self.service = programs.service(echo)
        self.files = {name: self.master.key_file(self.master.add(name)) for name in (HERE, THERE)}
        self.publishers = {name: self.publish(name) for name in (HERE, THERE)}

    def publish(self, name):
        mark = self.server.process.mark()
        process = self.programs.role("publish", "--master", self.master.url(), "--api-key-file",
                                     self.files[name], "--to", self.service.address,
                                     name=f"publish {name}")
        process.wait_for(r"\bconnected\b")
        self.server.wait_served(name, mark)
        return process

    def call(self, name):
        return call_echo(self.server.host, self.server.port, name)

    def again(self, name):
        """Its publisher is killed and started: it needs another token."""
        self.publishers[name].kill()
        self.publishers[name] = self.publish(name)

    def asked_again(self):
        """The server has asked since now what was revoked, and has had the answer."""
        def requests():
            return self.programs.status(self.master.process)["counters"]["requests"]
        before = requests()
        until(lambda: requests() > before + 1, "the server asks")

    def reload(self, *processes):
        for process in processes:
            mark = process.mark()
            process.signal(signal.SIGHUP)
            process.wait_for("reload: reloaded", after=mark)


class Stream:
    """Bytes that go and come back until stop(); every one is compared."""

    def __init__(self, wire):
        self.wire, self.ending, self.pieces = wire, threading.Event(), 0
        self.thread = in_thread(self.run)

    def run(self):
        while not self.ending.wait(0.005):  # leaves the processor to the others
            piece = os.urandom(PIECE)
            self.wire.send(piece)
            assert self.wire.receive(PIECE) == piece
            self.pieces += 1

    def goes_on(self):
        """It has made way since now."""
        before = self.pieces
        until(lambda: self.pieces > before + 10, "bytes come back")

    def stop(self):
        self.ending.set()
        self.thread.finish()


def test_nothing_is_lost_on_connections_that_are_not_concerned(programs):
    pair = Pair(programs)
    streams = [Stream(pair.call(THERE)) for _ in range(2)]
    address = f"{pair.master.host}:{pair.master.port}"

    # the other host: disabled and back, its key replaced, its publisher killed
    pair.master.host_command("disable", HERE)
    pair.server.process.wait_for(f"peer-gone: {HERE} .*: its token was revoked")
    pair.master.host_command("enable", HERE)
    pair.asked_again()
    pair.files[HERE].unlink()
    pair.master.host_command("rotate", HERE, "--out", pair.files[HERE])
    pair.again(HERE)

    # the master: killed, away, and back
    pair.master.process.kill()
    pair.server.process.wait_for("cannot be asked what was revoked")
    Master(programs, server=pair.server.address, listen=address, name="master again")
    pair.again(HERE)
    with pair.call(HERE):
        pass
    for stream in streams:
        stream.goes_on()
        stream.stop()
    assert not pair.publishers[THERE].matches("warn|error")


def test_a_fernet_key_is_replaced_while_callers_talk(programs):
    """New key first, old one beside it; then the old one is gone. New tokens in between."""
    pair = Pair(programs)
    streams = [Stream(pair.call(THERE)) for _ in range(2)]
    fresh = Fernet.generate_key().decode()
    former = credential(programs.key, "third.example")
    write_secret(programs.key_file, f"{fresh}\n{programs.key}\n")
    pair.reload(pair.server.process, pair.master.process)
    pair.again(HERE)
    during = Stream(pair.call(HERE))
    write_secret(programs.key_file, f"{fresh}\n")
    pair.reload(pair.server.process, pair.master.process)
    with Wire.dial(pair.server.host, pair.server.port) as wire:
        wire.send(former["token"].encode())
        wire.shutdown()
        assert wire.ended() == b""
    for stream in (*streams, during):
        stream.goes_on()
        stream.stop()
    pair.again(HERE)
    with pair.call(HERE), pair.call(THERE):
        pass
    assert not pair.publishers[THERE].matches("warn|error")
