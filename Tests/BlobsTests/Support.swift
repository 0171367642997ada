import FoundationEssentials
import NIOCore
import Testing

@testable import Blobs

/// Runs `body` with the path of an empty directory, which is removed afterwards.
func withDirectory(_ body: (String) async throws -> Void) async throws {
    let path = "/tmp/martlet-blobs-\(BlobID.random())"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(atPath: path) }
    try await body(path)
}

/// Runs `body` with a new disk store.
func withDiskBlobs(_ body: (DiskBlobs, _ path: String) async throws -> Void) async throws {
    try await withDirectory { path in
        let store = try await DiskBlobs.open(path)
        do {
            try await body(store, path)
        } catch {
            await store.close()
            throw error
        }
        await store.close()
    }
}

/// The names in a directory.
func entries(_ path: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path)
}

/// Waits, at most five seconds, until `condition` holds.
func eventually(_ condition: () throws -> Bool) async throws -> Bool {
    for _ in 0..<500 {
        if try condition() { return true }
        try await Task.sleep(for: .milliseconds(10))
    }
    return try condition()
}

/// The code of the error that `body` throws; nil if it throws none or another kind.
func code(_ body: () async throws -> Void) async -> BlobError.Code? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? BlobError)?.code
    }
}

extension BlobStore {
    func put(_ id: BlobID, _ pieces: [UInt8]...) async throws {
        let writer = try await create(id)
        for piece in pieces { try await writer.write(ByteBuffer(bytes: piece)) }
        try await writer.finish()
    }

    func get(_ id: BlobID) async throws -> [UInt8] {
        let reader = try await open(id)
        let bytes = try await reader.read(0..<reader.size)
        await reader.close()
        return Array(bytes.readableBytesView)
    }
}

/// Bytes that tell their position.
func pattern(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
}
