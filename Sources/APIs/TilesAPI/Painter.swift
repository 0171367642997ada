import Ciphers
import HTTPSupport
import NIOHTTP1
package import Objects
import ProductMetadata
package import Rasters
import Synchronization
import Wire

/// A picture, encoded.
struct Painted: Sendable {
    var bytes: [UInt8]
    /// Why something could not be drawn.
    var problem: String?
}

/// Makes pictures: a few at a time, and keeps the latest in memory.
package final class Painter: Sendable {
    /// Bytes of pictures that are kept.
    private static let bytesMax = 64 << 20
    /// Requests that wait for their turn; beyond, they are asked to come again.
    private static let waitingMax = 256
    private static let rangesMax = 10_000

    private struct Kept {
        var painted: Painted
        var used: UInt64
    }

    private struct State {
        var free: Int
        var waiting: [CheckedContinuation<Void, Never>] = []
        var kept: [String: Kept] = [:]
        var bytes = 0
        var clock: UInt64 = 0
        /// The lowest and highest values that were found out.
        var ranges: [String: [[Double]]] = [:]
    }

    private let rasters: RasterReader
    private let objects: Objects
    private let state: Mutex<State>

    /// - Parameter atOnce: pictures that are made at the same time.
    package init(rasters: RasterReader, objects: Objects, atOnce: Int) {
        self.rasters = rasters
        self.objects = objects
        state = Mutex(State(free: max(1, atOnce)))
    }

    /// A tag that changes with what is drawn and how.
    static func tag(_ request: PictureRequest, _ files: [OpenObject]) -> String {
        var text = request.bytes
        for file in files { text += Array(" \(file.version.number) \(file.version.etag)".utf8) }
        return Hex.encode(DigestAlgorithm.sha256.hash(text).prefix(16))
    }

    /// Makes a picture, or gives the one that was made before.
    ///
    /// - Parameters:
    ///   - tag: ``tag(_:_:)``.
    ///   - rangeKey: under which the lowest and highest values are remembered, where the request says none: so that all
    ///     tiles of a map have the same.
    /// - Throws: `RasterError`, ``Problem`` where too many wait.
    func paint(
        _ name: String, _ request: PictureRequest, _ files: [OpenObject], suffixes: [String], tag: String,
        rangeKey: String?
    ) async throws -> Painted {
        if let known = kept(tag) { return known }
        try await takeTurn()
        defer { giveTurn() }
        // Who has gone on with the map meanwhile waits for nothing.
        try Task.checkCancellation()
        // Another request may have asked for the same meanwhile.
        if let known = kept(tag) { return known }
        var request = request
        if let rangeKey, let known = state.withLock({ $0.ranges[rangeKey] }) { request.rescale = known }
        let names = zip(files, suffixes).enumerated().map { index, file in
            RasterProtocol.File(name: "a\(index).\(file.1)", size: UInt64(max(0, file.0.version.size)))
        }
        let made = try await rasters.picture(name: name, request, files: names) { [objects] index, range in
            try await objects.bytes(of: files[index], range: range)
        }
        if let rangeKey, request.rescale.isEmpty, !made.rescale.isEmpty {
            state.withLock { state in
                if state.ranges.count >= Self.rangesMax { state.ranges = [:] }
                state.ranges[rangeKey] = made.rescale
            }
        }
        let painted = Painted(bytes: made.bytes, problem: made.problem)
        keep(painted, tag)
        return painted
    }

    // MARK: Turns

    private func takeTurn() async throws {
        guard state.withLock({ $0.waiting.count < Self.waitingMax }) else {
            throw Problem(
                .serviceUnavailable, "busy", "more pictures are asked for than can be made: try again",
                headers: ["Retry-After": "2"])
        }
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                guard state.free > 0 else {
                    state.waiting.append(continuation)
                    return false
                }
                state.free -= 1
                return true
            }
            if isFree { continuation.resume() }
        }
    }

    private func giveTurn() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard !state.waiting.isEmpty else {
                state.free += 1
                return nil
            }
            return state.waiting.removeFirst()
        }
        next?.resume()
    }

    // MARK: What is kept

    private func kept(_ tag: String) -> Painted? {
        state.withLock { state in
            guard let known = state.kept[tag] else { return nil }
            state.clock += 1
            state.kept[tag]?.used = state.clock
            return known.painted
        }
    }

    private func keep(_ painted: Painted, _ tag: String) {
        state.withLock { state in
            state.clock += 1
            if state.kept.updateValue(Kept(painted: painted, used: state.clock), forKey: tag) == nil {
                state.bytes += painted.bytes.count
            }
            guard state.bytes > Self.bytesMax else { return }
            for (tag, old) in state.kept.sorted(by: { $0.value.used < $1.value.used }) {
                state.kept[tag] = nil
                state.bytes -= old.painted.bytes.count
                if state.bytes <= Self.bytesMax / 4 * 3 { return }
            }
        }
    }
}
