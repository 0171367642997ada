package import Database

extension Ledger {
    package static let migrations = [
        Migration(
            module: "ledger", number: 1,
            [
                "CREATE TABLE trace_certificates (digest BLOB PRIMARY KEY, certificate BLOB NOT NULL)",
                // A row is a leaf of the log: its entry is computed from the columns and not stored, so a bundle of 256
                // is a range of the primary key, and appending one rewrites nothing. The product is stored once, in
                // `message`, which comes last so that reading entries does not touch its pages; only where the message
                // has another form than the node's own `body` has it again. The certificate of what nobody signed is
                // empty.
                """
                CREATE TABLE traces (
                    leaf INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, event TEXT NOT NULL, name TEXT NOT NULL,
                    size INTEGER NOT NULL, hash BLOB NOT NULL, hash_algorithm TEXT NOT NULL, time INTEGER NOT NULL,
                    origin TEXT NOT NULL, status TEXT NOT NULL, message_digest BLOB NOT NULL,
                    certificate BLOB NOT NULL REFERENCES trace_certificates (digest), algorithm TEXT NOT NULL,
                    signature BLOB NOT NULL, obsolescence TEXT, service BLOB, body BLOB, message BLOB NOT NULL)
                """,
                "CREATE INDEX traces_by_name ON traces (name, leaf)",
                "CREATE INDEX traces_obsolete ON traces (leaf, name) WHERE event = 'OBSOLETE' AND status = 'trusted'",
                // Of the products and of their contents; and of each product once more, with the digest behind it of
                // what makes two traces the same one (`Subject`). Both stand on the same page: pages in the middle of
                // an index are most of what a registration costs the engine.
                """
                CREATE TABLE trace_hashes (hash BLOB NOT NULL, leaf INTEGER NOT NULL, PRIMARY KEY (hash, leaf))
                WITHOUT ROWID
                """,
                // 32 bytes a hash; the tile at the right edge of each level is partial and grows in place.
                """
                CREATE TABLE log_tiles (
                    level INTEGER NOT NULL, number INTEGER NOT NULL, hashes BLOB NOT NULL, PRIMARY KEY (level, number))
                """,
                // The one latest state; `edge` holds the hashes of the tree's right edge, the largest subtree first.
                // `published` is the checkpoint that is given out: the same, or, where witnesses have to cosign, the
                // latest that they have.
                """
                CREATE TABLE log_head (
                    id INTEGER PRIMARY KEY CHECK (id = 1), origin TEXT NOT NULL, size INTEGER NOT NULL,
                    edge BLOB NOT NULL, time INTEGER NOT NULL, checkpoint BLOB NOT NULL,
                    published_size INTEGER NOT NULL, published BLOB NOT NULL)
                """,
                // The size that each witness of this log has cosigned last, as far as it is known.
                "CREATE TABLE log_witnesses (vkey TEXT PRIMARY KEY, size INTEGER NOT NULL)",
                // When checkpoints were there, by an authority's word (RFC 3161); the answer as it came.
                """
                CREATE TABLE log_timestamps (
                    size INTEGER PRIMARY KEY, time INTEGER NOT NULL, checkpoint BLOB NOT NULL, token BLOB NOT NULL)
                """,
                // Logs of others: the checkpoint that this node has cosigned last, with the cosignature.
                """
                CREATE TABLE witnessed_logs (
                    origin_digest BLOB PRIMARY KEY, origin TEXT NOT NULL, size INTEGER NOT NULL,
                    checkpoint BLOB NOT NULL)
                """,
                """
                CREATE TABLE log_checkpoints (
                    size INTEGER PRIMARY KEY, time INTEGER NOT NULL, checkpoint BLOB NOT NULL)
                """,
            ]),
        tracedProducts, signerRevocations, TraceWords.migration, registry, keyRequests,
    ]
}
