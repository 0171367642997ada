import Ciphers
import NIOCore
import NIOHTTP1
import Wire

/// A blob being sent to S3: in one piece if it fits into the first part, else as a multipart upload.
actor S3Writer: BlobWriter {
    private enum State { case idle, busy, ended }

    private let id: BlobID
    private let client: S3Client
    private let key: String
    /// Kept with the object, so that it can be told whether an answer that was lost had been a success.
    private let token = Hex.encode(randomBytes(16))
    private var state = State.idle
    /// What the next part has so far.
    private var buffer = ByteBuffer()
    private var upload: String?
    /// The ETags of the parts that have arrived, in order.
    private var arrived: [String] = []
    private var inFlight: [Task<Result<String, BlobError>, Never>] = []

    init(_ id: BlobID, _ client: S3Client) {
        self.id = id
        self.client = client
        key = client.key(id)
    }

    deinit {
        guard let upload else { return }
        Task { [client, key, inFlight] in
            await Self.giveUp(upload, key, inFlight, client)
        }
    }

    func write(_ bytes: ByteBuffer) async throws {
        try begin()
        do throws(BlobError) {
            try client.checkOpen()
            var bytes = bytes
            while bytes.readableBytes > 0 {
                let size = S3Parts.size(arrived.count + inFlight.count)
                // A full part is sent when more comes: a blob that just fits needs no upload in parts.
                if buffer.readableBytes == size { try await sendPart() }
                let room = size - buffer.readableBytes
                if var piece = bytes.readSlice(length: min(room, bytes.readableBytes)) { buffer.writeBuffer(&piece) }
            }
        } catch {
            await giveUp()
            throw asWriting(error)
        }
        state = .idle
    }

    func finish() async throws {
        try begin()
        do throws(BlobError) {
            try client.checkOpen()
            if upload == nil {
                try await put()
            } else {
                try await sendPart()
                while !inFlight.isEmpty { try await awaitPart() }
                try await complete()
            }
        } catch {
            await giveUp()
            throw asWriting(error)
        }
        state = .ended
    }

    func abort() async {
        guard case .idle = state else { return }
        state = .busy
        await giveUp()
    }

    private func begin() throws(BlobError) {
        guard case .idle = state else { throw BlobError(.invalid, "blob \(id) is not being written any more") }
        state = .busy
    }

    /// What the store does not find while a blob is being written is the upload.
    private func asWriting(_ error: BlobError) -> BlobError {
        guard error.code == .notFound else { return error }
        return BlobError(
            .io, "the upload of blob \(id) is gone: it was removed, or took longer than a week", cause: error)
    }

    // MARK: In one piece

    private var labels: [(name: String, value: String)] {
        [("content-type", "application/octet-stream"), ("x-amz-meta-martlet-writer", token)]
    }

    private func put() async throws(BlobError) {
        let call = S3Call(method: .PUT, key: key, headers: labels + [("if-none-match", "*")], body: buffer)
        buffer = ByteBuffer()
        do throws(BlobError) {
            _ = try await client.send(call, "cannot write blob \(id)")
        } catch {
            // After a last attempt without an answer the object may be there, as an orphan for the Janitor.
            try await checkPublished(or: error)
        }
    }

    /// A repeated call finds what the first one did, if only its answer was lost. Returns if the object is this
    /// writer's.
    private func checkPublished(or error: BlobError) async throws(BlobError) {
        guard error.code == .exists || error.code == .notFound else { throw error }
        let answer = try? await client.send(S3Call(method: .HEAD, key: key), "cannot look for blob \(id)")
        guard answer?.headers.first(name: "x-amz-meta-martlet-writer") == token else {
            throw error.code == .exists ? BlobError(.exists, "there is a blob \(id) already") : error
        }
    }

    // MARK: In parts

    private func sendPart() async throws(BlobError) {
        let upload = try await begunUpload()
        let index = arrived.count + inFlight.count
        guard index < S3Parts.countMax else {
            throw BlobError(.full, "blob \(id) is larger than \(S3Parts.countMax) parts of an upload")
        }
        while inFlight.count >= S3Parts.inFlightMax(index) { try await awaitPart() }
        let call = S3Call(
            method: .PUT, key: key, query: [("partNumber", String(index + 1)), ("uploadId", upload)], body: buffer,
            isCancellable: true)
        buffer = ByteBuffer()
        let what = "cannot write part \(index + 1) of blob \(id)"
        inFlight.append(
            Task { [client] in
                do throws(BlobError) {
                    let answer = try await client.send(call, what)
                    guard let tag = answer.headers.first(name: "etag") else {
                        throw BlobError(.io, "\(what): the store gave no ETag")
                    }
                    return .success(tag)
                } catch {
                    return .failure(error)
                }
            })
    }

    /// Waits for the oldest part on its way.
    private func awaitPart() async throws(BlobError) {
        guard let oldest = inFlight.first else { return }
        let result = await oldest.value
        inFlight.removeFirst()
        arrived.append(try result.get())
    }

    private func begunUpload() async throws(BlobError) -> String {
        if let upload { return upload }
        // An answer that is lost leaves an empty upload, which a later opening of the store removes.
        let what = "cannot begin the upload of blob \(id)"
        let call = S3Call(method: .POST, key: key, query: [("uploads", nil)], headers: labels)
        let body = try await client.send(call, what).body
        guard let root = try? XMLElement(parsing: Array(body.readableBytesView), maximumElements: 100),
            let id = root["UploadId"]?.text, !id.isEmpty
        else { throw BlobError(.io, "\(what): the store gave no upload id") }
        client.note(upload: id, key: key)
        upload = id
        return id
    }

    private func complete() async throws(BlobError) {
        guard let upload else { return }
        var list = XMLWriter(capacity: 128 * arrived.count)
        list.element("CompleteMultipartUpload") { list in
            for (index, tag) in arrived.enumerated() {
                list.element("Part") { part in
                    part.element("PartNumber", index + 1)
                    part.element("ETag", tag)
                }
            }
        }
        let call = S3Call(
            method: .POST, key: key, query: [("uploadId", upload)],
            headers: [("content-type", "application/xml"), ("if-none-match", "*")], body: ByteBuffer(bytes: list.bytes),
            failsInBody: true)
        do throws(BlobError) {
            _ = try await client.send(call, "cannot complete blob \(id)")
        } catch {
            try await checkPublished(or: error)
        }
        client.forget(upload: upload)
        self.upload = nil
    }

    private func giveUp() async {
        state = .ended
        buffer = ByteBuffer()
        guard let upload else { return }
        let parts = inFlight
        self.upload = nil
        inFlight = []
        // The caller may be cancelled; the upload has to go all the same.
        await Task { [client, key] in await Self.giveUp(upload, key, parts, client) }.value
    }

    /// Parts that arrive after the upload was removed would stay, so they are awaited first.
    private static func giveUp(
        _ upload: String, _ key: String, _ parts: [Task<Result<String, BlobError>, Never>], _ client: S3Client
    ) async {
        for part in parts { part.cancel() }
        for part in parts { _ = await part.value }
        await client.abort(upload: upload, key: key)
    }
}
