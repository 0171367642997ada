"""What Linux knows of a process and its children: processor time, memory; and of the machine: load, model."""

import os
import pathlib
import time

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """The fields of /proc/PID/stat behind the command, which may itself hold spaces and brackets."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def tree(root):
    """The process and all that descend from it."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                children.setdefault(int(_stat(entry)[1]), []).append(int(entry))
            except (OSError, IndexError):
                continue
    found, waiting = [], [root]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


def cpu_seconds(root):
    """User and system time of the tree, with that of children which have ended."""
    seconds = 0.0
    for pid in tree(root):
        try:
            # The process's own clock (clock_getcpuclockid), which is finer than the ticks in its stat.
            seconds += time.clock_gettime(~pid << 3 | 2)
            seconds += sum(int(field) for field in _stat(pid)[13:15]) / TICKS_PER_SECOND
        except OSError:
            continue
    return seconds


def peak_rss_mib(root):
    """The sum of the highest resident sizes in the tree."""
    total = 0
    for pid in tree(root):
        try:
            for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    total += int(line.split()[1])
        except OSError:
            continue
    return total / 1024


def machine():
    """The processor, the count of them and the memory, in words."""
    with open("/proc/cpuinfo") as lines:
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")
    with open("/proc/meminfo") as lines:
        kib = next(int(line.split()[1]) for line in lines if line.startswith("MemTotal"))
    return f"{os.cpu_count()} × {model}, {kib / 1048576:.0f} GiB, Linux {os.uname().release}"
