"""Does the cost of a search, of a put and of a list of collections depend on how many items and collections there are?
The same questions to nodes with 10,000 items and with as many as `--objects` says, in turns.

As in growth.py the rows are simulated: a node is stopped, and SQL writes the items as a put does, with all their
indexes. They are small ones of 600 bytes, half of them in one collection, the others spread over all.
"""

import contextlib
import json
import math
import random
import sqlite3
import struct

import load
from growth import grown_nodes, grown_row, held_in_memory, timed
from load import Request
from servers import Martlet

COLLECTION = "archive"
COLLECTIONS_MAX = 60_000
ITEMS_PER_COLLECTION = 100
PROPERTY = "eo:cloud_cover"
CLOUDS = 1000
QUESTIONS, PUTS, LISTS = 300, 200, 50
CHUNK = 100_000
# With the indexes, the words and the event.
ROW_BYTES = 2200
BEGIN, YEARS = 1_420_070_400, 10
SECONDS = YEARS * 365 * 86400
TYPES = {"number": 4, "text": 1, "moment": 16}


class Archive(Martlet):
    """A node with `count` items."""

    def __init__(self, home, binary, count):
        self.name, self.count = f"{count:,} items", count
        self.collections = min(COLLECTIONS_MAX, count // ITEMS_PER_COLLECTION)
        super().__init__(home, binary, ["--settle-seconds", "86400", "--history-seconds", "86400"])

    def grow(self):
        extent = {"spatial": {"bbox": [[-180, -90, 180, 90]]},
                  "temporal": {"interval": [["2015-01-01T00:00:00Z", None]]}}
        document = {"type": "Collection", "stac_version": "1.0.0", "id": COLLECTION, "license": "other", "links": [],
                    "description": "Items of a benchmark.", "extent": extent}
        self.ask(Request("POST", "/stac/collections", self.headers()), json.dumps(document).encode())
        self._cli("collection", "index", COLLECTION, PROPERTY)
        self.ask(*self.put("real", 0))
        self.settle(60)
        self.stop()
        file = self.data / "metadata.sqlite"
        multiply(file, self.count, self.collections)
        self.held = held_in_memory(file)
        self.start()
        self.settle(60)

    def headers(self):
        return (self.bearer(), "Content-Type: application/json")

    def ask(self, request, body=None):
        connection = load.Connection(self.web)
        try:
            return connection.ask(request, body)
        finally:
            connection.close()

    def put(self, name, number, headers=None):
        west, south = number * 7919 % 350 - 179, number * 104729 % 160 - 80
        document = {
            "type": "Feature", "stac_version": "1.0.0", "id": name, "bbox": [west, south, west + 1, south + 1],
            "geometry": {"type": "Polygon", "coordinates": [[
                [west, south], [west + 1, south], [west + 1, south + 1], [west, south + 1], [west, south]]]},
            "properties": {"datetime": "2020-01-01T00:00:00Z", "platform": "S2B", PROPERTY: number % CLOUDS / 10},
            "links": [], "assets": {}}
        return (Request("POST", f"/stac/collections/{COLLECTION}/items", headers or self.headers()),
                json.dumps(document).encode())


# What a put writes, for the items of a chunk at a time.
WRITTEN = (
    "DELETE FROM sketches",
    """
    WITH RECURSIVE made (n) AS (SELECT :start UNION ALL SELECT n + 1 FROM made WHERE n + 1 < :end)
    INSERT INTO sketches (number, collection, id, datetime, west, south, cloud)
    SELECT (:first + n) << 16, iif(n % 2, :archive, :tid + n / 2 % :collections),
    printf('S2B_%09d', n * :step % :count), :begin + (n * 2654435761 % :seconds) * 1000000,
    (n * 40503 % 358000) / 1000.0 - 179, (n * 30011 % 160000) / 1000.0 - 80, n * 7919 % :clouds FROM made
    """,
    """
    UPDATE sketches SET geometry = printf('{"type":"Polygon","coordinates":[[[%.3f,%.3f],[%.3f,%.3f],'
    || '[%.3f,%.3f],[%.3f,%.3f],[%.3f,%.3f]]]}', west, south, west + 1, south, west + 1, south + 1, west, south + 1,
    west, south), properties = printf('{"datetime":"%s","platform":"S2B","eo:cloud_cover":%.1f}',
    strftime('%Y-%m-%dT%H:%M:%SZ', datetime / 1000000, 'unixepoch'), cloud / 10.0)
    """,
    """
    UPDATE sketches SET document = printf('{"type":"Feature","stac_version":"1.0.0","id":"%s","collection":"%s",'
    || '"bbox":[%.3f,%.3f,%.3f,%.3f],"geometry":%s,"properties":%s,"assets":{},"links":[]}', id,
    (SELECT name FROM collections c WHERE c.id = collection), west, south, west + 1, south + 1, geometry, properties)
    """,
    """
    INSERT INTO items (number, collection, id, tid, updated, datetime, start_time, end_time, west, south, east, north,
    links_at, size) SELECT number, collection, id, number >> 16, datetime, datetime, datetime, datetime, west, south,
    west + 1, south + 1, length(document) - 2, length(document) FROM sketches
    """,
    """
    INSERT INTO item_documents (item, geometry, properties, document)
    SELECT number, CAST(geometry AS BLOB), CAST(properties AS BLOB), CAST(document AS BLOB) FROM sketches
    """,
    """
    INSERT INTO item_areas (id, west, east, south, north, earliest, latest)
    SELECT number * 2, west, west + 1, south, south + 1, datetime / 864e9, datetime / 864e9 FROM sketches
    """,
    """
    INSERT INTO item_words (rowid, words)
    SELECT number, 'zzc' || collection || 'z s2b ' || lower(substr(id, 5)) FROM sketches
    """,
    """
    INSERT INTO item_values (property, value, item) SELECT :index, k.value, s.number FROM sketches s
    JOIN clouds k ON k.cloud = s.cloud WHERE s.collection = :archive ORDER BY k.value, s.number
    """,
    """
    INSERT INTO events (tid, sequence, time, kind, actor, subject, collection, detail)
    SELECT number >> 16, 0, datetime, 'item.put', 'admin', id, collection, '{}' FROM sketches
    """,
    """
    INSERT INTO catalogue_collections (collection, items, start_time, end_time, west, east, east_west, east_east, south,
    north, reach_before, reach_after) SELECT collection, count(*), min(datetime), max(datetime), -180, 180, 0, 360, -80,
    81, 0, 0 FROM sketches WHERE true GROUP BY collection
    ON CONFLICT (collection) DO UPDATE SET items = items + excluded.items,
    start_time = min(start_time, excluded.start_time), end_time = max(end_time, excluded.end_time), west = -180,
    east = 180, east_west = 0, east_east = 360, south = -80, north = 81
    """,
)


def number_key(value):
    """The bytes of a number in an index (Core/Catalogue/PropertyKey)."""
    (bits,) = struct.unpack(">Q", struct.pack(">d", value))
    return b"\x02" + struct.pack(">Q", bits | 1 << 63)


def multiply(file, count, collections):
    """Adds collections, and `count` items to them, that came in no order of place, time or name."""
    step = next(step for step in range(int(count * 0.618), 2 * count) if math.gcd(step, count) == 1)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as database:
        for setting in ("journal_mode = OFF", "synchronous = OFF", "temp_store = MEMORY", f"cache_size = -{4 << 20}"):
            database.execute(f"PRAGMA {setting}")
        (stored,) = database.execute("SELECT value FROM database_state WHERE name = 'tid'").fetchone()
        (archive,) = database.execute("SELECT id FROM collections WHERE name = ?", (COLLECTION,)).fetchone()
        (index,) = database.execute("SELECT id FROM item_indexes WHERE collection = ?", (archive,)).fetchone()
        values = {"count": count, "step": step, "tid": stored + 1, "collections": collections, "archive": archive,
                  "index": index, "begin": BEGIN * 10**6, "seconds": SECONDS, "clouds": CLOUDS}
        database.execute("BEGIN")
        columns = [row[1] for row in database.execute("PRAGMA table_info(collections)")]
        changed = {"id": ":tid + n", "name": "printf('c%05d', n)"}
        made = ", ".join(changed.get(column, f"old.{column}") for column in columns)
        database.execute(
            "WITH RECURSIVE made (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM made WHERE n + 1 < :collections) "
            f"INSERT INTO collections ({', '.join(columns)}) SELECT {made} FROM made "
            "CROSS JOIN collections AS old ON old.id = :archive", values)
        values["first"] = stored + 1 + collections
        database.execute(
            """CREATE TEMP TABLE sketches (number INTEGER PRIMARY KEY, collection INTEGER, id TEXT, datetime INTEGER,
            west REAL, south REAL, cloud INTEGER, geometry TEXT, properties TEXT, document TEXT)""")
        database.execute("CREATE TEMP TABLE clouds (cloud INTEGER PRIMARY KEY, value BLOB)")
        database.executemany(
            "INSERT INTO clouds VALUES (?, ?)", [(cloud, number_key(cloud / 10)) for cloud in range(CLOUDS)])
        for start in range(0, count, CHUNK):
            values["start"], values["end"] = start, min(start + CHUNK, count)
            for statement in WRITTEN:
                database.execute(statement, {name: values[name] for name in values if f":{name}" in statement})
        for name, types in (("datetime", "moment"), ("platform", "text"), (PROPERTY, "number")):
            database.execute(
                "INSERT INTO item_properties (collection, name, types) SELECT id, ?, ? FROM collections WHERE true "
                "ON CONFLICT (collection, name) DO NOTHING", (name, TYPES[types]))
        last = (stored + 1 + collections + count,)
        database.execute("UPDATE followers SET tid = ?, sequence = 0 WHERE tid > 0", last)
        database.execute("UPDATE database_state SET value = ? WHERE name = 'tid'", last)
        database.execute("COMMIT")


def measure(bench):
    with grown_nodes(bench, "archive", ROW_BYTES, Archive) as nodes:
        questions(bench, nodes)


def questions(bench, nodes):
    def row(name, note):
        return grown_row(bench, nodes, f"archive: {name}", note)

    search = f"/stac/search?collections={COLLECTION}&limit=10"
    rows = {
        "10 by box and time": row("10 by box and time", "as many match on each node"),
        "10 of all collections": row("10 of all collections", "by time alone"),
        "10 sorted": row("10 sorted", "by a property with an index"),
        "one by id": row("one by id", "one client"), "one collection": row("one collection", "one client"),
        "10 collections": row("10 collections", "the first page, one client"),
    }
    put = row("one item put", "one client")
    numbers = random.Random(5)
    for number, node in bench.in_turns(nodes):
        # A box that holds some 30 items, whatever the node holds.
        side = min(60.0, math.sqrt(358 * 160 * 30 * 20 / node.count))

        def box():
            west, south = numbers.uniform(-179, 178 - side), numbers.uniform(-80, 80 - side)
            return f"{west:.3f},{south:.3f},{west + side:.3f},{south + side:.3f}"

        def half_year():
            year = numbers.randrange(2015, 2025)
            return f"{year}-01-01T00:00:00Z/{year}-06-30T00:00:00Z"

        half = node.count // 2
        step = next(step for step in range(int(node.count * 0.618), 2 * node.count) if math.gcd(step, node.count) == 1)
        targets = {
            "10 by box and time": (QUESTIONS, lambda: f"{search}&bbox={box()}&datetime={half_year()}"),
            "10 of all collections": (QUESTIONS, lambda: f"/stac/search?datetime={half_year()}&limit=10"),
            "10 sorted": (QUESTIONS, lambda: f"{search}&sortby={PROPERTY}"),
            "one by id": (QUESTIONS, lambda: f"/stac/collections/{COLLECTION}/items/S2B_"
                          f"{(2 * numbers.randrange(half) + 1) * step % node.count:09}"),
            "one collection": (QUESTIONS, lambda: f"/stac/collections/c{numbers.randrange(node.collections):05}"),
            "10 collections": (LISTS, lambda: "/stac/collections?limit=10"),
        }
        headers, connection = node.headers(), load.Connection(node.web)
        for name, (count, target) in targets.items():
            jobs = [Request("GET", target(), headers) for _ in range(count)]
            connection.ask(jobs[0])
            with timed(rows[name], node, count):
                for job in jobs:
                    connection.ask(job)
        puts = [node.put(f"new-{number}-{place}", numbers.randrange(10**6), headers) for place in range(PUTS)]
        with timed(put, node, PUTS):
            for request, body in puts:
                connection.ask(request, body)
        connection.close()
        node.settle()
