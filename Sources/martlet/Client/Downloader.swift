import AsyncHTTPClient
import Crypto
import Glibc
import NIOCore
import NIOHTTP1
import Wire

/// Fetches objects. One that was cut off goes on where it stopped, if the object is still the same.
struct Downloader {
    let client: NodeClient
    let progress: Progress

    enum Outcome: String {
        case fetched, resumed
    }

    /// Writes to `path` by way of `path.ETAG.part`, which is what a later try finds.
    func download(_ collection: String, _ object: NodeClient.RemoteObject, to path: String) async throws -> Outcome {
        try File.createFolders(above: path)
        let partial = "\(path).\(object.etag.prefix(40)).part"
        let fd = open(partial, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard fd >= 0 else { throw File.failure("write", partial) }
        defer { close(fd) }
        var at = Int64(lseek(fd, 0, SEEK_END))
        if at > object.size {
            ftruncate(fd, 0)
            at = 0
        }
        let resumed = at > 0
        progress.add(at, label: object.key)
        if at < object.size {
            var headers: HTTPHeaders = ["If-Match": "\"\(object.etag)\""]
            if at > 0 { headers.add(name: "Range", value: "bytes=\(at)-") }
            let response = try await client.start(.GET, client.objectURL(collection, object.key), headers: headers)
            guard response.status == (at > 0 ? .partialContent : .ok) else {
                let body = try await response.body.collect(upTo: 1 << 20)
                throw NodeClient.failure(
                    .init(status: response.status, headers: response.headers, bytes: Array(body.readableBytesView)))
            }
            for try await buffer in response.body {
                try Self.write(buffer, fd, partial)
                at += Int64(buffer.readableBytes)
                progress.add(Int64(buffer.readableBytes), label: object.key)
            }
        }
        guard at == object.size else {
            throw Failure(.failed, "\(object.key) ended after \(at) of \(object.size) bytes: run the command again")
        }
        try check(fd, object, partial)
        guard fsync(fd) == 0, rename(partial, path) == 0 else { throw File.failure("write", path) }
        return resumed ? .resumed : .fetched
    }

    private static func write(_ buffer: ByteBuffer, _ fd: Int32, _ path: String) throws {
        try buffer.withUnsafeReadableBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = Glibc.write(fd, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw File.failure("write", path) }
                rest = rest.dropFirst(count)
            }
        }
    }

    /// Compares with the object's MD5, where its ETag is one.
    private func check(_ fd: Int32, _ object: NodeClient.RemoteObject, _ path: String) throws {
        guard object.etag.utf8.count == 32 else { return }
        var hash = Insecure.MD5()
        var at: off_t = 0
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = pread(fd, &buffer, buffer.count, at)
            guard count >= 0 else { throw File.failure("read", path) }
            if count == 0 { break }
            hash.update(data: buffer[..<count])
            at += off_t(count)
        }
        guard Hex.encode(Array(hash.finalize())) == object.etag else {
            unlink(path)
            throw Failure(
                .notAsItShouldBe, "\(object.key) arrived altered; what came was removed: run the command again")
        }
    }
}
