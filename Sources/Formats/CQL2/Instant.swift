import Wire

/// Dates and timestamps of both encodings.
enum Instant {
    static func read(_ text: String, isDate: Bool, at place: String) throws(CQL2Error) -> CQL2 {
        if isDate {
            guard let day = day(text) else {
                throw CQL2Error("'\(text.prefix(40))' is no date like 2026-11-21", at: place)
            }
            return .date(day)
        }
        guard let moment = Timestamp(rfc3339: text) else {
            throw CQL2Error("'\(text.prefix(40))' is no date and time like 2026-11-21T03:56:00Z", at: place)
        }
        return .timestamp(moment)
    }

    /// An end of an interval.
    static func end(_ text: String, at place: String) throws(CQL2Error) -> CQL2 {
        if text == ".." || text.isEmpty { return .open }
        return try read(text, isDate: text.utf8.count == 10, at: place)
    }

    static func day(_ text: String) -> Timestamp? {
        text.utf8.count == 10 ? Timestamp(rfc3339: text + "T00:00:00Z") : nil
    }
}
