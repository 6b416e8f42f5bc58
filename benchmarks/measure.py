"""Runs in turns, medians, spread, and the lines that ./bench prints."""
import dataclasses
import json
import os
import pathlib
import statistics

TICKS = os.sysconf("SC_CLK_TCK")
SIGNIFICANT = 4


class Failed(Exception):
    """A measurement could not be made."""


def busy_seconds():
    """Processor time that this machine has spent so far on anything at all, over all its cores."""
    spent = [int(field) for field in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(spent) - spent[3] - spent[4]) / TICKS  # without idle and iowait


def cpu_seconds(pids):
    """User and system time of processes so far: /proc/PID/schedstat of every thread (ns), else utime and stime of stat (ticks)."""
    total = 0.0
    for pid in pids:
        folder = pathlib.Path(f"/proc/{pid}")
        try:
            total += sum(int((task / "schedstat").read_text().split()[0]) for task in (folder / "task").iterdir()) / 1e9
        except FileNotFoundError:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / TICKS
    return total


@dataclasses.dataclass(frozen=True)
class Goal:
    """A limit of the ratio ours/theirs; of our own figure where there is no rival. With the sign "<=+" it is how much more ours may
    be than theirs, in the metric's unit."""
    sign: str  # "<=", ">=" or "<=+"
    limit: float

    def __str__(self):
        return f"{self.sign}{self.limit:g}"

    def holds(self, ratio):
        return ratio >= self.limit if self.sign == ">=" else ratio <= self.limit

    def holds_against(self, ours, theirs):
        """None where there is no ratio."""
        if self.sign == "<=+":
            return self.holds(ours - theirs)
        return self.holds(ours / theirs) if theirs else None


def spread(values):
    """Interquartile range over median; 0 for a single run."""
    if len(values) < 2:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / statistics.median(values)


def rounded(value):
    return value if value == 0 else float(f"{value:.{SIGNIFICANT}g}")


@dataclasses.dataclass(frozen=True)
class Rival:
    name: str
    measure: object  # () -> float
    goal: Goal | None = None


@dataclasses.dataclass(frozen=True)
class Metric:
    bench: str
    name: str
    unit: str
    measure: object  # () -> float
    rivals: tuple
    goal: Goal | None = None  # of a metric without rivals

    def lines(self, runs, progress):
        """Measures ours and each rival in turns, `runs` times; returns one dictionary per rival, or one
        without any."""
        ours, theirs = [], {rival.name: [] for rival in self.rivals}
        for number in range(1, runs + 1):
            progress(f"{self.bench} {self.name}: run {number} of {runs}")
            ours.append(self.measure())
            for rival in self.rivals:
                theirs[rival.name].append(rival.measure())
        if not self.rivals:
            return [self.line_alone(ours, runs)]
        return [self.line(ours, theirs[rival.name], rival, runs) for rival in self.rivals]

    def line_alone(self, ours, runs):
        middle = statistics.median(ours)
        return {"bench": self.bench, "metric": self.name, "unit": self.unit, "ours": rounded(middle), "rival": None, "theirs": None,
                "ratio": None, "spread": rounded(round(spread(ours), 3)), "runs": runs,
                "goal": None if self.goal is None else str(self.goal), "holds": None if self.goal is None else self.goal.holds(middle)}

    def line(self, ours, theirs, rival, runs):
        middle, other = statistics.median(ours), statistics.median(theirs)
        ratio = middle / other if other else None
        return {"bench": self.bench, "metric": self.name, "unit": self.unit, "ours": rounded(middle), "rival": rival.name,
                "theirs": rounded(other), "ratio": None if ratio is None else rounded(ratio),
                "spread": rounded(round(max(spread(ours), spread(theirs)), 3)), "runs": runs,
                "goal": None if rival.goal is None else str(rival.goal),
                "holds": None if rival.goal is None else rival.goal.holds_against(middle, other)}


HISTOGRAM_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)


@dataclasses.dataclass(frozen=True)
class Distribution:
    """What single events took, of which the longest is judged. Its line has one thing more: how many were how long, as pairs
    of an upper bound and a number."""
    bench: str
    name: str
    unit: str
    values: tuple
    goal: Goal

    def histogram(self):
        steps = [step for step in HISTOGRAM_STEPS if step < max(self.values)] + [max(self.values)]
        return [[rounded(step), sum(low < value <= step for value in self.values)] for low, step in zip([-1, *steps], steps)]

    def line(self):
        longest = max(self.values)
        return {"bench": self.bench, "metric": self.name, "unit": self.unit, "ours": rounded(longest), "rival": None, "theirs": None, "ratio": None,
                "spread": rounded(round(spread(self.values), 3)), "runs": 1, "goal": str(self.goal), "holds": self.goal.holds(longest),
                "histogram": self.histogram()}


NOISE = 3.0  # standard errors within which a slope is none


@dataclasses.dataclass(frozen=True)
class Slope:
    """How fast something grows, over `runs` looks at it. Its line has two things more: the slope's standard error and the mean of what
    was seen. The goal is of the slope in standard errors; below zero it holds as well, since what shrinks does not leak."""
    bench: str
    name: str
    unit: str
    slope: float
    error: float
    runs: int
    mean: float

    def line(self):
        return {"bench": self.bench, "metric": self.name, "unit": self.unit, "ours": rounded(self.slope), "rival": None, "theirs": None, "ratio": None,
                "spread": rounded(round(self.error / abs(self.slope), 3)) if self.slope else 0.0, "runs": self.runs, "goal": f"<={NOISE:g}se",
                "holds": self.slope <= NOISE * self.error, "standard_error": rounded(self.error), "mean": rounded(self.mean)}


def as_json(line):
    return json.dumps(line, separators=(",", ":"))


def table(lines):
    head = ["metric", "unit", "ours", "rival", "theirs", "ratio", "spread", "goal", ""]
    rows = [[f"{line['bench']} {line['metric']}", line["unit"], f"{line['ours']:g}", line["rival"] or "",
             "" if line["theirs"] is None else f"{line['theirs']:g}",
             "" if line["ratio"] is None else f"{line['ratio']:.2f}", f"{line['spread'] * 100:.0f} %", line["goal"] or "",
             {True: "holds", False: "MISSED", None: ""}[line["holds"]]] for line in lines]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    texts = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in [head, *rows]]
    texts += [bars(line) for line in lines if "histogram" in line]
    texts += [f"{line['metric']}: {line['ours']:g} ± {line['standard_error']:g} {line['unit']} at {line['mean']:g}" for line in lines if "standard_error" in line]
    return "\n".join(texts)


def bars(line):
    """The histogram of a line, for reading."""
    total = sum(number for _, number in line["histogram"])
    texts = [f"\n{line['bench']} {line['metric']}, of {total}"]
    for upper, number in line["histogram"]:
        if number:
            texts.append(f"{upper:>8g} {line['unit']} or less  {number:>6}  {'#' * max(1, round(50 * number / total))}")
    return "\n".join(texts)
