#!/usr/bin/python3
"""delay_relay.py --listen HOST:PORT --to HOST:PORT --delay-ms N: a TCP relay that holds every byte
for so long, each way, as a long path does. It takes whatever comes, so that only the two ends
bound what is under way; when a connection ends it prints, as JSON, how much that was at most.
"""
import argparse
import collections
import json
import selectors
import socket
import sys
import time

STEP = 256 * 1024


def address(text):
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


class Way:
    """One direction: bytes with the time from which they may go on."""

    def __init__(self, source, sink, delay_s):
        self.source, self.sink, self.delay_s = source, sink, delay_s
        self.waiting = collections.deque()
        self.held = self.peak = self.total = 0
        self.ended = self.closed = False

    def take(self, now):
        try:
            data = self.source.recv(STEP)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        self.ended = not data
        self.waiting.append([now + self.delay_s, memoryview(data)])
        self.held += len(data)
        self.total += len(data)
        self.peak = max(self.peak, self.held)

    def give(self, now):
        while self.waiting and self.waiting[0][0] <= now:
            data = self.waiting[0][1]
            try:
                sent = self.sink.send(data) if data else 0
                if not data:
                    self.sink.shutdown(socket.SHUT_WR)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self.ended = True
                self.waiting.clear()
                break
            self.held -= sent
            if sent < len(data):
                self.waiting[0][1] = data[sent:]
            else:
                self.waiting.popleft()
        self.closed = self.ended and not self.waiting

    def due(self):
        """When something is to be done; None = not by time."""
        return self.waiting[0][0] if self.waiting else None


def carry(near, to, delay_s):
    far = socket.create_connection(to)
    ways = [Way(near, far, delay_s), Way(far, near, delay_s)]
    for sock in (near, far):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
    with selectors.DefaultSelector() as selector:
        for way in ways:
            selector.register(way.source, selectors.EVENT_READ)
        while not all(way.closed for way in ways):
            now = time.monotonic()
            for way in ways:
                way.give(now)
            late = [way for way in ways if way.waiting and way.due() <= now]
            for way in ways:
                events = 0 if way.ended else selectors.EVENT_READ
                if any(other in late and other.sink is way.source for other in ways):
                    events |= selectors.EVENT_WRITE
                if way.source.fileno() in selector.get_map():
                    selector.unregister(way.source)
                if events:
                    selector.register(way.source, events)
            dues = [way.due() for way in ways if way.waiting and way not in late]
            if not selector.get_map() and not dues:
                break
            for key, events in selector.select(max(0, min(dues) - now) if dues else None):
                for way in ways:
                    if key.fileobj is way.source and events & selectors.EVENT_READ:
                        way.take(time.monotonic())
    near.close()
    far.close()
    print(json.dumps({"peak_up": ways[0].peak, "peak_down": ways[1].peak,
                      "up": ways[0].total, "down": ways[1].total}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", type=address, default=("127.0.0.1", 0))
    parser.add_argument("--to", type=address, required=True)
    parser.add_argument("--delay-ms", type=float, required=True)
    args = parser.parse_args()
    listener = socket.create_server(args.listen)
    print("ready: %s:%d" % listener.getsockname()[:2], flush=True)
    while True:
        near, _ = listener.accept()
        carry(near, args.to, args.delay_ms / 1000)


if __name__ == "__main__":
    sys.exit(main())
