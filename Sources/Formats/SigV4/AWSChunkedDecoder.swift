import Crypto
import Wire

/// Takes an `aws-chunked` body apart: a state machine without input or output.
///
/// ```
/// 10000;chunk-signature=ad80…\r\n   size in hexadecimal, and the signature where chunks are signed
/// … 65536 bytes …\r\n
/// 0;chunk-signature=b6c6…\r\n       the last chunk is empty
/// x-amz-checksum-crc32c:sOO8/Q==\r\n
/// x-amz-trailer-signature:d81f…\r\n
/// \r\n
/// ```
///
/// Payload is handed on as slices of what comes in, never copied or held back. So a chunk's bytes are out before its
/// signature is checked: whoever takes them keeps nothing for good before ``finish()`` returned.
package struct AWSChunkedDecoder: Sendable {
    /// 5 GiB, the longest body of one request in S3.
    package static let maximumLength: Int64 = 5 << 30
    static let maximumLine = 1024
    static let maximumTrailer = 4096
    static let maximumTrailers = 16

    private enum State: Equatable {
        case size
        case data(left: Int64)
        /// The line break after a chunk's data.
        case dataEnd
        case trailers
        case done
        case failed
    }

    private var state = State.size
    private var line: [UInt8] = []
    private let payload: PayloadHash
    private let decodedLength: Int64?
    private let announced: Set<String>
    private var signatures: ChunkSignatures?
    private var hasher = SHA256()
    private var chunkSignature = ""
    private var trailers: [(name: String, value: String)] = []
    private var trailerSignature: String?
    private var linesAfterEnd = 0

    /// How many bytes of payload were handed on.
    package private(set) var decodedBytes: Int64 = 0

    /// - Parameters:
    ///   - payload: one of the chunked kinds.
    ///   - decodedLength: the value of `x-amz-decoded-content-length`, which the payload then must have.
    ///   - trailers: the names that `x-amz-trailer` announces, in any case. All of them must come, and no others.
    ///   - signatures: the chain that begins with the request's signature; needed for the signed kinds.
    /// - Throws: `payloadHashInvalid` where the kind is not chunked, or is signed and `signatures` is nil; `tooLarge`
    ///   for a length that is negative or over ``maximumLength``; `malformedTrailer` for more trailers than 16.
    package init(
        payload: PayloadHash, decodedLength: Int64?, trailers: [String] = [], signatures: ChunkSignatures? = nil
    ) throws(SignatureError) {
        let isSigned = payload == .signedChunks || payload == .signedChunksWithTrailer
        guard payload.isChunked, !isSigned || signatures != nil else {
            throw SignatureError(.payloadHashInvalid, "x-amz-content-sha256 does not belong to an aws-chunked body")
        }
        if let decodedLength, !(0...Self.maximumLength).contains(decodedLength) {
            throw SignatureError(.tooLarge, "x-amz-decoded-content-length must be from 0 to \(Self.maximumLength)")
        }
        guard trailers.count <= Self.maximumTrailers, trailers.isEmpty || payload != .signedChunks else {
            throw SignatureError(
                .malformedTrailer,
                "x-amz-trailer may announce up to 16 trailers, and needs a payload kind with trailers")
        }
        self.payload = payload
        self.decodedLength = decodedLength
        announced = Set(trailers.map { $0.lowercased() })
        self.signatures = isSigned ? signatures : nil
        line.reserveCapacity(128)
    }

    /// Takes the next bytes of the body and hands the payload in them to `data`, in order.
    ///
    /// - Throws: `SignatureError` with `malformedChunk`, `malformedTrailer`, `tooLarge` or `chunkSignatureMismatch`,
    ///   and what `data` throws. After an error every further call throws.
    package mutating func feed(
        _ bytes: UnsafeRawBufferPointer, _ data: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        let resumed = state
        state = .failed
        state = try advance(resumed, bytes, data)
    }

    private mutating func advance(
        _ start: State, _ bytes: UnsafeRawBufferPointer, _ data: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> State {
        var state = start
        var at = 0
        while at < bytes.count {
            switch state {
            case .data(let left):
                let count = Int(min(left, Int64(bytes.count - at)))
                let slice = UnsafeRawBufferPointer(rebasing: bytes[at..<(at + count)])
                if signatures != nil { hasher.update(bufferPointer: slice) }
                try data(slice)
                decodedBytes += Int64(count)
                at += count
                state = left == Int64(count) ? .dataEnd : .data(left: left - Int64(count))
            case .size, .dataEnd, .trailers, .done:
                let c = bytes[at]
                at += 1
                if c != 0x0A {
                    let limit = state == .trailers ? Self.maximumTrailer : Self.maximumLine
                    guard line.count < limit else {
                        throw SignatureError(
                            .malformedChunk, "a line in the aws-chunked body is longer than \(limit) bytes")
                    }
                    line.append(c)
                    continue
                }
                if line.last == 0x0D { line.removeLast() }
                state = try endLine(state)
                line.removeAll(keepingCapacity: true)
            case .failed:
                throw SignatureError(.malformedChunk, "the aws-chunked body was refused before")
            }
        }
        return state
    }

    private mutating func endLine(_ state: State) throws(SignatureError) -> State {
        switch state {
        case .size: return try chunkBegins()
        case .dataEnd:
            guard line.isEmpty else {
                throw SignatureError(.malformedChunk, "a chunk's data must end with a line break where its size says")
            }
            try checkChunk()
            return .size
        case .trailers: return try trailer()
        default:
            // Some clients end their trailers with an empty line more than it takes.
            linesAfterEnd += 1
            guard line.isEmpty, linesAfterEnd <= 2 else {
                throw SignatureError(.malformedChunk, "something follows the end of the aws-chunked body")
            }
            return .done
        }
    }

    // MARK: Chunks

    private mutating func chunkBegins() throws(SignatureError) -> State {
        var size: Int64 = 0
        var digits = 0
        for c in line {
            guard let digit = Hex.value(of: c) else { break }
            digits += 1
            guard digits <= 16 else { throw SignatureError(.malformedChunk, "a chunk's size has more than 16 digits") }
            size = size << 4 | Int64(digit)
            guard size <= Self.maximumLength else {
                throw SignatureError(.tooLarge, "a chunk is larger than \(Self.maximumLength) bytes")
            }
        }
        let rest = line[digits...]
        guard digits > 0, rest.isEmpty || rest.first == UInt8(ascii: ";") else {
            throw SignatureError(.malformedChunk, "a chunk must begin with its size in hexadecimal")
        }
        if signatures != nil {
            let prefix = ";chunk-signature=".utf8
            guard rest.starts(with: prefix), rest.count == prefix.count + 64 else {
                throw SignatureError(
                    .malformedChunk, "a chunk's size must be followed by ;chunk-signature= and 64 digits")
            }
            chunkSignature = String(decoding: rest.dropFirst(prefix.count), as: UTF8.self).lowercased()
            hasher = SHA256()
        }
        guard size <= (decodedLength ?? Self.maximumLength) - decodedBytes else {
            throw SignatureError(.tooLarge, "the chunks are longer together than x-amz-decoded-content-length or 5 GiB")
        }
        if size > 0 { return .data(left: size) }
        try checkChunk()
        return .trailers
    }

    private mutating func checkChunk() throws(SignatureError) {
        guard signatures != nil else { return }
        guard signatures?.accepts(chunkSignature, chunk: Hex.encode(Array(hasher.finalize()))) == true else {
            throw SignatureError(.chunkSignatureMismatch, "the signature of a chunk is not that of its data")
        }
    }

    // MARK: Trailers

    private mutating func trailer() throws(SignatureError) -> State {
        if line.isEmpty {
            // Some clients put an empty line between the trailers and their signature.
            return payload == .signedChunksWithTrailer && trailerSignature == nil && !trailers.isEmpty
                ? .trailers : .done
        }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0,
            let name = String(validating: line[..<colon], as: UTF8.self)?.lowercased(),
            let value = String(validating: Self.trim(line[(colon + 1)...]), as: UTF8.self)
        else { throw SignatureError(.malformedTrailer, "a trailer must be NAME:VALUE in UTF-8") }
        if name == "x-amz-trailer-signature", payload == .signedChunksWithTrailer {
            guard trailerSignature == nil else {
                throw SignatureError(.malformedTrailer, "x-amz-trailer-signature must come only once")
            }
            trailerSignature = value
            return .trailers
        }
        guard announced.contains(name) else {
            throw SignatureError(.malformedTrailer, "a trailer came that x-amz-trailer does not announce")
        }
        guard trailerSignature == nil, !trailers.contains(where: { $0.name == name }) else {
            throw SignatureError(.malformedTrailer, "the trailer \(name) came twice or after the trailers' signature")
        }
        trailers.append((name, value))
        return .trailers
    }

    private static func trim(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var bytes = bytes.drop { $0 == 0x20 || $0 == 0x09 }
        while let last = bytes.last, last == 0x20 || last == 0x09 { bytes.removeLast() }
        return bytes
    }

    /// Checks that the body is whole, and returns the trailers in their order, names in lower case.
    ///
    /// - Throws: `incompleteBody`, `malformedTrailer` for one that was announced and did not come,
    ///   `chunkSignatureMismatch` where the trailers' signature is missing or wrong.
    package func finish() throws(SignatureError) -> [(name: String, value: String)] {
        guard state == .done, line.isEmpty else {
            throw SignatureError(.incompleteBody, "the aws-chunked body ends before its last chunk and the empty line")
        }
        if let decodedLength, decodedLength != decodedBytes {
            throw SignatureError(
                .incompleteBody,
                "the body has \(decodedBytes) bytes, but x-amz-decoded-content-length is \(decodedLength)")
        }
        for name in announced.sorted() where !trailers.contains(where: { $0.name == name }) {
            throw SignatureError(.malformedTrailer, "the announced trailer \(name) did not come")
        }
        if payload == .signedChunksWithTrailer {
            guard let trailerSignature, signatures?.accepts(trailerSignature, trailers: trailers) == true else {
                throw SignatureError(
                    .chunkSignatureMismatch, "x-amz-trailer-signature is missing or not that of the trailers")
            }
        }
        return trailers
    }
}
