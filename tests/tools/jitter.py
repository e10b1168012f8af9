#!/usr/bin/python3
"""jitter.py --program PATH [--share N] [--longest-ms N] [--threads] COMMAND...: runs a command, and
meanwhile holds processes of a program up at random moments, for 10 ms and more, as a busy machine
does: what a test takes for granted and does not wait for then shows.

With --threads single threads are held up instead, as far as the machine is busy otherwise: they run
when nobody else wants to. Exits with the command's status.
"""
import argparse
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

TICK_S, LOOK_S, SHORTEST_S = 0.005, 0.05, 0.01


def processes(program):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if os.path.samefile(f"/proc/{entry}/exe", program):
                    found.append(int(entry))
            except OSError:
                pass
    return found


def threads(pids):
    found = []
    for pid in pids:
        try:
            found += [int(task) for task in os.listdir(f"/proc/{pid}/task")]
        except OSError:
            pass
    return found


def is_stopped(pid):
    """By somebody else: a test that stops a program means it."""
    try:
        text = pathlib.Path("/proc", str(pid), "stat").read_text()
        return text.rsplit(")", 1)[1].split()[0] == "T"
    except OSError:
        return True


def stop(pid):
    if is_stopped(pid):
        return False
    os.kill(pid, signal.SIGSTOP)
    return True


def go_on(pid):
    os.kill(pid, signal.SIGCONT)


def idle(tid):
    os.sched_setscheduler(tid, os.SCHED_IDLE | os.SCHED_RESET_ON_FORK, os.sched_param(0))
    return True


def normal(tid):
    os.sched_setscheduler(tid, os.SCHED_OTHER, os.sched_param(0))


class Jitter:
    def __init__(self, asked):
        self.asked = asked
        self.hold, self.release = (idle, normal) if asked.threads else (stop, go_on)
        self.held = {}  # id -> until when
        self.known, self.looked_s, self.count = [], 0, 0

    def step(self):
        now = time.monotonic()
        for one in [one for one, until_s in self.held.items() if until_s <= now]:
            self.let_go(one)
        if now - self.looked_s > LOOK_S:
            self.looked_s = now
            self.known = processes(self.asked.program)
            if self.asked.threads:
                self.known = threads(self.known)
        free = [one for one in self.known if one not in self.held]
        if free and random.random() * 100 < self.asked.share:
            one = random.choice(free)
            try:
                if self.hold(one):
                    longest_s = self.asked.longest_ms / 1000
                    self.held[one] = now + SHORTEST_S * (longest_s / SHORTEST_S) ** random.random()
                    self.count += 1
            except OSError:
                pass

    def let_go(self, one):
        del self.held[one]
        try:
            self.release(one)
        except OSError:
            pass


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--share", type=float, default=50, help="percent of the 5 ms at whose "
                        "end one more is held up")
    parser.add_argument("--longest-ms", type=float, default=300)
    parser.add_argument("--threads", action="store_true")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args()
    jitter = Jitter(asked)
    with subprocess.Popen(asked.command) as command:
        try:
            while command.poll() is None:
                jitter.step()
                time.sleep(TICK_S)
        finally:
            for one in list(jitter.held):
                jitter.let_go(one)
    print(f"held up {jitter.count} times", file=sys.stderr)
    return command.returncode


if __name__ == "__main__":
    sys.exit(main())
