import Blobs
import Synchronization

/// Versions that did not read well a moment ago. The Scrubber looks at them again: a reading that fails may have met a
/// version that was being removed, or a device that had a bad moment.
final class Suspects: Sendable {
    /// Beyond so many, further ones are left to the next scrub.
    private static let countMax = 1000

    private let versions = Mutex<[Int64: ObjectVersion]>([:])

    func add(_ version: ObjectVersion) {
        versions.withLock { if $0.count < Self.countMax { $0[version.number] = version } }
    }

    func take() -> [ObjectVersion] {
        versions.withLock { versions in
            defer { versions = [:] }
            return versions.values.sorted { $0.number < $1.number }
        }
    }
}

extension Objects {
    /// Runs what reads a version, and notes the version if its bytes are not what they should be.
    func suspecting<T>(_ version: ObjectVersion, _ body: () async throws -> T) async throws -> T {
        do {
            return try await body()
        } catch {
            let isDamaged = (error as? ObjectsError)?.code == .damaged
            let isUnread = (error as? BlobError).map { $0.code == .io || $0.code == .damaged } ?? false
            if isDamaged || isUnread { suspects.add(version) }
            throw error
        }
    }

    /// The versions that did not read well since the last call.
    package func takeSuspects() -> [ObjectVersion] { suspects.take() }
}
