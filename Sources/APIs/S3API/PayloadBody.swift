import HTTPSupport
import NIOCore
import NIOHTTP1
import Objects
import SigV4
import Synchronization
import Wire

/// The plain bytes of a request's body, taken out of `aws-chunked` framing where there is some.
struct PayloadBody: AsyncSequence, AsyncIteratorProtocol, Sendable {
    typealias Element = ByteBuffer

    private let raw: RequestBody
    private let decoder: ChunkDecoder?

    init(_ raw: RequestBody, decoder: ChunkDecoder?) {
        self.raw = raw
        self.decoder = decoder
    }

    func makeAsyncIterator() -> PayloadBody { self }

    func next() async throws -> ByteBuffer? {
        guard let decoder else { return try await raw.next() }
        while let framed = try await raw.next() {
            let plain = try decoder.feed(framed)
            if plain.readableBytes > 0 { return plain }
        }
        return nil
    }
}

/// Shares a decoder between the task that reads the body and the check at its end.
final class ChunkDecoder: Sendable {
    private let decoder: Mutex<AWSChunkedDecoder>

    init(_ decoder: AWSChunkedDecoder) { self.decoder = Mutex(decoder) }

    func feed(_ framed: ByteBuffer) throws -> ByteBuffer {
        try decoder.withLock { decoder in
            var plain = ByteBuffer()
            plain.reserveCapacity(framed.readableBytes)
            try framed.withUnsafeReadableBytes { bytes in
                try decoder.feed(bytes) { plain.writeBytes($0) }
            }
            return plain
        }
    }

    /// Checks that the framing came to its end, and gives the trailers.
    func finish() throws -> [(name: String, value: String)] {
        try decoder.withLock { decoder throws(SignatureError) in try decoder.finish() }
    }
}

/// What a request says of its body: how it is framed, and what it must be.
struct Payload {
    var body: PayloadBody
    var expectations: BodyExpectations

    /// - Throws: ``S3Error`` where headers are missing or contradict each other.
    init(_ request: Request, _ caller: Caller) throws {
        expectations = BodyExpectations()
        let headers = request.headers
        expectations.md5 = try Self.announcedMD5(headers)
        expectations.checksum = try Self.announcedChecksum(headers)
        let kind = caller.signature?.authorization.payload ?? .absent
        if case .sha256(let hex) = kind { expectations.sha256 = Hex.decode(hex) }
        let declared = try headers.first(name: "x-amz-content-sha256").map { try PayloadHash(parsing: $0) }
        guard kind.isChunked || declared?.isChunked == true else {
            guard request.body.length != nil else {
                throw S3Error(.missingContentLength, "a body has a Content-Length, or is aws-chunked")
            }
            expectations.length = request.body.length
            body = PayloadBody(request.body, decoder: nil)
            return
        }
        let framing = declared ?? kind
        let trailers = headers[canonicalForm: "x-amz-trailer"].map { $0.lowercased() }
        guard let length = headers.first(name: "x-amz-decoded-content-length").flatMap({ Int64($0) }) else {
            throw S3Error(.missingContentLength, "an aws-chunked body has an x-amz-decoded-content-length")
        }
        expectations.length = length
        let decoder = ChunkDecoder(
            try AWSChunkedDecoder(
                payload: framing, decodedLength: length, trailers: trailers,
                signatures: caller.signature.map {
                    ChunkSignatures(key: $0.key, date: $0.authorization.date, seed: $0.authorization.signature)
                }))
        body = PayloadBody(request.body, decoder: decoder)
        for name in trailers where expectations.checksum == nil {
            if let algorithm = Self.algorithm(ofHeader: name) { expectations.checksum = (algorithm, nil) }
        }
        expectations.trailing = {
            for trailer in try decoder.finish() {
                if let algorithm = Self.algorithm(ofHeader: trailer.name) { return (algorithm, trailer.value) }
            }
            return nil
        }
    }

    private static func algorithm(ofHeader name: String) -> ChecksumAlgorithm? {
        guard name.hasPrefix("x-amz-checksum-") else { return nil }
        return ChecksumAlgorithm(rawValue: name.dropFirst("x-amz-checksum-".count).uppercased())
    }

    static func announcedMD5(_ headers: HTTPHeaders) throws -> [UInt8]? {
        guard let text = headers.first(name: "content-md5") else { return nil }
        guard let md5 = Base64.decode(text), md5.count == 16 else {
            throw S3Error(.invalidDigest, "Content-MD5 is the base64 of 16 bytes")
        }
        return md5
    }

    /// The checksum whose value came in a header, or that `x-amz-sdk-checksum-algorithm` asks for.
    static func announcedChecksum(_ headers: HTTPHeaders) throws -> (algorithm: ChecksumAlgorithm, value: String?)? {
        var found: (algorithm: ChecksumAlgorithm, value: String?)?
        for algorithm in ChecksumAlgorithm.allCases {
            guard let value = headers.first(name: "x-amz-checksum-" + algorithm.rawValue.lowercased()) else { continue }
            guard found == nil else { throw S3Error(.invalidRequest, "a request carries one checksum, not several") }
            guard Base64.decode(value)?.count == algorithm.length else {
                throw S3Error(
                    .invalidRequest,
                    "the value of x-amz-checksum-\(algorithm.rawValue.lowercased()) is not the base64 of \(algorithm.length) bytes"
                )
            }
            found = (algorithm, value)
        }
        if found == nil, let name = headers.first(name: "x-amz-sdk-checksum-algorithm") {
            found = (try ChecksumAlgorithm(header: name), nil)
        }
        return found
    }
}

extension ChecksumAlgorithm {
    /// The algorithm that a header names.
    init(header name: String) throws {
        guard let algorithm = ChecksumAlgorithm(rawValue: name.uppercased()) else {
            throw S3Error(
                .invalidRequest,
                "'\(name.prefix(40))' is no checksum algorithm: CRC32, CRC32C, CRC64NVME, SHA1 or SHA256")
        }
        self = algorithm
    }
}
