#!/usr/bin/python3
"""soak.py [--minutes N]: one server under mixed work while its publishers die and come back.

`adit serve` with two workers; PUBLISHERS names in processes of SERVICES each, one of which is
killed every KILL_EVERY_S seconds, by turns with SIGKILL and SIGTERM, and started again; DEVICES a
second that echo, download, upload, read slowly and reset. In the end
- no transfer failed but those whose publisher was down meanwhile,
- the server's own memory after minute 5 has grown by less than 2 % (judged from 8 minutes on),
- it has a descriptor for each publisher more than before the first one,
- nobody has logged a line that is not of a known class.
Prints a line a minute and the result. Exit status 0 or 1.
"""
import argparse
import asyncio
import hashlib
import json
import pathlib
import random
import re
import signal
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import harness  # noqa: E402
from conftest import Programs  # noqa: E402
from cryptography.fernet import Fernet  # noqa: E402
from wire import credential  # noqa: E402

PUBLISHERS, SERVICES, DEVICES = 2000, 100, 200
KILL_EVERY_S, SAMPLE_S, WARM_S = 3, 5, 300
JUDGED_S, GROWTH_MAX = 480, 0.02
AT_A_TIME = 500  # so that what is under way ends in time on a machine that does not keep up
OP_S, CONNECT_S, END_S = 120, 300, 120  # what takes longer hangs
PATIENT = ("--hello-timeout", "2m", "--token-timeout", "2m", "--challenge-timeout", "2m")
PATTERN = bytes(range(256)) * 4096  # 1 MiB
EXPECTED = re.compile(
    r"info (ready|peer|peer-gone|peer-superseded|stopping|stopped|connected|disconnected|reload|"
    r"reloaded|user|refused-unknown-name): |warn (disconnected|unreachable|refused|peer-gone|user): |suppressed=")
HEAD_LEN = 5


class Group:
    """A publisher process with its names, and when it was down."""

    def __init__(self, soak, number):
        self.soak, self.number = soak, number
        self.names = [name_of(number * soak.services + i) for i in range(soak.services)]
        self.config = soak.home / f"publish{number}.yaml"
        self.down = []  # [from, to]; to None = still
        services = "".join(f"  - credential: {soak.home / name}.json\n"
                           f"    to: 127.0.0.1:{soak.endpoint_port}\n" for name in self.names)
        self.config.write_text(f"role: publish\nserver: {soak.server.address}\nservices:\n"
                               f"{services}")
        self.process = None

    async def start(self):
        """Until each of its names is reached: a publisher knows only that it has answered."""
        self.process = self.soak.programs.role("publish", "--config", self.config,
                                               name=f"publish{self.number}")
        end = time.monotonic() + CONNECT_S
        while await self.connected() < len(self.names):
            assert self.process.running(), self.process.log()[-2000:]
            assert time.monotonic() < end, f"publish{self.number} does not connect"
            await asyncio.sleep(0.2)
        for name in self.names:
            while not await self.soak.is_reached(name):
                assert time.monotonic() < end, f"{name} is not reached"
                await asyncio.sleep(0.2)

    async def connected(self):
        """How many of its services have a tunnel; a class of lines in the log is cut short."""
        try:
            reader, writer = await asyncio.open_unix_connection(self.process.control,
                                                                limit=1 << 22)
            writer.write(b'{"command": "status"}\n')
            status = json.loads(await reader.readline())
            writer.close()
        except (OSError, ValueError):
            return 0
        services = status.get("services", [status])
        return sum(service["state"] == "connected" for service in services)

    async def restart(self, number):
        self.down.append([time.monotonic(), None])
        self.process.signal(number)
        await until(lambda: not self.process.running(), "its end", END_S)
        self.soak.examine(self.process)
        self.soak.programs.all.remove(self.process)
        await self.start()
        self.down[-1][1] = time.monotonic()

    def was_down(self, start, end):
        return any(a <= end and (b is None or start <= b) for a, b in self.down)


