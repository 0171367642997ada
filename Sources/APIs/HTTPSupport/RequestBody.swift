import Database
package import NIOCore
import Synchronization

/// The body of a request: a sequence of buffers that the connection fills while somebody reads.
///
/// The connection stops reading from its socket while `highWater` bytes wait, so memory stays bounded whatever the
/// client sends. It can be read once, by one task.
package final class RequestBody: AsyncSequence, AsyncIteratorProtocol, Sendable {
    package typealias Element = ByteBuffer

    /// Bytes that may wait before the connection stops reading from its socket.
    static let highWater = 2 << 20
    /// Bytes below which it reads again.
    static let lowWater = 512 << 10

    /// Content-Length, where the client gave one.
    package let length: Int64?

    private struct State {
        var waiting: [ByteBuffer] = []
        var waitingBytes = 0
        var end: Result<Void, any Error>?
        var reader: CheckedContinuation<ByteBuffer?, any Error>?
        var isPaused = false
        var wasAsked = false
    }

    private let state = Mutex(State())
    /// Runs once, when the body is first asked for: the connection answers `Expect: 100-continue` then, so that a
    /// refused request never has its body sent.
    private let onFirstRead: @Sendable () -> Void
    private let onResume: @Sendable () -> Void

    init(length: Int64?, onFirstRead: @escaping @Sendable () -> Void, onResume: @escaping @Sendable () -> Void) {
        self.length = length
        self.onFirstRead = onFirstRead
        self.onResume = onResume
        if length == 0 { finish(.success(())) }
    }

    /// A body that is in memory already.
    package init(_ buffer: ByteBuffer = ByteBuffer()) {
        length = Int64(buffer.readableBytes)
        onFirstRead = {}
        onResume = {}
        state.withLock {
            if buffer.readableBytes > 0 { $0.waiting = [buffer] }
            $0.end = .success(())
        }
    }

    package func makeAsyncIterator() -> RequestBody { self }

    /// The next buffer: a large piece as it came, small ones joined. Nil at the end.
    package func next() async throws -> ByteBuffer? {
        try await withCheckedThrowingContinuation { continuation in
            var resumes = false
            var isFirst = false
            let result: Result<ByteBuffer?, any Error>? = state.withLock { state in
                isFirst = !state.wasAsked
                state.wasAsked = true
                if let buffer = Self.takeJoined(&state) {
                    if state.isPaused, state.waitingBytes < Self.lowWater {
                        state.isPaused = false
                        resumes = true
                    }
                    return .success(buffer)
                }
                if let end = state.end { return end.map { nil } }
                state.reader = continuation
                return nil
            }
            if isFirst { onFirstRead() }
            if resumes { onResume() }
            if let result { continuation.resume(with: result) }
        }
    }

    /// Bytes up to which pieces are joined: copying more costs more than another turn.
    private static let joinedMax = 64 << 10

    private static func takeJoined(_ state: inout State) -> ByteBuffer? {
        guard !state.waiting.isEmpty else { return nil }
        var count = 1
        var size = state.waiting[0].readableBytes
        while size < joinedMax, count < state.waiting.count {
            size += state.waiting[count].readableBytes
            count += 1
        }
        var out = state.waiting[0]
        if count > 1 {
            out.reserveCapacity(minimumWritableBytes: size - out.readableBytes)
            for index in 1..<count { out.writeImmutableBuffer(state.waiting[index]) }
        }
        state.waiting.removeFirst(count)
        state.waitingBytes -= size
        return out
    }

    /// Hands a buffer to the reader. False when the connection should stop reading for now.
    func push(_ buffer: ByteBuffer) -> Bool {
        var reader: CheckedContinuation<ByteBuffer?, any Error>?
        let goOn = state.withLock { state in
            if let waiting = state.reader {
                reader = waiting
                state.reader = nil
                return true
            }
            state.waiting.append(buffer)
            state.waitingBytes += buffer.readableBytes
            if state.waitingBytes >= Self.highWater { state.isPaused = true }
            return !state.isPaused
        }
        reader?.resume(returning: buffer)
        return goOn
    }

    /// The body has ended, well or with an error. Only the first call counts.
    func finish(_ end: Result<Void, any Error>) {
        let reader = state.withLock { state in
            if state.end == nil { state.end = end }
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume(with: end.map { nil })
    }

    /// Whether every byte has come and been taken.
    var isExhausted: Bool {
        state.withLock { state in
            guard case .success = state.end else { return false }
            return state.waiting.isEmpty
        }
    }

    /// Whether somebody has begun to read.
    var wasAsked: Bool { state.withLock { $0.wasAsked } }

    /// Whether the last byte has come, though perhaps not been taken.
    var hasEnded: Bool { state.withLock { $0.end != nil } }

    /// The whole body, for faces whose bodies are small.
    ///
    /// - Throws: ``BodyTooLarge`` beyond `limit` bytes.
    package func collect(upTo limit: Int) async throws -> [UInt8] {
        if let length, length > Int64(limit) { throw BodyTooLarge(limit: limit) }
        var out: [UInt8] = []
        while let buffer = try await next() {
            guard out.count + buffer.readableBytes <= limit else { throw BodyTooLarge(limit: limit) }
            out.append(contentsOf: buffer.readableBytesView)
        }
        return out
    }
}

/// A body is larger than what this request may carry.
package struct BodyTooLarge: Error, CustomStringConvertible {
    package var limit: Int

    package init(limit: Int) { self.limit = limit }

    package var description: String { "the body is larger than the \(limit) bytes that this request may carry" }
}

/// The client went away, or sent less than it announced.
package struct BodyTruncated: Error, CustomStringConvertible {
    package init() {}

    package var description: String { "the connection ended before the whole body had come" }
}

extension Error {
    /// Whether this is only that the client went away: nobody reads the answer, and nothing is wrong with the node.
    package var isOfLostClient: Bool {
        switch self {
        case is BodyTruncated, is RequestTimedOut, is CancellationError: true
        case let error as DatabaseError: error.code == .cancelled
        default: false
        }
    }
}
