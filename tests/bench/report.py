#!/usr/bin/env python3
"""report.py DIRECTORY FIGURES.json...: one table of what benchmarks measured; ratios.json and plots/*.svg in DIRECTORY.

The figures are Google Benchmark's JSON, of benchmarks called "topic/who" or "topic/who/size". Of repetitions the median
counts. Ends non-zero when a benchmark went wrong; not when an aim is missed, because that depends on the machine.
"""
import json
import math
import pathlib
import re
import statistics
import sys

# topic (a regular expression), ours, at most so many times whose cost | so many of which unit, at which size (None: at each)
AIMS = [
    ("call", "aethergraph_unrecorded", 1.5, "bare_coroutine", None),
    ("call", "aethergraph", 3, "bare_coroutine", None),
    ("gather", "aethergraph(_unrecorded)?", 3, "bare_coroutine", None),
    ("race", "aethergraph.*", 2, "asio_timer", None),
    ("timeout", "aethergraph.*", 2, "asio_timer", None),
    ("semaphore", "aethergraph", 2, "asio_timer", None),
    ("empty run", "aethergraph", 500, "ns", None),
    ("nested run", "aethergraph", 300, "ns", None),
    ("graph (chain|fan|tree|grid|layers)", "aethergraph", 0.333, "onetbb", None),
    ("graph (chain|fan|tree|grid|layers)", "aethergraph_coroutines", 0.667, "onetbb", None),
    ("graph of 3 nodes", "aethergraph", 200, "ns", None),
    ("parallel .*", "aethergraph", 1, "onetbb", None),
    ("parallel .* nodes of 100? us", "aethergraph", 1.053, "threads", None),
    ("recorded node", "aethergraph", 160, "bytes", None),
    ("suspended calls", "aethergraph.*", 600, "bytes", 1_000_000),
    ("suspended calls", "aethergraph.*", 1000, "ns", 1_000_000),
    ("suspended agents", "aethergraph.*", 1536, "bytes", 100_000),
    ("agents", "aethergraph", 3000, "ns", 10_000),
    ("requests over loopback", "aethergraph", 1.1, "asio", 10_000),
    ("journal full", "aethergraph", 1.2, "one_by_one", 1),
    ("journal full", "aethergraph", 0.05, "one_by_one", 64),
    ("journal normal", "aethergraph", 10_000, "ns", 1000),
    ("compile headers", "aethergraph", 1.3, "dependencies", None),
    ("compile a program", "aethergraph", 1.5, "asio", None),
    ("compile a program", "aethergraph", 400 * 1024, "bytes", None),
]
GROWTH = 1.5  # a larger size may cost so many times what a smaller one does, an item

# What is measured of an item, and the counter it comes from.
UNITS = {"ns": None, "bytes": "bytes_per_item", "cpu ns": "cpu_ns_per_item"}


def is_ours(who):
    return who.startswith("aethergraph")


def read(files):
    """{topic: {who: {unit: {size: median}}}}, in the order of the names; and what went wrong."""
    samples, errors = {}, []
    for file in files:
        for run in json.loads(pathlib.Path(file).read_text())["benchmarks"]:
            if run.get("run_type") == "aggregate":
                continue
            topic, who, *rest = run["name"].split("/")
            if run.get("error_occurred"):
                errors.append(f"{run['name']}: {run['error_message']}")
                continue
            size = int(rest[0]) if rest and rest[0].isdigit() else 1
            by_unit = samples.setdefault(topic, {}).setdefault(who, {})
            for unit, counter in UNITS.items():
                value = run.get(counter) if counter else 1e9 / run["items_per_second"]
                if value is not None:
                    by_unit.setdefault(unit, {}).setdefault(size, []).append(value)
    figures = {
        topic: {
            who: {unit: {n: statistics.median(v) for n, v in sorted(sizes.items())} for unit, sizes in by_unit.items()}
            for who, by_unit in sorted(whos.items())
        }
        for topic, whos in sorted(samples.items())
    }
    return figures, errors


def quantity(value, unit):
    scales = (
        [(1024**2, " MiB"), (1024, " KiB"), (1, " B")] if unit == "bytes" else [(1e9, " s"), (1e6, " ms"), (1e3, " us"), (1, " ns")]
    )
    for scale, name in scales:
        if value >= 10 * scale or scale == 1 or (scale == 1e9 and value >= scale):
            return f"{value / scale:.{0 if value >= 100 * scale else 1}f}{name}"
    return ""


def growth(sizes):
    values = list(sizes.values())
    return max((later / earlier for i, earlier in enumerate(values) for later in values[i + 1 :]), default=1)


def verdicts(topic, ours, yardstick, by_size):
    """The aims that by_size, costs in a unit or ratios to somebody, has to meet: [(text, is met)]."""
    found = []
    for its_topic, who, limit, against, at in AIMS:
        if not (re.fullmatch(its_topic, topic) and re.fullmatch(who, ours)):
            continue
        # "bare_coroutine" stands for each of its kinds.
        if yardstick != against and not yardstick.startswith(against + "_"):
            continue
        concerned = [v for n, v in by_size.items() if at in (None, n)]
        if concerned:
            what = quantity(limit, against) if against in UNITS else f"{limit:g}"
            found.append((f"<= {what}" + (f" at {size_name(at)}" if at else ""), max(concerned) <= limit))
    return found


def size_name(n):
    return "one" if n == 1 else f"10^{round(math.log10(n))}" if n in (10**k for k in range(2, 9)) else str(n)


