package import Journal
package import NIOHTTP1

/// The header of a request that reads the past: `x-martlet-as-of: TID`. Every face takes it where it reads.
package enum PastHeader {
    package static let asOf = "x-martlet-as-of"
}

extension Request {
    /// The TID whose state is to be read; nil for the present one.
    ///
    /// - Throws: `PastError` `.invalid`.
    package var asOf: Int64? {
        get throws(PastError) {
            guard let text = header(PastHeader.asOf) else { return nil }
            guard let tid = Int64(text), tid > 0 else {
                throw PastError(.invalid, "\(PastHeader.asOf) is a TID, a whole number, not '\(text.prefix(40))'")
            }
            return tid
        }
    }
}

extension Response {
    /// Says of which state an answer is.
    package mutating func tell(asOf: Int64) {
        headers.replaceOrAdd(name: PastHeader.asOf, value: String(asOf))
        headers.add(name: "Vary", value: PastHeader.asOf)
    }
}

extension PastError {
    /// The status that HTTP has for it.
    package var status: HTTPResponseStatus {
        switch code {
        case .invalid, .notYet, .noPast: .badRequest
        case .unsettled: .serviceUnavailable
        case .notKept: .gone
        }
    }
}
