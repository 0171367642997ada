package import Antivirus
import Blobs
import Database
package import Journal
import NIOCore
import Wire

extension EventKind {
    package static let objectScanned = EventKind("object.scanned")
}

/// What becomes of an object in which a virus was found.
package enum ScanPolicy: String, Sendable, CaseIterable {
    /// Nothing is scanned.
    case off
    /// It is marked: `martlet:scan=infected`.
    case tag
    /// It is marked, and nobody can read it any more.
    case quarantine
    /// It is scanned before it is visible, and not stored at all.
    case refuse
}

/// The scanner of a node, and what it is for.
package struct Screening: Sendable {
    package var clamd: Clamd
    /// For collections that have no policy of their own.
    package var policy: ScanPolicy
    /// Longer objects are not scanned, and marked as such.
    package var bytesMax: Int64

    package init(clamd: Clamd, policy: ScanPolicy, bytesMax: Int64) {
        self.clamd = clamd
        self.policy = policy
        self.bytesMax = bytesMax
    }
}

extension SettingName {
    static let scan = SettingName("scan")
}

extension Objects {
    /// Tags that begin so are the node's own: clients see them, and neither set nor remove them.
    static let systemTagPrefix = "martlet:"
    /// What a scan found: `clean`, `infected`, `unscanned`, or `released` by an operator.
    package static let scanTag = "martlet:scan"

    /// What becomes of infected objects in a collection, and whether it says so itself.
    ///
    /// - Throws: ``ObjectsError`` `.noSuchCollection`.
    package func scanPolicy(of collection: String) async throws -> (policy: ScanPolicy, isOwn: Bool) {
        if let own = try await setting(.scan, of: collection).flatMap(ScanPolicy.init(rawValue:)) { return (own, true) }
        return (screening?.policy ?? .off, false)
    }

    /// Sets a collection's own policy; nil takes the node's. It is for new objects.
    ///
    /// - Throws: ``ObjectsError`` `.noSuchCollection`, `.invalidState` where the node has no scanner.
    package func setScanPolicy(_ policy: ScanPolicy?, of collection: String, by actor: String) async throws {
        guard let policy else { return try await deleteSetting(.scan, of: collection, by: actor) }
        guard screening != nil || policy == .off else {
            throw ObjectsError(.invalidState, "this node has no virus scanner: start it with --clamd")
        }
        try await putSetting(.scan, of: collection, to: policy.rawValue, by: actor)
    }

    // MARK: After it was stored

    /// Scans a version that is visible already, and does with it what its collection's policy says. One that was
    /// scanned before, or is gone, is left alone.
    ///
    /// - Parameter id: of the version.
    /// - Throws: ``ObjectsError`` `.unavailable` where the scanner does not answer.
    package func scan(_ id: String, key: String, collection name: String, by actor: String) async throws {
        guard let screening, !key.hasPrefix(Self.systemPrefix) else { return }
        var found: OpenObject
        let policy: ScanPolicy
        do {
            policy = try await scanPolicy(of: name).policy
            guard policy != .off else { return }
            found = try await open(collection: name, key: key, version: id)
        } catch let error as ObjectsError where Self.isGone(error.code) {
            return
        }
        let said = found.version.tags.first { $0.name == Self.scanTag }
        // One that came with the tag of where it was copied from is looked at again, if more than the tag is due here.
        guard said == nil || (said == ScanOutcome.infected("").tag && policy != .tag) else { return }
        var outcome = ScanOutcome.unscanned
        found.unlock = .node
        if found.version.size <= screening.bytesMax, found.version.isReadableByNode {
            let scan = try await Self.begin(screening)
            do {
                try await read(found, range: 0..<found.version.size) { await scan.write($0) }
            } catch {
                scan.abort()
                throw error
            }
            outcome = try await Self.outcome(scan)
        }
        try await record(outcome, id, key: key, collection: name, quarantines: policy != .tag, by: actor)
    }

    private static func isGone(_ code: ObjectsError.Code) -> Bool {
        [.noSuchCollection, .noSuchKey, .noSuchVersion, .methodNotAllowed, .quarantined].contains(code)
    }

    private func record(
        _ outcome: ScanOutcome, _ id: String, key: String, collection name: String, quarantines: Bool, by actor: String
    ) async throws {
        var quarantine: Quarantine?
        if quarantines, case .infected(let signature) = outcome {
            quarantine = Quarantine(.malware, reason: "infected: \(signature)", since: .now, actor: actor)
        }
        do {
            try await change(
                collection: name, key: key, version: id, quarantine == nil ? .objectScanned : .objectQuarantined,
                needsObjectLock: false, by: actor
            ) { [quarantine] found, transaction in
                let tags = found.tags.filter { $0.name != Self.scanTag } + [outcome.tag]
                try transaction.run(
                    "UPDATE versions SET tags = ?, quarantine = COALESCE(quarantine, CAST(? AS TEXT)) WHERE number = ?",
                    .init(Self.text(tags)), .init(quarantine?.text), .init(found.number))
            } detail: { [quarantine] in
                $0.member("verdict", outcome.tag.value)
                if case .infected(let signature) = outcome { $0.member("signature", signature) }
                if let quarantine {
                    $0.member("cause", quarantine.cause.rawValue)
                    $0.member("reason", quarantine.reason)
                }
            }
        } catch let error as ObjectsError where Self.isGone(error.code) {
            return
        }
    }

