#!/usr/bin/python3
"""Writes what was measured into docs/performance.md, between its markers, and draws docs/plots/*.svg.

    bench/report.py [RESULTS_DIR]        bench/results

A part of the document that begins with <!-- NAME --> and ends with <!-- /NAME --> belongs to this program; the rest is
written by hand. A part whose measurements are missing is left as it is.
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "performance.md"
PLOTS = ROOT / "docs" / "plots"


class Group:
    """The rows of one results file, by (subject, operation, who)."""

    def __init__(self, path):
        data = json.loads(path.read_text())
        self.about = data["about"]
        self.rows = {(row["subject"], row["operation"], row["who"]): row for row in data["rows"]}

    def subjects(self):
        return list(dict.fromkeys(subject for subject, _, _ in self.rows))

    def operations(self, subject):
        return list(dict.fromkeys(operation for s, operation, _ in self.rows if s == subject))

    def whos(self):
        return list(dict.fromkeys(who for _, _, who in self.rows))

    def median(self, subject, operation, who):
        return self.rows.get((subject, operation, who), {}).get("median")

    def best(self, subject, operation, prefix):
        """The fastest median of those whose name begins so."""
        values = [row["median"] for (s, o, who), row in self.rows.items()
                  if s == subject and o == operation and who.startswith(prefix) and "median" in row]
        return min(values, default=None)


def number(value):
    if value is None:
        return ""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratio(over, under):
    return number(over / under) if over is not None and under else ""


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join(["---"] + ["---:"] * (len(head) - 1)) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def describe(about, *peers):
    versions = ", ".join(about[peer] for peer in peers if about.get(peer))
    short = " (`--quick`)" if about["quick"] else ""
    return (f"Medians of {about['rounds']} interleaved rounds{short} on {about['processors']} processors "
            f"({about['processor']}), Linux {about['kernel']}; peers: {versions}.")


def plugins_part(group):
    whos = group.whos()
    rows = []
    for subject in group.subjects():
        for operation in ("ADD", "CHECK", "DEL"):
            cells = []
            for who in whos:
                row = group.rows.get((subject, operation, who), {})
                cells.append(number(row["median"]) if "median" in row else row.get("failure", ""))
            ours = group.median(subject, operation, "berth, nftables")
            rows.append([f"{operation} {subject}"] + cells + [ratio(group.best(subject, operation, "reference"), ours)])
    head = ["ms"] + whos + ["reference's best / berth on nftables"]
    return describe(group.about, "reference") + "\n\n" + table(head, rows)


def growth_part(group):
    parts = [describe(group.about, "reference")]
    subjects = [s for s in group.subjects() if s.endswith("attachments")]
    rows = []
    for operation, unit in (("ADD", "ms"), ("DEL", "ms"), ("connect", "µs"), ("round trip", "µs"),
                            ("connect directly", "µs")):
        for who in group.whos():
            if group.median(subjects[0], operation, who) is None:
                continue
            values = [group.median(subject, operation, who) for subject in subjects]
            rows.append([f"{operation} ({unit}), {who}"] + [number(v) for v in values] + [ratio(values[-1], values[0])])
    parts.append(table(["beside"] + subjects + ["last / first"], rows))
    subjects = [s for s in group.subjects() if s.endswith("leases")]
    rows = []
    for operation in ("host-local ADD", "host-local CHECK", "host-local DEL"):
        for who in ("berth", "reference"):
            values = [group.median(subject, operation, who) for subject in subjects]
            if values and values[0] is not None:
                rows.append([f"{operation} (ms), {who}"] + [number(v) for v in values] + [ratio(values[-1], values[0])])
    parts.append(table(["beside"] + subjects + ["last / first"], rows))
    parts.append("![ADD beside others](plots/growth-add.svg) ![connecting](plots/growth-connect.svg)")
    return "\n\n".join(parts)


def throughput_part(group):
    rows = []
    for subject in group.subjects():
        for operation in ("ADD", "DEL"):
            cells = []
            for who in group.whos():
                row = group.rows.get((subject, operation, who), {})
                cells.append(number(row["median"]) if "median" in row else row.get("failure", ""))
            ours = group.median(subject, operation, "berth, nftables")
            theirs = [group.median(subject, operation, who) for who in group.whos() if who.startswith("reference")]
            best = max((value for value in theirs if value), default=None)
            rows.append([f"{operation}, {subject}"] + cells + [ratio(ours, best)])
    head = ["per second"] + group.whos() + ["berth on nftables / reference's best"]
    return (describe(group.about, "reference") + "\n\n" + table(head, rows) +
            "\n\n![ADDs and DELs per second](plots/throughput.svg)")


def runtime_part(group):
    rows = []
    for subject in group.subjects():
        for operation in group.operations(subject):
            values = {who: group.median(subject, operation, who) for who in ("berth", "crun", "runc", "floor")}
            unit = next(row.get("unit", "") for (s, o, _), row in group.rows.items() if (s, o) == (subject, operation))
            label = f"{operation}" + (f" ({unit})" if unit else "") + f", {subject}"
            rows.append([label] + [number(values[who]) for who in ("berth", "crun", "runc", "floor")] +
                        [ratio(values["berth"], values["crun"]), ratio(values["berth"], values["runc"])])
    head = ["", "berth", "crun", "runc", "floor", "berth / crun", "berth / runc"]
    return (describe(group.about, "crun", "runc") + "\n\n" + table(head, rows) +
            "\n\n![the commands of the runtimes](plots/runtime.svg)")


def first_answer_part(group):
    subject = group.subjects()[0]
    ours = group.median(subject, "to the first answer", "berth")
    theirs = group.median(subject, "to the first answer", "podman")
    return describe(group.about, "podman") + "\n\n" + table(
        ["ms", "berth", "podman", "podman / berth"],
        [["`run` with a network and a published port, to the first HTTP answer", number(ours), number(theirs),
          ratio(theirs, ours)]])


def profile_part(group):
    """Processor milliseconds of an operation by what they are spent on, the largest first."""
    sides = [(subject, who) for subject in group.subjects() for who in group.whos()]
    whole = "from start to end"
    parts = dict.fromkeys(operation for subject in group.subjects() for operation in group.operations(subject))
    spent = {part: [group.median(subject, part, who) or 0 for subject, who in sides] for part in parts if part != whole}
    rows = [[part] + [number(value) for value in values] for part, values in sorted(spent.items(), key=lambda i: -sum(i[1]))]
    rows.append(["together"] + [number(sum(values)) for values in zip(*spent.values())])
    rows.append([whole] + [number(group.median(subject, whole, who)) for subject, who in sides])
    return table(["ms, while being watched"] + [f"{subject}: {who}" for subject, who in sides], rows)


def size_part(group):
    rows = []
    for subject in group.subjects():
        for operation, unit in (("size", "KiB"), ("start to exit", "ms")):
            ours = group.median(subject, operation, "berth")
            for peer in ("reference", "runc", "crun"):
                theirs = group.median(subject, operation, peer)
                if ours is not None and theirs is not None:
                    rows.append([f"{subject}: {operation} ({unit})", number(ours), f"{number(theirs)} ({peer})",
                                 ratio(theirs, ours)])
    return describe(group.about, "reference", "runc", "crun") + "\n\n" + table(
        ["", "berth", "peer", "peer / berth"], rows)


def goals_part(groups):
    """What the project wants to reach, and what it reaches."""
    one_port = "bridge + host-local + ipMasq + portmap"
    rows = []

    def goal(what, wanted, reached, met):
        rows.append([what, wanted, number(reached), "yes" if met else "no"])

    def at_least(what, limit, reached):
        if reached is not None:
            goal(what, f"≥ {limit}", reached, reached >= limit)

    def at_most(what, limit, reached):
        if reached is not None:
            goal(what, f"≤ {limit}", reached, reached <= limit)

    def quotient(over, under):
        return over / under if over is not None and under else None

    if plugins := groups.get("plugins"):
        for operation, limit in (("ADD", 20), ("DEL", 8)):
            at_least(f"{operation} {one_port}, nftables: reference / berth", limit,
                     quotient(plugins.best(one_port, operation, "reference"),
                              plugins.median(one_port, operation, "berth, nftables")))
    if growth := groups.get("growth"):
        few, *_, many = [s for s in growth.subjects() if s.endswith("attachments")]
        for operation, limit in (("ADD", 1.2), ("connect", 1.1)):
            at_most(f"{operation} beside {many} / beside {few}, nftables", limit,
                    quotient(growth.median(many, operation, "berth, nftables"),
                             growth.median(few, operation, "berth, nftables")))
        few, *_, many = [s for s in growth.subjects() if s.endswith("leases")]
        for operation in ("host-local ADD", "host-local DEL"):
            at_most(f"{operation} beside {many} / beside {few}", 1.2,
                    quotient(growth.median(many, operation, "berth"), growth.median(few, operation, "berth")))
    if throughput := groups.get("throughput"):
        subject = [s for s in throughput.subjects() if s.endswith("at a time")][-1]
        theirs = [throughput.median(subject, "ADD", who) for who in throughput.whos() if who.startswith("reference")]
        at_least(f"ADDs per second, {subject}: berth / reference", 10,
                 quotient(throughput.median(subject, "ADD", "berth, nftables"),
                          max((value for value in theirs if value), default=None)))
    if runtime := groups.get("runtime"):
        plain, profile = "default specification", "Podman's seccomp profile"

        def beside(peer, operation, subject, limit):
            at_most(f"{operation}, {subject}: berth / {peer}", limit,
                    quotient(runtime.median(subject, operation, "berth"), runtime.median(subject, operation, peer)))

        beside("crun", "run", plain, 0.4)
        beside("runc", "run", plain, 0.15)
        beside("crun", "run", profile, 0.5)
        beside("runc", "run", profile, 0.06)
        for operation in ("exec", "create", "start", "state", "kill", "delete", "pause"):
            beside("crun", operation, plain, 0.5)
        beside("crun", "run: peak memory", plain, 1)
    if first := groups.get("first-answer"):
        subject = first.subjects()[0]
        at_least("`run` with a published port to the first answer: podman / berth", 10,
                 quotient(first.median(subject, "to the first answer", "podman"),
                          first.median(subject, "to the first answer", "berth")))
    if size := groups.get("size"):
        at_most("bytes on disk, plugins and runtime: berth / peers", 0.125,
                quotient(size.median("plugins and runtime", "size", "berth"),
                         size.median("plugins and runtime", "size", "reference")))
    return table(["ratio of medians in one run", "goal", "reached", "met"], rows)


def new_plot(title, width=5.2, height=3.4):
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "berth"
    import matplotlib.pyplot as plt
    figure, axes = plt.subplots(figsize=(width, height))
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def save(figure, name):
    PLOTS.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(PLOTS / name, metadata={"Date": None})


def plot_growth(group):
    subjects = [s for s in group.subjects() if s.endswith("attachments")]
    counts = [int(subject.split()[0]) for subject in subjects]
    for operation, unit, name in (("ADD", "ms", "growth-add.svg"), ("connect", "µs", "growth-connect.svg")):
        figure, axes = new_plot(f"{operation} beside other attachments ({unit}, median)")
        for who in group.whos():
            values = [group.median(subject, operation, who) for subject in subjects]
            if None not in values:
                axes.plot(counts, values, marker="o", label=who)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("attachments with a published port")
        axes.legend(fontsize=8, frameon=False)
        save(figure, name)


def plot_bars(title, labels, series, name):
    """Groups of bars, one for each label; `series` are names with as many values as there are labels."""
    figure, axes = new_plot(title, 7)
    width = 0.8 / len(series)
    for at, (who, values) in enumerate(series.items()):
        axes.bar([i + (at - (len(series) - 1) / 2) * width for i in range(len(labels))],
                 [value or 0 for value in values], width, label=who)
    axes.set_xticks(range(len(labels)), labels)
    axes.legend(fontsize=8, frameon=False)
    save(figure, name)


def plot_throughput(group):
    subjects = [s for s in group.subjects() if s.endswith("at a time")]
    columns = [(subject, operation) for operation in ("ADD", "DEL") for subject in subjects]
    series = {who: [group.median(subject, operation, who) for subject, operation in columns] for who in group.whos()}
    labels = [f"{operation}\n{subject.split()[0]} at a time" for subject, operation in columns]
    plot_bars("ADDs and DELs per second (median)", labels, series, "throughput.svg")


def plot_runtime(group):
    operations = ("run", "create", "start", "exec", "state", "kill", "delete", "pause")
    series = {who: [group.median("default specification", operation, who) for operation in operations]
              for who in ("berth", "crun", "runc")}
    plot_bars("The runtimes' commands (ms, median)", operations, series, "runtime.svg")


PLOTTED = {"growth": plot_growth, "throughput": plot_throughput, "runtime": plot_runtime}
PARTS = {"plugins": plugins_part, "growth": growth_part, "throughput": throughput_part, "runtime": runtime_part,
         "first-answer": first_answer_part, "size": size_part, "profile": profile_part}


def main():
    results = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "bench" / "results"
    groups = {name: Group(results / f"{name}.json") for name in PARTS if (results / f"{name}.json").exists()}
    text = DOCUMENT.read_text()
    written = {name: PARTS[name](group) for name, group in groups.items()}
    written["goals"] = goals_part(groups)
    for name, content in written.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
        if not pattern.search(text):
            sys.exit(f"report.py: {DOCUMENT} has no part <!-- {name} -->")
        text = pattern.sub(lambda match: f"{match[1]}{content}\n{match[2]}", text)
    DOCUMENT.write_text(text)
    for name, plot in PLOTTED.items():
        if name in groups:
            plot(groups[name])


if __name__ == "__main__":
    main()
