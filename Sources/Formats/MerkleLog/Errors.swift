/// Why a log structure was refused. Messages quote sizes, indexes, paths and key names, never key material.
package struct MerkleLogError: Error, Sendable, Hashable, CustomStringConvertible {
    package struct Code: Sendable, Hashable {
        package let name: String

        /// A size, index or count that no tree allows.
        package static let invalidArgument = Code(name: "invalidArgument")
        /// Text or bytes that do not follow their format.
        package static let malformed = Code(name: "malformed")
        /// More than the format or this reader allows.
        package static let tooLarge = Code(name: "tooLarge")
        /// A Merkle proof that does not prove what it should.
        package static let invalidProof = Code(name: "invalidProof")
        /// A known key's signature that does not verify.
        package static let invalidSignature = Code(name: "invalidSignature")
        /// A checkpoint with too few cosignatures of witnesses.
        package static let belowQuorum = Code(name: "belowQuorum")
        /// A note that no known key has signed.
        package static let unsigned = Code(name: "unsigned")
    }

    package var code: Code
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { "\(code.name): \(message)" }
}

/// At most 80 characters of untrusted text for a message.
func excerpt(_ text: some StringProtocol) -> String {
    text.utf8.count <= 80 ? "'\(text)'" : "'\(text.prefix(80))…'"
}
