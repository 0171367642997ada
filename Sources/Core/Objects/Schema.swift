package import Database

extension Objects {
    package static let migrations =
        [
            Migration(
                module: "objects", number: 1,
                [
                    "CREATE TABLE spaces (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
                    // Data keys that a generation of the collection's key before `key_floor` has sealed are refused: it
                    // is about to go (docs/adr/0005).
                    """
                    CREATE TABLE collections (
                        id INTEGER PRIMARY KEY, space INTEGER NOT NULL REFERENCES spaces (id), name TEXT NOT NULL UNIQUE,
                        owner TEXT NOT NULL, created INTEGER NOT NULL, versioning TEXT NOT NULL DEFAULT 'off',
                        object_lock INTEGER NOT NULL DEFAULT 0, key_floor INTEGER NOT NULL DEFAULT 1,
                        write_locked_until INTEGER, has_properties INTEGER NOT NULL DEFAULT 0,
                        quota INTEGER NOT NULL DEFAULT 0, folders_since INTEGER)
                    """,
                    // Of spaces (kind 0) and collections (kind 1), with what they hold. `collections.quota` says
                    // whether either is there.
                    """
                    CREATE TABLE quotas (
                        kind INTEGER NOT NULL, owner INTEGER NOT NULL, bytes_max INTEGER, objects_max INTEGER,
                        bytes INTEGER NOT NULL, objects INTEGER NOT NULL, PRIMARY KEY (kind, owner)) WITHOUT ROWID
                    """,
                    // The first TID whose state of a collection can still be read: all that was removed later is there.
                    // Not in the collection's row, which those who write hold.
                    """
                    CREATE TABLE horizons (
                        collection INTEGER PRIMARY KEY REFERENCES collections (id) ON DELETE CASCADE,
                        tid INTEGER NOT NULL)
                    """,
                    // `store` is the storage class whose store the blob is in; NULL is STANDARD. `collection` is no
                    // foreign key: when a collection goes, the engines would look for what refers to it in all rows,
                    // as they cannot use partial indexes. Whoever writes holds the collection's row (CollectionState).
                    // Versions in the order in which they were made: `number` is the TID and the place in its
                    // transaction. One version of a key is current: an object, or a marker (kind 1) that says it was
                    // deleted. Another is kept, as long as versioning keeps it, or has been `removed` by the
                    // transaction with that TID and is kept only for readers of the past. `object` names what stays
                    // the same when it is written again or moved: the number of its first version.
                    """
                    CREATE TABLE versions (
                        number INTEGER PRIMARY KEY, id BLOB NOT NULL,
                        collection INTEGER NOT NULL, key TEXT NOT NULL, kind INTEGER NOT NULL,
                        is_null INTEGER NOT NULL, current INTEGER, superseded INTEGER, removed INTEGER, removed_at INTEGER,
                        created INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, digest BLOB,
                        content_type TEXT NOT NULL, headers TEXT, checksum_algorithm TEXT, checksum TEXT, checksum_kind TEXT,
                        part_count INTEGER NOT NULL, blob BLOB, sealed_key BLOB, tags TEXT, lock_mode TEXT,
                        lock_until INTEGER, legal_hold INTEGER, acl TEXT, object INTEGER NOT NULL, kms_key TEXT,
                        encryption TEXT, quarantine TEXT, store TEXT)
                    """,
                    "CREATE INDEX versions_quarantined ON versions (number) WHERE quarantine IS NOT NULL",
                    "CREATE UNIQUE INDEX versions_current ON versions (collection, key) WHERE current = 1",
                    "CREATE INDEX versions_past ON versions (collection, key, number, id) WHERE current IS NULL",
                    "CREATE INDEX versions_removed ON versions (removed_at) WHERE removed IS NOT NULL",
                    "CREATE INDEX versions_by_blob ON versions (blob) WHERE blob IS NOT NULL",
                    // A version that was moved has two rows with one id, which share its parts.
                    "CREATE INDEX versions_of_parts ON versions (id) WHERE part_count > 0",
                    """
                    CREATE TABLE inline_bytes (
                        version INTEGER PRIMARY KEY REFERENCES versions (number) ON DELETE CASCADE ON UPDATE CASCADE,
                        bytes BLOB NOT NULL)
                    """,
                    """
                    CREATE TABLE uploads (
                        id BLOB PRIMARY KEY, collection INTEGER NOT NULL REFERENCES collections (id), key TEXT NOT NULL,
                        created INTEGER NOT NULL, initiator TEXT NOT NULL, content_type TEXT NOT NULL, headers TEXT,
                        checksum_algorithm TEXT, checksum_kind TEXT, tags TEXT, lock_mode TEXT, lock_until INTEGER,
                        legal_hold INTEGER, acl TEXT, kms_key TEXT, encryption TEXT, store TEXT)
                    """,
                    "CREATE INDEX uploads_by_key ON uploads (collection, key, id)",
                    // `version` is the upload's id, which becomes the version's: completing an upload moves no bytes.
                    """
                    CREATE TABLE parts (
                        version BLOB NOT NULL, number INTEGER NOT NULL, start INTEGER, size INTEGER NOT NULL,
                        etag TEXT NOT NULL, created INTEGER NOT NULL, checksum TEXT, blob BLOB NOT NULL,
                        sealed_key BLOB NOT NULL, store TEXT, PRIMARY KEY (version, number)) WITHOUT ROWID
                    """,
                    "CREATE INDEX parts_by_blob ON parts (blob)",
                    // Blobs that nothing refers to any more; the Janitor removes them.
                    "CREATE TABLE garbage (blob BLOB PRIMARY KEY, since INTEGER NOT NULL, store TEXT)",
                    "CREATE INDEX garbage_by_age ON garbage (since)",
                    // How far the scrub is: one row.
                    """
                    CREATE TABLE scrub (
                        id INTEGER PRIMARY KEY CHECK (id = 1), began INTEGER, ended INTEGER, cursor INTEGER NOT NULL,
                        versions INTEGER NOT NULL, bytes INTEGER NOT NULL, damaged INTEGER NOT NULL,
                        sealed INTEGER NOT NULL)
                    """,
                ])
        ] + settingsMigrations + folderMigrations + keyMigrations + transactionMigrations
}
