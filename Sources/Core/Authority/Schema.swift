package import Database

extension ClientCertificates {
    package static let migrations = [
        Migration(
            module: "authority", number: 1,
            [
                // Whose certificates of other authorities are: by the hash of issuer and subject, which a renewal
                // keeps.
                """
                CREATE TABLE certificate_links (
                    id TEXT PRIMARY KEY, account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
                    name_hash BLOB NOT NULL UNIQUE, subject TEXT NOT NULL, issuer TEXT NOT NULL,
                    created INTEGER NOT NULL)
                """,
                "CREATE INDEX certificate_links_by_account ON certificate_links (account)",
            ])
    ]
}
