import STOMPFormat
import Testing

@Suite struct STOMPFormatTests {
    private func frames(_ text: String, cut: Int = .max) throws -> [STOMPFrame] {
        var decoder = STOMPDecoder()
        var frames: [STOMPFrame] = []
        let bytes = Array(text.utf8)
        for start in stride(from: 0, to: bytes.count, by: min(cut, bytes.count)) {
            decoder.append(bytes[start..<min(bytes.count, start + min(cut, bytes.count))])
            while let frame = try decoder.next() { frames.append(frame) }
        }
        return frames
    }

    private static let stream =
        "\n\r\nCONNECT\naccept-version:1.2\nhost:a:b\n\n\0\n"
        + "SUBSCRIBE\r\nid:0\r\ndestination:/topic/a\\cb\\\\c\\n\r\nid:1\r\n\r\n\0"
        + "SEND\ncontent-length:3\n\n\0\0\0\0\n\n\nSEND\n\nhello\0"

    @Test("frames are taken as they come, however they are cut", arguments: [1, 2, 3, 7, 1000])
    func reading(cut: Int) throws {
        let found = try frames(Self.stream, cut: cut)
        #expect(
            found == [
                STOMPFrame("CONNECT", [.init("accept-version", "1.2"), .init("host", "a:b")]),
                STOMPFrame("SUBSCRIBE", [.init("id", "0"), .init("destination", "/topic/a:b\\c\n"), .init("id", "1")]),
                STOMPFrame("SEND", [.init("content-length", "3")], body: [0, 0, 0]),
                STOMPFrame("SEND", [], body: Array("hello".utf8)),
            ])
        #expect(found[1]["id"] == "0" && found[1]["absent"] == nil)
    }

    @Test("what is written is read as the same")
    func writing() throws {
        let frame = STOMPFrame(
            "MESSAGE", [.init("subscription", "a:b\\c\r\nd"), .init("ü", "")], body: [0, 10, 255])
        var again = try frames(String(decoding: frame.bytes.prefix { $0 != 0 }, as: UTF8.self))
        #expect(again.isEmpty)
        var decoder = STOMPDecoder()
        decoder.append(frame.bytes)
        again = [try #require(try decoder.next())]
        again[0].headers.removeAll { $0.name == "content-length" }
        #expect(again == [frame])
        // Nothing can begin a header of its own where headers are not escaped.
        let hello = STOMPFrame("CONNECTED", [.init("server", "a\nb:c")])
        #expect(String(decoding: hello.bytes, as: UTF8.self) == "CONNECTED\nserver:ab:c\n\n\0\n")
    }

    @Test(
        "what is no frame is refused, and says why",
        arguments: [
            "connect\n\n\0", "CONNECT ME\n\n\0", "SEND\nno colon\n\n\0", "SEND\n:value\n\n\0", "SEND\na:b\\t\n\n\0",
            "SEND\na:b\\\n\n\0", "SEND\na:b:c\n\n\0", "SEND\ncontent-length:-1\n\n\0", "SEND\ncontent-length:x\n\n\0",
            "SEND\ncontent-length:99999999\n\n", "SEND\ncontent-length:1\n\nab\0", "\u{1}", "GET / HTTP/1.1\r\n\r\n",
            "SEND\n" + String(repeating: "a:b\n", count: 65) + "\n\0",
            "SEND\na:" + String(repeating: "b", count: 20_000), "SEND\n\n" + String(repeating: "b", count: 70_000),
            String(repeating: "A", count: 33) + "\n\n\0",
        ])
    func refusals(text: String) throws {
        if text == "\u{1}" {
            #expect(try frames(text).isEmpty)
        } else {
            #expect(throws: STOMPError.self) { try frames(text) }
        }
    }

    @Test("whatever comes is read or refused, the same however it is cut")
    func fuzz() throws {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        func below(_ bound: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(bound))
        }
        let seed = Array(Self.stream.utf8)
        var taken = 0
        for _ in 0..<4000 {
            var bytes = seed
            for _ in 0...below(3) {
                let place = below(bytes.count)
                switch below(3) {
                case 0: bytes[place] = UInt8(below(256))
                case 1: bytes.removeSubrange(place..<min(bytes.count, place + below(12)))
                default: bytes.insert(UInt8(below(256)), at: place)
                }
            }
            func read(cut: Int) -> (frames: [STOMPFrame], isRefused: Bool) {
                var decoder = STOMPDecoder()
                var frames: [STOMPFrame] = []
                for start in stride(from: 0, to: bytes.count, by: cut) {
                    decoder.append(bytes[start..<min(bytes.count, start + cut)])
                    do {
                        while let frame = try decoder.next() { frames.append(frame) }
                    } catch {
                        return (frames, true)
                    }
                }
                return (frames, false)
            }
            let (whole, parts) = (read(cut: bytes.count), read(cut: 1 + below(9)))
            #expect(whole.frames == parts.frames && whole.isRefused == parts.isRefused)
            taken += whole.frames.count
            for frame in whole.frames {
                var decoder = STOMPDecoder()
                decoder.append(frame.bytes)
                let again = try #require(try decoder.next())
                #expect(again.command == frame.command && again.body == frame.body)
            }
        }
        #expect(taken > 4000)
    }
}
