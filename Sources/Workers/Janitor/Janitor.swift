package import BucketConfiguration
package import Catalogue
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
    private let catalogue: Catalogue
    private let journal: Journal
    private let logger = Logger(label: "martlet.janitor")
    private let historySeconds: Int64
    private let sharedClasses: Set<StorageClass>
    private let began = Timestamp.now

    /// Seconds that the bytes of what is not kept any more stay for those who are reading them, at most.
    private static let readingSeconds: Int64 = 3600
    /// Days that access records are kept.
    private static let accessDays: Int64 = 90

    /// - Parameters:
    ///   - historySeconds: how long a version or item that was replaced or removed stays readable as of then. After
    ///     that a blob stays as long again, but at most an hour, for those who are reading it.
    ///   - sharedClasses: storage classes whose store is not this node's alone.
    package init(
        objects: Objects, catalogue: Catalogue, journal: Journal, historySeconds: Int64,
        sharedClasses: Set<StorageClass>
    ) {
        self.sharedClasses = sharedClasses
        self.objects = objects
        self.catalogue = catalogue
        self.historySeconds = historySeconds
        self.journal = journal
    }

    package func run() async throws {
        for storageClass in objects.storageClasses {
            let orphans = try await objects.sweepOrphans(in: storageClass, madeBefore: orphanedBefore(storageClass))
            if orphans > 0 { logger.info("removed \(orphans) blobs that no object names") }
        }
        var rounds = 0
        var clock = ClockWatch()
        while true {
            var count = 0
            repeat {
                count = try await objects.expireTransactions()
                count += try await objects.purgeRemoved(olderThan: historySeconds)
                count += try await catalogue.purgePast(olderThan: historySeconds)
                count += try await objects.collectGarbage(olderThan: min(historySeconds, Self.readingSeconds))
            } while count > 0
            clock.look()
            try await journal.flushAccesses()
            try await journal.flushCounted()
            if rounds % 3600 == 0 {
                try await journal.pruneAccesses(olderThan: Self.accessDays * 86_400)
                _ = try await objects.abandonUploads(olderThan: Limits.chunkSecondsMax)
            }
            rounds += 1
            try await Task.sleep(for: .seconds(1))
        }
    }

    /// Blobs made before this and named by no row belong to nobody.
    private func orphanedBefore(_ storageClass: StorageClass) -> Timestamp {
        // The file system's clock stands still for up to 10 ms, so that a blob of this process may look that old. In a
        // store that is shared, another node may be about to write the row of a blob that is a day old, but not of an
        // older one.
        let ahead: Int64 = sharedClasses.contains(storageClass) ? 86_400_000_000 : 10_000
        return Timestamp(microseconds: began.microseconds - ahead)
    }
}
