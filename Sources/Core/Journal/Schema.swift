package import Database

extension Journal {
    package static let migrations = [
        Migration(
            module: "journal", number: 1,
            [
                """
                CREATE TABLE events (
                    tid INTEGER NOT NULL, sequence INTEGER NOT NULL, time INTEGER NOT NULL, kind TEXT NOT NULL,
                    actor TEXT NOT NULL, subject TEXT NOT NULL, collection INTEGER, detail TEXT NOT NULL,
                    PRIMARY KEY (tid, sequence)) WITHOUT ROWID
                """,
                "CREATE INDEX events_by_subject ON events (subject, tid)",
                """
                CREATE TABLE followers (
                    name TEXT PRIMARY KEY, tid INTEGER NOT NULL, sequence INTEGER NOT NULL,
                    holder TEXT NOT NULL, held_until INTEGER NOT NULL)
                """,
                """
                CREATE TABLE access_records (
                    time INTEGER NOT NULL, principal TEXT NOT NULL, action TEXT NOT NULL, resource TEXT NOT NULL,
                    address TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL,
                    number INTEGER NOT NULL)
                """,
                // Those of one batch have one time.
                "CREATE INDEX access_records_by_time ON access_records (time, number)",
            ]),
        Migration(
            module: "journal", number: 2,
            [
                // What concerns no data: the audit trail. Writes of objects pay nothing for these.
                "CREATE INDEX events_of_audit ON events (tid, sequence) WHERE collection IS NULL",
                "CREATE INDEX events_by_actor ON events (actor, tid, sequence) WHERE collection IS NULL",
                "CREATE INDEX events_by_kind ON events (kind, tid, sequence) WHERE collection IS NULL",
                """
                CREATE TABLE audit_batches (
                    number INTEGER PRIMARY KEY, first_tid INTEGER NOT NULL, first_sequence INTEGER NOT NULL,
                    last_tid INTEGER NOT NULL, last_sequence INTEGER NOT NULL, time_from INTEGER NOT NULL,
                    time_until INTEGER NOT NULL, count INTEGER NOT NULL, digest TEXT NOT NULL, trace TEXT NOT NULL)
                """,
                "CREATE INDEX audit_batches_by_end ON audit_batches (last_tid, last_sequence)",
            ]),
        Migration(module: "journal", number: 3, AuditWords.sqlite, postgres: AuditWords.postgres),
    ]
}
