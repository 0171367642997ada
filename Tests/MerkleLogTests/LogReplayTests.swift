import MerkleLog
import TestSupport
import Testing

/// A log kept in memory, of which any tile can be altered.
private struct MemoryLog: LogSource {
    let entries: [[UInt8]]
    let tree: PlainTree
    var altered: [String: [UInt8]?] = [:]

    init(size: Int, word: String = "entry") {
        entries = (0..<size).map { Array("\(word) \($0)".utf8) }
        tree = PlainTree(entries: entries)
    }

    func checkpoint(_ size: Int) throws -> Checkpoint {
        try Checkpoint(origin: "log.example", size: UInt64(size), root: tree.root(size: size))
    }

    func bytes(of tile: Tile) async throws -> [UInt8]? {
        if let bytes = altered[tile.path] { return bytes }
        return try plain(tile)
    }

    func plain(_ tile: Tile) throws -> [UInt8]? {
        let first = Int(tile.index) * Tile.fullWidth
        switch tile.content {
        case .entries:
            guard first + tile.width <= entries.count else { return nil }
            return try EntryBundle.encode(Array(entries[first..<first + tile.width]))
        case .hashes(let level):
            guard (first + tile.width) << (8 * level) <= entries.count else { return nil }
            return Tile.encode(try (first..<first + tile.width).map { try tree.read(8 * level, UInt64($0)) })
        }
    }

    mutating func alter(_ path: String, at byte: Int) throws {
        var bytes = try #require(try plain(Tile(path: path)))
        bytes[byte] ^= 1
        altered[path] = bytes
    }

    /// Reads all, or all since a size that was seen before.
    func replay(from known: Checkpoint? = nil, to size: Int) async throws -> Int {
        var replay =
            if let known {
                try await LogReplay(self, from: known, to: checkpoint(size))
            } else {
                LogReplay(self, to: try checkpoint(size))
            }
        var count = 0
        while let entries = try await replay.next() {
            let first = Int(replay.size) - entries.count
            #expect(entries == Array(self.entries[first..<first + entries.count]))
            count += entries.count
        }
        return count
    }

    func fault(from known: Checkpoint? = nil, to size: Int) async throws -> LogFault? {
        do {
            _ = try await replay(from: known, to: size)
            return nil
        } catch let fault as LogFault {
            return fault
        }
    }
}

struct LogReplayTests {
    @Test("a whole log is read, from its beginning and from any size", arguments: [0, 1, 255, 256, 257, 1000])
    func whole(size: Int) async throws {
        let log = MemoryLog(size: size)
        #expect(try await log.replay(to: size) == size)
        for old in Set([0, 1, 255, 256, 300, size - 1, size]) where (0...size).contains(old) {
            #expect(try await log.replay(from: log.checkpoint(old), to: size) == size - old)
        }
    }

    @Test("tiles of two levels are compared, and a partial tile may have gone once it is full")
    func levels() async throws {
        var log = MemoryLog(size: 600)
        #expect(try await log.replay(to: 600) == 600)
        // The log has grown since the checkpoint: of its last bundle only the full one is kept.
        log.altered["tile/entries/001.p/144"] = .some(nil)
        log.altered["tile/0/001.p/144"] = .some(nil)
        #expect(try await log.replay(to: 400) == 400)
        log.altered["tile/entries/001"] = .some(nil)
        #expect(try await log.fault(to: 400)?.place == "tile/entries/001.p/144")
    }

    @Test(
        "the first place that is wrong is told",
        arguments: [
            ("tile/entries/000", 8, "entry 0"), ("tile/entries/001", 20, "entry"), ("tile/0/001", 32 * 5, "entry 261"),
            ("tile/0/002.p/88", 0, "entry 512"), ("tile/1/000.p/2", 33, "tile/1/000.p/2"),
        ])
    func altered(path: String, byte: Int, place: String) async throws {
        var log = MemoryLog(size: 600)
        try log.alter(path, at: byte)
        let fault = try #require(try await log.fault(to: 600))
        #expect(fault.place.hasPrefix(place), "\(fault)")
    }

    @Test("a fork, a log that went back and one that was written anew are found")
    func rewritten() async throws {
        let log = MemoryLog(size: 500)
        let other = MemoryLog(size: 700, word: "other")
        #expect(try await log.fault(from: log.checkpoint(400), to: 300)?.problem.contains("gone back") == true)
        #expect(try await other.fault(from: log.checkpoint(500), to: 500)?.problem.contains("fork") == true)
        let fault = try #require(try await other.fault(from: log.checkpoint(500), to: 700))
        #expect(fault.place == "tree of size 500")
        // Entries and hashes that agree, but are not what was signed.
        var replay = LogReplay(log, to: try other.checkpoint(500))
        await #expect { while try await replay.next() != nil {} } throws: { ($0 as? LogFault)?.place == "checkpoint" }
    }
}
