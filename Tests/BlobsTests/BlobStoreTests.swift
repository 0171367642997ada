import Blobs
import NIOCore
import Testing
import Wire

/// The stores that have to pass `BlobStoreTests`.
enum TestedStore: CaseIterable, Sendable {
    case disk, s3

    /// An S3 store needs a server to stand on.
    static var allCases: [TestedStore] { MotoServer.isInstalled ? [.disk, .s3] : [.disk] }

    func run(_ body: (any BlobStore) async throws -> Void) async throws {
        switch self {
        case .disk: try await withDiskBlobs { store, _ in try await body(store) }
        case .s3: try await withS3Blobs { store, _ in try await body(store) }
        }
    }
}

/// What every driver promises.
struct BlobStoreTests {
    @Test(
        "what was written is read again", arguments: TestedStore.allCases,
        [0, 1, 4096, 1_000_000, 4 << 20, (3 << 20) + 5])
    func roundTrip(_ tested: TestedStore, _ count: Int) async throws {
        try await tested.run { store in
            let id = BlobID.random()
            let bytes = pattern(count)
            try await store.put(id, Array(bytes[..<(count / 3)]), [], Array(bytes[(count / 3)...]))
            #expect(try await store.open(id).size == Int64(count))
            let read = try await store.get(id)
            #expect(read == bytes)
        }
    }

    @Test("ranges are read exactly", arguments: TestedStore.allCases)
    func ranges(_ tested: TestedStore) async throws {
        try await tested.run { store in
            let id = BlobID.random()
            let bytes = pattern(10_000)
            try await store.put(id, bytes)
            let reader = try await store.open(id)
            for range in [0..<0, 0..<1, 9_999..<10_000, 10_000..<10_000, 4_095..<4_097, 0..<10_000] {
                let read = try await reader.read(Int64(range.lowerBound)..<Int64(range.upperBound))
                #expect(Array(read.readableBytesView) == Array(bytes[range]))
            }
            for range in [Int64(-1)..<1, 0..<10_001, 10_001..<10_001, 0..<Int64.max, Int64.min..<0] {
                #expect(await code { _ = try await reader.read(range) } == .invalid)
            }
            await reader.close()
            await reader.close()
            #expect(await code { _ = try await reader.read(0..<1) } == .unavailable)
        }
    }

    @Test("a read above the limit is refused", arguments: TestedStore.allCases)
    func readLimit(_ tested: TestedStore) async throws {
        try await tested.run { store in
            let id = BlobID.random()
            try await store.put(id, pattern(blobReadMax), [1])
            let reader = try await store.open(id)
            #expect(await code { _ = try await reader.read(0..<reader.size) } == .invalid)
            #expect(try await reader.read(1..<reader.size).readableBytes == blobReadMax)
        }
    }

