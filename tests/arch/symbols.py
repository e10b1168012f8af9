#!/usr/bin/python3
"""symbols.py ZONE=ARCHIVE...: fails when an object of an archive needs a symbol that is neither
defined in an archive of a zone it may know, nor an allowed function of libc or of a cryptographic
library. So base/ and lib/ cannot make a system call, read a clock, print or start a thread."""
import re
import subprocess
import sys

from rules import FOREIGN, LIBC, may_know

# What sanitizers and coverage put into an object.
INSTRUMENTED = re.compile(r"_?__(asan|ubsan|tsan|lsan|sanitizer|sancov|gcov)_|__start_|__stop_")
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
    if INSTRUMENTED.match(symbol) or symbol in LIBC:
        return True
    fortified = FORTIFIED.match(symbol)
    if fortified and fortified[1] in LIBC:
        return True
    return symbol.startswith(FOREIGN.get(zone, ()))


def violations(archives):
    """archives: zone -> path. (number of symbols looked at, lines that say what is wrong)."""
    read = {zone: symbols(path) for zone, path in archives.items()}
    looked_at, wrong = 0, []
    for zone, (_, needed) in read.items():
        known = set().union(*(defined for other, (defined, _) in read.items()
                              if other == zone or may_know(zone, other)))
        for symbol, objects in sorted(needed.items()):
            looked_at += 1
            if symbol not in known and not allowed(zone, symbol):
                wrong.append(f"{zone}: {', '.join(sorted(objects))} needs {symbol}")
    return looked_at, wrong


def main():
    looked_at, wrong = violations(dict(word.split("=", 1) for word in sys.argv[1:]))
    print(*wrong, sep="\n")
    print(f"{looked_at} symbols, {len(wrong)} wrong")
    return 1 if wrong or looked_at == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
