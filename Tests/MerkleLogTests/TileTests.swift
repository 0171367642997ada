import TestSupport
import Testing

@testable import MerkleLog

struct TileTests {
    @Test("a tree of size 70,000 has the tiles of the specification")
    func layout() throws {
        let rows = Tile.layout(size: 70_000)
        #expect(
            rows == [
                Tile.Row(content: .hashes(level: 0), full: 273, partialWidth: 112),
                Tile.Row(content: .hashes(level: 1), full: 1, partialWidth: 17),
                Tile.Row(content: .hashes(level: 2), full: 0, partialWidth: 1),
            ])
        #expect(Tile.at(.hashes(level: 0), index: 273, size: 70_000)?.path == "tile/0/273.p/112")
        #expect(Tile.at(.hashes(level: 0), index: 272, size: 70_000)?.path == "tile/0/272")
        #expect(Tile.at(.hashes(level: 1), index: 1, size: 70_000)?.path == "tile/1/001.p/17")
        #expect(Tile.at(.hashes(level: 2), index: 0, size: 70_000)?.path == "tile/2/000.p/1")
        #expect(Tile.at(.entries, index: 273, size: 70_000)?.path == "tile/entries/273.p/112")
        #expect(Tile.at(.hashes(level: 0), index: 274, size: 70_000) == nil)
        #expect(Tile.at(.hashes(level: 63), index: 0, size: UInt64.max) == nil)
    }

    @Test("a tree of size 256 has a full tile and a partial one above it; the empty tree has none")
    func smallLayouts() {
        #expect(
            Tile.layout(size: 256) == [
                Tile.Row(content: .hashes(level: 0), full: 1, partialWidth: 0),
                Tile.Row(content: .hashes(level: 1), full: 0, partialWidth: 1),
            ])
        #expect(Tile.layout(size: 0).isEmpty)
        #expect(Tile.layout(size: UInt64.max).count == 8)
    }

    @Test(
        "paths are written and read",
        arguments: [
            (Tile.Content.hashes(level: 0), 1_234_067, 256, "tile/0/x001/x234/067"),
            (.hashes(level: 63), 0, 1, "tile/63/000.p/1"),
            (.entries, 1000, 255, "tile/entries/x001/000.p/255"),
            (.hashes(level: 7), UInt64.max, 256, "tile/7/x018/x446/x744/x073/x709/x551/615"),
        ])
    func paths(content: Tile.Content, index: UInt64, width: Int, path: String) throws {
        let tile = try Tile(content, index: index, width: width)
        #expect(tile.path == path)
        #expect(try Tile(path: path) == tile)
    }

    @Test(
        "other spellings of paths are refused",
        arguments: [
            "", "tile", "tile/0", "tile/0/", "tile/0/1", "tile/0/0001", "tile/0/01a", "tile/00/000", "tile/64/000",
            "tile/-1/000", "tile/+1/000", "tile/entries", "tile/data/000", "/tile/0/000", "tile/0/000/", "tile/0//000",
            "tile/0/001/067", "tile/0/x001/x067", "tile/0/x000/067", "tile/0/x1/067", "tile/0/000.p", "tile/0/000.p/",
            "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/1/1", "tile/0/x001.p/1/000",
            "tile/0/x018/x446/x744/x073/x709/x551/616", "tile/0/x001/x018/x446/x744/x073/x709/x551/615", "tile/0/..",
            "tile/0/\u{0661}\u{0661}\u{0661}", "tile/0/000\r\n", "tile/0/x001\u{301}/000",
        ])
    func badPaths(path: String) {
        #expect(code { try Tile(path: path) } == .malformed)
    }

    @Test("a mutated path is refused or read as what it says", arguments: 0..<8)
    func fuzzPaths(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        for _ in 0..<1000 {
            let bytes = mutated(Array("tile/1/x001/x234/067.p/8".utf8), using: &random)
            let path = String(decoding: bytes, as: UTF8.self)
            if let tile = try? Tile(path: path) { #expect(tile.path == path) }
        }
    }

    @Test("the hash of every complete subtree comes out of the tile that holds it")
    func hashes() throws {
        let size = 600
        let tree = PlainTree(size: size)
        for level in 0..<10 {
            for index in 0..<(size >> level) where level > 3 || index % 7 == 0 {
                let subtree = Subtree(level: level, index: UInt64(index))
                let tile = try Tile.holding(subtree, size: UInt64(size))
                guard case .hashes(let row) = tile.content else { continue }
                let hashes = try (0..<tile.width).map { try tree.read(8 * row, tile.index * 256 + UInt64($0)) }
                let bytes = Tile.encode(hashes)
                #expect(bytes.count == 32 * tile.width)
                #expect(try Tile.decode(bytes, width: tile.width) == hashes)
                #expect(try tile.hash(of: subtree, in: bytes) == tree.read(level, UInt64(index)))
            }
        }
    }

    @Test("what is not in a tile is refused")
    func refusals() throws {
        #expect(code { try Tile.holding(Subtree(level: 0, index: 600), size: 600) } == .invalidArgument)
        #expect(code { try Tile.holding(Subtree(level: -1, index: 0), size: 600) } == .invalidArgument)
        #expect(code { try Tile.holding(Subtree(level: 64, index: 0), size: UInt64.max) } == .invalidArgument)
        let tile = try Tile(.hashes(level: 0), index: 1, width: 3)
        let bytes = [UInt8](repeating: 0, count: 96)
        for subtree in [
            Subtree(level: 0, index: 255), Subtree(level: 0, index: 259), Subtree(level: 1, index: 129),
            Subtree(level: 8, index: 1), Subtree(level: -1, index: 0), Subtree(level: 7, index: UInt64.max),
        ] {
            #expect(code { try tile.hash(of: subtree, in: bytes) } == .invalidArgument)
        }
        #expect(code { try tile.hash(of: Subtree(level: 0, index: 256), in: bytes + [0]) } == .malformed)
        #expect(code { try Tile(.entries, index: 0, width: 0) } == .invalidArgument)
        #expect(code { try Tile(.entries, index: 0, width: 257) } == .invalidArgument)
        #expect(code { try Tile(.hashes(level: 64), index: 0) } == .invalidArgument)
    }
}

