package import Database
package import Vault

extension Notifications {
    package static let migrations = [
        Migration(
            module: "notifications", number: 1,
            [
                """
                CREATE TABLE webhooks (
                    name TEXT PRIMARY KEY, url TEXT NOT NULL, sealed_secret BLOB, created INTEGER NOT NULL) WITHOUT ROWID
                """,
                // What waits, in the order in which it happened.
                """
                CREATE TABLE deliveries (
                    destination TEXT NOT NULL, tid INTEGER NOT NULL, sequence INTEGER NOT NULL,
                    configuration TEXT NOT NULL, created INTEGER NOT NULL, message BLOB NOT NULL,
                    PRIMARY KEY (destination, tid, sequence, configuration)) WITHOUT ROWID
                """,
                // `next` is when the first of what waits is tried (again).
                """
                CREATE TABLE destinations (
                    name TEXT PRIMARY KEY, waiting INTEGER NOT NULL, next INTEGER NOT NULL, failures INTEGER NOT NULL,
                    dropped INTEGER NOT NULL, error TEXT) WITHOUT ROWID
                """,
                "CREATE INDEX destinations_due ON destinations (next) WHERE waiting > 0",
            ])
    ]

    /// What of these tables the master key has sealed.
    package static let sealedColumns = [
        SealedColumn(table: "webhooks", id: "name", column: "sealed_secret") { label($0) }
    ]
}
