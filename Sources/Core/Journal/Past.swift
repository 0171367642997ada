package import Database

/// Why the state as of a TID cannot be read.
package struct PastError: Error, Sendable, CustomStringConvertible {
    package enum Code: Sendable, Hashable {
        /// It is no TID.
        case invalid
        /// No transaction with it has ended yet.
        case notYet
        /// Earlier transactions are still under way.
        case unsettled
        /// Something that there was then has been removed for good.
        case notKept
        /// What is asked for has no past, or would change it.
        case noPast
    }

    package var code: Code
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }

    /// - Parameter horizon: the first TID whose state can still be read.
    package static func notKept(_ tid: Int64, in collection: String, horizon: Int64) -> PastError {
        PastError(
            .notKept,
            "the state of '\(collection)' as of TID \(tid) is not kept any more: the earliest is that of TID \(horizon)"
        )
    }
}

extension Journal {
    /// Seconds that a reader waits for transactions before the TID to end.
    private static let settleSecondsMax = 5.0

    /// Runs `body` on a snapshot that holds whatever was committed up to a TID, for good: no transaction that began
    /// earlier is still under way.
    ///
    /// - Throws: ``PastError`` `.notYet`; `.unsettled` where such a transaction does not end within 5 seconds.
    package func read<T: Sendable>(
        asOf tid: Int64, _ body: @escaping @Sendable (Reader) throws -> T
    ) async throws -> T {
        var waited = 0.0
        var pause = 0.005
        while true {
            let result = try await database.read { reader -> T? in
                if tid < (try reader.horizon()) { return try body(reader) }
                let first = try reader.firstUnended()
                guard tid < first else {
                    throw PastError(.notYet, "there is no TID \(tid) yet: the newest is \(first - 1)")
                }
                return nil
            }
            if let result { return result }
            guard waited < Self.settleSecondsMax else {
                throw PastError(.unsettled, "transactions from before TID \(tid) are still under way: try again")
            }
            try await Task.sleep(for: .seconds(pause))
            waited += pause
            pause = min(pause * 2, 0.2)
        }
    }

    /// The newest TID whose state can be read, now and later.
    package func newestSettled() async throws -> Int64 { try await database.read { try $0.horizon() - 1 } }
}
