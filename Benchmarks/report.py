"""Rows of results: medians, ratios, what is claimed of them, the tables."""

import statistics

SERVERS = ("martlet", "rclone", "rgw", "nginx")
WORDS = {"rate": "rate", "cpu_us": "CPU µs/op", "rss_mib": "MiB", "late_to_early": "late pages to early ones", "late_ms": "ms", "p50_us": "µs, median",
         "log_bytes": "bytes a trace in tiles and checkpoints"}


class Claim:
    """What a row must show: a figure, or how many times that of a peer it is, on the right side of a limit."""

    def __init__(self, figure, peer=None, at_least=None, at_most=None):
        self.figure, self.peer, self.at_least, self.at_most = figure, peer, at_least, at_most

    def value(self, row):
        return row.ratio(self.peer, self.figure) if self.peer else row.median(row.subject, self.figure)

    def verdict(self, row):
        value = self.value(row)
        if value is None:
            return None
        if self.at_most is not None:
            return "PASS" if value <= self.at_most else "FAIL"
        if value >= self.at_least:
            return "PASS"
        if self.peer is None:
            return "FAIL"
        # Rounds of which some of ours beat some of theirs do not tell the two apart.
        best = max(run[self.figure] for run in row.runs[row.subject])
        worst = min(run[self.figure] for run in row.runs[self.peer])
        return "EVEN" if best >= self.at_least * worst else "FAIL"

    def text(self, row):
        limit = f"at least {self.at_least:,}" if self.at_most is None else f"at most {self.at_most:,}"
        if self.peer:
            return f"{WORDS[self.figure]} {_ratio(self.value(row))} of {self.peer} ({limit}×)"
        return f"{WORDS[self.figure]} {_number(self.value(row))} ({limit})"


# The claim of every row that rclone is in.
LIKE_RCLONE = (Claim("rate", "rclone", at_least=1), Claim("cpu_us", "rclone", at_most=1))


class Row:
    """One operation, measured over several rounds on each server."""

    def __init__(self, name, unit, operation, note="", claims=(), subject="martlet"):
        """The claims are about `subject`."""
        self.name, self.unit, self.operation, self.note = name, unit, operation, note
        self.claims, self.subject = claims, subject
        self.runs = {}

    def add(self, server, rate, cpu_us, **more):
        self.runs.setdefault(server, []).append({"rate": rate, "cpu_us": cpu_us, **more})

    def median(self, server, figure):
        runs = [run[figure] for run in self.runs.get(server, []) if run.get(figure) is not None]
        return statistics.median(runs) if runs else None

    def ratio(self, peer, figure):
        """The subject divided by the peer; None where either was not measured."""
        ours, theirs = self.median(self.subject, figure), self.median(peer, figure)
        return ours / theirs if ours is not None and theirs else None

    def verdicts(self):
        """Of each claim that could be looked at: PASS, EVEN or FAIL, and what it says."""
        return [(claim.verdict(self), claim.text(self)) for claim in self.claims if claim.verdict(self)]

    def verdict(self):
        found = {verdict for verdict, _ in self.verdicts()}
        return next((verdict for verdict in ("FAIL", "EVEN", "PASS") if verdict in found), None)

    def as_json(self):
        figures = sorted({figure for runs in self.runs.values() for run in runs for figure in run})
        return {
            "name": self.name, "rate_unit": self.unit, "operation": self.operation, "note": self.note,
            "claims": [f"{verdict}: {text}" for verdict, text in self.verdicts()], "runs": self.runs,
            "median": {server: {figure: self.median(server, figure) for figure in figures} for server in self.runs},
            "subject": self.subject,
            "subject_to": {peer: {"rate": self.ratio(peer, "rate"), "cpu": self.ratio(peer, "cpu_us")}
                           for peer in self.runs if peer != self.subject}}


def _number(value):
    if value is None:
        return "–"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _ratio(value):
    return "–" if value is None else f"{value:.2f}×"


def _aligned(lines):
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) if column < 2 else cell.rjust(width)
                  for column, (cell, width) in enumerate(zip(line, widths))).rstrip()
        for line in lines)


def table(rows, servers=SERVERS):
    """Rates and CPU of the servers; those of any other follow in a line of their own."""
    lines = [["row", "rate in", *servers, "CPU µs/op:", *servers, "claims"]]
    for row in rows:
        lines.append(
            [row.name, row.unit, *(_number(row.median(server, "rate")) for server in servers), "",
             *(_number(row.median(server, "cpu_us")) for server in servers), row.verdict() or "–"])
    others = [
        f"{row.name}: {other} {_number(row.median(other, 'rate'))} {row.unit}, "
        f"{_number(row.median(other, 'cpu_us'))} µs"
        for row in rows for other in row.runs if other not in servers]
    return "\n".join([_aligned(lines), *others])
