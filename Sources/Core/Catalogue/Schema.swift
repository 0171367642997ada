package import Database

extension Catalogue {
    /// Needs the tables of the module `objects`: a collection's items go with it.
    package static let migrations = [
        Migration(module: "catalogue", number: 1, tables),
        Migration(module: "catalogue", number: 2, spatialIndexSQLite, postgres: spatialIndexPostgres),
        Migration(module: "catalogue", number: 3, past),
        Migration(module: "catalogue", number: 4, properties),
        Migration(module: "catalogue", number: 5, ItemWords.sqlite, postgres: ItemWords.postgres),
        Migration(module: "catalogue", number: 6, deleted),
    ]

    // What items were, from the TID `tid` until the TID `ended`: whole rows, which only readers of the past look at.
    private static let past = [
        """
        CREATE TABLE past_items (
            number INTEGER NOT NULL, tid INTEGER NOT NULL, ended INTEGER NOT NULL, ended_at INTEGER NOT NULL,
            collection INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
            id TEXT NOT NULL, product TEXT, updated INTEGER NOT NULL,
            datetime INTEGER NOT NULL, start_time INTEGER NOT NULL, end_time INTEGER NOT NULL,
            west REAL, south REAL, east REAL, north REAL,
            links_at INTEGER NOT NULL, size INTEGER NOT NULL, geometry BLOB, properties BLOB NOT NULL,
            document BLOB NOT NULL, PRIMARY KEY (number, tid))
        """,
        "CREATE INDEX past_items_by_id ON past_items (id, collection)",
        "CREATE INDEX past_items_by_time ON past_items (datetime, collection, id)",
        "CREATE INDEX past_items_by_collection ON past_items (collection, datetime, id)",
        "CREATE INDEX past_items_by_end ON past_items (ended_at)",
    ]

    // What was removed: what searches and policies ask of an item, without the rest of its document. It is kept for as
    // long as its collection is there.
    private static let deleted = [
        """
        CREATE TABLE deleted_items (
            number INTEGER PRIMARY KEY, deleted INTEGER NOT NULL, cause TEXT NOT NULL,
            collection INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
            id TEXT NOT NULL, product TEXT, updated INTEGER NOT NULL,
            datetime INTEGER NOT NULL, start_time INTEGER NOT NULL, end_time INTEGER NOT NULL,
            west REAL, south REAL, east REAL, north REAL, size INTEGER NOT NULL, geometry BLOB,
            properties BLOB NOT NULL)
        """,
        "CREATE INDEX deleted_items_by_time ON deleted_items (deleted, number)",
        "CREATE INDEX deleted_items_by_collection ON deleted_items (collection, deleted, number)",
        "CREATE INDEX deleted_items_by_id ON deleted_items (id, number)",
        "CREATE INDEX deleted_items_by_start ON deleted_items (start_time, number)",
    ]

