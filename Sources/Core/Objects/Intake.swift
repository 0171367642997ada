import BLAKE3
import Blobs
import BucketConfiguration
import Ciphers
import MD5
import NIOCore
import NIOPosix

/// The bytes of one body, stored but not yet named by any row.
struct StoredBytes: Sendable {
    enum Place: Sendable {
        /// Sealed frames, to be written with the row.
        case inline([UInt8])
        case blob(BlobPlace)
    }

    var place: Place
    var sealedKey: [UInt8]
    var size: Int64
    var md5: [UInt8]
    /// BLAKE3.
    var digest: [UInt8]?
    var checksum: (algorithm: ChecksumAlgorithm, value: [UInt8])?

    /// Under a customer's key nothing is kept that follows from the content: the ETag is random then, as in S3 it is
    /// not the MD5.
    mutating func hideDigests(for encryption: ObjectEncryption) {
        guard case .customer = encryption else { return }
        md5 = randomBytes(16)
        digest = nil
    }
}

/// Takes one body in: once through the digests and the cipher into the blob store.
///
/// A body of up to `inlineMax` bytes becomes sealed bytes for the metadata store; a larger one a blob, cut into chunks
/// of 1 MiB that are worked on by the thread pool while the store writes the one before and the connection receives the
/// next.
struct Intake {
    private static let chunkSize = 16 * Frames.plainSize
    /// Up to this many bytes are digested where we are: a hop to another thread costs more.
    private static let hopMin = 32 << 10

    private let storageClass: StorageClass
    private let blobs: any BlobStore
    private let pool: NIOThreadPool
    private let pairedMD5: PairedMD5
    private let expectations: BodyExpectations
    private let inlineMax: Int64
    /// What the collection's key seals: the data key itself, or what it is made from.
    private let secret: AEADKey
    private let seal: @Sendable (AEADKey) async throws -> [UInt8]

    private var work: Work
    private var pending = ByteBuffer()
    private var size: Int64 = 0
    private var blob: (id: BlobID, writer: any BlobWriter)?
    /// The one chunk on its way to the store.
    private var writing: Task<Void, any Error>?

    /// - Parameter part: 0 for a whole object; parts are never kept inline.
    init(
        objects: Objects, storageClass: StorageClass, collectionKey: CollectionKeys, second: SecondKey?,
        version: VersionID, part: Int,
        expectations: BodyExpectations
    ) throws {
        self.storageClass = storageClass
        blobs = try objects.store(of: storageClass)
        pool = objects.pool
        pairedMD5 = objects.pairedMD5
        self.expectations = expectations
        inlineMax = part == 0 ? Limits.inlineBytesMax : -1
        secret = AEADKey.random()
        // Sealed when the body has come: while it came, the collection's key may have been rotated.
        seal = { [keyring = objects.keyring, collection = collectionKey.collection] secret in
            try await keyring.key(ofCollection: collection).sealDataKey(secret, version: version, part: part)
        }
        let dataKey = try second?.dataKey(from: secret, CollectionKeys.binding(version, part))
        work = try Work(expectations, dataKey: dataKey ?? secret)
    }

    /// Reads `body` to its end.
    ///
    /// - Throws: ``ObjectsError`` where the body is not what the client announced or does not fit; nothing is left
    ///   behind.
    mutating func store(_ body: some AsyncSequence<ByteBuffer, any Error> & Sendable) async throws -> StoredBytes {
        do {
            for try await buffer in body {
                try await take(buffer)
            }
            return try await finish()
        } catch {
            _ = await writing?.result
            await blob?.writer.abort()
            throw Self.readable(error)
        }
    }

    private mutating func take(_ buffer: ByteBuffer) async throws {
        size += Int64(buffer.readableBytes)
        guard size <= expectations.lengthMax else {
            throw ObjectsError(
                .tooLarge, "the body is larger than the \(expectations.lengthMax) bytes that are allowed")
        }
        if let room = expectations.room, size > room.bytes { throw ObjectsError.quotaExceeded(room.quota) }
        if let length = expectations.length, size > length {
            throw ObjectsError(.incompleteBody, "the body is longer than the \(length) bytes that were announced")
        }
        if pending.readableBytes == 0 { pending = buffer } else { pending.writeImmutableBuffer(buffer) }
        // Strictly more than a chunk: the last frame of a blob is sealed as such, so something must be left for the
        // end.
        while pending.readableBytes > Self.chunkSize, let chunk = pending.readSlice(length: Self.chunkSize) {
            try await write(chunk, isLast: false)
        }
        if size > max(inlineMax, Int64(Self.chunkSize)) { pending.discardReadBytes() }
    }

