package import NIOHTTP1
package import Wire

/// The conditional headers of a request (RFC 9110 §13).
package struct Preconditions: Sendable {
    /// What evaluation says of a request.
    package enum Outcome: Sendable, Equatable {
        case proceed
        /// 304 for GET and HEAD.
        case notModified
        /// 412, with the header that failed.
        case failed(String)
    }

    package var ifMatch: [String]?
    package var ifNoneMatch: [String]?
    package var ifModifiedSince: Timestamp?
    package var ifUnmodifiedSince: Timestamp?

    /// Reads them from headers. Entity tags may be quoted or bare: icechunk and others send them bare.
    package init(_ headers: HTTPHeaders, prefix: String = "") {
        func tags(_ name: String) -> [String]? {
            let values = headers[canonicalForm: prefix + name]
            guard !values.isEmpty else { return nil }
            return values.map { Self.bare($0[...].trimmingSpaces) }
        }
        ifMatch = tags("if-match")
        ifNoneMatch = tags("if-none-match")
        ifModifiedSince = headers.first(name: prefix + "if-modified-since").flatMap { Timestamp(httpDate: $0) }
        ifUnmodifiedSince = headers.first(name: prefix + "if-unmodified-since").flatMap { Timestamp(httpDate: $0) }
    }

    /// Those of one thing of several that a request names.
    package init(ifMatch tag: String) { ifMatch = [Self.bare(tag[...].trimmingSpaces)] }

    package var isEmpty: Bool {
        ifMatch == nil && ifNoneMatch == nil && ifModifiedSince == nil && ifUnmodifiedSince == nil
    }

    private static func bare(_ tag: Substring) -> String {
        var tag = tag
        if tag.hasPrefix("W/") { tag = tag.dropFirst(2) }
        if tag.count >= 2, tag.hasPrefix("\""), tag.hasSuffix("\"") { tag = tag.dropFirst().dropLast() }
        return String(tag)
    }

    /// Evaluates in the order of RFC 9110 §13.2.2.
    ///
    /// - Parameters:
    ///   - etag: of the current representation, unquoted; nil if there is none.
    ///   - isRead: GET and HEAD, where a failed If-None-Match means 304.
    package func evaluate(etag: String?, modified: Timestamp?, isRead: Bool) -> Outcome {
        if let ifMatch {
            guard let etag, Self.matches(ifMatch, etag) else { return .failed("If-Match") }
        } else if let ifUnmodifiedSince, let modified, modified.seconds > ifUnmodifiedSince.seconds {
            return .failed("If-Unmodified-Since")
        }
        if let ifNoneMatch {
            if let etag, Self.matches(ifNoneMatch, etag) { return isRead ? .notModified : .failed("If-None-Match") }
        } else if isRead, let ifModifiedSince, let modified, modified.seconds <= ifModifiedSince.seconds {
            return .notModified
        }
        return .proceed
    }

    private static func matches(_ tags: [String], _ etag: String) -> Bool {
        tags.contains { list in
            list == "*" || list == etag || list.split(separator: ",").contains { bare($0.trimmingSpaces) == etag }
        }
    }
}
