import Crypto
import Wire

/// What stands for the body in a canonical request: the value of `x-amz-content-sha256`.
package enum PayloadHash: Hashable, Sendable {
    /// The body's SHA-256 as sent, 64 hexadecimal digits. Whoever reads the body compares.
    case sha256(String)
    /// The signature does not cover the body.
    case unsigned
    /// `aws-chunked`, each chunk signed.
    case signedChunks
    /// `aws-chunked`, each chunk and the trailers signed.
    case signedChunksWithTrailer
    /// `aws-chunked` with trailers, nothing in the body signed.
    case unsignedChunksWithTrailer
    /// A request without the header, which services other than S3 allow: the hash of the real body counts.
    case absent

    /// The SHA-256 of nothing.
    package static let ofNothing = PayloadHash.sha256(emptyHash)
    static let emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    /// The hash of a body that is at hand.
    package init(of body: [UInt8]) { self = .sha256(Hex.encode(Array(SHA256.hash(data: body)))) }

    /// Parses the value of `x-amz-content-sha256`.
    package init(parsing text: String) throws(SignatureError) {
        switch text {
        case "UNSIGNED-PAYLOAD": self = .unsigned
        case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": self = .signedChunks
        case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": self = .signedChunksWithTrailer
        case "STREAMING-UNSIGNED-PAYLOAD-TRAILER": self = .unsignedChunksWithTrailer
        case "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER":
            throw SignatureError(.unsupportedAlgorithm, "SigV4A (ECDSA) is not supported; use AWS4-HMAC-SHA256")
        default:
            guard text.utf8.count == 64, text.utf8.allSatisfy({ Hex.value(of: $0) != nil }) else {
                throw SignatureError(
                    .payloadHashInvalid,
                    "x-amz-content-sha256 must be 64 hexadecimal digits, UNSIGNED-PAYLOAD or a STREAMING- value")
            }
            self = .sha256(text)
        }
    }

    /// As it stands in the header and in the canonical request; nil for `absent`.
    package var text: String? {
        switch self {
        case .sha256(let hex): hex
        case .unsigned: "UNSIGNED-PAYLOAD"
        case .signedChunks: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
        case .signedChunksWithTrailer: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
        case .unsignedChunksWithTrailer: "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
        case .absent: nil
        }
    }

    /// Whether the body is `aws-chunked`, so that it has to pass through an ``AWSChunkedDecoder``.
    package var isChunked: Bool {
        switch self {
        case .signedChunks, .signedChunksWithTrailer, .unsignedChunksWithTrailer: true
        default: false
        }
    }
}
