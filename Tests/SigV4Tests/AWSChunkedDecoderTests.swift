import SigV4
import TestSupport
import Testing
import Wire

struct AWSChunkedDecoderTests {
    /// The body of the published example: 65 KiB of `a` in chunks of 64 KiB, 1 KiB and nothing.
    static func signatures(seed: String) throws -> ChunkSignatures {
        let scope = CredentialScope(date: "20130524", region: "us-east-1", service: "s3")
        return ChunkSignatures(
            key: SigningKey(secret: Example.credentials.secret, scope: scope),
            date: try Example.time("20130524T000000Z"), seed: seed)
    }

    static let seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
    static let chunks = [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ]
    static let trailerSeed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
    static let trailerChunks = [
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ]
    static let trailerSignature = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"

    static func body(_ signatures: [String], end: String = "\r\n") -> [UInt8] {
        let a = String(repeating: "a", count: 65536)
        let b = String(repeating: "a", count: 1024)
        return Array(
            ("10000;chunk-signature=\(signatures[0])\r\n\(a)\r\n400;chunk-signature=\(signatures[1])\r\n\(b)\r\n"
                + "0;chunk-signature=\(signatures[2])\r\n\(end)").utf8)
    }

    static var signedTrailer: String {
        "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:\(trailerSignature)\r\n\r\n"
    }

    static func decode(
        _ decoder: AWSChunkedDecoder, _ body: [UInt8], step: Int = .max
    ) throws -> (data: [UInt8], trailers: [String]) {
        var decoder = decoder
        var data: [UInt8] = []
        var at = 0
        while at < body.count {
            let end = step < body.count - at ? at + step : body.count
            try body[at..<end].withUnsafeBytes { try decoder.feed($0) { data.append(contentsOf: $0) } }
            at = end
        }
        let trailers = try decoder.finish()
        #expect(decoder.decodedBytes == Int64(data.count))
        return (data, trailers.map { "\($0.name)=\($0.value)" })
    }

    static func signed(length: Int64? = 66560) throws -> AWSChunkedDecoder {
        try AWSChunkedDecoder(payload: .signedChunks, decodedLength: length, signatures: try signatures(seed: seed))
    }

    static func unsigned(length: Int64? = nil, trailers: [String] = ["x-amz-checksum-crc32"]) throws
        -> AWSChunkedDecoder
    {
        try AWSChunkedDecoder(payload: .unsignedChunksWithTrailer, decodedLength: length, trailers: trailers)
    }

    @Test("the published chunked upload decodes, in steps of any length", arguments: [1, 7, 89, 4096, 65537, .max])
    func published(step: Int) throws {
        let body = Self.body(Self.chunks)
        #expect(body.count == 66824)
        let result = try Self.decode(try Self.signed(), body, step: step)
        #expect(result.data == [UInt8](repeating: UInt8(ascii: "a"), count: 66560))
        #expect(result.trailers.isEmpty)
    }

    @Test("the published seed signature is that of the request's head")
    func publishedSeed() throws {
        let head = RequestHead(
            method: "PUT", path: "/examplebucket/chunkObject.txt", query: QueryItems(),
            headers: [
                ("Host", "s3.amazonaws.com"), ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                ("Content-Encoding", "aws-chunked"), ("x-amz-decoded-content-length", "66560"),
                ("Content-Length", "66824"),
            ])
        let added = try Signer(credentials: Example.credentials, region: "us-east-1")
            .sign(head, payload: .signedChunks, date: try Example.time("20130524T000000Z"))
        #expect(try #require(added.last).value.hasSuffix("Signature=\(Self.seed)"))
    }

    @Test("the published upload with signed trailers decodes", arguments: [1, 100, .max])
    func publishedTrailer(step: Int) throws {
        let decoder = try AWSChunkedDecoder(
            payload: .signedChunksWithTrailer, decodedLength: 66560, trailers: ["x-amz-checksum-crc32c"],
            signatures: try Self.signatures(seed: Self.trailerSeed))
        let result = try Self.decode(decoder, Self.body(Self.trailerChunks, end: Self.signedTrailer), step: step)
        #expect(result.trailers == ["x-amz-checksum-crc32c=sOO8/Q=="])
        for end in [
            "x-amz-checksum-crc32c:sOO8/Q==\n\r\nx-amz-trailer-signature:\(Self.trailerSignature)\r\n\r\n",
            "x-amz-checksum-crc32c:sOO8/Q==\nx-amz-trailer-signature:\(Self.trailerSignature)\r\n\r\n\r\n",
        ] {
            #expect(try Self.decode(decoder, Self.body(Self.trailerChunks, end: end)).trailers.count == 1)
        }
    }

