package import Vault

extension Identity {
    /// What of the identity's tables the master key has sealed.
    package static let sealedColumns = [
        SealedColumn(table: "access_keys", id: "id", column: "sealed") { "access key \($0)" },
        SealedColumn(table: "one_time_passwords", id: "id", column: "sealed") { label(oneTimePassword: $0) },
        SealedColumn(table: "outbox", id: "id", column: "sealed") { label(message: $0) },
        SealedColumn(table: "providers", id: "name", column: "sealed") { label(provider: $0) },
        SealedColumn(table: "node_keys", id: "name", column: "sealed") { "node key \($0)" },
        SealedColumn(table: "token_keys", id: "id", column: "sealed") { TokenKeys.label($0) },
    ]
}
