package import Wire

/// One request in S3's server access log ("Amazon S3 server access log format"): fields between spaces, `-` for what is
/// not there.
package struct AccessLogLine: Sendable, Hashable {
    package var owner: String
    package var bucket: String
    package var time: Timestamp
    package var address: String
    /// Nil for nobody in particular.
    package var requester: String?
    package var requestID: String
    /// Like `REST.GET.OBJECT`.
    package var operation: String
    package var key: String?
    /// Like `GET /eo/a?versionId=1 HTTP/1.1`.
    package var request: String
    package var status: Int
    /// S3's, like `NoSuchKey`.
    package var error: String?
    /// Of the answer's body.
    package var bytesSent: Int64?
    package var objectSize: Int64?
    package var totalMilliseconds: Int64
    /// Until the answer began.
    package var turnAroundMilliseconds: Int64?
    package var referer: String?
    package var userAgent: String?
    package var version: String?
    package var signature: String?
    /// `AuthHeader` or `QueryString`.
    package var authentication: String?
    package var host: String?

    package init(
        owner: String, bucket: String, time: Timestamp, address: String, requestID: String, operation: String,
        request: String, status: Int, totalMilliseconds: Int64
    ) {
        self.owner = owner
        self.bucket = bucket
        self.time = time
        self.address = address
        self.requestID = requestID
        self.operation = operation
        self.request = request
        self.status = status
        self.totalMilliseconds = totalMilliseconds
    }

    /// Without a line break at its end.
    package var text: String {
        func number(_ value: Int64?) -> String { value.map(String.init) ?? "-" }
        return [
            Self.plain(owner), Self.plain(bucket), "[\(Self.date(time))]", Self.plain(address), Self.plain(requester),
            Self.plain(requestID), operation, Self.plain(key.map(Self.doublyEncoded)), Self.quoted(request),
            String(status), error ?? "-", number(bytesSent), number(objectSize), number(totalMilliseconds),
            number(turnAroundMilliseconds), Self.quoted(referer), Self.quoted(userAgent), Self.plain(version),
            // The host id, and further on what is not known here: cipher suite, version of TLS, access point, ACL.
            "-", signature ?? "-", "-", authentication ?? "-", Self.plain(host), "-", "-", "-",
        ].joined(separator: " ")
    }

    /// `21/Nov/2026:03:56:00 +0000`.
    private static func date(_ time: Timestamp) -> String {
        let parts = time.httpDate.split(separator: " ")
        guard parts.count == 6 else { return "-" }
        return "\(parts[1])/\(parts[2])/\(parts[3]):\(parts[4]) +0000"
    }

    /// S3 encodes keys twice.
    private static func doublyEncoded(_ key: String) -> String {
        PercentEncoding.encode(PercentEncoding.encode(key, keepingSlash: true), keepingSlash: true)
    }

    private static func plain(_ text: String?) -> String {
        guard let text, !text.isEmpty else { return "-" }
        return escaped(text, spaces: true)
    }

    private static func quoted(_ text: String?) -> String {
        guard let text, !text.isEmpty else { return "\"-\"" }
        return "\"\(escaped(text, spaces: false))\""
    }

    /// What a client said must not end a field or a line.
    private static func escaped(_ text: String, spaces: Bool) -> String {
        func isFine(_ byte: UInt8) -> Bool {
            (byte > 0x20 || (byte == 0x20 && !spaces)) && byte != 0x7F && byte != UInt8(ascii: "\"")
        }
        if text.utf8.allSatisfy(isFine) { return text }
        var out: [UInt8] = []
        for byte in text.utf8 {
            if isFine(byte) { out.append(byte) } else { out += "%\(Hex.encode([byte]).uppercased())".utf8 }
        }
        return String(decoding: out, as: UTF8.self)
    }
}

extension LoggingConfiguration.Target {
    /// The key of a log object ("Amazon S3 log object key format").
    ///
    /// - Parameters:
    ///   - source: the bucket whose requests these are, and its owner.
    ///   - eventTime: of the first request in it.
    ///   - unique: tells it from all others of the same second.
    package func key(
        source: String, owner: String, eventTime: Timestamp, deliveryTime: Timestamp, unique: String
    ) -> String {
        guard case .partitioned(let date) = keyFormat else {
            return prefix + Self.date(deliveryTime).joined(separator: "-") + "-" + unique
        }
        // By the time of events an object holds those of one day, and has no time of day.
        let parts =
            date == .eventTime ? Self.date(eventTime).prefix(3) + ["00", "00", "00"] : Self.date(deliveryTime)[...]
        let day = parts.prefix(3).joined(separator: "/")
        return "\(prefix)\(owner)/us-east-1/\(source)/\(day)/\(parts.joined(separator: "-"))-\(unique)"
    }

    /// Whether requests of different days go into different objects.
    package var separatesDays: Bool { keyFormat == .partitioned(.eventTime) }

    /// Year, month, day, hour, minute, second.
    private static func date(_ time: Timestamp) -> [String] {
        let text = time.basic
        func part(_ from: Int, _ count: Int) -> String { String(text.dropFirst(from).prefix(count)) }
        return [part(0, 4), part(4, 2), part(6, 2), part(9, 2), part(11, 2), part(13, 2)]
    }
}
