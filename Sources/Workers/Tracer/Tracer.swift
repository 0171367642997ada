import Catalogue
import Journal
package import Ledger
import Logging
package import Objects
import TraceFormat
import Wire

/// Gives each completed product a signed CREATE trace in the log: its name, its size, and the BLAKE3 of every file.
///
/// A product that changes and is completed again gets a further trace; one that is completed again as it was does not.
package struct Tracer: Worker {
    package let name = "tracer"
    private let objects: Objects
    private let ledger: Ledger
    private let follower: Follower
    private let origin: String
    private let logger = Logger(label: "martlet.tracer")

    /// - Parameter origin: the name under which this node signs: it stands in each trace.
    package init(objects: Objects, ledger: Ledger, origin: String) {
        self.objects = objects
        self.ledger = ledger
        self.origin = origin
        follower = Follower(name: name, journal: objects.journal)
    }

    package func run() async throws {
        try await follower.run(handle: { events in
            var drafts: [TraceDraft] = []
            for event in events where event.kind == .productCompleted {
                do {
                    guard let draft = try await draft(event) else { continue }
                    try draft.check()
                    drafts.append(draft)
                } catch let error as ObjectsError where error.isUnreadable || error.isForWantOfKey {
                    logger.warning("\(event.subject) gets no trace: \(error)")
                } catch let error as LedgerError where error.code == .invalidDraft {
                    // A name that no trace can bear, which a key may have; the next product is not to wait for it.
                    logger.warning("\(error)")
                }
            }
            if !drafts.isEmpty { _ = try await ledger.register(drafts, by: ActorName.tracer) }
        })
    }

    private func draft(_ event: Event) async throws -> TraceDraft? {
        guard let id = event.collection, let collection = try await objects.collection(id: id),
            let text = try JSONValue(parsing: event.detail)["product"]?.string
        else { return nil }
        let files = try await ProductFiles(of: ProductPath(stored: text), in: collection, objects)
        // It may have gone since; then there is nothing to be traced.
        guard !files.all.isEmpty else { return nil }
        guard !files.isCut else {
            logger.warning("\(event.subject): more than \(ProductFiles.countMax) files: it gets no trace")
            return nil
        }
        var contents: [Trace.Content] = []
        for file in files.all {
            contents.append(
                Trace.Content(path: file.path, hash: Hex.encode(try await objects.digest(of: file.version))))
        }
        let size = files.all.reduce(0) { $0 + $1.version.size }
        // A product that is one file has that file's digest, so that whoever holds the file finds the trace.
        let isOneFile = !files.path.isFolder && contents.count == 1
        return TraceDraft(
            name: isOneFile ? contents[0].path : files.path.name, size: size,
            hash: isOneFile ? contents[0].hash : ProductDigest.folder(contents), contents: isOneFile ? nil : contents,
            event: .create, origin: origin, collection: id, product: text)
    }
}
