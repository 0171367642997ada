"""Measures a Martlet node against `rclone serve s3`, Ceph, stac-fastapi-pgstac, Apache and nginx, in turns, on one machine.

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

import archive
import directory
import folders
import growth
import identity
import ledger
import objects
import procfs
import report
import searches
import stac
from runs import Bench, Plan


PARTS = {
    "objects": objects.measure, "folders": folders.measure, "searches": searches.measure, "stac": stac.measure,
    "directory": directory.measure, "identity": identity.measure, "ledger": ledger.measure, "growth": growth.measure,
    "archive": archive.measure}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--martlet", required=True, help="the release binary")
    parser.add_argument("--quick", action="store_true", help="one short round, fewer keys and items")
    parser.add_argument(
        "--objects", type=objects_to_grow, metavar="N", help="rows of growth: so many objects (default 1,000,000)")
    parser.add_argument(
        "--only", metavar="PART", choices=PARTS, action="append", help=f"only this part: {', '.join(PARTS)}")
    parser.add_argument("--json", metavar="FILE", help="also write all figures there")
    parser.add_argument("--work", metavar="DIR", help="where the servers keep their data (default: the system's)")
    arguments = parser.parse_args()

    loads = [os.getloadavg()[0]]
    home = pathlib.Path(tempfile.mkdtemp(prefix="martlet-bench-", dir=arguments.work))
    bench, failure = Bench(Plan(arguments.quick, arguments.objects), home, arguments.martlet), None
    try:
        for name in arguments.only or PARTS:
            PARTS[name](bench)
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


def objects_to_grow(text):
    count = int(text)
    if count <= growth.SMALLEST or count % growth.FOLDER_KEYS:
        raise argparse.ArgumentTypeError(f"more than {growth.SMALLEST:,}, whole thousands")
    return count


def show(bench, loads, failure):
    print(f"{datetime.date.today()}  {procfs.machine()}")
    print("load average before, most, after: " + ", ".join(f"{load:.1f}" for load in loads))
    for servers in report.SERVERS, *sorted({tuple(row.runs) for row in bench.rows if row.subject != "martlet"}):
        rows = [row for row in bench.rows if row.subject in servers and row.ratio(row.subject, "rate")]
        if rows:
            print(report.table(rows, servers))
    for row in bench.rows:
        for figure in ("first_page_ms", "last_page_ms"):
            if row.median("martlet", figure) is not None:
                medians = ", ".join(f"{server} {row.median(server, figure):.1f}" for server in row.runs)
                print(f"{row.name}, {figure}: {medians}")
    for name, value in bench.facts.items():
        print(f"{name}: {value:,.1f}")
    verdicts = [(verdict, f"{row.name}: {text}") for row in bench.rows for verdict, text in row.verdicts()]
    for verdict, text in verdicts:
        print(f"{verdict}  {text}")
    if failure:
        print(f"stopped: {failure}")
    else:
        failed = sum(verdict == "FAIL" for verdict, _ in verdicts)
        result = f"FAIL  {failed} of {len(verdicts)}" if failed else f"PASS  all {len(verdicts)}"
        print(f"{result} claims", flush=True)


def write_json(path, bench, loads, failure):
    pathlib.Path(path).write_text(json.dumps({
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": procfs.machine(), "load": loads, "plan": vars(bench.plan), "failure": failure,
        "rows": [row.as_json() for row in bench.rows], "facts": bench.facts}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
