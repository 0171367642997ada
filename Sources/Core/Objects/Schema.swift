package import Database

extension Objects {
    package static let migrations = versionMigrations + keyMigrations

    private static let versionMigrations = [
        Migration(
            module: "objects", number: 1,
            [
                "CREATE TABLE spaces (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, sealed_key BLOB NOT NULL)",
                """
                CREATE TABLE collections (
                    id INTEGER PRIMARY KEY, space INTEGER NOT NULL REFERENCES spaces (id), name TEXT NOT NULL UNIQUE,
                    owner TEXT NOT NULL, created INTEGER NOT NULL, sealed_key BLOB NOT NULL)
                """,
                // `ended` is null while a version is the current one of its key; then the TID that replaced or removed
                // it.
                """
                CREATE TABLE versions (
                    id BLOB PRIMARY KEY, collection INTEGER NOT NULL REFERENCES collections (id), key TEXT NOT NULL,
                    tid INTEGER NOT NULL, created INTEGER NOT NULL, ended INTEGER, ended_at INTEGER, size INTEGER NOT NULL,
                    etag TEXT NOT NULL, digest BLOB, content_type TEXT NOT NULL, headers TEXT,
                    checksum_algorithm TEXT, checksum TEXT, checksum_kind TEXT, part_count INTEGER NOT NULL,
                    blob BLOB, sealed_key BLOB)
                """,
                "CREATE UNIQUE INDEX versions_current ON versions (collection, key) WHERE ended IS NULL",
                "CREATE INDEX versions_ended ON versions (ended_at) WHERE ended IS NOT NULL",
                "CREATE INDEX versions_by_collection_ended ON versions (collection) WHERE ended IS NOT NULL",
                "CREATE INDEX versions_by_blob ON versions (blob) WHERE blob IS NOT NULL",
                """
                CREATE TABLE inline_bytes (
                    version BLOB PRIMARY KEY REFERENCES versions (id) ON DELETE CASCADE, bytes BLOB NOT NULL)
                """,
                """
                CREATE TABLE uploads (
                    id BLOB PRIMARY KEY, collection INTEGER NOT NULL REFERENCES collections (id), key TEXT NOT NULL,
                    created INTEGER NOT NULL, initiator TEXT NOT NULL, content_type TEXT NOT NULL, headers TEXT,
                    checksum_algorithm TEXT, checksum_kind TEXT)
                """,
                "CREATE INDEX uploads_by_key ON uploads (collection, key, id)",
                // `version` is the upload's id, which becomes the version's: completing an upload moves no bytes.
                """
                CREATE TABLE parts (
                    version BLOB NOT NULL, number INTEGER NOT NULL, start INTEGER, size INTEGER NOT NULL,
                    etag TEXT NOT NULL, created INTEGER NOT NULL, checksum TEXT, blob BLOB NOT NULL,
                    sealed_key BLOB NOT NULL, PRIMARY KEY (version, number)) WITHOUT ROWID
                """,
                "CREATE INDEX parts_by_blob ON parts (blob)",
                // Blobs that nothing refers to any more; the Janitor removes them.
                "CREATE TABLE garbage (blob BLOB PRIMARY KEY, since INTEGER NOT NULL)",
                "CREATE INDEX garbage_by_age ON garbage (since)",
            ])
    ]
}
