import FoundationEssentials
import NIOCore
import NIOPosix
import Testing

@testable import Blobs

/// What is the disk store's own.
struct DiskBlobsTests {
    @Test("a blob is a file under two levels of directories")
    func layout() async throws {
        try await withDiskBlobs { store, path in
            let id = try BlobID(bytes: [UInt8](0x10..<0x20))
            try await store.put(id, [7])
            #expect(try entries("\(path)/10/11") == [id.hex])
            #expect(try entries("\(path)/incoming").isEmpty)
        }
    }

    @Test("a store keeps its blobs over a reopening")
    func reopening() async throws {
        try await withDirectory { path in
            let id = BlobID.random()
            let first = try await DiskBlobs.open(path)
            try await first.put(id, pattern(5000))
            await first.close()
            let second = try await DiskBlobs.open(path)
            #expect(try await second.get(id) == pattern(5000))
            try await second.put(.random(), [1])
            await second.close()
        }
    }

    @Test("reopening removes what was left half-written")
    func leftovers() async throws {
        try await withDirectory { path in
            let first = try await DiskBlobs.open(path)
            let writer = try await first.create(.random())
            try await writer.write(ByteBuffer(string: "half"))
            // As by a crash: nobody ends the writer.
            #expect(try entries("\(path)/incoming").count == 1)
            await first.close()
            let second = try await DiskBlobs.open(path)
            #expect(try entries("\(path)/incoming").isEmpty)
            #expect(try await second.list(after: nil, limit: 10).isEmpty)
            #expect(await code { try await writer.finish() } == .unavailable)
            await second.close()
        }
    }

    @Test("an abort, or a writer that is dropped, leaves no file")
    func dropped() async throws {
        try await withDiskBlobs { store, path in
            let aborted = try await store.create(.random())
            try await aborted.write(ByteBuffer(string: "x"))
            await aborted.abort()
            #expect(try entries("\(path)/incoming").isEmpty)
            let before = try entries("/proc/self/fd").count
            for _ in 0..<300 {
                let writer = try await store.create(.random())
                try await writer.write(ByteBuffer(string: "x"))
            }
            #expect(try await eventually { try entries("\(path)/incoming").isEmpty })
            // Other tests run beside this one, so the count is not exact.
            #expect(try await eventually { try entries("/proc/self/fd").count < before + 200 })
        }
    }

    @Test("one store at a time has the directory")
    func locking() async throws {
        try await withDirectory { path in
            let first = try await DiskBlobs.open(path)
            #expect(await code { _ = try await DiskBlobs.open(path) } == .unavailable)
            await first.close()
            await (try DiskBlobs.open(path)).close()
        }
    }

    @Test("a directory that is something else is refused and stays as it is")
    func foreign() async throws {
        try await withDirectory { path in
            try FileManager.default.createDirectory(atPath: "\(path)/incoming", withIntermediateDirectories: false)
            try Data("mine".utf8).write(to: URL(filePath: "\(path)/incoming/notes"))
            #expect(await code { _ = try await DiskBlobs.open(path) } == .unavailable)
            #expect(try entries(path) == ["incoming"])
            #expect(try entries("\(path)/incoming") == ["notes"])
        }
    }

    @Test("another version of the layout is refused")
    func otherVersion() async throws {
        try await withDirectory { path in
            for text in ["martlet disk blobs 2\n", "martlet disk blobs 1", "x", String(repeating: "y", count: 5000)] {
                try Data(text.utf8).write(to: URL(filePath: "\(path)/lock"))
                #expect(await code { _ = try await DiskBlobs.open(path) } == .unavailable)
            }
        }
    }

    @Test("a parent that does not exist, and a file, are refused")
    func noDirectory() async throws {
        try await withDirectory { path in
            #expect(await code { _ = try await DiskBlobs.open("\(path)/a/b") } == .notFound)
            try Data().write(to: URL(filePath: "\(path)/file"))
            #expect(await code { _ = try await DiskBlobs.open("\(path)/file") } != nil)
            let store = try await DiskBlobs.open("\(path)/new")
            await store.close()
        }
    }

    @Test("a file that was cut behind the store's back is damaged")
    func damaged() async throws {
        try await withDiskBlobs { store, path in
            let id = BlobID.random()
            try await store.put(id, pattern(5000))
            let reader = try await store.open(id)
            try Data(pattern(100)).write(to: URL(filePath: "\(path)/\(DiskRoot.directory(of: id))/\(id.hex)"))
            #expect(await code { _ = try await reader.read(0..<5000) } == .damaged)
            #expect(try await reader.read(0..<100).readableBytes == 100)
        }
    }

    @Test("foreign files and links among the blobs are not listed or opened")
    func foreignFiles() async throws {
        try await withDiskBlobs { store, path in
            let id = BlobID.random()
            try await store.put(id, [1])
            let directory = "\(path)/\(DiskRoot.directory(of: id))"
            try Data("x".utf8).write(to: URL(filePath: "\(directory)/notes.txt"))
            let other = try BlobID(bytes: id.bytes.prefix(15) + [id.bytes[15] ^ 1])
            try FileManager.default.createSymbolicLink(
                atPath: "\(directory)/\(other.hex)", withDestinationPath: "/etc/passwd")
            try Data().write(to: URL(filePath: "\(path)/00/not-a-directory"))
            #expect(try await store.list(after: nil, limit: 10).map(\.id) == [id])
            #expect(await code { _ = try await store.open(other) } != nil)
        }
    }

    @Test("many writers finish together, in one directory and in many", arguments: [true, false])
    func concurrent(_ together: Bool) async throws {
        try await withDiskBlobs { store, _ in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in UInt8(0)..<100 {
                    let start: [UInt8] = together ? [1, 2] : [number, number]
                    let id = try BlobID(bytes: start + [UInt8](repeating: number, count: 14))
                    group.addTask { try await store.put(id, pattern(Int(number) * 100)) }
                }
                try await group.waitForAll()
            }
            let found = try await store.list(after: nil, limit: 1000)
            #expect(found.map(\.size) == (0..<100).map { Int64($0) * 100 })
        }
    }

    @Test("two stores share a given pool, and closing one does not stop it")
    func sharedPool() async throws {
        let pool = NIOThreadPool(numberOfThreads: 2)
        pool.start()
        try await withDirectory { path in
            let a = try await DiskBlobs.open("\(path)/a", pool: pool)
            let b = try await DiskBlobs.open("\(path)/b", pool: pool)
            try await a.put(.random(), [1])
            await a.close()
            try await b.put(.random(), [2])
            #expect(await code { _ = try await a.list(after: nil, limit: 1) } == .unavailable)
            await b.close()
        }
        try await pool.shutdownGracefully()
    }

    @Test("a pool that does not run is an error")
    func stoppedPool() async throws {
        let pool = NIOThreadPool(numberOfThreads: 1)
        try await withDirectory { path in
            #expect(await code { _ = try await DiskBlobs.open(path, pool: pool) } == .unavailable)
        }
    }
}
