package import Journal
import Logging
package import Objects
import Wire

/// Clears up: versions that were replaced or removed, their blobs, blobs that a crash left without a row, and access
/// records that are old enough.
///
/// Every node runs one. They do not get into each other's way: what one has removed the other does not find.
package struct Janitor: Worker {
    package let name = "janitor"
    private let objects: Objects
    private let journal: Journal
    private let logger = Logger(label: "martlet.janitor")
    /// Blobs made before this and named by no row belong to nobody.
    private let orphanedBefore: Timestamp

    /// Days that access records are kept.
    private static let accessDays: Int64 = 90

    /// - Parameter ownsBlobs: whether the blob store is this node's alone. In one that is shared, another node may be
    ///   about to write the row of a blob that is a day old, but not of an older one.
    package init(objects: Objects, journal: Journal, ownsBlobs: Bool) {
        orphanedBefore = ownsBlobs ? .now : Timestamp.now.adding(seconds: -86_400)
        self.objects = objects
        self.journal = journal
    }

    package func run() async throws {
        let orphans = try await objects.sweepOrphans(madeBefore: orphanedBefore)
        if orphans > 0 { logger.info("removed \(orphans) blobs that no object names") }
        var rounds = 0
        while true {
            var count = 0
            repeat {
                count = try await objects.purgeEnded()
                count += try await objects.collectGarbage()
            } while count > 0
            try await journal.flushAccesses()
            if rounds % 3600 == 0 { try await journal.pruneAccesses(olderThan: Self.accessDays * 86_400) }
            rounds += 1
            try await Task.sleep(for: .seconds(1))
        }
    }
}
