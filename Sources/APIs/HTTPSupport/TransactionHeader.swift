import Identity
package import Objects
package import Policy

/// The header of a request that is part of a transaction: `x-martlet-transaction: ID`.
package enum TransactionHeader {
    package static let name = "x-martlet-transaction"

    /// The transaction that a request names, which its caller may use: who opened it may, and whom policy allows.
    ///
    /// - Throws: ``ObjectsError`` `.noSuchTransaction`, `AccessDenied`.
    package static func transaction(
        of request: Request, by caller: Caller, _ objects: Objects, _ gate: Gate
    ) async throws -> TransactionID? {
        guard let text = request.header(name) else { return nil }
        return try await use(text, by: caller, objects, gate).id
    }

    /// A transaction by its id, for one who may use it.
    package static func use(
        _ text: String, by caller: Caller, _ objects: Objects, _ gate: Gate
    ) async throws -> ObjectTransaction {
        guard let id = TransactionID(text) else {
            throw ObjectsError(
                .noSuchTransaction,
                "a transaction's id has 32 hexadecimal digits, as POST /transactions gave it, unlike '\(text.prefix(64))'"
            )
        }
        let transaction = try await objects.transaction(id)
        if transaction.owner != caller.principal.name || caller.principal.isAnonymous {
            try await gate.require(
                caller.principal, "martlet:UseTransaction", on: ResourceName.transaction(transaction.owner),
                caller.context)
        }
        return transaction
    }
}
