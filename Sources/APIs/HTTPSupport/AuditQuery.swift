package import Journal
package import Wire

extension AuditQuery {
    /// Of the parameters of an address: who, what, on, from, since, until, text, data, reads.
    ///
    /// - Throws: `Problem` for a time that is none.
    package init(_ items: QueryItems) throws {
        func value(_ name: String) -> String? { items[name].flatMap { $0.isEmpty || $0.utf8.contains(0) ? nil : $0 } }
        func time(_ name: String) throws -> Timestamp? {
            guard let text = value(name) else { return nil }
            let full = text.count == 10 ? text + "T00:00:00Z" : text.count == 16 ? text + ":00Z" : text
            guard let time = Timestamp(rfc3339: full) else {
                throw Problem.badRequest(
                    "'\(name)' is a time such as 2026-11-21T18:00:00Z, or a day, not '\(text.prefix(40))'")
            }
            return time
        }
        self.init()
        actor = value("who")
        kind = value("what")
        subject = value("on")
        address = value("from")
        text = value("text")
        since = try time("since")
        until = try time("until")
        includesData = ["1", "on", "true"].contains(value("data"))
        includesAccesses = ["1", "on", "true"].contains(value("reads"))
    }
}
