"""Measures a Martlet node against `rclone serve s3` and nginx, in turns, on one machine.

For every row: the rate that clients see, and the CPU time of the server's processes for each operation. README.md says
what the rows mean. Ends with status 1 if a row breaks the claim, 2 if it could not be measured.
"""

import argparse
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import directory
import folders
import objects
import procfs
import report
import searches
from runs import Bench, Plan


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--martlet", required=True, help="the release binary")
    parser.add_argument("--quick", action="store_true", help="one short round, fewer keys and items")
    parser.add_argument("--json", metavar="FILE", help="also write all figures there")
    parser.add_argument("--work", metavar="DIR", help="where the servers keep their data (default: the system's)")
    arguments = parser.parse_args()

    loads = [os.getloadavg()[0]]
    home = pathlib.Path(tempfile.mkdtemp(prefix="martlet-bench-", dir=arguments.work))
    bench, failure = Bench(Plan(arguments.quick), home, arguments.martlet), None
    try:
        objects.measure(bench)
        folders.measure(bench)
        searches.measure(bench)
        directory.measure(bench)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        failure = str(error)
    finally:
        # Shown before the folders are removed: those hold some 300,000 files, which takes its time.
        loads += [bench.load_max, os.getloadavg()[0]]
        show(bench, loads, failure)
        if arguments.json:
            write_json(arguments.json, bench, loads, failure)
        bench.remove()
        shutil.rmtree(home, ignore_errors=True)
    return 2 if failure else int("FAIL" in (row.verdict() for row in bench.rows))


def show(bench, loads, failure):
    print(f"{datetime.date.today()}  {procfs.machine()}")
    print("load average before, most, after: " + ", ".join(f"{load:.1f}" for load in loads))
    print(report.table(bench.rows) if bench.rows else "nothing was measured")
    for row in bench.rows:
        for figure in ("first_page_ms", "last_page_ms"):
            if row.median("martlet", figure) is not None:
                medians = ", ".join(f"{server} {row.median(server, figure):.1f}" for server in row.runs)
                print(f"{row.name}, {figure}: {medians}")
    for name, value in bench.facts.items():
        print(f"{name}: {value:,.1f}")
    for row in bench.rows:
        if row.verdict():
            rate, cpu = row.ratio(row.peer, "rate"), row.ratio(row.peer, "cpu_us")
            print(f"{row.verdict()}  {row.name}: rate {rate:.2f}×, CPU {cpu:.2f}× of {row.peer}")
    if failure:
        print(f"stopped: {failure}")
    else:
        failed = any(row.verdict() == "FAIL" for row in bench.rows)
        print(("FAIL" if failed else "PASS") + f"  {report.CLAIM}", flush=True)


def write_json(path, bench, loads, failure):
    pathlib.Path(path).write_text(json.dumps({
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": procfs.machine(), "load": loads, "plan": vars(bench.plan), "failure": failure, "claim": report.CLAIM,
        "rows": [row.as_json() for row in bench.rows], "facts": bench.facts}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
