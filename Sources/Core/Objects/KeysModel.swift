package import Journal
package import Wire

extension EventKind {
    /// A key has a new generation.
    package static let keyRotated = EventKind("key.rotated")
    /// Nothing was left under a generation that had been replaced, and its wrapped key was removed. The detail has the
    /// proof: SHA-256 of the wrapped key and of the generation's name.
    package static let keyRemoved = EventKind("key.removed")
    /// The root keys were wrapped with another master key.
    package static let masterKeyMoved = EventKind("master-key.moved")
    /// All keys of a collection were destroyed. The detail has the proof, and how many versions cannot be read any
    /// more.
    package static let keyDestroyed = EventKind("key.destroyed")
}

/// One generation of a key.
package struct KeyGeneration: Sendable {
    package var generation: Int64
    package var created: Timestamp
    /// When a newer one took its place; nil for the one that seals.
    package var retired: Timestamp?
    /// What is sealed under it: versions and parts of uploads for a collection, collections' keys for a space, keys and
    /// secrets for the root.
    package var sealed: Int64
    /// What was under it and has been sealed under its successor.
    package var rewrapped: Int64
}

/// A key of the hierarchy with its generations, oldest first.
package struct KeyStatus: Sendable {
    /// `master`, `space main`, `collection eo`.
    package var name: String
    package var generations: [KeyGeneration]
}

/// What is known of a key that was destroyed: it stands in the journal too.
package struct KeyDestruction: Sendable {
    /// The collection, or `kms NAME`.
    package var collection: String
    /// SHA-256 of each wrapped key, by its generation.
    package var keys: [(generation: Int64, sha256: [UInt8])]
    /// Versions that cannot be read any more.
    package var versions: Int64
    /// Whether SQLite's log was emptied, so that no page of before is left; false where a long read held on to it.
    package var isLogEmpty: Bool

    /// Writes the proof: `versions` and `keys`.
    package func write(to json: inout JSONWriter) {
        json.member("versions", versions)
        json.key("keys")
        json.array { json in
            for key in keys {
                json.object {
                    $0.member("generation", key.generation)
                    $0.member("wrappedKeySHA256", Hex.encode(key.sha256))
                }
            }
        }
    }
}

/// Why an act on keys was refused.
package struct KeysError: Error, Sendable, CustomStringConvertible {
    package enum Code: Sendable { case notFound, underWay, destroyed, retained, exists, invalidName }

    package var code: Code
    package var message: String
    package var description: String { message }

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    static func underWay(_ name: String) -> KeysError {
        KeysError(.underWay, "an earlier rotation of the key of \(name) is still under way: see 'martlet keys status'")
    }
}
