/// A frame of STOMP 1.2: a command, headers, and a body.
package struct STOMPFrame: Sendable, Hashable {
    package struct Header: Sendable, Hashable {
        package var name: String
        package var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    package var command: String
    package var headers: [Header]
    package var body: [UInt8]

    package init(_ command: String, _ headers: [Header] = [], body: [UInt8] = []) {
        self.command = command
        self.headers = headers
        self.body = body
    }

    /// The first value of a header: further ones do not count (§"Repeated Header Entries").
    package subscript(_ name: String) -> String? { headers.first { $0.name == name }?.value }

    /// Whether headers stand as they are in a frame, as they did in STOMP 1.0, so that both sides can read it before
    /// they know each other's version.
    static func isUnescaped(_ command: String) -> Bool { command == "CONNECT" || command == "CONNECTED" }

    /// As it goes over the wire, with `content-length` where it has a body.
    package var bytes: [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(body.count + 256)
        out += command.utf8
        out.append(UInt8(ascii: "\n"))
        for header in headers where header.name != "content-length" { write(header, to: &out) }
        if !body.isEmpty { write(Header("content-length", String(body.count)), to: &out) }
        out.append(UInt8(ascii: "\n"))
        out += body
        out += [0, UInt8(ascii: "\n")]
        return out
    }

    private func write(_ header: Header, to out: inout [UInt8]) {
        let isUnescaped = Self.isUnescaped(command)
        func escape(_ text: String) {
            for byte in text.utf8 {
                switch byte {
                case UInt8(ascii: "\\") where !isUnescaped: out += #"\\"#.utf8
                case UInt8(ascii: ":") where !isUnescaped: out += #"\c"#.utf8
                // What cannot be written unescaped is left out: it would begin another header, or end the frame.
                case UInt8(ascii: "\n"): if !isUnescaped { out += #"\n"#.utf8 }
                case UInt8(ascii: "\r"): if !isUnescaped { out += #"\r"#.utf8 }
                default: out.append(byte)
                }
            }
        }
        escape(header.name)
        out.append(UInt8(ascii: ":"))
        escape(header.value)
        out.append(UInt8(ascii: "\n"))
    }
}

/// Why bytes are no STOMP frame.
package struct STOMPError: Error, Sendable, Hashable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) { self.description = description }
}
