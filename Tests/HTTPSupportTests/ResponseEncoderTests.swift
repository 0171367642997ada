import NIOCore
import NIOHTTP1
import Testing

@testable import HTTPSupport

@Suite struct ResponseEncoderTests {
    private func head(
        _ response: Response, version: HTTPVersion = .http1_1, closes: Bool = false
    ) -> (lines: [String], framing: ResponseEncoder.Framing) {
        let encoder = ResponseEncoder(response, version: version)
        var out = ByteBuffer()
        encoder.writeHead(to: &out, closes: closes)
        let lines = String(buffer: out).split(separator: "\r\n", omittingEmptySubsequences: false).map(String.init)
        #expect(lines.suffix(2) == ["", ""], "the head ends with an empty line")
        return (lines.dropLast(2).filter { !$0.hasPrefix("Date: ") }, encoder.framing)
    }

    private func stream(_ length: Int64?) -> Response { Response(.ok, body: .stream(length: length) { _ in }) }

    @Test("the length of a body is told once, whatever the headers say")
    func length() {
        let text = Response(.ok, body: .buffer(ByteBuffer(string: "four")))
        #expect(head(text).lines == ["HTTP/1.1 200 OK", "Server: Martlet", "Content-Length: 4"])
        var wrong = text
        wrong.headers = ["content-length": "7", "Transfer-Encoding": "chunked", "date": "never", "ETag": "\"e\""]
        #expect(head(wrong).lines == ["HTTP/1.1 200 OK", "ETag: \"e\"", "Server: Martlet", "Content-Length: 4"])
        #expect(head(Response(.ok)).lines.last == "Content-Length: 0")
        #expect(head(stream(12)).lines.last == "Content-Length: 12")
    }

    @Test("the answer to HEAD keeps the length that its headers tell")
    func headRequest() {
        let answer = head(Response(.ok, headers: ["Content-Length": "99"]))
        #expect(answer.lines == ["HTTP/1.1 200 OK", "Content-Length: 99", "Server: Martlet"])
    }

    @Test(
        "what has no body by its status has no length either", arguments: [HTTPResponseStatus.noContent, .notModified])
    func bodiless(status: HTTPResponseStatus) {
        let answer = head(Response(status, headers: ["Content-Length": "3", "ETag": "\"e\""]))
        #expect(answer.lines.dropFirst() == ["ETag: \"e\"", "Server: Martlet"])
        #expect(answer.framing == .none)
    }

    @Test("a stream of unknown length is chunked, and for HTTP/1.0 ends with the connection")
    func unknownLength() {
        #expect(head(stream(nil)).lines.last == "Transfer-Encoding: chunked")
        let old = head(stream(nil), version: .http1_0, closes: true)
        #expect(old.framing == .close)
        #expect(old.lines == ["HTTP/1.0 200 OK", "Server: Martlet", "Connection: close"])
    }

    @Test("the last answer says so, once")
    func last() {
        let answer = head(Response(.ok, headers: ["Connection": "keep-alive", "Server": "Other"]), closes: true)
        #expect(answer.lines == ["HTTP/1.1 200 OK", "Server: Other", "Content-Length: 0", "Connection: close"])
    }

    @Test("no value begins another header")
    func injection() {
        let answer = head(Response(.ok, headers: ["x-amz-meta-a": "1\r\nSet-Cookie: x=y\u{0}\u{7F}é\tb"]))
        #expect(answer.lines[1] == "x-amz-meta-a: 1  Set-Cookie: x=y  é\tb")
        let status = head(Response(.custom(code: 299, reasonPhrase: "a\r\nb: c")))
        #expect(status.lines[0] == "HTTP/1.1 299 a  b: c")
    }
}
