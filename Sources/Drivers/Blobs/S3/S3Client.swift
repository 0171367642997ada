import AsyncHTTPClient
import Ciphers
import NIOCore
import NIOHTTP1
import NIOPosix
import SigV4
import Synchronization
import Wire

/// Signs calls, sends them, and repeats those that failed for a moment. Each is such that doing it twice does no harm.
final class S3Client: Sendable {
    let location: S3Location
    private let http: HTTPClient
    private let signer: Signer
    private let callTime: Duration
    private let isClosed = Atomic(false)
    /// Multipart uploads that were begun here and not ended: upload id to key.
    private let uploads = Mutex<[String: String]>([:])

    /// Attempts of one call.
    private static let attemptsMax = 10
    /// The first pause between two attempts is up to twice this, each next up to twice as long.
    private static let pause = Duration.milliseconds(50)
    private static let pauseMax = Duration.seconds(5)
    /// The slowest transfer that a call's time allows for, in bytes a second.
    private static let slowest = 1 << 20
    private static let failureMax = 64 << 10

    init(_ location: S3Location, _ configuration: HTTPClient.Configuration, callTime: Duration) {
        self.location = location
        self.callTime = callTime
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        signer = Signer(credentials: location.credentials, region: location.region)
    }

    var closed: BlobError { BlobError(.unavailable, "the store \(location) is closed") }

    func checkOpen() throws(BlobError) {
        if isClosed.load(ordering: .acquiring) { throw closed }
    }

    func key(_ id: BlobID) -> String { "\(keyStart)\(id.hex.prefix(2))/\(id.hex)" }

    /// What the keys of all blobs begin with.
    var keyStart: String { location.prefix.isEmpty ? "" : location.prefix + "/" }

    /// The blob of a key; nil for a key that is not one of a blob.
    func id(ofKey key: String) -> BlobID? {
        guard let id = BlobID(hex: String(key.suffix(2 * BlobID.byteCount))), self.key(id) == key else { return nil }
        return id
    }

    // MARK: Calls

    /// Sends a call until it succeeds, fails for good or its time is over.
    ///
    /// - Parameter what: what could not be done, for the message.
    func send(_ call: S3Call, _ what: String) async throws(BlobError) -> S3Answer {
        try checkOpen()
        let time = call.time ?? callTime + .seconds(((call.body?.readableBytes ?? 0) + call.answerMax) / Self.slowest)
        let deadline = ContinuousClock.now + time
        // A task of its own does not see the caller's cancellation.
        let work = Task { await attempts(call, what, until: deadline) }
        let alarm = Task {
            try await Task.sleep(until: deadline)
            work.cancel()
        }
        defer { alarm.cancel() }
        guard call.isCancellable else { return try await work.value.get() }
        return try await withTaskCancellationHandler {
            await work.value
        } onCancel: {
            work.cancel()
        }.get()
    }

    private func attempts(_ call: S3Call, _ what: String, until deadline: ContinuousClock.Instant) async
        -> Result<S3Answer, BlobError>
    {
        let checks = await checks(of: call.body)
        var longest = Self.pause
        for attempt in 1... {
            let failure: S3Failure
            do throws(S3Failure) {
                return .success(try await exchange(call, checks, what, until: deadline))
            } catch {
                failure = error
            }
            longest = min(longest * 2, Self.pauseMax)
            // Drawn from the whole range, so that clients that failed together do not come back together.
            let pause = longest * Double.random(in: 0...1)
            let isLast = !failure.isTransient || attempt == Self.attemptsMax || ContinuousClock.now + pause >= deadline
            if isLast || isClosed.load(ordering: .acquiring) { return .failure(failure.error) }
            do { try await Task.sleep(for: pause) } catch { return .failure(failure.error) }
        }
        return .failure(closed)
    }

    /// What lets the store verify the body: always `Content-MD5`, which every S3 store compares. Without TLS the
    /// signature covers the body too; with it, that hash would only cost time.
    private func checks(of body: ByteBuffer?) async -> (headers: [(name: String, value: String)], payload: PayloadHash)
    {
        let isTLS = location.isTLS
        guard let body else { return ([], .ofNothing) }
        let compute: @Sendable () -> ([UInt8], PayloadHash) = {
            body.withUnsafeReadableBytes { bytes in
                let payload = isTLS ? PayloadHash.unsigned : .sha256(Hex.encode(DigestAlgorithm.sha256.hash(bytes)))
                return (DigestAlgorithm.md5.hash(bytes), payload)
            }
        }
        // Hashing 8 MiB takes 30 ms. The pool that all of NIO shares only ends with the process.
        let (md5, payload) = (try? await NIOThreadPool.singleton.runIfActive(compute)) ?? compute()
        return ([("content-md5", Base64.encode(md5))], payload)
    }

