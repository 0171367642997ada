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
                // `next` is when the first of what waits is tried (again). Where `is_read`, its owner fetches it, and
                // the oldest goes when too much waits. `dead` counts dead letters, `newest` is when the newest of all
                // that ever waited happened.
                """
                CREATE TABLE destinations (
                    name TEXT PRIMARY KEY, waiting INTEGER NOT NULL, next INTEGER NOT NULL, failures INTEGER NOT NULL,
                    dropped INTEGER NOT NULL, error TEXT, is_read INTEGER NOT NULL DEFAULT 0,
                    dead INTEGER NOT NULL DEFAULT 0, newest INTEGER) WITHOUT ROWID
                """,
                "CREATE INDEX destinations_due ON destinations (next) WHERE waiting > 0",
                // What was given up, until it is tried again, discarded or too old.
                """
                CREATE TABLE dead_letters (
                    destination TEXT NOT NULL, tid INTEGER NOT NULL, sequence INTEGER NOT NULL,
                    configuration TEXT NOT NULL, created INTEGER NOT NULL, died INTEGER NOT NULL, reason TEXT NOT NULL,
                    message BLOB NOT NULL, PRIMARY KEY (destination, tid, sequence, configuration)) WITHOUT ROWID
                """,
                "CREATE INDEX dead_letters_by_age ON dead_letters (died)",
            ]),
        Migration(
            module: "notifications", number: 2,
            [
                // `since` is the transaction after which there is something to tell. What waits are deliveries of the
                // destination with the subscription's name.
                """
                CREATE TABLE subscriptions (
                    id TEXT PRIMARY KEY, account INTEGER NOT NULL, topic TEXT NOT NULL, filter TEXT NOT NULL,
                    events INTEGER NOT NULL, status TEXT NOT NULL, since INTEGER NOT NULL, created INTEGER NOT NULL,
                    url TEXT, username TEXT, sealed_password BLOB, sealed_key BLOB, mail_seconds INTEGER,
                    form TEXT NOT NULL, notes TEXT NOT NULL) WITHOUT ROWID
                """,
                "CREATE INDEX subscriptions_by_account ON subscriptions (account, created)",
                "CREATE INDEX subscriptions_running ON subscriptions (topic, id) WHERE status = 'running'",
            ]),
    ]

    /// What of these tables the master key has sealed.
    package static let sealedColumns = [
        SealedColumn(table: "webhooks", id: "name", column: "sealed_secret") { label($0) },
        SealedColumn(table: "subscriptions", id: "id", column: "sealed_password") { passwordLabel($0) },
        SealedColumn(table: "subscriptions", id: "id", column: "sealed_key") { keyLabel($0) },
    ]
}