    @Test("reads of one reader may run side by side", arguments: TestedStore.allCases)
    func readsTogether(_ tested: TestedStore) async throws {
        try await tested.run { store in
            let id = BlobID.random()
            let bytes = pattern(64 * 1024)
            try await store.put(id, bytes)
            let reader = try await store.open(id)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for part in 0..<64 {
                    group.addTask {
                        let read = try await reader.read(Int64(part * 1024)..<Int64(part * 1024 + 1024))
                        #expect(Array(read.readableBytesView) == Array(bytes[part * 1024..<part * 1024 + 1024]))
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("a blob is not visible before it is finished", arguments: TestedStore.allCases)
    func visibility(_ tested: TestedStore) async throws {
        try await tested.run { store in
            let id = BlobID.random()
            let writer = try await store.create(id)
            try await writer.write(ByteBuffer(string: "half"))
            #expect(await code { _ = try await store.open(id) } == .notFound)
            #expect(try await store.list(after: nil, limit: 10).isEmpty)
            try await writer.finish()
            #expect(try await store.list(after: nil, limit: 10).map(\.id) == [id])
        }
    }

    @Test("an aborted blob never was", arguments: TestedStore.allCases)
    func abort(_ tested: TestedStore) async throws {
        try await tested.run { store in
            let id = BlobID.random()
            let writer = try await store.create(id)
            try await writer.write(ByteBuffer(string: "given up"))
            await writer.abort()
            await writer.abort()
            #expect(await code { try await writer.write(ByteBuffer(string: "more")) } == .invalid)
            #expect(await code { try await writer.finish() } == .invalid)
            #expect(await code { _ = try await store.open(id) } == .notFound)
            try await store.put(id, [1])
        }
    }

    @Test("a finished writer writes no more, and abort leaves its blob", arguments: TestedStore.allCases)
    func afterFinish(_ tested: TestedStore) async throws {
        try await tested.run { store in
            let id = BlobID.random()
            let writer = try await store.create(id)
            try await writer.finish()
            #expect(await code { try await writer.write(ByteBuffer(string: "more")) } == .invalid)
            #expect(await code { try await writer.finish() } == .invalid)
            await writer.abort()
            #expect(try await store.get(id) == [])
        }
    }

    @Test("an id that exists cannot be created again", arguments: TestedStore.allCases)
    func exists(_ tested: TestedStore) async throws {
        try await tested.run { store in
            let id = BlobID.random()
            let early = try await store.create(id)
            try await early.write(ByteBuffer(string: "late"))
            try await store.put(id, [1])
            #expect(await code { _ = try await store.create(id) } == .exists)
            #expect(await code { try await early.finish() } == .exists)
            #expect(try await store.get(id) == [1])
        }
    }

    @Test("of many writers of one id, one finishes", arguments: TestedStore.allCases)
    func race(_ tested: TestedStore) async throws {
        try await tested.run { store in
            let id = BlobID.random()
            let finished = await withTaskGroup(of: Bool.self) { group in
                for number in UInt8(0)..<16 {
                    group.addTask {
                        let outcome = await code { try await store.put(id, [number]) }
                        #expect(outcome == nil || outcome == .exists)
                        return outcome == nil
                    }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(finished == 1)
            let kept = try await store.get(id)
            #expect(kept.count == 1)
        }
    }

    @Test("deleting twice, or what never was, is no error", arguments: TestedStore.allCases)
    func delete(_ tested: TestedStore) async throws {
        try await tested.run { store in
            let id = BlobID.random()
            try await store.put(id, [1, 2, 3])
            try await store.delete(id)
            try await store.delete(id)
            try await store.delete(.random())
            #expect(await code { _ = try await store.open(id) } == .notFound)
            try await store.put(id, [4])
            #expect(try await store.get(id) == [4])
        }
    }

    @Test("pages list every blob once, in order", arguments: TestedStore.allCases, [1, 7, 1000])
    func list(_ tested: TestedStore, _ limit: Int) async throws {
        try await tested.run { store in
            // Some that share their first bytes, for stores that fan out by them.
            let near = (0..<20).compactMap {
                try? BlobID(bytes: [0xAB, 0xCD] + [UInt8](repeating: UInt8($0), count: 14))
            }
            let ids = (near + (0..<20).map { _ in BlobID.random() }).sorted()
            for (size, id) in ids.enumerated() { try await store.put(id, pattern(size)) }
            var found: [BlobInfo] = []
            var pages = 0
            while true {
                let page = try await store.list(after: found.last?.id, limit: limit)
                if page.isEmpty { break }
                #expect(page.count <= limit)
                found += page
                pages += 1
            }
            #expect(found.map(\.id) == ids)
            #expect(found.map(\.size) == Array(0..<Int64(ids.count)))
            #expect(pages == (ids.count - 1) / limit + 1)
            let times = Set(found.map(\.modified))
            #expect(times.allSatisfy { $0.seconds > 1_700_000_000 })
        }
    }

    @Test("a limit below one is one", arguments: TestedStore.allCases)
    func listLimit(_ tested: TestedStore) async throws {
        try await tested.run { store in
            try await store.put(.random(), [1])
            try await store.put(.random(), [2])
            #expect(try await store.list(after: nil, limit: -5).count == 1)
            #expect(try await store.list(after: nil, limit: .max).count == 2)
        }
    }

    @Test("a closed store answers that it is", arguments: TestedStore.allCases)
    func closed(_ tested: TestedStore) async throws {
        try await tested.run { store in
            let id = BlobID.random()
            let writer = try await store.create(id)
            await store.close()
            await store.close()
            #expect(await code { _ = try await store.create(.random()) } == .unavailable)
            #expect(await code { _ = try await store.open(id) } == .unavailable)
            #expect(await code { try await store.delete(id) } == .unavailable)
            #expect(await code { _ = try await store.list(after: nil, limit: 1) } == .unavailable)
            #expect(await code { try await writer.write(ByteBuffer(string: "late")) } == .unavailable)
        }
    }

    @Test("a cancelled task still finishes its blob", arguments: TestedStore.allCases)
    func cancelled(_ tested: TestedStore) async throws {
        try await tested.run { store in
            let id = BlobID.random()
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                try await store.put(id, [1, 2, 3])
            }
            try await task.value
            #expect(try await store.get(id) == [1, 2, 3])
        }
    }
}