    private mutating func write(_ chunk: ByteBuffer, isLast: Bool) async throws {
        async let digested: Void = pairedMD5.update(work.md5, chunk)
        let sealed = try await pool.runIfActive { [work] in try work.seal(chunk, isLast: isLast) }
        try await digested
        try await writing?.value
        let writer = try await openBlob()
        writing = Task { try await writer.write(sealed) }
    }

    private mutating func openBlob() async throws -> any BlobWriter {
        if let blob { return blob.writer }
        let id = BlobID.random()
        let writer = try await blobs.create(id)
        blob = (id, writer)
        return writer
    }

    private mutating func finish() async throws -> StoredBytes {
        if let length = expectations.length, size != length {
            throw ObjectsError(
                .incompleteBody, "the body ended after \(size) of the \(length) bytes that were announced")
        }
        let place: StoredBytes.Place
        if blob == nil, size <= inlineMax {
            let rest = pending
            let sealed =
                rest.readableBytes <= Self.hopMin
                ? try work.process(rest, isLast: true)
                : try await pool.runIfActive { [work] in try work.process(rest, isLast: true) }
            try work.check(expectations)
            place = .inline(Array(sealed.readableBytesView))
        } else {
            try await write(pending, isLast: true)
            try work.check(expectations)
            try await writing?.value
            let (id, writer) = (blob?.id, try await openBlob())
            guard let id else { throw ObjectsError(.unavailable, "the blob store gave no blob to write to") }
            try await writer.finish()
            blob = nil
            place = .blob(BlobPlace(id: id, storageClass: storageClass))
        }
        return StoredBytes(
            place: place, sealedKey: try await seal(secret), size: size, md5: work.md5Value, digest: work.digestValue,
            checksum: work.checksumValue)
    }

    /// Storage's own errors in this part's words.
    private static func readable(_ error: any Error) -> any Error {
        guard let error = error as? BlobError else { return error }
        switch error.code {
        case .full: return ObjectsError(.storageFull, "the blob store is full: nothing was stored")
        default: return ObjectsError(.unavailable, "the blob store does not take the object: \(error)")
        }
    }
}

/// The digests and the cipher of one body. Used by one thread after the other, never by two at once, but for its MD5.
private final class Work: @unchecked Sendable {
    private let sealer: FrameSealer
    private let blake3 = BLAKE3()
    private var digests: BodyDigests
    private(set) var md5Value: [UInt8] = []
    private(set) var digestValue: [UInt8] = []
    private(set) var checksumValue: (algorithm: ChecksumAlgorithm, value: [UInt8])?

    init(_ expectations: BodyExpectations, dataKey: AEADKey) throws {
        sealer = try FrameSealer(key: dataKey)
        digests = BodyDigests(expectations)
    }

    var md5: MD5 { digests.md5 }

    /// Digests plain bytes and returns them sealed.
    func process(_ chunk: ByteBuffer, isLast: Bool) throws -> ByteBuffer {
        chunk.withUnsafeReadableBytes { md5.update($0) }
        return try seal(chunk, isLast: isLast)
    }

    /// As ``process(_:isLast:)``, but for the MD5.
    func seal(_ chunk: ByteBuffer, isLast: Bool) throws -> ByteBuffer {
        let sealedCount = Int(Frames.sealedLength(of: Int64(chunk.readableBytes)))
        var out = ByteBuffer()
        try chunk.withUnsafeReadableBytes { plain in
            digests.updateOthers(plain)
            blake3.update(plain)
            _ = try out.writeWithUnsafeMutableBytes(minimumWritableBytes: sealedCount) {
                try sealer.seal(plain, isLast: isLast, into: $0)
            }
        }
        return out
    }

    /// Ends the digests and compares them with what the client said.
    func check(_ expectations: BodyExpectations) throws {
        (md5Value, checksumValue) = try digests.finish(expectations)
        digestValue = blake3.finish()
    }
}
