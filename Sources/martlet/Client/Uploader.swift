import AsyncHTTPClient
import Crypto
import NIOCore
import NIOHTTP1
import Wire

/// Sends files to a node. What is there already, byte for byte, is not sent again; a large upload that was cut off goes
/// on where it stopped.
struct Uploader {
    /// Files up to this size are one PUT.
    static let singleMax: Int64 = 64 << 20
    /// The parts of larger ones; grows so that 10,000 are enough.
    static func partSize(for size: Int64) -> Int64 {
        var part: Int64 = 16 << 20
        while size / part >= 9_000 { part *= 2 }
        return part
    }

    let client: NodeClient
    let progress: Progress

    enum Outcome: String {
        case sent, resumed, unchanged
    }

    /// - Parameter known: what the collection holds under that key.
    func upload(_ path: String, to collection: String, key: String, known: NodeClient.RemoteObject?) async throws
        -> Outcome
    {
        let file = try ReadableFile(path)
        if let known, known.size == file.size, try etag(of: file) == known.etag {
            progress.add(file.size, label: key)
            return .unchanged
        }
        guard file.size > Self.singleMax else {
            let digest = try md5(of: file, at: 0, count: file.size)
            let answer = try await client.send(
                .PUT, client.objectURL(collection, key),
                headers: ["Content-Type": MediaType.of(path: path), "Content-MD5": Base64.encode(digest)],
                body: body(file, at: 0, count: file.size, label: key))
            guard answer.status == .ok else { throw NodeClient.failure(answer) }
            return .sent
        }
        return try await uploadParts(file, collection, key)
    }

    private func uploadParts(_ file: ReadableFile, _ collection: String, _ key: String) async throws -> Outcome {
        let url = client.objectURL(collection, key)
        let size = Self.partSize(for: file.size)
        let (id, present) = try await openUpload(file, collection, key)
        var xml = XMLWriter()
        xml.open("CompleteMultipartUpload")
        var number = 1
        var offset: Int64 = 0
        while offset < file.size {
            let count = min(size, file.size - offset)
            let digest = try md5(of: file, at: offset, count: count)
            let etag = Hex.encode(digest)
            if present[number] == etag {
                progress.add(count, label: key)
            } else {
                let answer = try await client.send(
                    .PUT, "\(url)?partNumber=\(number)&uploadId=\(id)", headers: ["Content-MD5": Base64.encode(digest)],
                    body: body(file, at: offset, count: count, label: key))
                guard answer.status == .ok else { throw NodeClient.failure(answer) }
            }
            xml.element("Part") {
                $0.element("PartNumber", number)
                $0.element("ETag", etag)
            }
            offset += count
            number += 1
        }
        xml.close("CompleteMultipartUpload")
        let answer = try await client.send(.POST, "\(url)?uploadId=\(id)", body: .bytes(xml.bytes))
        guard answer.status == .ok else { throw NodeClient.failure(answer) }
        return present.isEmpty ? .sent : .resumed
    }

    /// The newest upload of this key that is still open, with the parts that have come; or a new one.
    private func openUpload(
        _ file: ReadableFile, _ collection: String, _ key: String
    ) async throws -> (id: String, parts: [Int: String]) {
        let query = QueryItems([("uploads", ""), ("prefix", key)])
        let list = try await client.send(.GET, "\(client.s3)/\(collection)?\(query.encoded)")
        if list.status == .ok {
            let open = try XMLElement(parsing: list.bytes).all("Upload").filter { $0["Key"]?.text == key }
            if let id = open.max(by: { ($0["Initiated"]?.text ?? "") < ($1["Initiated"]?.text ?? "") })?["UploadId"]?
                .text
            {
                var parts: [Int: String] = [:]
                var marker: String? = "0"
                while let after = marker {
                    let page = try await client.send(
                        .GET, "\(client.objectURL(collection, key))?uploadId=\(id)&part-number-marker=\(after)")
                    guard page.status == .ok else { throw NodeClient.failure(page) }
                    let root = try XMLElement(parsing: page.bytes)
                    for part in root.all("Part") {
                        guard let number = part["PartNumber"].flatMap({ Int($0.text) }) else { continue }
                        parts[number] = (part["ETag"]?.text ?? "").replacing("\"", with: "")
                    }
                    marker = root["NextPartNumberMarker"]?.text
                }
                return (id, parts)
            }
        }
        let answer = try await client.send(
            .POST, client.objectURL(collection, key) + "?uploads",
            headers: ["Content-Type": MediaType.of(path: file.path)])
        guard answer.status == .ok, let id = try XMLElement(parsing: answer.bytes)["UploadId"]?.text else {
            throw NodeClient.failure(answer)
        }
        return (id, [:])
    }

    /// The ETag that this file has, or would have, at the node.
    private func etag(of file: ReadableFile) throws -> String {
        guard file.size > Self.singleMax else { return Hex.encode(try md5(of: file, at: 0, count: file.size)) }
        var digests: [UInt8] = []
        var offset: Int64 = 0
        var count = 0
        let size = Self.partSize(for: file.size)
        while offset < file.size {
            digests += try md5(of: file, at: offset, count: min(size, file.size - offset))
            offset += size
            count += 1
        }
        return Hex.encode(Array(Insecure.MD5.hash(data: digests))) + "-\(count)"
    }

    private func md5(of file: ReadableFile, at offset: Int64, count: Int64) throws -> [UInt8] {
        var hash = Insecure.MD5()
        var done: Int64 = 0
        while done < count {
            let piece = Int(min(1 << 20, count - done))
            hash.update(data: try file.read(at: offset + done, count: piece))
            done += Int64(piece)
        }
        return Array(hash.finalize())
    }

    /// A stretch of a file as a request's body, 1 MiB at a time.
    private func body(_ file: ReadableFile, at start: Int64, count: Int64, label: String) -> HTTPClientRequest.Body {
        let progress = self.progress
        return .stream(
            FileSlices(file: file, at: start, end: start + count) { progress.add($0, label: label) },
            length: .known(count))
    }
}

/// The bytes of a file between two places, 1 MiB at a time.
struct FileSlices: AsyncSequence, Sendable {
    let file: ReadableFile
    let at: Int64
    let end: Int64
    let passed: @Sendable (Int64) -> Void

    struct Iterator: AsyncIteratorProtocol {
        let slices: FileSlices
        var at: Int64

        mutating func next() async throws -> ByteBuffer? {
            guard at < slices.end else { return nil }
            let count = Swift.min(1 << 20, slices.end - at)
            let bytes = try slices.file.read(at: at, count: Int(count))
            at += count
            slices.passed(count)
            return ByteBuffer(bytes: bytes)
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(slices: self, at: at) }
}
