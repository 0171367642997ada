package import Wire

/// A letter of plain text to one reader.
package struct MailMessage: Sendable {
    package var from: String
    package var to: String
    package var subject: String
    package var text: String
    /// Where a POST ends letters of this kind: readers' programs offer that beside the sender (RFC 2369, RFC 8058).
    package var unsubscribe: String?
    package var date: Timestamp
    /// Names the message for good, so that readers' programs drop what comes twice.
    package var id: String

    /// - Parameters:
    ///   - from: an ASCII address.
    ///   - to: an ASCII address.
    package init(
        from: String, to: String, subject: String, text: String, unsubscribe: String? = nil, date: Timestamp, id: String
    ) {
        self.from = from
        self.to = to
        self.subject = subject
        self.text = text
        self.unsubscribe = unsubscribe
        self.date = date
        self.id = id
    }

    /// The message as it goes over the wire (RFC 5322), its text in base64, so that no line is too long and none begins
    /// with a dot.
    package var bytes: [UInt8] {
        let host = from.split(separator: "@").last.map(String.init) ?? "localhost"
        let unsubscribe = unsubscribe.map {
            "List-Unsubscribe: <\(Self.clean($0))>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        }
        var out = """
            From: Martlet <\(Self.clean(from))>\r
            To: <\(Self.clean(to))>\r
            Subject: \(Self.header(subject))\r
            Date: \(date.httpDate.replacing("GMT", with: "+0000"))\r
            Message-ID: <\(Self.clean(id))@\(Self.clean(host))>\r
            Auto-Submitted: auto-generated\r
            \(unsubscribe ?? "")\
            MIME-Version: 1.0\r
            Content-Type: text/plain; charset=utf-8\r
            Content-Transfer-Encoding: base64\r
            \r

            """
        let encoded = Array(Base64.encode(Array(text.utf8)).utf8)
        for start in stride(from: 0, to: encoded.count, by: 76) {
            out += String(decoding: encoded[start..<min(start + 76, encoded.count)], as: UTF8.self) + "\r\n"
        }
        return Array(out.utf8)
    }

    /// Nothing that could begin a line of its own.
    private static func clean(_ text: String) -> String {
        String(
            text.unicodeScalars.filter { $0.value > 0x20 && $0.value < 0x7F && $0 != "<" && $0 != ">" }.map {
                Character($0)
            })
    }

    /// RFC 2047: in words of at most 75 characters where it is not ASCII.
    private static func header(_ text: String) -> String {
        let plain = String(text.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7F }.map { Character($0) })
        guard !plain.utf8.allSatisfy({ $0 < 0x7F }) else { return plain }
        var words: [String] = []
        var word: [UInt8] = []
        for character in plain {
            let bytes = Array(String(character).utf8)
            if word.count + bytes.count > 42 {
                words.append("=?utf-8?B?\(Base64.encode(word))?=")
                word = []
            }
            word += bytes
        }
        words.append("=?utf-8?B?\(Base64.encode(word))?=")
        return words.joined(separator: "\r\n ")
    }
}