def table(figures):
    """The lines of the table, and the same as data."""
    all_sizes = sorted({n for whos in figures.values() for units in whos.values() for s in units.values() for n in s})
    lines, data, missed = [], [], []

    def line(title, cells, aims, row):
        judged = "; ".join(f"{text}: {'met' if met else 'MISSED'}" for text, met in aims)
        missed.extend(f"{row}: {text}; {', '.join(cells.values())}" for text, met in aims if not met)
        lines.append((f"{title:<38}" + "".join(f"{cells.get(n, ''):>10}" for n in all_sizes) + "  " + judged).rstrip())

    lines.append(f"{'items at a time':<38}" + "".join(f"{size_name(n):>10}" for n in all_sizes) + "  aim")
    for topic, whos in figures.items():
        lines += ["", topic]
        floor = {}  # the cheapest of the others, by size
        for who, units in whos.items():
            for n, v in units["ns"].items():
                if not is_ours(who) and v <= floor.get(n, (v, who))[0]:
                    floor[n] = (v, who)
        for who in sorted(whos, key=lambda w: (not is_ours(w), w)):
            for unit, by_size in whos[who].items():
                aims = verdicts(topic, who, unit, by_size) if is_ours(who) else []
                if is_ours(who) and len(by_size) > 1:
                    aims.append((f"grows by {growth(by_size):.2f}, <= {GROWTH}", growth(by_size) <= GROWTH))
                suffix = ", the floor" if unit == "ns" and any(w == who for _, w in floor.values()) else ""
                title = f"  {who}{'' if unit == 'ns' else ', ' + unit}{suffix}"
                line(title, {n: quantity(v, unit) for n, v in by_size.items()}, aims, f"{topic}, {title.strip()}")
                data.append({"topic": topic, "who": who, "unit": unit, "per_item": by_size, "ratios": {}})
                if not is_ours(who):
                    continue
                for other, units in whos.items():
                    ratios = {n: v / units[unit][n] for n, v in by_size.items() if n in units.get(unit, {})}
                    if is_ours(other) or not ratios:
                        continue
                    data[-1]["ratios"][other] = ratios
                    aims = verdicts(topic, who, other, ratios) if unit == "ns" else []
                    title = f"      / {other}"
                    line(title, {n: f"{r:.2f}" for n, r in ratios.items()}, aims, f"{topic}, {who} / {other}")
    return lines, data, missed


def plot(topic, whos):
    """Cost of an item against size, both logarithmic."""
    series = [(who, u["ns"]) for who, u in whos.items() if len(u["ns"]) > 1]
    values = [v for _, s in series for v in s.values()]
    sizes = sorted({n for _, s in series for n in s})
    x0, x1 = math.log10(sizes[0]), math.log10(sizes[-1])
    y0, y1 = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)) + 1e-9)
    x = lambda n: 70 + 430 * (math.log10(n) - x0) / (x1 - x0)
    y = lambda v: 330 - 280 * (math.log10(v) - y0) / (y1 - y0)
    colours = ["#0b62a4", "#d1495b", "#3a7d44", "#e08e0b", "#7b4b94", "#3d3d3d", "#1b998b", "#a44a3f"]
    out = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="760" height="380" font-family="sans-serif" font-size="12">',
        '<rect width="760" height="380" fill="white"/>',
        f'<text x="70" y="28" font-size="15">{topic}: cost of an item</text>',
        '<text x="285" y="370" text-anchor="middle">items at a time</text>',
    ]
    for k in range(y0, y1 + 1):
        out.append(f'<path d="M70 {y(10**k):.1f}H500" stroke="#ddd"/>')
        out.append(f'<text x="64" y="{y(10**k) + 4:.1f}" text-anchor="end">{quantity(10**k, "ns")}</text>')
    for n in sizes:
        out.append(f'<path d="M{x(n):.1f} 50V330" stroke="#ddd"/>')
        out.append(f'<text x="{x(n):.1f}" y="348" text-anchor="middle">{size_name(n)}</text>')
    for i, (who, s) in enumerate(series):
        colour = colours[i % len(colours)]
        dash = "" if is_ours(who) else ' stroke-dasharray="6 3"'
        points = " ".join(f"{x(n):.1f},{y(v):.1f}" for n, v in s.items())
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        out.append(f'<path d="M515 {56 + 20 * i}h24" stroke="{colour}" stroke-width="2"{dash}/>')
        out.append(f'<text x="545" y="{60 + 20 * i}">{who}</text>')
    return "\n".join(out + ["</svg>", ""])


def main():
    directory, files = pathlib.Path(sys.argv[1]), sys.argv[2:]
    figures, errors = read(files)
    lines, data, missed = table(figures)
    print("\n".join(lines))
    (directory / "ratios.json").write_text(json.dumps(data, indent=1) + "\n")
    plots = directory / "plots"
    plots.mkdir(exist_ok=True)
    for old in plots.glob("*.svg"):
        old.unlink()
    for topic, whos in figures.items():
        if any(len(u["ns"]) > 1 for u in whos.values()):
            (plots / (re.sub(r"\W+", "_", topic) + ".svg")).write_text(plot(topic, whos))
    print(f"\n{len(missed)} aims are missed" + (":" if missed else "."))
    for m in missed:
        print("  " + m)
    for e in errors:
        print("went wrong: " + e, file=sys.stderr)
    return 1 if errors or not figures else 0


sys.exit(main())
