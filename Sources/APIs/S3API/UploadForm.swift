import HTTPSupport
import NIOCore
import Synchronization
import Wire

/// A browser's form as it comes in: its fields, and then the file, which is streamed. Read by one task.
///
/// As in S3 the file is the last field that counts; what follows it is dropped.
final class UploadForm: AsyncSequence, AsyncIteratorProtocol, Sendable {
    typealias Element = ByteBuffer

    /// All fields before the file, names and values together.
    private static let fieldBytesMax = 64 << 10
    private static let fieldsMax = 200
    /// What may follow the file.
    private static let restBytesMax = 64 << 10

    private struct State {
        var form: MultipartForm
        var fields: [(name: String, value: String)] = []
        var field: (head: MultipartForm.Field, bytes: [UInt8])?
        var fieldBytes = 0
        var file: MultipartForm.Field?
        var fileBytes = ByteBuffer()
        var hasWholeFile = false
        var size: Int64 = 0
        var range: ClosedRange<Int64>?
    }

    private let raw: RequestBody
    private let state: Mutex<State>

    /// - Throws: ``S3Error`` `MalformedPOSTRequest`.
    init(_ request: Request) throws {
        raw = request.body
        do {
            state = Mutex(State(form: try MultipartForm(contentType: request.header("content-type") ?? "")))
        } catch {
            throw Self.malformed(error.description)
        }
    }

    /// Reads up to the file.
    ///
    /// - Throws: ``S3Error`` `MalformedPOSTRequest`, `MaxPostPreDataLengthExceeded`, `InvalidArgument` without a file.
    func readFields() async throws -> (fields: [(name: String, value: String)], filename: String) {
        while true {
            if let found = state.withLock({ state in state.file.map { (state.fields, $0.filename ?? "") } }) {
                return found
            }
            guard try await more() else {
                throw S3Error(.invalidArgument, "POST requires exactly one file upload per request: a field 'file'")
            }
        }
    }

    /// Says how many bytes the file may have.
    func limit(_ range: ClosedRange<Int64>?) { state.withLock { $0.range = range } }

    func makeAsyncIterator() -> UploadForm { self }

    /// The next bytes of the file.
    ///
    /// - Throws: ``S3Error`` `EntityTooLarge` and `EntityTooSmall` by the limit that was set.
    func next() async throws -> ByteBuffer? {
        while true {
            let (buffer, isWhole) = try state.withLock { state in
                defer { state.fileBytes = ByteBuffer() }
                if let range = state.range, state.size > range.upperBound {
                    throw S3Error(
                        .entityTooLarge,
                        "Your proposed upload exceeds the maximum allowed size of \(range.upperBound) bytes")
                }
                return (state.fileBytes, state.hasWholeFile)
            }
            if buffer.readableBytes > 0 { return buffer }
            if isWhole { return try await finish() }
            guard try await more() else { throw Self.malformed("the form ends within its file") }
        }
    }

    /// Drops what follows the file, so that the connection can go on.
    private func finish() async throws -> ByteBuffer? {
        var rest = 0
        while rest <= Self.restBytesMax, let buffer = try await raw.next() { rest += buffer.readableBytes }
        try state.withLock { state in
            if let range = state.range, state.size < range.lowerBound {
                throw S3Error(
                    .entityTooSmall,
                    "Your proposed upload has \(state.size) bytes; at least \(range.lowerBound) are asked for")
            }
        }
        return nil
    }

    /// Takes in what has come. False at the end of the body, and behind the last delimiter.
    private func more() async throws -> Bool {
        guard !state.withLock({ $0.form.isDone }), let buffer = try await raw.next() else { return false }
        try state.withLock { state in
            do {
                var form = state.form
                defer { state.form = form }
                try buffer.withUnsafeReadableBytes { bytes in
                    try form.feed(bytes) { try Self.take($0, &state) }
                }
            } catch let error as MultipartError {
                throw Self.malformed(error.description)
            }
        }
        return true
    }

    private static func take(_ piece: MultipartForm.Piece, _ state: inout State) throws {
        switch piece {
        case .field(let head):
            guard state.file == nil else { return }
            if head.name.lowercased() == "file" {
                state.file = head
            } else {
                state.field = (head, [])
                state.fieldBytes += head.name.utf8.count
            }
        case .bytes(let bytes):
            if state.file != nil {
                guard !state.hasWholeFile else { return }
                state.size += Int64(bytes.count)
                state.fileBytes.writeBytes(bytes)
            } else {
                state.field?.bytes += bytes
                state.fieldBytes += bytes.count
            }
        case .fieldEnd:
            if state.file != nil {
                state.hasWholeFile = true
            } else if let (head, bytes) = state.field {
                guard let value = String(validating: bytes, as: UTF8.self) else {
                    throw S3Error(.invalidArgument, "the field '\(head.name.prefix(80))' is not UTF-8")
                }
                state.fields.append((head.name, value))
                state.field = nil
            }
        }
        guard state.fieldBytes <= fieldBytesMax, state.fields.count <= fieldsMax else {
            throw S3Error(
                .maxPostPreDataLengthExceeded,
                "the fields before the file have more than \(fieldBytesMax) bytes, or are more than \(fieldsMax)")
        }
    }

    private static func malformed(_ detail: String) -> S3Error {
        S3Error(
            .malformedPOSTRequest, "The body of your POST request is not well-formed multipart/form-data: \(detail)")
    }
}
