/// Why the ledger refused something.
package struct LedgerError: Error, Hashable, Sendable, CustomStringConvertible {
    package struct Code: Hashable, Sendable {
        package let name: String

        /// A draft that no trace can be made of.
        package static let invalidDraft = Code(name: "invalidDraft")
        /// A signature that was handed in is not one, or its certificate does not count.
        package static let invalidSignature = Code(name: "invalidSignature")
        /// A question that cannot be asked so.
        package static let invalidQuery = Code(name: "invalidQuery")
        /// Something that the registry cannot have.
        package static let invalidEntry = Code(name: "invalidEntry")
        /// What a trace says of its service is not what is registered.
        package static let invalidService = Code(name: "invalidService")
        package static let notFound = Code(name: "notFound")
        /// What there is does not let it be.
        package static let conflict = Code(name: "conflict")
        /// What it takes does not answer now.
        package static let unavailable = Code(name: "unavailable")
        /// More drafts in one call than one transaction should hold.
        package static let tooMany = Code(name: "tooMany")
        /// The certificate that signs has expired, or the clock is before it.
        package static let expired = Code(name: "expired")
        /// What is stored does not fit together: rows are missing or were changed by hand.
        package static let damaged = Code(name: "damaged")
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