    @Test(
        "a changed trailer, a missing one and a missing signature are refused",
        arguments: [
            (
                "x-amz-checksum-crc32c:sOO8/A==\r\nx-amz-trailer-signature:\(trailerSignature)\r\n\r\n",
                .chunkSignatureMismatch
            ),
            ("x-amz-trailer-signature:\(trailerSignature)\r\n\r\n", .malformedTrailer),
            ("x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n\r\n", .incompleteBody),
            ("\r\n", .malformedTrailer),
            ("x-amz-other:1\r\n\r\n", .malformedTrailer),
            (
                "x-amz-trailer-signature:\(trailerSignature)\r\nx-amz-checksum-crc32c:sOO8/Q==\r\n\r\n",
                .malformedTrailer
            ),
            ("x-amz-checksum-crc32c\r\n\r\n", .malformedTrailer),
            ("x-amz-checksum-crc32c:1\r\nx-amz-checksum-crc32c:2\r\n\r\n", .malformedTrailer),
        ] as [(String, SignatureError.Code)])
    func trailers(_ end: String, expected: SignatureError.Code) throws {
        let decoder = try AWSChunkedDecoder(
            payload: .signedChunksWithTrailer, decodedLength: nil, trailers: ["X-Amz-Checksum-Crc32c"],
            signatures: try Self.signatures(seed: Self.trailerSeed))
        #expect(code { _ = try Self.decode(decoder, Self.body(Self.trailerChunks, end: end)) } == expected)
    }

    @Test("one changed byte of data or of a signature is caught")
    func tampered() throws {
        let body = Self.body(Self.chunks)
        for at in [30, 95, 40000, 65700, body.count - 10] {
            var changed = body
            changed[at] = changed[at] == UInt8(ascii: "b") ? UInt8(ascii: "c") : UInt8(ascii: "b")
            #expect(code { _ = try Self.decode(try Self.signed(), changed) } == .chunkSignatureMismatch)
        }
    }

    @Test("chunks in another order are caught")
    func reordered() throws {
        let body = Array("0;chunk-signature=\(Self.chunks[2])\r\n\r\n".utf8)
        #expect(code { _ = try Self.decode(try Self.signed(length: nil), body) } == .chunkSignatureMismatch)
        let tail = Self.body(Self.chunks).dropFirst(65626)
        #expect(code { _ = try Self.decode(try Self.signed(length: nil), Array(tail)) } == .chunkSignatureMismatch)
    }

    @Test("a truncated body fails wherever it ends")
    func truncated() throws {
        let body = Self.body(Self.chunks)
        for count in [0, 1, 5, 86, 87, 40000, 65623, 65624, 65625, 65626, 66738, 66800, 66821, 66822, 66823] {
            #expect(code { _ = try Self.decode(try Self.signed(), Array(body[..<count])) } == .incompleteBody)
        }
    }

    @Test("an unsigned body with a trailer decodes, as boto3 sends it over TLS")
    func unsigned() throws {
        let body = Array("5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n".utf8)
        for step in [1, 2, 3, Int.max] {
            let result = try Self.decode(try Self.unsigned(length: 11), body, step: step)
            #expect(result.data == Array("hello world".utf8))
            #expect(result.trailers == ["x-amz-checksum-crc32=DUoRhQ=="])
        }
        #expect(code { _ = try Self.decode(try Self.unsigned(length: 12), body) } == .incompleteBody)
        #expect(code { _ = try Self.decode(try Self.unsigned(length: 10), body) } == .tooLarge)
        #expect(code { _ = try Self.decode(try Self.unsigned(trailers: []), body) } == .malformedTrailer)
    }