def name_of(number):
    return f"h{number:05}.example"


async def until(condition, what, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        await asyncio.sleep(0.05)


class Soak:
    def __init__(self, asked, home):
        self.asked, self.home = asked, home
        self.services = min(asked.services, asked.publishers)
        self.programs = Programs(home, Fernet.generate_key().decode())
        self.hello = harness.client_hello(name_of(0))
        self.done = self.cut = self.underway = 0
        self.failed, self.surprises, self.samples = [], [], []

    def examine(self, process):
        """Keeps what nobody should have logged, and forgets the rest."""
        with process.changed:
            lines, process.lines = process.lines, []
        self.surprises += [f"{process.name}: {text}" for stream, text in lines
                           if stream == "err" and not EXPECTED.search(text)]

    # ---- The service ----

    async def serve(self, reader, writer):
        try:
            await reader.readexactly(len(self.hello))
            head = await reader.readexactly(HEAD_LEN)
            kind, length = head[:1], int.from_bytes(head[1:], "big")
            if kind == b"E":
                writer.write(await reader.readexactly(length))
            elif kind == b"U":
                writer.write(hashlib.sha256(await reader.readexactly(length)).digest())
            else:
                writer.write(PATTERN[:length])
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    # ---- Devices ----

    async def transfer(self, reader, writer, hello, kind, length):
        payload = PATTERN[:length]
        writer.write(hello + (b"D" if kind in (b"S", b"R") else kind) +
                     length.to_bytes(4, "big") + (payload if kind in (b"E", b"U") else b""))
        await writer.drain()
        if kind == b"R":
            await reader.read(1)
            writer.transport.abort()
            return True
        if kind == b"S":
            got = bytearray()
            while piece := await reader.read(16384):
                got += piece
                await asyncio.sleep(0.01)
            return bytes(got) == payload
        wanted = hashlib.sha256(payload).digest() if kind == b"U" else payload
        return await reader.read(-1) == wanted

    def hello_to(self, name):
        return self.hello.replace(name_of(0).encode(), name.encode())

    async def is_reached(self, name):
        """Whether a device of this name is answered by the service."""
        writer = None
        try:
            async with asyncio.timeout(OP_S):
                reader, writer = await asyncio.open_connection(self.server.host, self.server.port)
                return await self.transfer(reader, writer, self.hello_to(name), b"E", 1)
        except OSError:
            return False
        finally:
            if writer:
                writer.close()

    async def device(self, number):
        kind, length = random.choices(
            [(b"E", 200), (b"E", 8000), (b"D", 65536), (b"U", 65536), (b"D", 1 << 20),
             (b"S", 1 << 18), (b"R", 1 << 18)], [45, 25, 12, 10, 3, 2, 3])[0]
        name = name_of(number)
        hello = self.hello_to(name)
        start, what = time.monotonic(), "other bytes"
        writer = None
        good = False
        self.underway += 1
        try:
            async with asyncio.timeout(OP_S):
                reader, writer = await asyncio.open_connection(self.server.host, self.server.port)
                good = await self.transfer(reader, writer, hello, kind, length)
        except (OSError, TimeoutError) as error:
            what = repr(error)
        finally:
            self.underway -= 1
            if writer:
                writer.close()
        if good:
            self.done += 1
        elif self.groups[number // self.services].was_down(start, time.monotonic()):
            self.cut += 1
        else:
            self.failed.append(f"{name} {kind} {length}: {what} after "
                               f"{time.monotonic() - start:.1f} s")

    async def devices(self):
        running = set()
        due = time.monotonic()
        while time.monotonic() < self.end:
            due += 1 / self.asked.devices
            await asyncio.sleep(max(0, due - time.monotonic()))
            if len(running) < AT_A_TIME:
                task = asyncio.create_task(self.device(random.randrange(self.asked.publishers)))
                running.add(task)
                task.add_done_callback(running.discard)
        await asyncio.gather(*running)

    # ---- Kills, and what is measured ----

    async def kills(self):
        numbers = [signal.SIGKILL, signal.SIGTERM]
        for turn in range(1 << 30):
            await asyncio.sleep(KILL_EVERY_S)
            if time.monotonic() >= self.end:
                return
            await random.choice(self.groups).restart(numbers[turn % 2])

    def private_kib(self):
        text = pathlib.Path("/proc", str(self.server.process.pid), "smaps_rollup").read_text()
        return sum(int(n) for n in re.findall(r"^Private_\w+:\s+(\d+)", text, re.M))

    def descriptors(self):
        return len(list(pathlib.Path("/proc", str(self.server.process.pid), "fd").iterdir()))

    async def watch(self):
        start = said = time.monotonic()
        while time.monotonic() < self.end:
            await asyncio.sleep(SAMPLE_S)
            self.samples.append((time.monotonic() - start, self.private_kib()))
            self.examine(self.server.process)
            if time.monotonic() - said >= 60:
                said = time.monotonic()
                self.report()

    def report(self):
        print(f"{self.samples[-1][0] / 60:5.1f} min: {self.done} transfers, {self.cut} cut by a "
              f"kill, {len(self.failed)} failed, {self.underway} under way, "
              f"{self.samples[-1][1] / 1024:.1f} MiB", flush=True)

    def growth(self):
        """Of the last minute over minute 5, or None when it is too early to tell."""
        if self.samples[-1][0] < JUDGED_S:
            return None
        last = self.samples[-1][0] - 60
        early = [kib for at, kib in self.samples if WARM_S <= at < WARM_S + 60]
        late = [kib for at, kib in self.samples if at >= last]
        return statistics.median(late) / statistics.median(early) - 1

    # ---- All of it ----

    async def run(self):
        endpoint = await asyncio.start_server(self.serve, "127.0.0.1", 0, limit=1 << 20,
                                              backlog=4096)
        self.endpoint_port = endpoint.sockets[0].getsockname()[1]
        self.server = self.programs.serve("--workers", "2", "--early-per-address", "1000000",
                                          *PATIENT)
        before = self.descriptors() + self.asked.publishers
        for number in range(self.asked.publishers):
            made = credential(self.programs.key, name_of(number))
            harness.write_secret(self.home / f"{name_of(number)}.json", json.dumps(made))
        self.groups = [Group(self, n) for n in range(self.asked.publishers // self.services)]
        for group in self.groups:
            await group.start()
        print(f"{self.asked.publishers} publishers are connected", flush=True)
        self.end = time.monotonic() + self.asked.minutes * 60
        await asyncio.gather(self.devices(), self.kills(), self.watch())
        after = self.descriptors
        try:
            await until(lambda: after() == before, "no descriptor too many", END_S)
        except AssertionError:
            self.failed.append(f"{after()} descriptors, and not {before}")
        endpoint.close()

    def result(self):
        self.report()
        growth = self.growth()
        wrong = self.failed[:20] + self.surprises[:20]
        if growth is not None and growth >= GROWTH_MAX:
            wrong.append(f"memory has grown by {growth:.1%} after minute 5")
        if self.done < self.asked.minutes * 60 * self.asked.devices / 10:
            wrong.append(f"{self.done} transfers are too few to say anything")
        print("memory after minute 5: " + ("not judged, too short" if growth is None
                                           else f"{growth:+.2%}"))
        print("\n".join(wrong) or "all was well")
        return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--publishers", type=int, default=PUBLISHERS)
    parser.add_argument("--services", type=int, default=SERVICES)
    parser.add_argument("--devices", type=float, default=DEVICES)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="adit-soak-") as home:
        soak = Soak(asked, pathlib.Path(home))
        try:
            asyncio.run(soak.run())
            for process in soak.programs.all:
                soak.examine(process)
        finally:
            wrong = soak.programs.finish()
        soak.surprises += wrong
        return soak.result()


if __name__ == "__main__":
    sys.exit(main())
