package import Database

extension OpenIDProvider {
    package static let migrations = [
        Migration(
            module: "openid", number: 1,
            [
                // `metadata` is what RFC 7591 registers. Secrets are random, so that their plain hash tells nothing.
                """
                CREATE TABLE oauth_clients (
                    id TEXT PRIMARY KEY, metadata TEXT NOT NULL, secret BLOB, registration BLOB,
                    account INTEGER REFERENCES accounts (id) ON DELETE CASCADE, is_trusted INTEGER NOT NULL,
                    is_dynamic INTEGER NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL)
                """,
                "CREATE INDEX oauth_clients_by_account ON oauth_clients (account)",
                """
                CREATE TABLE oauth_consents (
                    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE, client TEXT NOT NULL,
                    scopes TEXT NOT NULL, created INTEGER NOT NULL, PRIMARY KEY (account, client)) WITHOUT ROWID
                """,
                // Pushed authorization requests (RFC 9126).
                """
                CREATE TABLE oauth_requests (
                    hash BLOB PRIMARY KEY, client TEXT NOT NULL, query TEXT NOT NULL, expires INTEGER NOT NULL)
                """,
                "CREATE INDEX oauth_requests_by_expiry ON oauth_requests (expires)",
                // A used code is kept for a while: who shows it again is not who was meant.
                """
                CREATE TABLE oauth_codes (
                    hash BLOB PRIMARY KEY, client TEXT NOT NULL,
                    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE, grant_id TEXT NOT NULL,
                    document TEXT NOT NULL, used INTEGER NOT NULL, expires INTEGER NOT NULL)
                """,
                "CREATE INDEX oauth_codes_by_expiry ON oauth_codes (expires)",
                "CREATE INDEX oauth_codes_by_account ON oauth_codes (account)",
                // A family of refresh tokens: found by the part that stays, proved by the part that changes.
                """
                CREATE TABLE oauth_grants (
                    hash BLOB PRIMARY KEY, id TEXT NOT NULL UNIQUE, client TEXT NOT NULL,
                    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE, session TEXT,
                    document TEXT NOT NULL, current BLOB NOT NULL, previous BLOB, rotated INTEGER NOT NULL,
                    created INTEGER NOT NULL, used INTEGER NOT NULL, expires INTEGER NOT NULL)
                """,
                "CREATE INDEX oauth_grants_by_account ON oauth_grants (account, id)",
                "CREATE INDEX oauth_grants_by_client ON oauth_grants (client)",
                "CREATE INDEX oauth_grants_by_expiry ON oauth_grants (expires)",
                """
                CREATE TABLE oauth_devices (
                    hash BLOB PRIMARY KEY, user_code TEXT NOT NULL UNIQUE, client TEXT NOT NULL,
                    document TEXT NOT NULL, state TEXT NOT NULL,
                    account INTEGER REFERENCES accounts (id) ON DELETE CASCADE, expires INTEGER NOT NULL)
                """,
                "CREATE INDEX oauth_devices_by_account ON oauth_devices (account)",
                "CREATE INDEX oauth_devices_by_expiry ON oauth_devices (expires)",
                // Which applications know of a browser session, to be told of its end.
                """
                CREATE TABLE oauth_sessions (
                    session TEXT NOT NULL, client TEXT NOT NULL, account INTEGER NOT NULL, expires INTEGER NOT NULL,
                    PRIMARY KEY (session, client)) WITHOUT ROWID
                """,
                "CREATE INDEX oauth_sessions_by_expiry ON oauth_sessions (expires)",
            ])
    ]
}
