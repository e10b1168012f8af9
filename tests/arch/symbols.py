#!/usr/bin/python3
"""symbols.py ZONE=ARCHIVE...: fails when an object of an archive needs a symbol that is neither
defined in an archive of a zone it may know, nor an allowed function of libc or of a library. So
base/ and lib/ cannot make a system call, read a clock, print or start a thread; roles/ and cli/
reach the kernel through io alone. A zone may have several archives, or objects."""
import re
import subprocess
import sys

from rules import FOREIGN, LIBC, MAY_KNOW, MORE_OF_LIBC, may_know

# What sanitizers and coverage put into an object.
INSTRUMENTED = re.compile(r"_?__(asan|ubsan|tsan|lsan|sanitizer|sancov|gcov)_|__start_|__stop_")
# All but the code that talks to the kernel.
JUDGED = [zone for zone in MAY_KNOW if not zone.startswith("io")]
# memcpy under _FORTIFY_SOURCE is __memcpy_chk.
FORTIFIED = re.compile(r"__(\w+)_chk$")


def symbols(archive):
    """(defined, needed): needed maps a symbol to the objects that need it."""
    listing = subprocess.run(["nm", "-A", "-g", archive], text=True, capture_output=True,
                             check=True).stdout
    defined, needed = set(), {}
    for line in listing.splitlines():
        where, _, rest = line.rpartition(":")
        kind, symbol = rest.split()[-2:]
        if kind in ("U", "w"):
            needed.setdefault(symbol, set()).add(where.rpartition("/")[2])
        else:
            defined.add(symbol)
    return defined, needed


def allowed(zone, symbol):
    libc = LIBC | MORE_OF_LIBC.get(zone, set())
    if INSTRUMENTED.match(symbol) or symbol in libc:
        return True
    fortified = FORTIFIED.match(symbol)
    if fortified and fortified[1] in libc:
        return True
    return symbol.startswith(FOREIGN.get(zone, ()))


def violations(archives):
    """archives: pairs of zone and path. (number of symbols looked at, lines that say what is
    wrong). What io/ declares, one of its implementations defines: io/real is looked up for it, and
    that roles/ use no more of io/real than that is for includes.py to see."""
    read = [(zone, *symbols(path)) for zone, path in archives]
    looked_at, wrong = 0, []
    for zone, _, needed in read:
        if zone not in JUDGED:
            continue
        known = set().union(*(defined for other, defined, _ in read
                              if other == zone or may_know(zone, other) or
                              (other == "io/real" and may_know(zone, "io"))))
        for symbol, objects in sorted(needed.items()):
            looked_at += 1
            if symbol not in known and not allowed(zone, symbol):
                wrong.append(f"{zone}: {', '.join(sorted(objects))} needs {symbol}")
    return looked_at, wrong


def main():
    looked_at, wrong = violations([word.split("=", 1) for word in sys.argv[1:]])
    print(*wrong, sep="\n")
    print(f"{looked_at} symbols, {len(wrong)} wrong")
    return 1 if wrong or looked_at == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
