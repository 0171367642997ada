import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Wire

extension NodeClient {
    /// Reads Server-Sent Events (HTML §9.2) until `body` says that it has seen enough.
    ///
    /// - Parameter body: is given the data of each event that has no name; false to end.
    /// - Throws: ``Failure`` where the node refuses, or ends the stream.
    func events(_ path: String, _ body: (String) -> Bool) async throws {
        let answer = try await start(.GET, web + path)
        guard answer.status == .ok else {
            let bytes = Array(try await answer.body.collect(upTo: 64 << 10).readableBytesView)
            throw Self.failure(Answer(status: answer.status, headers: answer.headers, bytes: bytes))
        }
        var (line, event): ([UInt8], String) = ([], "")
        for try await part in answer.body {
            for byte in part.readableBytesView {
                guard byte == UInt8(ascii: "\n") else {
                    guard line.count < Self.answerBytesMax else { throw Failure(.failed, "an event is too long") }
                    line.append(byte)
                    continue
                }
                let text = String(decoding: line, as: UTF8.self)
                line.removeAll(keepingCapacity: true)
                if text.isEmpty { event = "" }
                if text.hasPrefix("event: ") { event = String(text.dropFirst(7)) }
                guard text.hasPrefix("data: ") else { continue }
                let data = String(text.dropFirst(6))
                if event == "end" {
                    let reason = (try? JSONValue(parsing: data))?["reason"]?.string
                    throw Failure(.failed, reason ?? "the node has ended the stream")
                }
                guard !event.isEmpty || body(data) else { return }
            }
        }
        throw Failure(.failed, "the node has ended the stream")
    }
}
