import Journal
import Logging
package import Objects
import Wire

/// Reads everything that is stored, little by little, and puts into quarantine what is not as it was stored. What is
/// there for damage and reads well again, is released.
///
/// One node does it at a time. How far it is stands in the database, so a pass goes on where a node that ended left
/// off. Besides, each node looks at once at the versions that its own readers found unreadable.
package struct Scrubber: Worker {
    package let name = "scrubber"
    private let objects: Objects
    private let bytesPerSecond: Int64
    private let logger = Logger(label: "martlet.scrubber")

    /// What a pass reads in a second where nothing else is said: 8 MiB, some 20 TB in a month.
    package static let bytesPerSecondDefault: Int64 = 8 << 20
    /// A pass begins a day after the one before began, or when that has ended.
    private static let pauseSeconds: Int64 = 86_400
    /// Versions between two notes of how far it is.
    private static let batch = 100
    /// What looking at a version costs besides its bytes, in bytes.
    private static let versionCost: Int64 = 4096
    /// When so many versions one after the other are damaged, it is rather the store that is not what it was.
    private static let damagedInARowMax = 100
    private static let actor = "system:scrubber"

    /// - Parameter bytesPerSecond: 0 for no passes but those that are asked for.
    package init(objects: Objects, bytesPerSecond: Int64) {
        self.objects = objects
        self.bytesPerSecond = bytesPerSecond
    }

    package func run() async throws {
        try await withThrowingTaskGroup { group in
            group.addTask { try await lookAtSuspects() }
            group.addTask { try await makePasses() }
            try await group.next()
            group.cancelAll()
        }
    }

    private func lookAtSuspects() async throws {
        while true {
            for version in objects.takeSuspects() {
                let verdict = try await objects.examine(version)
                _ = try await act(on: verdict, version)
                if verdict == .sound { logger.notice("version \(version.id.text) did not read well, and does again") }
            }
            try await Task.sleep(for: .seconds(1))
        }
    }

    private func makePasses() async throws {
        do {
            while true {
                if try await isDue(), try await objects.journal.lease(name, seconds: 60) != nil {
                    let state = try await objects.scrubState()
                    if state.began == nil || state.ended != nil { try await objects.beginScrub() }
                    try await pass(try await objects.scrubState())
                    try await objects.journal.release(name)
                }
                try await Task.sleep(for: .seconds(1))
            }
        } catch {
            try? await objects.journal.release(name)
            throw error
        }
    }

    /// Whether a pass is to be begun or gone on with.
    private func isDue() async throws -> Bool {
        let state = try await objects.scrubState()
        guard let began = state.began else { return bytesPerSecond > 0 }
        // A beginning that lies ahead is of a clock that was wrong.
        let isRecent = (0..<Self.pauseSeconds).contains(Timestamp.now.seconds - began.seconds)
        return state.ended == nil || (bytesPerSecond > 0 && !isRecent)
    }

    private func pass(_ start: ScrubState) async throws {
        var state = start
        var damagedInARow = 0
        let pacer = Pacer(bytesPerSecond: bytesPerSecond > 0 ? bytesPerSecond : Self.bytesPerSecondDefault) {
            [objects, name] in _ = try await objects.journal.lease(name, seconds: 60)
        }
        while true {
            let versions = try await objects.storedVersions(after: state.cursor, limit: Self.batch)
            for version in versions {
                try await pacer.spend(Self.versionCost)
                let verdict = try await objects.examine(version) { try await pacer.spend($0) }
                state.cursor = version.number
                state.versions += 1
                state.bytes += version.size
                if case .sealed = verdict { state.sealed += 1 }
                if try await act(on: verdict, version) {
                    state.damaged += 1
                    damagedInARow += 1
                } else {
                    damagedInARow = 0
                }
                if damagedInARow == Self.damagedInARowMax {
                    logger.critical(
                        "\(damagedInARow) versions in a row are damaged: the pass ends here. Is this the right blob store?"
                    )
                    break
                }
                if version.size >= 1 << 30 { guard try await objects.store(state, by: Self.actor) else { return } }
            }
            if versions.count < Self.batch || damagedInARow == Self.damagedInARowMax { state.ended = .now }
            guard try await objects.store(state, by: Self.actor), state.ended == nil else { break }
        }
        if state.ended != nil {
            logger.info(
                "scrubbed \(state.versions) versions, \(state.bytes) bytes: \(state.damaged) damaged, \(state.sealed) with keys that do not open"
            )
        }
    }

    /// - Returns: whether the version is damaged.
    private func act(on verdict: Examination, _ version: ObjectVersion) async throws -> Bool {
        switch verdict {
        case .sealed, .gone: return false
        case .sound:
            if version.quarantine?.cause == .damage {
                do {
                    try await objects.release(number: version.number, by: Self.actor)
                    logger.notice("version \(version.id.text) of '\(version.key)' reads well again: released")
                } catch let error as ObjectsError where error.code == .noSuchVersion {
                    // Somebody else was first.
                }
            }
            return false
        case .damaged(let reason):
            if try await objects.quarantine(version, .damage, reason: reason, by: Self.actor) {
                logger.error("version \(version.id.text) of '\(version.key)' is damaged, now in quarantine: \(reason)")
            }
            return true
        }
    }
}

/// Lets bytes pass at a set pace.
private actor Pacer {
    private let bytesPerSecond: Int64
    private let keep: @Sendable () async throws -> Void
    private var next = ContinuousClock.now
    private var kept = ContinuousClock.now

    /// - Parameter keep: called every now and then, while the bytes pass.
    init(bytesPerSecond: Int64, keep: @escaping @Sendable () async throws -> Void) {
        self.bytesPerSecond = bytesPerSecond
        self.keep = keep
    }

    func spend(_ bytes: Int64) async throws {
        let now = ContinuousClock.now
        // Time that was not used, because the store was slow, is not made up for.
        next = max(next, now) + .nanoseconds(Int64(Double(bytes) / Double(bytesPerSecond) * 1e9))
        if now - kept > .seconds(20) {
            kept = now
            try await keep()
        }
        // Short pauses cost more than they are worth.
        if next - now > .milliseconds(50) { try await Task.sleep(until: next, clock: .continuous) }
    }
}
