"""Rows of results: medians, ratios, the table, and whether the claim holds."""

import statistics

CLAIM = (
    "no worse than rclone in any row: rate ≥ 1× or the rounds overlap (EVEN), server CPU per operation ≤ 1×; "
    "PROPFIND ≥ 3× Apache's rate; LDAP search of 10,000 entries ≥ 0.7× slapd's")


class Row:
    """One operation, measured over several rounds on each server."""

    def __init__(self, name, unit, operation, note="", claims=True, peer="rclone", factor=1,
                 cpu_factor=1):
        """The claim is about `peer`: so many times its rate, and at most so many times its CPU; None for any."""
        self.name, self.unit, self.operation, self.note, self.claims = name, unit, operation, note, claims
        self.peer, self.factor, self.cpu_factor = peer, factor, cpu_factor
        self.runs = {}

    def add(self, server, rate, cpu_us, **more):
        self.runs.setdefault(server, []).append({"rate": rate, "cpu_us": cpu_us, **more})

    def median(self, server, figure):
        runs = [run[figure] for run in self.runs.get(server, []) if run.get(figure) is not None]
        return statistics.median(runs) if runs else None

    def ratio(self, peer, figure):
        """Martlet divided by the peer; None where either was not measured or used less than a tick."""
        ours, theirs = self.median("martlet", figure), self.median(peer, figure)
        return ours / theirs if ours is not None and theirs else None

    def verdict(self):
        rate, cpu = self.ratio(self.peer, "rate"), self.ratio(self.peer, "cpu_us")
        if rate is None or cpu is None or not self.claims:
            return None
        if self.cpu_factor is not None and cpu > self.cpu_factor:
            return "FAIL"
        if rate >= self.factor:
            return "PASS"
        # Rounds of which some of ours beat some of theirs do not tell the two apart.
        best = max(run["rate"] for run in self.runs["martlet"])
        return "EVEN" if best >= self.factor * min(run["rate"] for run in self.runs[self.peer]) else "FAIL"

    def as_json(self):
        figures = sorted({figure for runs in self.runs.values() for run in runs for figure in run})
        return {
            "name": self.name, "rate_unit": self.unit, "operation": self.operation, "note": self.note,
            "verdict": self.verdict(), "runs": self.runs,
            "median": {server: {figure: self.median(server, figure) for figure in figures} for server in self.runs},
            "martlet_to": {peer: {"rate": self.ratio(peer, "rate"), "cpu": self.ratio(peer, "cpu_us")}
                           for peer in self.runs if peer != "martlet"}}


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


def table(rows):
    """Rates and CPU of all servers, then Martlet's ratios to each peer. A row with another peer shows it as well."""
    lines = [["row", "rate in", "martlet", "rclone", "nginx", "CPU µs/op", "rclone", "nginx",
              "rate/rclone", "CPU/rclone", "rate/nginx", "CPU/nginx", "claim"]]
    servers = ("martlet", "rclone", "nginx")
    for row in rows:
        lines.append(
            [row.name, row.unit]
            + [_number(row.median(server, figure)) for figure in ("rate", "cpu_us") for server in servers]
            + [_ratio(row.ratio(peer, figure)) for peer in ("rclone", "nginx") for figure in ("rate", "cpu_us")]
            + [row.verdict() or "–"])
    others = [
        f"{row.name}: {peer} {_number(row.median(peer, 'rate'))} {row.unit}, "
        f"{_number(row.median(peer, 'cpu_us'))} µs; rate {_ratio(row.ratio(peer, 'rate'))}, "
        f"CPU {_ratio(row.ratio(peer, 'cpu_us'))}"
        for row in rows for peer in row.runs if peer not in servers]
    return "\n".join([_aligned(lines), *others])
