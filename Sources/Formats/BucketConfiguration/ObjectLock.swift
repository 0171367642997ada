package import Wire

/// How strongly an object is kept from being deleted.
package enum RetentionMode: String, Sendable, CaseIterable {
    /// Whoever may `s3:BypassGovernanceRetention` may delete earlier.
    case governance = "GOVERNANCE"
    /// Nobody may.
    case compliance = "COMPLIANCE"
}

/// Whether objects of a bucket can be locked, and how new ones are (PutObjectLockConfiguration).
package struct ObjectLockConfiguration: ConfigurationDocument {
    package static let root: StaticString = "ObjectLockConfiguration"
    package static let daysMax: Int64 = 36_500
    package static let yearsMax: Int64 = 100

    package enum Period: Sendable, Hashable {
        case days(Int64)
        case years(Int64)
    }

    package struct DefaultRetention: Sendable, Hashable {
        package var mode: RetentionMode
        package var period: Period

        /// Until when an object is kept that is put now.
        package func end(from now: Timestamp) -> Timestamp {
            switch period {
            case .days(let days): return now.adding(seconds: days * 86_400)
            case .years(let years):
                let p = now.parts
                // 29 February ends on 1 March where its year has none.
                let end =
                    Timestamp(
                        year: p.year + Int(years), month: p.month, day: p.day, hour: p.hour, minute: p.minute,
                        second: p.second)
                    ?? Timestamp(
                        year: p.year + Int(years), month: 3, day: 1, hour: p.hour, minute: p.minute, second: p.second)
                return end ?? now.adding(seconds: years * 366 * 86_400)
            }
        }
    }

    package var defaultRetention: DefaultRetention?

    package init(defaultRetention: DefaultRetention? = nil) { self.defaultRetention = defaultRetention }

    /// - Throws: ``ConfigurationError`` `MalformedXML`, also where Days stand beside Years; `InvalidArgument` for a
    ///   period that is not positive or too long.
    package init(_ root: XMLElement) throws(ConfigurationError) {
        try root.allow("ObjectLockEnabled", "Rule")
        guard try root.required("ObjectLockEnabled").text == "Enabled" else {
            throw ConfigurationError(.malformedXML, "ObjectLockEnabled is Enabled: a lock is never taken off a bucket")
        }
        guard let rule = try root.optional("Rule") else { return }
        try rule.allow("DefaultRetention")
        let retention = try rule.required("DefaultRetention")
        try retention.allow("Mode", "Days", "Years")
        guard let mode = try retention.choice("Mode", RetentionMode.self) else {
            throw ConfigurationError(.malformedXML, "a DefaultRetention has a Mode")
        }
        let period: Period
        switch (try retention.integer("Days"), try retention.integer("Years")) {
        case (let days?, nil):
            try Self.check(days, max: Self.daysMax)
            period = .days(days)
        case (nil, let years?):
            try Self.check(years, max: Self.yearsMax)
            period = .years(years)
        default: throw ConfigurationError(.malformedXML, "a DefaultRetention has either Days or Years")
        }
        defaultRetention = DefaultRetention(mode: mode, period: period)
    }

    private static func check(_ count: Int64, max: Int64) throws(ConfigurationError) {
        guard count > 0 else {
            throw ConfigurationError(.invalidArgument, "Default retention period must be a positive integer value.")
        }
        guard count <= max else {
            throw ConfigurationError(.invalidArgument, "Default retention period too long: at most \(max).")
        }
    }

    package func write(to xml: inout XMLWriter) {
        xml.element("ObjectLockEnabled", "Enabled")
        guard let defaultRetention else { return }
        xml.element("Rule") { xml in
            xml.element("DefaultRetention") { xml in
                xml.element("Mode", defaultRetention.mode.rawValue)
                switch defaultRetention.period {
                case .days(let days): xml.element("Days", days)
                case .years(let years): xml.element("Years", years)
                }
            }
        }
    }
}

/// Until when one version is kept (PutObjectRetention). Without a mode it is kept no longer.
package struct Retention: ConfigurationDocument {
    package static let root: StaticString = "Retention"

    package var mode: RetentionMode?
    package var until: Timestamp?

    package init(mode: RetentionMode, until: Timestamp) {
        self.mode = mode
        self.until = until
    }

    package init(_ root: XMLElement) throws(ConfigurationError) {
        try root.allow("Mode", "RetainUntilDate")
        mode = try root.choice("Mode", RetentionMode.self)
        // In milliseconds, as it is given back.
        until = try root.date("RetainUntilDate").map {
            Timestamp(microseconds: $0.microseconds - $0.microseconds % 1000)
        }
        guard (mode == nil) == (until == nil) else {
            throw ConfigurationError(.malformedXML, "a Retention has both Mode and RetainUntilDate, or neither")
        }
    }

    /// - Throws: ``ConfigurationError`` `InvalidArgument` for a date that has passed.
    package func check(now: Timestamp) throws(ConfigurationError) {
        if let until, until <= now {
            throw ConfigurationError(.invalidArgument, "The retain until date must be in the future!")
        }
    }

    package func write(to xml: inout XMLWriter) {
        if let mode { xml.element("Mode", mode.rawValue) }
        if let until { xml.element("RetainUntilDate", until.rfc3339Milliseconds) }
    }
}

/// Whether one version is kept until further notice (PutObjectLegalHold).
package struct LegalHold: ConfigurationDocument {
    package static let root: StaticString = "LegalHold"

    package enum Status: String, Sendable, CaseIterable {
        case on = "ON"
        case off = "OFF"
    }

    package var status: Status

    package init(_ status: Status) { self.status = status }

    package init(_ root: XMLElement) throws(ConfigurationError) {
        try root.allow("Status")
        guard let status = try root.choice("Status", Status.self) else {
            throw ConfigurationError(.malformedXML, "a LegalHold has a Status")
        }
        self.status = status
    }

    package func write(to xml: inout XMLWriter) { xml.element("Status", status.rawValue) }
}