    private func exchange(
        _ call: S3Call, _ checks: (headers: [(name: String, value: String)], payload: PayloadHash), _ what: String,
        until deadline: ContinuousClock.Instant
    ) async throws(S3Failure) -> S3Answer {
        do {
            let request = try request(call, checks)
            let rest = (deadline - .now).components
            let response = try await http.execute(request, timeout: .seconds(max(1, rest.seconds + 1)))
            let status = response.status.code
            if (200..<300).contains(status) {
                let body = try await response.body.collect(upTo: call.answerMax)
                if call.failsInBody, case (let code?, let message) = Self.failure(in: body) {
                    throw S3Failure(what, status: 500, code: code, message: message, region: nil)
                }
                return S3Answer(status: status, headers: response.headers, body: body)
            }
            let body = try? await response.body.collect(upTo: Self.failureMax)
            let (code, message) = Self.failure(in: body)
            throw S3Failure(
                what, status: status, code: code, message: message,
                region: response.headers.first(name: "x-amz-bucket-region"))
        } catch let failure as S3Failure {
            throw failure
        } catch is NIOTooManyBytesError {
            throw S3Failure(
                BlobError(.io, "\(what): the answer has more than \(call.answerMax) bytes"), isTransient: false)
        } catch {
            if isClosed.load(ordering: .acquiring) { throw S3Failure(closed, isTransient: false) }
            let isOver = error is CancellationError || ContinuousClock.now >= deadline
            let reason = isOver ? "it took too long or was cancelled" : "\(location.hostAndPort) cannot be reached"
            throw S3Failure(BlobError(.unavailable, "\(what): \(reason)", cause: error), isTransient: !isOver)
        }
    }

    private func request(
        _ call: S3Call, _ checks: (headers: [(name: String, value: String)], payload: PayloadHash)
    ) throws(SignatureError) -> HTTPClientRequest {
        let path = "/\(location.bucket)" + (call.key.map { "/" + PercentEncoding.encode($0, keepingSlash: true) } ?? "")
        let query = QueryItems(call.query)
        let headers = [("host", location.hostAndPort)] + call.headers + checks.headers
        let head = RequestHead(method: call.method.rawValue, path: path, query: query, headers: headers)
        let signature = try signer.sign(head, payload: checks.payload)
        let scheme = location.isTLS ? "https" : "http"
        var request = HTTPClientRequest(
            url: "\(scheme)://\(location.hostAndPort)\(path)\(call.query.isEmpty ? "" : "?" + query.encoded)")
        request.method = call.method
        request.headers = HTTPHeaders(headers + signature)
        request.body = call.body.map { .bytes($0) }
        return request
    }

    /// S3's code and message from an answer of failure.
    static func failure(in body: ByteBuffer?) -> (code: String?, message: String?) {
        guard let body, let root = try? XMLElement(parsing: Array(body.readableBytesView), maximumElements: 100) else {
            return (nil, nil)
        }
        // Some services wrap it in <ErrorResponse>.
        let error = root.name == "Error" ? root : root["Error"]
        return (error?["Code"]?.text, error?["Message"]?.text)
    }

    // MARK: Multipart uploads

    func note(upload: String, key: String) { uploads.withLock { $0[upload] = key } }
    func forget(upload: String) { uploads.withLock { $0[upload] = nil } }

    /// Removes an upload with its parts, if it can be reached; else the next opening after a week does.
    func abort(upload: String, key: String) async {
        forget(upload: upload)
        var call = S3Call(method: .DELETE, key: key, query: [("uploadId", upload)])
        call.time = min(callTime, .seconds(15))
        _ = try? await send(call, "cannot give up an upload")
    }

    func close() async {
        guard !isClosed.load(ordering: .acquiring) else { return }
        let left = uploads.withLock { $0 }
        await withTaskGroup { group in
            for (upload, key) in left { group.addTask { await self.abort(upload: upload, key: key) } }
        }
        guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
        // It can only fail by being shut down already.
        try? await http.shutdown()
    }
}
