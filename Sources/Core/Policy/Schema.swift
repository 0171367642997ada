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
            ]),
        Migration(
            module: "policy", number: 2,
            [
                """
                CREATE TABLE inline_policies (
                    subject TEXT NOT NULL, name TEXT NOT NULL, document TEXT NOT NULL, created INTEGER NOT NULL,
                    PRIMARY KEY (subject, name)) WITHOUT ROWID
                """,
                "ALTER TABLE policies ADD COLUMN description TEXT NOT NULL DEFAULT ''",
                // Whoever takes the name of somebody who is gone must not get what was theirs.
                """
                DELETE FROM policy_attachments WHERE subject LIKE 'user:%'
                    AND NOT EXISTS (SELECT 1 FROM accounts WHERE 'user:' || name = subject)
                """,
                """
                DELETE FROM policy_attachments WHERE subject LIKE 'group:%'
                    AND NOT EXISTS (SELECT 1 FROM groups WHERE 'group:' || name = subject)
                """,
            ]),
        Migration(
            module: "policy", number: 3,
            [
                """
                CREATE TABLE boundaries (
                    subject TEXT PRIMARY KEY, policy TEXT NOT NULL REFERENCES policies (name)) WITHOUT ROWID
                """,
                "CREATE INDEX boundaries_by_policy ON boundaries (policy)",
            ]),
    ]
}
