"""What the benchmarks share: ways that take turns, medians, one table and one JSON an area.

A way is one of several means to the same end: processes that stay up during the whole run. A
measure is one question that each way is asked once a round; whoever comes first in one round comes
last in the next, so that what drifts with the machine falls on all of them alike."""
import argparse
import json
import os
import pathlib
import platform
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Way:
    """name; processes: {role: process with .pid and .kill()} whose CPU time counts; what else the
    measures of an area want to know of it, as attributes."""

    def __init__(self, name, processes=None, helpers=(), **known):
        self.name, self.processes, self.helpers = name, processes or {}, helpers
        self.__dict__.update(known)

    def stop(self):
        for process in [*reversed(list(self.processes.values())), *self.helpers]:
            process.kill()


class Measure:
    """ask(way) answers a Figure, or None where the way cannot do this."""

    def __init__(self, name, text, unit, ask, more_is_better=True, per="GB", columns=()):
        self.name, self.text, self.unit, self.ask = name, text, unit, ask
        self.more_is_better, self.per, self.columns = more_is_better, per, columns


class Figure:
    """value in the measure's unit; work: how many of what CPU time is counted for; columns: more
    figures by name; errors: what went wrong meanwhile."""

    def __init__(self, value, work=0.0, errors=0, **columns):
        self.value, self.work, self.errors, self.columns = value, work, errors, columns
        self.cpu_s = {}


def cpu_s(pid):
    """CPU seconds of a process, user and system, all its threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def cpu_of_children_s(pid):
    """The same with the processes that it has started, and theirs."""
    total = cpu_s(pid)
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text(encoding="ascii").split():
            try:
                total += cpu_of_children_s(int(child))
            except FileNotFoundError:
                pass
    return total


def alternate(ways, measures, rounds):
    """{measure: {way: [figures]}}"""
    found = {m.name: {w.name: [] for w in ways} for m in measures}
    for number in range(rounds):
        for measure in measures:
            for way in ways if number % 2 == 0 else reversed(ways):
                before = {role: cpu_of_children_s(p.pid) for role, p in way.processes.items()}
                figure = measure.ask(way)
                if figure is None:
                    continue
                figure.cpu_s = {role: cpu_of_children_s(p.pid) - before[role]
                                for role, p in way.processes.items()}
                found[measure.name][way.name].append(figure)
    return found


def cpu_per_work(figures, role):
    values = [f.cpu_s[role] / f.work for f in figures if role in f.cpu_s and f.work]
    return statistics.median(values) if values else None


def ratio(value, base):
    return f"{value / base:8.2f}" if value is not None and base else f"{'-':>8}"


def table(found, measures, base, roles, rounds):
    """A block a measure. Ratios are against the way named base; roles are the columns of CPU."""
    lines = []
    for measure in measures:
        by_way = {way: figures for way, figures in found[measure.name].items() if figures}
        scale = 1.0 if measure.per == "GB" else 1e6
        lines += ["", f"{measure.name}: {measure.text}; median of {rounds}, "
                      f"{'more' if measure.more_is_better else 'less'} is better; CPU in "
                      f"{'s a GB' if measure.per == 'GB' else 'us a ' + measure.per}"]
        head = f"  {'':18} {measure.unit:>10} {'spread':>7} {'x ' + base:>12}"
        for role in roles:
            head += f" {role:>10} {'x ' + base:>12}"
        lines.append(head + "".join(f" {c:>9}" for c in measure.columns) + "  errors")
        reference = by_way.get(base, [])
        for way, figures in by_way.items():
            values = [f.value for f in figures]
            middle = statistics.median(values)
            spread = (max(values) - min(values)) / middle if middle else 0.0
            line = f"  {way:18} {middle:10.1f} {spread:7.0%} "
            line += f"{ratio(middle, reference and statistics.median(f.value for f in reference)):>12}"
            for role in roles:
                used = cpu_per_work(figures, role)
                line += f" {'-':>10}" if used is None else f" {used * scale:10.2f}"
                line += f" {ratio(used, cpu_per_work(reference, role)):>12}"
            for column in measure.columns:
                line += f" {statistics.median(f.columns.get(column, 0) for f in figures):9.0f}"
            lines.append(line + f" {sum(f.errors for f in figures):7}")
    return "\n".join(lines)


def machine():
    """One line: what the figures were measured on."""
    model = next((line.split(":", 1)[1].strip() for line in
                  pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines()
                  if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} x {model}, Linux {os.uname().release}"


def parser(text, rounds=5):
    """Options that all areas have."""
    options = argparse.ArgumentParser(description=text)
    options.add_argument("--rounds", type=int, default=rounds)
    options.add_argument("--ways", default="", help="names, comma separated; all by default")
    options.add_argument("--measures", default="", help="names, comma separated; all by default")
    options.add_argument("--adit", default=str(ROOT / "build" / "adit"))
    options.add_argument("--out", default=str(ROOT / "build-results"))
    return options


def chosen(names, wanted):
    """Those of the names that --ways or --measures asks for."""
    asked = wanted.split(",") if wanted else list(names)
    unknown = [name for name in asked if name not in names]
    if unknown:
        raise SystemExit(f"bench: no {', '.join(unknown)}; there are: {', '.join(names)}")
    return asked


def publish(area, options, text, found, more=None):
    """Prints the table, writes it and every single figure. 0, or 1 when ours made errors."""
    text = f"{text}\n\n{machine()}"
    print(text, flush=True)
    out = pathlib.Path(options.out)
    out.mkdir(exist_ok=True)
    (out / f"bench-{area}.txt").write_text(text + "\n", encoding="utf-8")
    results = {name: {way: [vars(f) for f in figures] for way, figures in by_way.items()}
               for name, by_way in found.items()}
    (out / f"bench-{area}.json").write_text(
        json.dumps({"time": time.time(), "machine": machine(), "options": vars(options),
                    "results": results, **(more or {})}, indent=1), encoding="utf-8")
    wrong = sum(f.errors for by_way in found.values() for way, figures in by_way.items()
                if way.startswith("adit") for f in figures)
    return 1 if wrong else 0
