import Testing
import Wire

@Suite struct MultipartFormTests {
    /// What comes out of a form, its fields joined.
    struct Seen: Equatable {
        var head: MultipartForm.Field
        var bytes: [UInt8] = []
        var isWhole = false
    }

    private func parse(_ bytes: [UInt8], piece: Int = .max, type: String = "multipart/form-data; boundary=AaB") throws
        -> (fields: [Seen], isDone: Bool)
    {
        var form = try MultipartForm(contentType: type)
        var seen: [Seen] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let next = Array(rest.prefix(piece))
            rest = rest.dropFirst(piece)
            try next.withUnsafeBytes { buffer in
                try form.feed(buffer) { piece in
                    switch piece {
                    case .field(let head): seen.append(Seen(head: head))
                    case .bytes(let bytes): seen[seen.count - 1].bytes += bytes
                    case .fieldEnd: seen[seen.count - 1].isWhole = true
                    }
                }
            }
        }
        return (seen, form.isDone)
    }

    private static let file: [UInt8] = Array("\r\n--Aa\r\n-\r\r\n--AaC\u{0}".utf8) + [0xFF, 0x0D, 0x0A]

    private static let whole: [UInt8] =
        Array(
            """
            for people\r\n--AaB \t\r\nContent-Disposition: form-data; name="key"\r\n\r\nin/${filename}\r\n--AaB\r\n\
            content-type: text/x\r\nCONTENT-DISPOSITION: Form-Data; Name=file; filename="a \\"b\\" c:\\d;é.txt"\r\n\r\n
            """.utf8) + file + Array("\r\n--AaB--\r\nbehind".utf8)

    @Test("fields come out as they were put in, wherever the body is cut", arguments: [1, 2, 3, 5, 7, 13, 64, 4096])
    func cuts(piece: Int) throws {
        let (fields, isDone) = try parse(Self.whole, piece: piece)
        #expect(isDone)
        try #require(fields.count == 2)
        #expect(fields[0].head == MultipartForm.Field(name: "key"))
        #expect(String(decoding: fields[0].bytes, as: UTF8.self) == "in/${filename}")
        #expect(fields[1].head.name == "file" && fields[1].head.contentType == "text/x")
        #expect(fields[1].head.filename == #"a "b" c:\d;é.txt"#)
        #expect(fields[1].bytes == Self.file)
        #expect(fields.allSatisfy { $0.isWhole })
    }

    @Test("a form may begin with its boundary and have empty fields")
    func small() throws {
        let text = "--AaB\r\nContent-Disposition: form-data; name=\"\"\r\n\r\n\r\n--AaB--"
        let (fields, isDone) = try parse(Array(text.utf8))
        #expect(isDone && fields == [Seen(head: MultipartForm.Field(name: ""), isWhole: true)])
    }

    @Test("names beyond ASCII may come in the extended form")
    func extended() throws {
        let text = "--AaB\r\nContent-Disposition: form-data; name=f; filename*=UTF-8''p%C3%A4per.txt\r\n\r\n"
        #expect(try parse(Array(text.utf8)).fields.first?.head.filename == "päper.txt")
    }

    @Test(
        "what is no form is refused",
        arguments: [
            "--AaB\r\n\r\n", "--AaB\r\nContent-Disposition: attachment; name=a\r\n\r\n",
            "--AaB\r\nContent-Disposition: form-data\r\n\r\n", "--AaB\r\nnothing\r\n\r\n", "--AaBc\r\n", "--AaB-x",
            "--AaB\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\n",
            String(repeating: "x", count: 2000), "--AaB\r\n" + String(repeating: "A: b\r\n", count: 2000),
            "--AaB" + String(repeating: " ", count: 9000),
        ])
    func refused(text: String) {
        #expect(throws: MultipartError.self) { try parse(Array(text.utf8)) }
        #expect(throws: MultipartError.self) { try parse(Array(text.utf8), piece: 1) }
    }

    @Test(
        "so is a type without a good boundary",
        arguments: [
            "", "text/plain", "multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=a",
            "multipart/form-data; boundary=\"\r\n\"",
            "multipart/form-data; boundary=" + String(repeating: "a", count: 71),
        ])
    func types(type: String) {
        #expect(throws: MultipartError.self) { try MultipartForm(contentType: type) }
    }

    @Test("a boundary may be quoted, and stand among other parameters")
    func quoted() throws {
        let text = "--a b\r\nContent-Disposition: form-data; name=x\r\n\r\ny\r\n--a b--"
        let type = "Multipart/Form-Data; charset=utf-8; boundary=\"a b\"; x"
        #expect(try parse(Array(text.utf8), type: type).fields.first?.bytes == [UInt8(ascii: "y")])
    }

    @Test("anything else is taken or refused, the same way wherever it is cut")
    func fuzz() throws {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        func below(_ bound: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(bound))
        }
        for _ in 0..<3000 {
            var bytes = Self.whole
            for _ in 0...below(4) {
                let place = below(bytes.count)
                let length = min(below(30), bytes.count - place)
                switch below(4) {
                case 0: bytes[place] = [0x0D, 0x0A, 0x2D, 0x22, 0x3B, UInt8(below(256))][below(6)]
                case 1: bytes.removeSubrange(place..<(place + length))
                case 2: bytes.insert(contentsOf: bytes[place..<(place + length)], at: below(bytes.count))
                default: bytes.insert(contentsOf: Array("\r\n--AaB".utf8), at: place)
                }
                if bytes.isEmpty { bytes = [0x0D] }
            }
            let whole = try? parse(bytes)
            let cut = try? parse(bytes, piece: 1 + below(9))
            #expect(whole?.fields == cut?.fields && whole?.isDone == cut?.isDone)
        }
    }
}