struct EntryBundleTests {
    @Test("entries of every length come back")
    func roundTrip() throws {
        let entries: [[UInt8]] = [0, 1, 255, 256, 65_535].map { [UInt8](repeating: 7, count: $0) }
        let bytes = try EntryBundle.encode(entries)
        #expect(Array(bytes.prefix(5)) == [0, 0, 0, 1, 7])
        #expect(try EntryBundle.decode(bytes, width: 5).map(Array.init) == entries)
        #expect(code { try EntryBundle.decode(bytes, width: 4) } == .malformed)
        #expect(code { try EntryBundle.decode(bytes, width: 6) } == .malformed)
        #expect(code { try EntryBundle.decode(Array(bytes.dropLast()), width: 5) } == .malformed)
        #expect(code { try EntryBundle.decode([], width: 0) } == .invalidArgument)
    }

    @Test("what does not fit a bundle is refused")
    func limits() throws {
        #expect(code { try EntryBundle.encode([[UInt8](repeating: 0, count: 65_536)]) } == .tooLarge)
        #expect(code { try EntryBundle.encode(Array(repeating: [], count: 257)) } == .tooLarge)
        #expect(try EntryBundle.encode(Array(repeating: [], count: 256)).count == 512)
    }

    @Test("mutated bundles are refused or decode to what encodes back", arguments: 0..<4)
    func fuzz(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let bytes = try EntryBundle.encode([[1, 2, 3], [], [4], Array(repeating: 5, count: 300)])
        for _ in 0..<500 {
            let input = mutated(bytes, using: &random)
            if let entries = try? EntryBundle.decode(input, width: 4) {
                #expect(try EntryBundle.encode(entries.map(Array.init)) == input)
            }
        }
    }
}
