import Database

extension Identity {
    /// What people log in with beside a password, how they come and go, and what groups know of them.
    static let peopleMigration = Migration(
        module: "identity", number: 4,
        [
            // When the account ends by itself; NULL for never.
            "ALTER TABLE accounts ADD COLUMN ends INTEGER",
            "CREATE INDEX accounts_by_end ON accounts (ends) WHERE ends IS NOT NULL",
            // The end that a letter has told of.
            "ALTER TABLE accounts ADD COLUMN told_end INTEGER",
            // Whether a passkey is asked for after the password.
            "ALTER TABLE accounts ADD COLUMN needs_passkey INTEGER NOT NULL DEFAULT 0",
            // The id is text, as the rotation of the root key wants it of rows with something sealed.
            """
            CREATE TABLE one_time_passwords (
                id TEXT PRIMARY KEY, account INTEGER NOT NULL UNIQUE REFERENCES accounts (id) ON DELETE CASCADE,
                sealed BLOB NOT NULL, confirmed INTEGER NOT NULL, last_step INTEGER NOT NULL, created INTEGER NOT NULL)
            """,
            """
            CREATE TABLE backup_codes (
                hash BLOB PRIMARY KEY, account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE)
            """,
            "CREATE INDEX backup_codes_by_account ON backup_codes (account)",
            """
            CREATE TABLE passkeys (
                credential BLOB PRIMARY KEY, id TEXT NOT NULL UNIQUE,
                account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE, key BLOB NOT NULL,
                sign_count INTEGER NOT NULL, backed_up INTEGER NOT NULL, description TEXT NOT NULL,
                created INTEGER NOT NULL, used INTEGER)
            """,
            "CREATE INDEX passkeys_by_account ON passkeys (account)",
            """
            CREATE TABLE tickets (
                hash BLOB PRIMARY KEY, purpose TEXT NOT NULL,
                account INTEGER REFERENCES accounts (id) ON DELETE CASCADE, content TEXT NOT NULL,
                expires INTEGER NOT NULL, told INTEGER NOT NULL DEFAULT 0)
            """,
            "CREATE INDEX tickets_by_expiry ON tickets (expires)",
            "CREATE INDEX tickets_of_invitations ON tickets (expires) WHERE purpose = 'invitation' AND told = 0",
            "CREATE INDEX tickets_by_account ON tickets (account)",
            "ALTER TABLE groups ADD COLUMN description TEXT NOT NULL DEFAULT ''",
            // Whether people may ask to become members.
            "ALTER TABLE groups ADD COLUMN open INTEGER NOT NULL DEFAULT 0",
            "CREATE INDEX groups_by_open ON groups (name) WHERE open = 1",
            """
            CREATE TABLE group_managers (
                group_id INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
                account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE, PRIMARY KEY (group_id, account))
            """,
            "CREATE INDEX group_managers_by_account ON group_managers (account)",
            """
            CREATE TABLE join_requests (
                group_id INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
                account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE, note TEXT NOT NULL,
                created INTEGER NOT NULL, told INTEGER, PRIMARY KEY (group_id, account))
            """,
            "CREATE INDEX join_requests_by_account ON join_requests (account)",
            "CREATE INDEX join_requests_untold ON join_requests (group_id) WHERE told IS NULL",
            """
            CREATE TABLE attributes (
                account INTEGER REFERENCES accounts (id) ON DELETE CASCADE,
                group_id INTEGER REFERENCES groups (id) ON DELETE CASCADE, name TEXT NOT NULL, value TEXT NOT NULL)
            """,
            "CREATE UNIQUE INDEX attributes_of_accounts ON attributes (account, name) WHERE account IS NOT NULL",
            "CREATE UNIQUE INDEX attributes_of_groups ON attributes (group_id, name) WHERE group_id IS NOT NULL",
            // One version is current at most.
            """
            CREATE TABLE use_policies (
                version INTEGER PRIMARY KEY, text TEXT NOT NULL, renew_days INTEGER NOT NULL, created INTEGER NOT NULL,
                current INTEGER NOT NULL)
            """,
            "CREATE UNIQUE INDEX use_policies_current ON use_policies (current) WHERE current = 1",
            """
            CREATE TABLE use_signatures (
                account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE, version INTEGER NOT NULL,
                signed INTEGER NOT NULL, told INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (account, version))
            """,
            "CREATE INDEX use_signatures_untold ON use_signatures (version, signed) WHERE told = 0",
            """
            CREATE TABLE registrations (
                id TEXT PRIMARY KEY, name TEXT NOT NULL, display_name TEXT NOT NULL, email TEXT NOT NULL,
                note TEXT NOT NULL, salt BLOB, hash BLOB, cost INTEGER,
                confirmed INTEGER NOT NULL, created INTEGER NOT NULL, told INTEGER)
            """,
            "CREATE INDEX registrations_by_time ON registrations (created)",
            "CREATE INDEX registrations_untold ON registrations (created) WHERE confirmed = 1 AND told IS NULL",
            "CREATE INDEX registrations_told ON registrations (told) WHERE told IS NOT NULL",
            """
            CREATE TABLE outbox (
                id TEXT PRIMARY KEY, sealed BLOB NOT NULL, created INTEGER NOT NULL, due INTEGER NOT NULL,
                attempts INTEGER NOT NULL, error TEXT NOT NULL)
            """,
            "CREATE INDEX outbox_by_due ON outbox (due)",
            """
            CREATE TABLE providers (
                name TEXT PRIMARY KEY, title TEXT NOT NULL, issuer TEXT NOT NULL UNIQUE, client TEXT NOT NULL,
                sealed BLOB, scopes TEXT NOT NULL, creates INTEGER NOT NULL, created INTEGER NOT NULL)
            """,
            """
            CREATE TABLE links (
                issuer TEXT NOT NULL, subject TEXT NOT NULL,
                account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE, shown TEXT NOT NULL,
                created INTEGER NOT NULL, PRIMARY KEY (issuer, subject))
            """,
            "CREATE INDEX links_by_account ON links (account)",
        ])
}
