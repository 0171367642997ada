import Ciphers
import Database
package import Journal
package import Synchronization
import Vault
import Wire

extension EventKind {
    package static let nodeKeyCreated = EventKind("node-key.created")
}

extension Identity {
    /// A private key of the node's own, by name, sealed under the master key; made by `make` when it is first asked
    /// for.
    ///
    /// - Parameter make: gives a new key's bytes and, where it has one, its certificate (DER).
    package func nodeKey(
        _ name: String, make: @escaping @Sendable () throws -> (key: [UInt8], certificate: [UInt8]?)
    ) async throws -> (key: [UInt8], certificate: [UInt8]?) {
        let label = "node key \(name)"
        let stored = try await journal.read { try Self.storedNodeKey(name, in: $0) }
        if let stored { return (try master.open(stored.sealed, label: label), stored.certificate) }
        let made = try make()
        let sealed = try master.seal(made.key, label: label)
        let kept = try await journal.write { transaction, events in
            try transaction.lock(label)
            // Another node on the same database may have been quicker.
            if let stored = try Self.storedNodeKey(name, in: transaction) { return stored }
            try transaction.run(
                "INSERT INTO node_keys (name, sealed, certificate, created) VALUES (?, ?, ?, ?)", .init(name),
                .init(sealed), .init(made.certificate), .init(Timestamp.now.microseconds))
            events.record(.nodeKeyCreated, by: Principal.system("keys"), on: name)
            return (sealed, made.certificate)
        }
        return (try master.open(kept.sealed, label: label), kept.certificate)
    }

    /// A key by which something is derived, made when it is first needed, and kept in `cache` from then on.
    package func derivingKey(_ name: String, _ cache: borrowing Mutex<[UInt8]?>) async throws -> [UInt8] {
        if let key = cache.withLock({ $0 }) { return key }
        let key = try await nodeKey(name) { (randomBytes(32), nil) }.key
        cache.withLock { $0 = key }
        return key
    }

    private static func storedNodeKey(_ name: String, in reader: Reader) throws -> (
        sealed: [UInt8], certificate: [UInt8]?
    )? {
        try reader.first("SELECT sealed, certificate FROM node_keys WHERE name = ?", .init(name)) { row in
            (sealed: row.blob(0), certificate: row.blobOrNil(1))
        }
    }
}
