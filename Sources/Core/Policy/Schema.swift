package import Database

extension Policies {
    package static let migrations = [
        Migration(
            module: "policy", number: 1,
            [
                "CREATE TABLE policies (name TEXT PRIMARY KEY, document TEXT NOT NULL, created INTEGER NOT NULL)",
                """
                CREATE TABLE policy_attachments (
                    policy TEXT NOT NULL REFERENCES policies (name) ON DELETE CASCADE, subject TEXT NOT NULL,
                    PRIMARY KEY (subject, policy)) WITHOUT ROWID
                """,
                "CREATE INDEX policy_attachments_by_policy ON policy_attachments (policy)",
            ])
    ]
}
