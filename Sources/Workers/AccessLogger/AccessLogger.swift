import Journal
import Logging
package import Objects
import Wire

/// Writes the access logs of collections into the buckets that they are to go to.
///
/// Every node brings the lines of its own requests into the metadata store; one makes objects of all of them.
package struct AccessLogger: Worker {
    package let name = "access-logger"
    private let objects: Objects
    private let journal: Journal
    private let seconds: Int64
    private let logger = Logger(label: "martlet.access-logger")

    /// - Parameter seconds: how often logs are written.
    package init(objects: Objects, seconds: Int64) {
        self.objects = objects
        journal = objects.journal
        self.seconds = seconds
    }

    package func run() async throws {
        var next = Timestamp.now.adding(seconds: seconds)
        while true {
            try await Task.sleep(for: .seconds(1))
            try await objects.flushAccessLog()
            guard Timestamp.now >= next else { continue }
            next = Timestamp.now.adding(seconds: seconds)
            // One node at a time, as long as writing may take.
            guard try await journal.lease(name, seconds: max(15, seconds)) != nil else { continue }
            for failure in try await objects.writeAccessLogs(now: .now) { logger.error("\(failure)") }
        }
    }
}
