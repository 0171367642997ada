import Database

// The hierarchy of keys: docs/adr/0005. A key that was replaced is `retired`; its row goes when nothing is left under
// it.
extension Objects {
    static let keyMigrations = [
        Migration(
            module: "objects", number: 4,
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
                // `closed`: the collection's `key_floor` is above it. `position` is how far what it has sealed was
                // rewrapped, `swept` when the last of it was, and `fence` a TID of that moment.
                """
                CREATE TABLE collection_keys (
                    collection INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
                    generation INTEGER NOT NULL, space INTEGER NOT NULL, space_generation INTEGER NOT NULL,
                    sealed_key BLOB NOT NULL, created INTEGER NOT NULL, retired INTEGER, closed INTEGER NOT NULL,
                    position BLOB, swept INTEGER, fence INTEGER, rewrapped INTEGER NOT NULL,
                    PRIMARY KEY (collection, generation),
                    FOREIGN KEY (space, space_generation) REFERENCES space_keys (space, generation))
                """,
                "CREATE INDEX collection_keys_by_space ON collection_keys (space, space_generation)",
                "CREATE INDEX collection_keys_retired ON collection_keys (retired) WHERE retired IS NOT NULL",
                "CREATE INDEX versions_retained ON versions (collection, lock_until) WHERE lock_until IS NOT NULL",
                "CREATE INDEX versions_held ON versions (collection) WHERE legal_hold IS NOT NULL",
                // Named keys; one that was destroyed keeps its row, so that it can be told what it was.
                "CREATE TABLE kms_keys (id TEXT PRIMARY KEY, name TEXT NOT NULL, state TEXT NOT NULL, created INTEGER NOT NULL)",
                "CREATE UNIQUE INDEX kms_keys_by_name ON kms_keys (name) WHERE state <> 'destroyed'",
                """
                CREATE TABLE kms_generations (
                    kms_key TEXT NOT NULL REFERENCES kms_keys (id), generation INTEGER NOT NULL, space INTEGER NOT NULL,
                    space_generation INTEGER NOT NULL, sealed_key BLOB NOT NULL, created INTEGER NOT NULL,
                    PRIMARY KEY (kms_key, generation),
                    FOREIGN KEY (space, space_generation) REFERENCES space_keys (space, generation))
                """,
                "CREATE INDEX kms_generations_by_space ON kms_generations (space, space_generation)",
                "CREATE INDEX versions_by_kms_key ON versions (kms_key) WHERE kms_key IS NOT NULL",
            ])
    ]
}
