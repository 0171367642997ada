import Database

// The hierarchy of keys: docs/adr/0005. A key that was replaced is `retired`; its row goes when nothing is left under
// it.
extension Objects {
    static let keyMigrations = [
        Migration(
            module: "objects", number: 3,
            [
                // What the master key wraps. A generation seals from `starts` on, when every node has loaded it.
                """
                CREATE TABLE root_keys (
                    generation INTEGER PRIMARY KEY, sealed_key BLOB NOT NULL, source TEXT NOT NULL,
                    created INTEGER NOT NULL, starts INTEGER NOT NULL, retired INTEGER)
                """,
                // `label` is what the sealed key is authenticated with.
                """
                CREATE TABLE space_keys (
                    space INTEGER NOT NULL REFERENCES spaces (id) ON DELETE CASCADE, generation INTEGER NOT NULL,
                    label TEXT NOT NULL UNIQUE, sealed_key BLOB NOT NULL, created INTEGER NOT NULL, retired INTEGER,
                    PRIMARY KEY (space, generation))
                """,
                // `closed`: nothing new may be sealed under it; see the triggers. `position` is how far its versions
                // have been rewrapped, `swept` when the last of them was.
                """
                CREATE TABLE collection_keys (
                    collection INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
                    generation INTEGER NOT NULL, space INTEGER NOT NULL, space_generation INTEGER NOT NULL,
                    sealed_key BLOB NOT NULL, created INTEGER NOT NULL, retired INTEGER, closed INTEGER NOT NULL,
                    position BLOB, swept INTEGER, rewrapped INTEGER NOT NULL, PRIMARY KEY (collection, generation),
                    FOREIGN KEY (space, space_generation) REFERENCES space_keys (space, generation))
                """,
                "CREATE INDEX collection_keys_by_space ON collection_keys (space, space_generation)",
                "CREATE INDEX collection_keys_retired ON collection_keys (retired) WHERE retired IS NOT NULL",
                "CREATE INDEX versions_of_collection ON versions (collection, number, kind)",
                "CREATE INDEX versions_retained ON versions (collection, lock_until) WHERE lock_until IS NOT NULL",
                "CREATE INDEX versions_held ON versions (collection) WHERE legal_hold IS NOT NULL",
                """
                INSERT INTO space_keys (space, generation, label, sealed_key, created)
                SELECT id, 1, 'space ' || id, sealed_key, 0 FROM spaces
                """,
                """
                INSERT INTO collection_keys
                (collection, generation, space, space_generation, sealed_key, created, closed, rewrapped)
                SELECT id, 1, space, 1, sealed_key, created, 0, 0 FROM collections
                """,
                // Empty: a wrapped key is in one place, so that it can be destroyed there.
                "UPDATE spaces SET sealed_key = substr(sealed_key, 1, 0)",
                "UPDATE collections SET sealed_key = substr(sealed_key, 1, 0)",
            ]),
        Migration(module: "objects-keys", number: 1, sqliteTriggers, postgres: postgresTriggers),
    ]

    // A data key must not come in under a key whose versions have been rewrapped already, because that key is about to
    // go: however long a request took, its row is refused then. Parts belong to an upload or, where an object is
    // copied, to a version that is inserted after them. Completing an upload may keep parts under a closed key, since
    // uploads are rewrapped before versions.

    private static let refusal = "the collection's key was replaced or destroyed meanwhile: try again"

    /// The generation that a data key is sealed under, as eight hexadecimal digits: see `CollectionKeys`.
    private static func digits(_ sealed: String) -> String {
        "CASE length(\(sealed)) WHEN 60 THEN '00000001' ELSE hex(substr(\(sealed), 1, 4)) END"
    }

    private static let sqliteTriggers = [
        """
        CREATE TRIGGER versions_under_open_keys BEFORE INSERT ON versions
        WHEN NEW.sealed_key IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM collection_keys WHERE collection = NEW.collection AND closed = 0
            AND printf('%08X', generation) = \(digits("NEW.sealed_key")))
        BEGIN SELECT RAISE(ABORT, "\(refusal)"); END
        """,
        """
        CREATE TRIGGER versions_of_parts_under_open_keys BEFORE INSERT ON versions
        WHEN NEW.sealed_key IS NULL AND EXISTS (
            SELECT 1 FROM parts WHERE version = NEW.id AND NOT EXISTS (
                SELECT 1 FROM collection_keys WHERE collection = NEW.collection
                AND (closed = 0 OR EXISTS (SELECT 1 FROM uploads WHERE id = NEW.id))
                AND printf('%08X', generation) = \(digits("parts.sealed_key"))))
        BEGIN SELECT RAISE(ABORT, "\(refusal)"); END
        """,
        """
        CREATE TRIGGER parts_under_open_keys BEFORE INSERT ON parts
        WHEN EXISTS (
            SELECT 1 FROM uploads WHERE id = NEW.version AND NOT EXISTS (
                SELECT 1 FROM collection_keys WHERE collection = uploads.collection AND closed = 0
                AND printf('%08X', generation) = \(digits("NEW.sealed_key"))))
        BEGIN SELECT RAISE(ABORT, "\(refusal)"); END
        """,
    ]

    // FOR SHARE: a transaction that closes or destroys a key waits for those that have just found it open.
    private static let postgresTriggers = [
        """
        CREATE FUNCTION martlet_key_generation(sealed BYTEA) RETURNS BIGINT LANGUAGE SQL IMMUTABLE AS $$
        SELECT CASE WHEN length(sealed) = 60 THEN 1 ELSE (get_byte(sealed, 0)::BIGINT << 24)
            + (get_byte(sealed, 1) << 16) + (get_byte(sealed, 2) << 8) + get_byte(sealed, 3) END
        $$
        """,
        """
        CREATE FUNCTION martlet_check_key(wanted_collection BIGINT, sealed BYTEA, also_closed BOOLEAN) RETURNS VOID
        LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM 1 FROM collection_keys WHERE collection = wanted_collection
                AND generation = martlet_key_generation(sealed) AND (closed = 0 OR also_closed) FOR SHARE;
            IF NOT FOUND THEN
                RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation',
                    MESSAGE = '\(refusal.replacing("'", with: "''"))';
            END IF;
        END $$
        """,
        """
        CREATE FUNCTION martlet_check_version() RETURNS TRIGGER LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.sealed_key IS NOT NULL THEN
                PERFORM martlet_check_key(NEW.collection, NEW.sealed_key, FALSE);
            ELSE
                PERFORM martlet_check_key(
                    NEW.collection, kinds.sealed_key, EXISTS (SELECT 1 FROM uploads WHERE id = NEW.id))
                FROM (SELECT DISTINCT ON (martlet_key_generation(sealed_key)) sealed_key FROM parts
                    WHERE version = NEW.id) AS kinds;
            END IF;
            RETURN NEW;
        END $$
        """,
        """
        CREATE FUNCTION martlet_check_part() RETURNS TRIGGER LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM martlet_check_key(uploads.collection, NEW.sealed_key, FALSE) FROM uploads WHERE id = NEW.version;
            RETURN NEW;
        END $$
        """,
        """
        CREATE TRIGGER versions_under_open_keys BEFORE INSERT ON versions
        FOR EACH ROW EXECUTE FUNCTION martlet_check_version()
        """,
        """
        CREATE TRIGGER parts_under_open_keys BEFORE INSERT ON parts
        FOR EACH ROW EXECUTE FUNCTION martlet_check_part()
        """,
    ]
}
