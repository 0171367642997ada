import Journal
import Logging
package import Objects
import Wire

/// Has new objects looked at by the virus scanner, and does with what is infected as the collection's policy says.
///
/// What is refused before it is stored was scanned by then; this worker sees to the other policies.
package struct Scanner: Worker {
    package let name = "scanner"
    private let objects: Objects
    private let follower: Follower
    private let logger = Logger(label: "martlet.scanner")

    /// Events between two moves of the cursor: each may take the scanner a second.
    private static let batch = 20

    package init(objects: Objects) {
        self.objects = objects
        follower = Follower(name: name, journal: objects.journal, batch: Self.batch)
    }

    package func run() async throws {
        try await follower.run(handle: { events in
            for event in events where event.kind == .objectPut { try await scan(event) }
        })
    }

    private func scan(_ event: Event) async throws {
        guard let slash = event.subject.firstIndex(of: "/"),
            let version = try JSONValue(parsing: event.detail)["version"]?.string
        else { return }
        let key = String(event.subject[event.subject.index(after: slash)...])
        do {
            try await objects.scan(
                version, key: key, collection: String(event.subject[..<slash]), by: ActorName.scanner)
        } catch let error as ObjectsError where error.code == .damaged {
            // What cannot be read is the scrub's affair; the objects behind it still are scanned.
            logger.warning("\(event.subject): not scanned: \(error)")
        }
    }
}
