"""Injected faults: a library between a node and its disk (faults.c), and the power cut that takes back what was not synced."""

import collections
import mmap
import os
import pathlib
import random
import shutil
import struct
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
# As in faults.c.
CONTROLS = [
    "read_class", "read_inode", "read_count", "write_class", "write_count", "sync_class", "sync_count", "lie_class",
    "clock_seconds",
]  # fmt: skip
BLOBS, DATABASE, OTHER = 1, 2, 4
HEAD = struct.Struct("<QcQQQII")
Record = collections.namedtuple("Record", "number kind inode offset old_size path data")


def compile_library(folder):
    library = pathlib.Path(folder) / "faults.so"
    subprocess.run(
        ["cc", "-O1", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", library, HERE / "faults.c", "-ldl"], check=True
    )
    return library


class Faults:
    """The faults of one node. `data` is its folder, `home` one beside it on the same file system."""

    def __init__(self, library, home, data):
        self.data = pathlib.Path(data)
        self.log = home / "faults.log"
        self.shadow = home / "faults"
        self.shadow.mkdir()
        control = home / "faults.control"
        control.write_bytes(bytes(4096))
        with open(control, "r+b") as file:
            self._control = mmap.mmap(file.fileno(), 4096)
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAULTS_ROOT": str(self.data),
            "FAULTS_LOG": str(self.log),
            "FAULTS_SHADOW": str(self.shadow),
            "FAULTS_CONTROL": str(control),
        }

    def set(self, **values):
        """Sets controls; the node obeys at once. Counts of -1 last until they are set to 0."""
        # The count comes last, so that it never meets another class.
        for name, value in sorted(values.items(), key=lambda pair: pair[0].endswith("_count")):
            struct.pack_into("<q", self._control, 8 * CONTROLS.index(name), value)

    def get(self, name):
        return struct.unpack_from("<q", self._control, 8 * CONTROLS.index(name))[0]

    def forget(self):
        """Everything is on the disk: what a clean shutdown of the machine does."""
        self.log.unlink(missing_ok=True)
        shutil.rmtree(self.shadow)
        self.shadow.mkdir()

    def _records(self):
        records, log = [], self.log.read_bytes() if self.log.exists() else b""
        position = 0
        while position + HEAD.size <= len(log):
            number, kind, inode, offset, old_size, path_length, length = HEAD.unpack_from(log, position)
            position += HEAD.size
            path = os.fsdecode(log[position : position + path_length])
            position += path_length
            records.append(Record(number, kind, inode, offset, old_size, path, log[position : position + length]))
            position += length
        numbers = [record.number for record in records]
        assert numbers == list(range(1, len(records) + 1)), "a log is of one run of one process: see `forget`"
        return records

    def cut_power(self, seed=None):
        """Takes back what was not synced when the node was killed; returns how many changes that were.

        With a seed, of each file and each folder a random number of the first unsynced changes has reached the disk;
        without one, none has.
        """
        source = None if seed is None else random.Random(f"power {seed}")
        synced_files, synced_folders, created = {}, {}, {}
        records = self._records()
        for record in records:
            if record.kind == b"s":
                synced_files[record.inode] = max(record.offset, synced_files.get(record.inode, 0))
            elif record.kind == b"d":
                synced_folders[record.path] = max(record.offset, synced_folders.get(record.path, 0))
            elif record.kind == b"c":
                created[record.inode] = record.number
        contents, names = collections.defaultdict(list), collections.defaultdict(list)
        for record in records:
            if record.kind == b"w":
                # A number of an inode may have been another file's before.
                if record.number > max(synced_files.get(record.inode, 0), created.get(record.inode, 0)):
                    contents[record.inode].append(record)
            elif record.kind in (b"c", b"l", b"m", b"u"):
                folder = os.path.dirname(record.path)
                if record.number > synced_folders.get(folder, 0):
                    names[folder].append(record)
        undone = 0

        def lost(changes):
            return changes[source.randint(0, len(changes)) :] if source else changes

        for record in sorted(
            (change for changes in names.values() for change in lost(changes)), key=lambda change: -change.number
        ):
            undone += 1
            self._undo_name(record)
        by_inode = {
            path.stat().st_ino: path
            for folder in (self.data, self.shadow)
            for path in folder.rglob("*")
            if path.is_file() and not path.is_symlink()
        }
        for inode, changes in contents.items():
            path = by_inode.get(inode)
            if path is None:
                continue
            with open(path, "r+b") as file:
                for record in reversed(lost(changes)):
                    undone += 1
                    file.seek(record.offset)
                    file.write(record.data)
                    if os.fstat(file.fileno()).st_size != record.old_size:
                        file.truncate(record.old_size)
        # It is memory that processes share, and none is left.
        for path in self.data.glob("*-shm"):
            path.unlink()
        self.forget()
        return undone

    def _undo_name(self, record):
        path = pathlib.Path(record.path)
        if record.kind == b"m":
            shutil.rmtree(path, ignore_errors=True)
        elif record.kind == b"u":
            kept = self.shadow / str(record.number)
            if kept.exists() and path.parent.exists() and not path.exists():
                os.link(kept, path)
        else:
            path.unlink(missing_ok=True)
