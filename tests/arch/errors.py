"""Every error of every engine is expected by a test of its own name.

The values are those of the enums in include/adit that end in _error or _verdict; each, but success,
must stand inside a named test of tests/unit, or in a helper or table there that such a test uses.
"""
import pathlib
import re
import sys

ENUM = re.compile(r"^enum (\w+_(?:error|verdict)) \{\n(.*?)^\};", re.M | re.S)
VALUE = re.compile(r"^\s*([A-Z][A-Z0-9_]+)\s*(?:=\s*(-?\d+))?\s*,?", re.M)
FUNCTION = re.compile(r"^(?:static )?[\w *]+?(\w+)\([^;{}]*\)\n\{\n.*?^\}|"
                      r"^static const [^;{}]*?(\w+)\[?\]? = \{.*?^\};", re.M | re.S)
TEST = re.compile(r"^static void (\w+)\(void \*\*state\)$", re.M)


def values(header):
    """(value, name) of each enumerator that is an error."""
    text = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    for enum in ENUM.finditer(text):
        for value in VALUE.finditer(enum[2]):
            if not value[1].endswith(("_OK", "_INCOMPLETE", "_NONE")):
                yield enum[1], value[1]


def texts_of_tests(source):
    """What the tests of a file say, with what of the same file they call, as one text."""
    bodies = {f[1] or f[2]: f[0] for f in FUNCTION.finditer(source)}
    todo = TEST.findall(source)
    seen = set()
    while todo:
        name = todo.pop()
        if name in seen or name not in bodies:
            continue
        seen.add(name)
        todo += [word for word in set(re.findall(r"\w+", bodies[name])) if word in bodies]
    return "\n".join(bodies[name] for name in seen if not name.endswith("_text"))


def missing(headers, sources):
    expected = set(re.findall(r"\w+", "\n".join(texts_of_tests(s) for s in sources)))
    return [pair for header in headers for pair in values(header) if pair[1] not in expected]


def main():
    root = pathlib.Path(sys.argv[1])
    headers = [p.read_text(encoding="utf-8") for p in sorted(root.glob("include/adit/*.h"))]
    sources = [p.read_text(encoding="utf-8") for p in sorted(root.glob("tests/unit/*.c"))]
    count = sum(1 for header in headers for _ in values(header))
    wrong = missing(headers, sources)
    if missing(["enum x_error {\n    X_E_UNHEARD_OF = -1,\n};\n"], sources) == [] or count < 80:
        wrong.append(("errors.py", "sees nothing"))
    for enum, value in wrong:
        print(f"{enum}: no test in tests/unit expects {value}")
    print(f"{count} errors")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
