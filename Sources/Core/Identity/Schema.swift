package import Database

extension Identity {
    /// Above the numbers that systems give to local users and groups.
    private static let firstUnixNumber = 200_000

    // A row's id is the TID of the transaction that made it: unique on both engines without a sequence.
    package static let migrations = tables + provisioningMigrations

    private static let tables = [
        Migration(
            module: "identity", number: 1,
            [
                """
                CREATE TABLE accounts (
                    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, display_name TEXT NOT NULL,
                    email TEXT NOT NULL, disabled INTEGER NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL,
                    uuid TEXT NOT NULL UNIQUE, number INTEGER NOT NULL UNIQUE, common_name TEXT NOT NULL)
                """,
                // What the directory finds accounts by, beside their names. Names and addresses are ASCII.
                "CREATE INDEX accounts_by_lower_name ON accounts (lower(name))",
                "CREATE UNIQUE INDEX accounts_by_email ON accounts (lower(email)) WHERE email <> ''",
                "CREATE INDEX accounts_by_common_name ON accounts (common_name)",
                "CREATE INDEX accounts_of_services ON accounts (id) WHERE kind <> 'person'",
                """
                CREATE TABLE passwords (
                    account INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE, salt BLOB NOT NULL,
                    hash BLOB NOT NULL, cost INTEGER NOT NULL, changed INTEGER NOT NULL)
                """,
                """
                CREATE TABLE groups (
                    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, created INTEGER NOT NULL,
                    changed INTEGER NOT NULL, uuid TEXT NOT NULL UNIQUE, number INTEGER NOT NULL UNIQUE)
                """,
                "CREATE INDEX groups_by_lower_name ON groups (lower(name))",
                // Numbers of users and groups on Unix are counted together, so that no two things ever have one.
                "CREATE TABLE unix_numbers (next INTEGER NOT NULL)",
                "INSERT INTO unix_numbers (next) VALUES (\(firstUnixNumber))",
                """
                CREATE TABLE memberships (
                    group_id INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
                    account INTEGER REFERENCES accounts (id) ON DELETE CASCADE,
                    subgroup INTEGER REFERENCES groups (id) ON DELETE CASCADE)
                """,
                "CREATE UNIQUE INDEX memberships_of_accounts ON memberships (account, group_id) WHERE account IS NOT NULL",
                "CREATE UNIQUE INDEX memberships_of_groups ON memberships (subgroup, group_id) WHERE subgroup IS NOT NULL",
                "CREATE INDEX memberships_by_group ON memberships (group_id)",
                """
                CREATE TABLE access_keys (
                    id TEXT PRIMARY KEY, account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
                    sealed BLOB NOT NULL, description TEXT NOT NULL, created INTEGER NOT NULL)
                """,
                "CREATE INDEX access_keys_by_account ON access_keys (account)",
                """
                CREATE TABLE sessions (
                    hash BLOB PRIMARY KEY, id TEXT NOT NULL UNIQUE,
                    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE, factors TEXT NOT NULL,
                    authenticated INTEGER NOT NULL, address TEXT NOT NULL, agent TEXT NOT NULL,
                    created INTEGER NOT NULL, seen INTEGER NOT NULL, expires INTEGER NOT NULL,
                    issuer TEXT, subject TEXT, upstream TEXT)
                """,
                // Those of a login at another provider, which tells of its end.
                "CREATE INDEX sessions_by_upstream ON sessions (issuer, upstream) WHERE issuer IS NOT NULL",
                "CREATE INDEX sessions_by_subject ON sessions (issuer, subject) WHERE issuer IS NOT NULL",
                "CREATE INDEX sessions_by_account ON sessions (account)",
                "CREATE INDEX sessions_by_expiry ON sessions (expires)",
                """
                CREATE TABLE node_keys (
                    name TEXT PRIMARY KEY, sealed BLOB NOT NULL, certificate BLOB, created INTEGER NOT NULL)
                """,
            ]),
        Migration(
            module: "identity", number: 2,
            [
                "ALTER TABLE access_keys ADD COLUMN inactive INTEGER NOT NULL DEFAULT 0",
                """
                CREATE TABLE roles (
                    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, trust TEXT NOT NULL, description TEXT NOT NULL,
                    session_seconds INTEGER NOT NULL, created INTEGER NOT NULL)
                """,
                // Found by the hash of what a client sends.
                """
                CREATE TABLE app_passwords (
                    hash BLOB PRIMARY KEY, id TEXT NOT NULL UNIQUE,
                    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE, description TEXT NOT NULL,
                    created INTEGER NOT NULL, ends INTEGER)
                """,
                "CREATE INDEX app_passwords_by_account ON app_passwords (account)",
                """
                CREATE TABLE issuers (
                    url TEXT PRIMARY KEY, audiences TEXT NOT NULL, role TEXT, path TEXT NOT NULL,
                    created INTEGER NOT NULL)
                """,
            ]),
        Migration(
            module: "identity", number: 3,
            [
                // Published from the moment of its creation on, and signing from `active` on.
                """
                CREATE TABLE token_keys (
                    id TEXT PRIMARY KEY, algorithm TEXT NOT NULL, sealed BLOB NOT NULL, created INTEGER NOT NULL,
                    active INTEGER NOT NULL)
                """,
                "CREATE TABLE revoked_tokens (id TEXT PRIMARY KEY, expires INTEGER NOT NULL)",
                "CREATE INDEX revoked_tokens_by_expiry ON revoked_tokens (expires)",
            ]),
        peopleMigration,
    ]
}
