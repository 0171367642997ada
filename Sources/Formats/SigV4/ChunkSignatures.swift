import Crypto
package import Wire

/// The chain of signatures through an `aws-chunked` body: each chunk's signature covers the one before it, the first
/// that of the request.
package struct ChunkSignatures: Sendable {
    private let key: SigningKey
    private let date: String
    private var previous: String

    /// - Parameter seed: the signature of the request that carries the body, in lower-case hexadecimal.
    package init(key: SigningKey, date: Timestamp, seed: String) {
        self.key = key
        self.date = date.basic
        previous = seed
    }

    private func chunkText(_ hash: String) -> [UInt8] {
        Array("AWS4-HMAC-SHA256-PAYLOAD\n\(date)\n\(key.scope)\n\(previous)\n\(PayloadHash.emptyHash)\n\(hash)".utf8)
    }

    private func trailerText(_ hash: String) -> [UInt8] {
        Array("AWS4-HMAC-SHA256-TRAILER\n\(date)\n\(key.scope)\n\(previous)\n\(hash)".utf8)
    }

    /// The signature of the next chunk, whose data has this SHA-256 (lower-case hexadecimal). Moves the chain on.
    package mutating func sign(chunk hash: String) -> String {
        previous = key.signature(of: chunkText(hash))
        return previous
    }

    /// The signature of the trailers, the last of the chain.
    package mutating func sign(trailers: [(name: String, value: String)]) -> String {
        previous = key.signature(of: trailerText(Self.hash(trailers)))
        return previous
    }

    mutating func accepts(_ signature: String, chunk hash: String) -> Bool {
        guard key.verifies(signature, of: chunkText(hash)) else { return false }
        previous = signature
        return true
    }

    func accepts(_ signature: String, trailers: [(name: String, value: String)]) -> Bool {
        key.verifies(signature, of: trailerText(Self.hash(trailers)))
    }

    private static func hash(_ trailers: [(name: String, value: String)]) -> String {
        var hasher = SHA256()
        for trailer in trailers { hasher.update(data: Array("\(trailer.name):\(trailer.value)\n".utf8)) }
        return Hex.encode(Array(hasher.finalize()))
    }
}