    @Test(
        "broken framing is refused",
        arguments: [
            ("hello\r\n", .malformedChunk), ("\r\n", .malformedChunk), (";x\r\n", .malformedChunk),
            ("5 \r\nhello\r\n", .malformedChunk), ("5\r\nhelloX\r\n", .malformedChunk), ("-5\r\n", .malformedChunk),
            ("140000001\r\n", .tooLarge), ("ffffffffffffffff\r\n", .tooLarge),
            ("00000000000000000\r\n", .malformedChunk),
            (String(repeating: "0", count: 2000), .malformedChunk),
            ("0\r\n" + String(repeating: "x", count: 5000), .malformedChunk),
            ("0\r\n\r\nmore\r\n", .malformedChunk), ("0\r\n\r\n\r\n\r\n\r\n", .malformedChunk),
            ("0\r\n", .incompleteBody),
            ("0\r\n:\r\n", .malformedTrailer), ("", .incompleteBody),
        ] as [(String, SignatureError.Code)])
    func framing(_ text: String, expected: SignatureError.Code) throws {
        #expect(code { _ = try Self.decode(try Self.unsigned(trailers: []), Array(text.utf8)) } == expected)
    }

    @Test("after an error nothing more is accepted")
    func failed() throws {
        var decoder = try Self.unsigned(trailers: [])
        for text in ["x\r\n", "0\r\n\r\n"] {
            #expect(code { try Array(text.utf8).withUnsafeBytes { try decoder.feed($0) { _ in } } } == .malformedChunk)
        }
        #expect(code { _ = try decoder.finish() } == .incompleteBody)
    }

    @Test("a decoder is not made for a body that is not chunked, nor for a signed one without a key")
    func kinds() {
        #expect(code { _ = try AWSChunkedDecoder(payload: .unsigned, decodedLength: nil) } == .payloadHashInvalid)
        #expect(code { _ = try AWSChunkedDecoder(payload: .signedChunks, decodedLength: nil) } == .payloadHashInvalid)
        #expect(
            code { _ = try AWSChunkedDecoder(payload: .unsignedChunksWithTrailer, decodedLength: -1) } == .tooLarge)
        #expect(
            code {
                _ = try AWSChunkedDecoder(
                    payload: .unsignedChunksWithTrailer, decodedLength: 5 << 30 + 1)
            } == .tooLarge)
    }

    @Test("what the signer's chain makes, the decoder accepts")
    func roundTrip() throws {
        var random = SeededGenerator(seed: 7)
        for _ in 0..<20 {
            let seed = String(repeating: "5", count: 64)
            var chain = try Self.signatures(seed: seed)
            var body: [UInt8] = []
            var payload: [UInt8] = []
            for size in (0..<Int.random(in: 0...5, using: &random)).map({ _ in Int.random(in: 1...900, using: &random) }
            ) + [0] {
                let chunk = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
                let signature = chain.sign(chunk: try #require(PayloadHash(of: chunk).text))
                body += Array("\(String(size, radix: 16));chunk-signature=\(signature)\r\n".utf8) + chunk
                if size > 0 { body += Array("\r\n".utf8) }
                payload += chunk
            }
            let trailers = [(name: "x-amz-checksum-sha1", value: "abc=")]
            body += Array(
                "x-amz-checksum-sha1:abc=\r\nx-amz-trailer-signature:\(chain.sign(trailers: trailers))\r\n\r\n".utf8)
            let decoder = try AWSChunkedDecoder(
                payload: .signedChunksWithTrailer, decodedLength: Int64(payload.count),
                trailers: ["x-amz-checksum-sha1"],
                signatures: try Self.signatures(seed: seed))
            #expect(try Self.decode(decoder, body, step: Int.random(in: 1...50, using: &random)).data == payload)
        }
    }

    @Test("random changes never crash the decoder, and no signed body passes with other data")
    func fuzz() throws {
        var random = SeededGenerator(seed: 42)
        let text = "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n"
        for _ in 0..<5000 {
            var body = Array(text.utf8)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let at = Int.random(in: 0..<body.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: body[at] = UInt8.random(in: 0...255, using: &random)
                case 1: body.remove(at: at)
                default: body.insert(UInt8.random(in: 0...255, using: &random), at: at)
                }
            }
            let step = Int.random(in: 1...20, using: &random)
            let whole = try? Self.decode(try Self.unsigned(), body)
            let parts = try? Self.decode(try Self.unsigned(), body, step: step)
            #expect(whole?.data == parts?.data, "the result must not depend on how the bytes came")
        }
        let signed = Self.body(Self.chunks)
        for _ in 0..<30 {
            var body = signed
            let at = Int.random(in: 90..<65000, using: &random)
            body[at] = UInt8.random(in: 0..<97, using: &random)
            #expect(code { _ = try Self.decode(try Self.signed(), body) } == .chunkSignatureMismatch)
        }
    }
}
