import NIOCore
import NIOHTTP1
import Testing
import Wire

@testable import Blobs

/// The S3 store against a real server process.
@Suite(.enabled(if: MotoServer.isInstalled, "moto_server is not installed"))
struct S3BlobsTests {
    @Test(
        "blobs around the size of a part are read as written",
        arguments: [0, 1, (8 << 20) - 1, 8 << 20, (8 << 20) + 1, 20 << 20])
    func roundTrip(_ count: Int) async throws {
        try await withS3Blobs { store, location in
            let id = BlobID.random()
            let bytes = ByteBuffer(bytes: pattern(count))
            let writer = try await store.create(id)
            // Pieces that do not divide a part.
            var rest = bytes
            while let piece = rest.readSlice(length: min(1_000_003, rest.readableBytes)), piece.readableBytes > 0 {
                try await writer.write(piece)
            }
            try await writer.finish()
            let reader = try await store.open(id)
            #expect(reader.size == Int64(count))
            var read = ByteBuffer()
            for start in stride(from: 0, to: Int64(count), by: blobReadMax) {
                var piece = try await reader.read(start..<min(start + Int64(blobReadMax), Int64(count)))
                read.writeBuffer(&piece)
            }
            #expect(read == bytes)
            #expect(try await uploads(location) == 0)
        }
    }

    @Test("one large piece is cut into parts, and read over their ends")
    func cut() async throws {
        try await withS3Blobs { store, _ in
            let id = BlobID.random()
            let bytes = pattern(20 << 20)
            try await store.put(id, bytes)
            let reader = try await store.open(id)
            for start in [0, (8 << 20) - 5, (16 << 20) - 1, (20 << 20) - 10] {
                let piece = try await reader.read(Int64(start)..<Int64(start + 10))
                #expect(Array(piece.readableBytesView) == Array(bytes[start..<start + 10]))
            }
        }
    }

    @Test("1,050 blobs are listed in pages, among other objects")
    func list() async throws {
        try await withS3Blobs { store, location in
            let ids = (0..<1050).map { _ in BlobID.random() }.sorted()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<8 {
                    group.addTask {
                        for index in stride(from: worker, to: ids.count, by: 8) { try await store.put(ids[index], [1]) }
                    }
                }
                try await group.waitForAll()
            }
            try await withClient(location) { client in
                for name in ["00/zz", "80/\(ids[0])", "zz", "ff/\(BlobID.random())x"] {
                    let call = S3Call(method: .PUT, key: client.keyStart + name, body: ByteBuffer(string: "other"))
                    _ = try await client.send(call, "cannot put")
                }
            }
            #expect(try await store.list(after: nil, limit: 5000).map(\.id) == ids)
            var found: [BlobID] = []
            var pages: [Int] = []
            while true {
                let page = try await store.list(after: found.last, limit: 400).map(\.id)
                if page.isEmpty { break }
                found += page
                pages.append(page.count)
            }
            #expect(found == ids)
            #expect(pages == [400, 400, 250])
        }
    }

    @Test("abort, an error and a dropped writer leave no upload behind")
    func abort() async throws {
        try await withS3Blobs { store, location in
            let aborted = try await store.create(.random())
            try await aborted.write(ByteBuffer(repeating: 1, count: 17 << 20))
            #expect(try await uploads(location) == 1)
            await aborted.abort()
            #expect(try await uploads(location) == 0)

            // The id appears while its upload is under way.
            let id = BlobID.random()
            let late = try await store.create(id)
            try await late.write(ByteBuffer(repeating: 2, count: 9 << 20))
            try await store.put(id, [3])
            #expect(await code { try await late.finish() } == .exists)
            #expect(try await uploads(location) == 0)
            #expect(try await store.get(id) == [3])

            try await drop(store)
            var left = 1
            for _ in 0..<100 where left > 0 {
                try await Task.sleep(for: .milliseconds(50))
                left = try await uploads(location)
            }
            #expect(left == 0)
        }
    }

    private func drop(_ store: S3Blobs) async throws {
        let writer = try await store.create(.random())
        try await writer.write(ByteBuffer(repeating: 1, count: 9 << 20))
    }

    @Test("closing the store gives up its uploads")
    func close() async throws {
        let location = try await MotoServer.shared().createBucket()
        let store = try await S3Blobs.open(location)
        let writer = try await store.create(.random())
        try await writer.write(ByteBuffer(repeating: 1, count: 9 << 20))
        #expect(try await uploads(location) == 1)
        await store.close()
        #expect(try await uploads(location) == 0)
        #expect(await code { try await writer.finish() } == .unavailable)
    }

    @Test("a missing bucket is named")
    func missingBucket() async throws {
        let location = try await MotoServer.shared().location("there-is-none")
        do {
            _ = try await S3Blobs.open(location)
            Issue.record("the store was opened")
        } catch let error as BlobError {
            #expect(error.code == .notFound)
            #expect(error.message == "there is no bucket there-is-none at 127.0.0.1:\(location.port); create it first")
        }
    }

    @Test("a blob that is deleted under a reader is not found")
    func deletedUnderReader() async throws {
        try await withS3Blobs { store, _ in
            let id = BlobID.random()
            try await store.put(id, [1, 2, 3])
            let reader = try await store.open(id)
            try await store.delete(id)
            #expect(await code { _ = try await reader.read(0..<3) } == .notFound)
            #expect(try await reader.read(1..<1).readableBytes == 0)
        }
    }

    @Test("a blob that was overwritten with a shorter one is damaged", arguments: [[], [9]] as [[UInt8]])
    func damaged(_ other: [UInt8]) async throws {
        try await withS3Blobs { store, location in
            let id = BlobID.random()
            try await store.put(id, [1, 2, 3])
            let reader = try await store.open(id)
            try await withClient(location) { client in
                let call = S3Call(method: .PUT, key: client.key(id), body: ByteBuffer(bytes: other))
                _ = try await client.send(call, "cannot put")
            }
            #expect(await code { _ = try await reader.read(0..<3) } == .damaged)
            #expect(await code { _ = try await reader.read(2..<3) } == .damaged)
        }
    }

    @Test("a server that dies midway is unavailable within the deadline")
    func dies() async throws {
        let server = try await MotoServer()
        let location = try await server.createBucket()
        try await withS3Blobs(location, callSecondsMax: 3) { store in
            let id = BlobID.random()
            try await store.put(id, [1, 2, 3])
            let reader = try await store.open(id)
            let writer = try await store.create(.random())
            try await writer.write(ByteBuffer(repeating: 1, count: 9 << 20))
            try await server.stop()
            // Each call has 3 s, a part 8 s more; giving up the upload takes up to 3 s.
            let started = ContinuousClock.now
            #expect(await code { try await writer.finish() } == .unavailable)
            #expect(ContinuousClock.now - started < .seconds(25))
            let second = ContinuousClock.now
            #expect(await code { _ = try await reader.read(0..<3) } == .unavailable)
            #expect(await code { _ = try await store.create(.random()) } == .unavailable)
            #expect(await code { _ = try await store.list(after: nil, limit: 1) } == .unavailable)
            #expect(ContinuousClock.now - second < .seconds(25))
        }
    }
}