    // MARK: Before it is visible

    /// The scan that a new object of a collection has to pass first; nil where there is none.
    func screen(for collection: Collection, key: String) async throws -> Screen? {
        guard let screening, !key.hasPrefix(Self.systemPrefix),
            try await scanPolicy(of: collection.name).policy == .refuse
        else { return nil }
        return Screen(scan: try await Self.begin(screening), bytesMax: screening.bytesMax)
    }

    fileprivate static func begin(_ screening: Screening) async throws -> ClamdScan {
        do {
            return try await screening.clamd.begin()
        } catch {
            throw ObjectsError(.unavailable, "the virus scanner does not answer: nothing was stored")
        }
    }

    fileprivate static func outcome(_ scan: ClamdScan) async throws -> ScanOutcome {
        do {
            switch try await scan.finish() {
            case .clean: return .clean
            case .infected(let signature): return .infected(signature)
            case .tooLong: return .unscanned
            }
        } catch {
            // Nothing would come of asking again.
            if error.code == .failed { return .unscanned }
            throw ObjectsError(.unavailable, "the virus scanner gave no verdict: nothing was stored")
        }
    }

    /// Scans what an upload would become.
    func screen(
        parts: [PartRow], of upload: Upload, _ customerKey: CustomerKey?, in collection: Collection
    ) async throws -> HeaderField? {
        guard let screen = try await screen(for: collection, key: upload.key) else { return nil }
        do {
            guard parts.reduce(0, { $0 + $1.size }) <= screen.bytesMax else {
                screen.abort()
                return ScanOutcome.unscanned.tag
            }
            let unlock = upload.encryption.isReadableByNode ? .node : ObjectUnlock(customerKey: customerKey)
            let keys = VersionKeys(
                collection: try await keyring.key(ofCollection: collection.id),
                second: try await secondKey(upload.encryption, of: upload.id, unlock), version: upload.id,
                origin: upload.encryption.origin(of: upload.id))
            for part in parts {
                let extent = Extent(
                    source: .blob(part.place), dataKey: try keys.open(part.sealedKey, part: part.number),
                    size: part.size, range: 0..<part.size)
                var reader = try await ExtentReader(extent, of: self)
                do {
                    while let buffer = try await reader.read() { await screen.scan.write(buffer) }
                } catch {
                    await reader.close()
                    throw error
                }
                await reader.close()
            }
        } catch let error as ObjectsError where error.code == .keyRequired {
            // Without the customer's key the node cannot look into what it has stored.
            screen.abort()
            return ScanOutcome.unscanned.tag
        } catch {
            screen.abort()
            throw error
        }
        return try await screen.finish()
    }

    /// Scans an object that is to be copied.
    func screen(copying object: OpenObject, key: String, to collection: Collection) async throws -> HeaderField? {
        guard !object.version.tags.contains(ScanOutcome.clean.tag),
            let screen = try await screen(for: collection, key: key)
        else { return nil }
        guard object.version.size <= screen.bytesMax else {
            screen.abort()
            return ScanOutcome.unscanned.tag
        }
        do {
            try await read(object, range: 0..<object.version.size) { await screen.scan.write($0) }
        } catch {
            screen.abort()
            throw error
        }
        return try await screen.finish()
    }
}

enum ScanOutcome: Sendable, Hashable {
    case clean
    case infected(String)
    /// Too long, or of a kind that the scanner cannot look into.
    case unscanned

    var tag: HeaderField {
        let value =
            switch self {
            case .clean: "clean"
            case .infected: "infected"
            case .unscanned: "unscanned"
            }
        return HeaderField(name: Objects.scanTag, value: value)
    }
}

/// The scan of a body that is being taken in.
struct Screen: Sendable {
    let scan: ClamdScan
    let bytesMax: Int64

    /// Gives it up.
    func abort() { scan.abort() }

    /// - Returns: the tag that says what was found.
    /// - Throws: ``ObjectsError`` `.infected`.
    func finish(size: Int64 = 0) async throws -> HeaderField {
        guard size <= bytesMax else {
            scan.abort()
            return ScanOutcome.unscanned.tag
        }
        let outcome = try await Objects.outcome(scan)
        if case .infected(let signature) = outcome {
            throw ObjectsError(.infected, "the virus scanner found '\(signature.prefix(100))': nothing was stored")
        }
        return outcome.tag
    }
}

/// Hands a body on, and to the scanner at the same time, up to what is scanned of one.
struct ScreenedBody<Base: AsyncSequence<ByteBuffer, any Error> & Sendable>: AsyncSequence, Sendable {
    let base: Base
    let screen: Screen

    struct AsyncIterator: AsyncIteratorProtocol {
        var base: Base.AsyncIterator
        let screen: Screen
        var size: Int64 = 0

        mutating func next(isolation actor: isolated (any Actor)?) async throws -> ByteBuffer? {
            guard let buffer = try await base.next(isolation: actor) else { return nil }
            size += Int64(buffer.readableBytes)
            if size <= screen.bytesMax { await screen.scan.write(buffer) }
            return buffer
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(base: base.makeAsyncIterator(), screen: screen) }
}
