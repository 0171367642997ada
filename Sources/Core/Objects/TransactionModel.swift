import Ciphers
package import Wire

/// Names a transaction that a client has opened: 128 random bits, which nobody can guess.
package struct TransactionID: Sendable, Hashable {
    package let bytes: [UInt8]

    init() { bytes = randomBytes(16) }

    init(stored bytes: [UInt8]) { self.bytes = bytes }

    /// Reads 32 hexadecimal digits.
    package init?(_ text: String) {
        guard let bytes = Hex.decode(text), bytes.count == 16 else { return nil }
        self.bytes = bytes
    }

    package var text: String { Hex.encode(bytes) }
}

/// Writes of one account that become visible together, as one TID, or never.
package struct ObjectTransaction: Sendable {
    package var id: TransactionID
    /// The account that opened it.
    package var owner: String
    package var created: Timestamp
    /// When it is given up unless it was committed; a committed one is remembered until then.
    package var expires: Timestamp
    /// Keys that it writes.
    package var writes: Int
    /// That of its commit; nil while it is open.
    package var tid: Int64?
}

/// What a transaction is to do to one key.
package struct StagedWrite: Sendable {
    package var collection: String
    package var key: String
    /// What the key is to stand for; nil where it is to be deleted.
    package var version: ObjectVersion?
}

/// Why a transaction was not committed: others have written the same keys since it first did. It stays open.
package struct TransactionConflict: Error, Sendable, CustomStringConvertible {
    /// At most ``TransactionLimits/conflictsMax``, in the order of collections and keys.
    package var keys: [(collection: String, key: String)]
    /// Whether there are more.
    package var hasMore: Bool

    package var description: String {
        let first = keys.first.map { "'\($0.collection)/\($0.key.prefix(200))'" } ?? "a key"
        let others = keys.count > 1 || hasMore ? " and others were" : " was"
        return "\(first)\(others) written since the transaction first did: nothing was committed, and it is still open"
    }
}

package enum TransactionLimits {
    /// Keys that one transaction may write.
    package static let writesMax = 10_000
    /// Transactions that one account may have open.
    package static let openMax = 100
    package static let secondsDefault: Int64 = 3600
    /// The longest life of one: a day.
    package static let secondsMax: Int64 = 86_400
    package static let conflictsMax = 100
    /// For which a committed one is remembered, so that whoever lost the answer can ask again.
    static let rememberedSeconds: Int64 = 86_400
}
