package import Database

extension Authority {
    package static let migrations = [
        Migration(
            module: "authority", number: 1,
            [
                // The authorities by which the node issues certificates. Their keys are keys of the node's. Without a
                // certificate it is a request that somebody is asked to sign.
                """
                CREATE TABLE ca_issuers (
                    id INTEGER PRIMARY KEY, key_name TEXT NOT NULL UNIQUE, common_name TEXT NOT NULL, certificate BLOB,
                    chain TEXT NOT NULL, is_own INTEGER NOT NULL, created INTEGER NOT NULL, activated INTEGER)
                """,
                """
                CREATE TABLE certificates (
                    fingerprint BLOB PRIMARY KEY, issuer INTEGER NOT NULL REFERENCES ca_issuers (id),
                    serial TEXT NOT NULL, account INTEGER REFERENCES accounts (id) ON DELETE SET NULL,
                    owner TEXT NOT NULL, subject TEXT NOT NULL, hosts TEXT NOT NULL, certificate BLOB NOT NULL,
                    issued INTEGER NOT NULL, expires INTEGER NOT NULL, revoked INTEGER, reason INTEGER,
                    told INTEGER NOT NULL DEFAULT 0)
                """,
                "CREATE UNIQUE INDEX certificates_by_serial ON certificates (serial)",
                "CREATE INDEX certificates_by_owner ON certificates (owner, serial)",
                "CREATE INDEX certificates_by_expiry ON certificates (expires)",
                // Those whose owners may yet get a letter.
                "CREATE INDEX certificates_untold ON certificates (expires) WHERE told = 0 AND revoked IS NULL",
                "CREATE INDEX certificates_revoked ON certificates (issuer, revoked) WHERE revoked IS NOT NULL",
                // Those of accounts that are gone, until they are revoked.
                "CREATE INDEX certificates_of_nobody ON certificates (issuer) WHERE account IS NULL AND revoked IS NULL",
                // What somebody was given to get a certificate with: a token, found by its hash, or a key for ACME,
                // found by its name.
                """
                CREATE TABLE enrolments (
                    id TEXT PRIMARY KEY, hash BLOB UNIQUE,
                    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE, hosts TEXT NOT NULL,
                    seconds INTEGER NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL, used INTEGER)
                """,
                "CREATE INDEX enrolments_by_expiry ON enrolments (expires)",
                "CREATE INDEX enrolments_by_account ON enrolments (account)",
                // Whose certificates of other authorities are: by the hash of issuer and subject, which a renewal
                // keeps.
                """
                CREATE TABLE certificate_links (
                    id TEXT PRIMARY KEY, account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
                    name_hash BLOB NOT NULL UNIQUE, subject TEXT NOT NULL, issuer TEXT NOT NULL,
                    created INTEGER NOT NULL)
                """,
                "CREATE INDEX certificate_links_by_account ON certificate_links (account)",
            ]),
        Migration(
            module: "authority", number: 2,
            [
                """
                CREATE TABLE acme_accounts (
                    id TEXT PRIMARY KEY, thumbprint BLOB NOT NULL UNIQUE, jwk TEXT NOT NULL,
                    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE, contacts TEXT NOT NULL,
                    hosts TEXT NOT NULL, seconds INTEGER NOT NULL, deactivated INTEGER NOT NULL,
                    created INTEGER NOT NULL)
                """,
                "CREATE INDEX acme_accounts_by_account ON acme_accounts (account)",
                """
                CREATE TABLE acme_orders (
                    id TEXT PRIMARY KEY, owner TEXT NOT NULL REFERENCES acme_accounts (id) ON DELETE CASCADE,
                    hosts TEXT NOT NULL, expires INTEGER NOT NULL, error TEXT, certificate TEXT)
                """,
                "CREATE INDEX acme_orders_by_owner ON acme_orders (owner, id)",
                "CREATE INDEX acme_orders_by_expiry ON acme_orders (expires)",
                """
                CREATE TABLE acme_authorizations (
                    id TEXT PRIMARY KEY, order_id TEXT NOT NULL REFERENCES acme_orders (id) ON DELETE CASCADE,
                    host TEXT NOT NULL, token TEXT NOT NULL, status TEXT NOT NULL, expires INTEGER NOT NULL, error TEXT,
                    validated INTEGER, method TEXT)
                """,
                "CREATE INDEX acme_authorizations_by_order ON acme_authorizations (order_id, host)",
            ]),
    ]
}
