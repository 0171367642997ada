import BLAKE3
import Database
import Journal
import NIOCore
import NIOPosix

extension Objects {
    /// The BLAKE3 of a version's content. That of an object of several parts is computed once, by reading it, and kept.
    ///
    /// - Throws: ``ObjectsError``, `isForWantOfKey` among them.
    package func digest(of version: ObjectVersion) async throws -> [UInt8] {
        if let digest = version.digest { return digest }
        var object = try await open(version)
        object.unlock = .node
        if let digest = object.version.digest { return digest }
        let hasher = BLAKE3()
        try await read(object, range: 0..<version.size) { [pool] buffer in
            try await pool.runIfActive { buffer.withUnsafeReadableBytes { hasher.update($0) } }
        }
        let digest = hasher.finish()
        try await journal.database.write { transaction in
            try transaction.run(
                "UPDATE versions SET digest = ? WHERE number = ?", .init(digest), .init(version.number))
        }
        return digest
    }
}
