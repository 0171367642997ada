import Certificates
import Crypto
import Database
import Journal
import MerkleLog
import Wire

/// Sends a request to a time-stamping authority and gives its answer.
package typealias TimestampCall = @Sendable (_ request: [UInt8]) async throws -> [UInt8]

extension Ledger {
    /// Has an authority sign when the latest checkpoint that is given out was there (RFC 3161). The digest is that of
    /// the checkpoint's text, without its signatures.
    ///
    /// - Returns: the size of the checkpoint; nil where it has a time already.
    /// - Throws: `CertificatesError` for an answer that does not hold up; what the call throws.
    package func stamp(_ call: TimestampCall) async throws -> UInt64? {
        let (size, note) = try await journal.read { try LogHead.require($0).published }
        let isKnown = try await journal.read { reader in
            try reader.scalar("SELECT 1 FROM log_timestamps WHERE size = ?", .init(Int64(size))) != nil
        }
        guard !isKnown else { return nil }
        let text = try SignedNote(note).text
        let request = TimestampRequest(digest: Array(SHA256.hash(data: Array(text.utf8))))
        let answer = try await call(request.der)
        let token = try TimestampToken(response: answer)
        guard token.answers(request) else {
            throw CertificatesError(.notAllowed, "the time-stamp is not the answer to the request")
        }
        try await journal.database.write { transaction in
            try transaction.run(
                """
                INSERT INTO log_timestamps (size, time, checkpoint, token) VALUES (?, ?, ?, ?)
                ON CONFLICT (size) DO NOTHING
                """,
                .init(Int64(size)), .init(token.time.microseconds), .init(note), .init(answer))
        }
        return size
    }

    /// The checkpoint of a size whose time was signed, and the authority's answer; nil if it has none.
    ///
    /// - Parameter size: nil for the latest that has one.
    package func stamped(size: UInt64? = nil) async throws -> (size: UInt64, checkpoint: [UInt8], answer: [UInt8])? {
        guard let size = Int64(exactly: size ?? UInt64(Int64.max)) else { return nil }
        return try await journal.read { reader in
            try reader.first(
                "SELECT size, checkpoint, token FROM log_timestamps WHERE size <= ? ORDER BY size DESC LIMIT 1",
                .init(size)
            ) { (UInt64(clamping: $0.int(0)), $0.blob(1), $0.blob(2)) }
        }
    }
}