    // Documents have a table of their own, so that what a search walks over stays narrow: 200 bytes a row, not 15,000.
    // `datetime` is what items are sorted by; `start_time` and `end_time` are equal to it for an item of one moment.
    // The box is null for an item without geometry; one with west > east crosses the antimeridian. `links_at` says
    // where in the document the node's own links are put in. Geometry and properties stand once more before their
    // document, so that a search reads them without the rest.
    private static let tables = [
        """
        CREATE TABLE items (
            number INTEGER PRIMARY KEY, collection INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
            id TEXT NOT NULL, product TEXT, tid INTEGER NOT NULL, updated INTEGER NOT NULL,
            datetime INTEGER NOT NULL, start_time INTEGER NOT NULL, end_time INTEGER NOT NULL,
            west REAL, south REAL, east REAL, north REAL,
            links_at INTEGER NOT NULL, size INTEGER NOT NULL)
        """,
        "CREATE UNIQUE INDEX items_by_id ON items (id, collection)",
        "CREATE UNIQUE INDEX items_by_product ON items (collection, product) WHERE product IS NOT NULL",
        "CREATE INDEX items_by_time ON items (datetime, collection, id)",
        "CREATE INDEX items_by_collection ON items (collection, datetime, id)",
        """
        CREATE TABLE item_documents (
            item INTEGER PRIMARY KEY REFERENCES items (number) ON DELETE CASCADE, geometry BLOB,
            properties BLOB NOT NULL, document BLOB NOT NULL)
        """,
        // Which objects of their collection the items put by hand name as assets; those of products are known by their
        // path.
        """
        CREATE TABLE item_assets (
            collection INTEGER NOT NULL, key TEXT NOT NULL,
            item INTEGER NOT NULL REFERENCES items (number) ON DELETE CASCADE, PRIMARY KEY (collection, key, item)) WITHOUT ROWID
        """,
        "CREATE INDEX item_assets_by_item ON item_assets (item)",
        // `west` and `east` bound the items' boxes from -180 to 180, `east_west` and `east_east` from 0 to 360: the
        // narrower pair is the extent. `reach_before` and `reach_after` say how far, at most, an item's time range
        // reaches beyond its `datetime`: a search by time looks that much further.
        """
        CREATE TABLE catalogue_collections (
            collection INTEGER PRIMARY KEY REFERENCES collections (id) ON DELETE CASCADE, document BLOB,
            document_tid INTEGER, items INTEGER NOT NULL, start_time INTEGER, end_time INTEGER, west REAL, east REAL, east_west REAL,
            east_east REAL, south REAL, north REAL, reach_before INTEGER NOT NULL, reach_after INTEGER NOT NULL)
        """,
        "CREATE INDEX catalogue_collections_by_reach_before ON catalogue_collections (reach_before)",
        "CREATE INDEX catalogue_collections_by_reach_after ON catalogue_collections (reach_after)",
    ]

    // `item_properties` says which properties the items of a collection have or had, and of which types (a sum of
    // `PropertyType`s). `item_values` holds, for each index that somebody has asked for, the value of every item, in a
    // form whose bytes are in the order of the values: see `PropertyKey`.
    private static let properties = [
        """
        CREATE TABLE item_properties (
            collection INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE, name TEXT NOT NULL,
            types INTEGER NOT NULL, PRIMARY KEY (collection, name)) WITHOUT ROWID
        """,
        """
        CREATE TABLE item_indexes (
            id INTEGER PRIMARY KEY, collection INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
            property TEXT NOT NULL, ready INTEGER NOT NULL, UNIQUE (collection, property))
        """,
        """
        CREATE TABLE item_values (
            property INTEGER NOT NULL REFERENCES item_indexes (id) ON DELETE CASCADE, value BLOB NOT NULL,
            item INTEGER NOT NULL REFERENCES items (number) ON DELETE CASCADE,
            PRIMARY KEY (property, value, item)) WITHOUT ROWID
        """,
        "CREATE INDEX item_values_by_item ON item_values (item)",
    ]

    // An R*Tree over place and time. An item that crosses the antimeridian has two entries: number * 2 and number * 2
    // + 1.
    private static let spatialIndexSQLite = [
        "CREATE VIRTUAL TABLE item_areas USING rtree (id, west, east, south, north, earliest, latest)",
        // Also for items that go with their collection, which no statement of ours names.
        """
        CREATE TRIGGER items_leave_areas AFTER DELETE ON items BEGIN
            DELETE FROM item_areas WHERE id IN (OLD.number * 2, OLD.number * 2 + 1);
        END
        """,
    ]

    private static let spatialIndexPostgres = [
        """
        CREATE TABLE item_areas (
            item BIGINT NOT NULL REFERENCES items (number) ON DELETE CASCADE, datetime BIGINT NOT NULL, area box NOT NULL)
        """,
        "CREATE INDEX item_areas_by_item ON item_areas (item)",
        "CREATE INDEX item_areas_by_time ON item_areas (datetime)",
        "CREATE INDEX item_areas_by_area ON item_areas USING gist (area)",
    ]
}
