import Journal
import Logging
package import Objects
import Wire

/// Carries out the lifecycle rules of collections: what is old enough expires, uploads that were not completed are
/// aborted.
///
/// Nothing becomes due but at the beginning of a day (midnight in UTC), so each collection with rules is walked through
/// once a day, and again when its rules change. Where a walk has come to is stored: a node that begins again goes on.
package struct Lifecycle: Worker {
    package let name = "lifecycle"
    private let objects: Objects
    private let journal: Journal
    private let pauseSeconds: Double
    private let logger = Logger(label: "martlet.lifecycle")

    /// - Parameter pauseSeconds: between looks for collections with something to do.
    package init(objects: Objects, pauseSeconds: Double = 5) {
        self.objects = objects
        journal = objects.journal
        self.pauseSeconds = pauseSeconds
    }

    package func run() async throws {
        do {
            while true {
                // One node at a time; another looks again when the lease could have ended.
                if try await journal.lease(name) != nil { try await walkAll() }
                try await Task.sleep(for: .seconds(pauseSeconds))
            }
        } catch {
            try? await journal.release(name)
            throw error
        }
    }

    private func walkAll() async throws {
        var last: Int64 = 0
        while let walk = try await objects.nextLifecycleWalk(after: last, now: .now) {
            last = walk.collection.id
            do {
                try await carryOut(walk)
            } catch let error as ObjectsError {
                // One collection's trouble is not the others'.
                logger.error("\(walk.collection.name): \(error)")
            }
            guard try await journal.lease(name) != nil else { return }
        }
    }

    private func carryOut(_ walk: LifecycleWalk) async throws {
        var walk = walk
        var count = 0
        while !walk.isDone {
            guard try await journal.lease(name) != nil,
                let changed = try await objects.advance(&walk, now: .now)
            else { break }
            count += changed
        }
        if count > 0 { logger.info("\(walk.collection.name): carried out \(count) expirations") }
    }
}
