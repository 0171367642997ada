import Ciphers
import MD5
import Wire

/// The digests that a client can give of a body, computed while it passes.
struct BodyDigests {
    let md5 = MD5()
    private let sha256: Digest?
    private var checksum: ChecksumStream?

    init(_ expectations: BodyExpectations) {
        sha256 = expectations.sha256 == nil ? nil : Digest(.sha256)
        checksum = expectations.checksum.map { ChecksumStream($0.algorithm) }
    }

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        md5.update(bytes)
        updateOthers(bytes)
    }

    /// All but ``md5``, which takes as long as they do and can be had at the same time.
    mutating func updateOthers(_ bytes: UnsafeRawBufferPointer) {
        sha256?.update(bytes)
        checksum?.update(bytes)
    }

    /// Compares with what the client said.
    ///
    /// - Throws: ``ObjectsError`` `.badDigest`, `.badPayloadHash`, `.badChecksum`, and what the trailers' source
    ///   throws.
    func finish(
        _ expectations: BodyExpectations
    ) throws -> (md5: [UInt8], checksum: (algorithm: ChecksumAlgorithm, value: [UInt8])?) {
        let md5Value = md5.finish()
        if let expected = expectations.md5, expected != md5Value {
            throw ObjectsError(
                .badDigest,
                "the body's MD5 is \(Base64.encode(md5Value)), not \(Base64.encode(expected)) as Content-MD5 says")
        }
        if let expected = expectations.sha256, let value = sha256?.finish(), expected != value {
            throw ObjectsError(
                .badPayloadHash, "the body's SHA-256 is \(Hex.encode(value)), not \(Hex.encode(expected)) as was signed"
            )
        }
        // Trailers are read to their end even where no value is asked for: broken ones are a broken body.
        let trailing = try expectations.trailing?()
        guard let checksum else { return (md5Value, nil) }
        let value = checksum.finish()
        let name = checksum.algorithm.rawValue
        if let trailing, trailing.algorithm != checksum.algorithm {
            throw ObjectsError(
                .badChecksum, "the trailer holds \(trailing.algorithm.rawValue), but \(name) was announced")
        }
        if let expected = trailing?.value ?? expectations.checksum?.value, expected != Base64.encode(value) {
            throw ObjectsError(
                .badChecksum,
                "the body's \(name) is \(Base64.encode(value)), not \(expected.prefix(64)) as was sent with it")
        }
        return (md5Value, (checksum.algorithm, value))
    }
}

extension BodyExpectations {
    /// Refuses a body that announces itself as too large before any of it is read.
    func checkLength() throws {
        if let length, length > lengthMax {
            throw ObjectsError(.tooLarge, "the body has \(length) bytes; at most \(lengthMax) are allowed")
        }
    }

    /// Checks a small body that is in memory.
    package func check(_ bytes: [UInt8]) throws {
        if let length, length != Int64(bytes.count) {
            throw ObjectsError(.incompleteBody, "the body has \(bytes.count) bytes, not \(length) as was announced")
        }
        var digests = BodyDigests(self)
        bytes.withUnsafeBytes { digests.update($0) }
        _ = try digests.finish(self)
    }
}
