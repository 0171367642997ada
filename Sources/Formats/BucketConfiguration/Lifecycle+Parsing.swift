import Wire

extension LifecycleRule {
    init(_ rule: XMLElement) throws(ConfigurationError) {
        try rule.allow(
            "ID", "Status", "Filter", "Prefix", "Expiration", "NoncurrentVersionExpiration", "Transition",
            "NoncurrentVersionTransition", "AbortIncompleteMultipartUpload")
        id = try rule.ruleID("ID") ?? ""
        switch try rule.required("Status").text {
        case "Enabled": isEnabled = true
        case "Disabled": isEnabled = false
        default: throw ConfigurationError(.malformedXML, "the Status of a rule is Enabled or Disabled")
        }
        filter = try LifecycleFilter(rule: rule)
        expiration = try rule.optional("Expiration").map(Self.expiration)
        noncurrentExpiration = try rule.optional("NoncurrentVersionExpiration").map(Self.noncurrentExpiration)
        transitions = []
        for child in rule.all("Transition") { transitions.append(try Self.transition(child)) }
        noncurrentTransitions = []
        for child in rule.all("NoncurrentVersionTransition") {
            noncurrentTransitions.append(try Self.noncurrentTransition(child))
        }
        abortUploadsDays = nil
        if let abort = try rule.optional("AbortIncompleteMultipartUpload") {
            try abort.allow("DaysAfterInitiation")
            abortUploadsDays = try Self.positive(abort, "DaysAfterInitiation", of: "AbortIncompleteMultipartUpload")
        }
        try checkTogether()
    }

    private static func positive(
        _ element: XMLElement, _ name: String, of action: String
    ) throws(ConfigurationError) -> Int64 {
        guard let days = try element.integer(name) else {
            throw ConfigurationError(.malformedXML, "\(action) needs \(name)")
        }
        guard (1...Int64(Int32.max)).contains(days) else {
            throw ConfigurationError(.invalidArgument, "'\(name)' for \(action) action must be a positive integer")
        }
        return days
    }

    private static func moment(
        _ element: XMLElement, _ action: String, daysMin: Int64
    ) throws(ConfigurationError) -> Moment? {
        let days = try element.integer("Days")
        let date = try element.date("Date")
        switch (days, date) {
        case (nil, nil): return nil
        case (let days?, nil):
            guard (daysMin...Int64(Int32.max)).contains(days) else {
                throw ConfigurationError(
                    .invalidArgument,
                    "'Days' for \(action) action must be a \(daysMin > 0 ? "positive" : "nonnegative") integer")
            }
            return .days(days)
        case (nil, let date?):
            guard date.microseconds % 86_400_000_000 == 0 else {
                throw ConfigurationError(.invalidArgument, "'Date' must be at midnight GMT")
            }
            return .date(date)
        default: throw ConfigurationError(.malformedXML, "\(action) has either Days or Date")
        }
    }

    private static func expiration(_ element: XMLElement) throws(ConfigurationError) -> Expiration {
        try element.allow("Days", "Date", "ExpiredObjectDeleteMarker")
        let moment = try moment(element, "Expiration", daysMin: 1)
        let marker = try element.boolean("ExpiredObjectDeleteMarker")
        switch (moment, marker) {
        case (let moment?, nil): return .at(moment)
        case (nil, true?): return .deleteMarker
        case (nil, false?): return .keepDeleteMarker
        default:
            throw ConfigurationError(
                .malformedXML, "an Expiration has one of Days, Date and ExpiredObjectDeleteMarker")
        }
    }

    private static func newerVersions(_ element: XMLElement) throws(ConfigurationError) -> Int64? {
        guard let count = try element.integer("NewerNoncurrentVersions") else { return nil }
        guard (1...LifecycleConfiguration.newerVersionsMax).contains(count) else {
            throw ConfigurationError(.invalidArgument, "'NewerNoncurrentVersions' is a number from 1 to 100")
        }
        return count
    }

    private static func noncurrentExpiration(_ element: XMLElement) throws(ConfigurationError) -> NoncurrentExpiration {
        try element.allow("NoncurrentDays", "NewerNoncurrentVersions")
        return NoncurrentExpiration(
            days: try positive(element, "NoncurrentDays", of: "NoncurrentVersionExpiration"),
            newerVersions: try newerVersions(element))
    }

    private static func storageClass(_ element: XMLElement) throws(ConfigurationError) -> StorageClass {
        guard let storageClass = try element.choice("StorageClass", StorageClass.self) else {
            throw ConfigurationError(.malformedXML, "a transition needs a StorageClass")
        }
        return storageClass
    }

    private static func transition(_ element: XMLElement) throws(ConfigurationError) -> Transition {
        try element.allow("Days", "Date", "StorageClass")
        let storageClass = try storageClass(element)
        guard let moment = try moment(element, "Transition", daysMin: 0) else {
            throw ConfigurationError(.malformedXML, "a Transition has either Days or Date")
        }
        if case .days(let days) = moment { try checkAge(days, storageClass, "Days", "Transition") }
        return Transition(moment: moment, storageClass: storageClass)
    }

    private static func noncurrentTransition(_ element: XMLElement) throws(ConfigurationError) -> NoncurrentTransition {
        try element.allow("NoncurrentDays", "NewerNoncurrentVersions", "StorageClass")
        let storageClass = try storageClass(element)
        guard let days = try element.integer("NoncurrentDays"), (0...Int64(Int32.max)).contains(days) else {
            throw ConfigurationError(
                .invalidArgument,
                "'NoncurrentDays' for NoncurrentVersionTransition action must be a nonnegative integer")
        }
        try checkAge(days, storageClass, "NoncurrentDays", "NoncurrentVersionTransition")
        return NoncurrentTransition(
            days: days, newerVersions: try newerVersions(element), storageClass: storageClass)
    }

    private static func checkAge(
        _ days: Int64, _ storageClass: StorageClass, _ name: String, _ action: String
    ) throws(ConfigurationError) {
        guard days < 30, storageClass == .standardIA || storageClass == .oneZoneIA else { return }
        throw ConfigurationError(
            .invalidArgument,
            "'\(name)' in \(action) action must be greater than or equal to 30 for storageClass '\(storageClass.rawValue)'"
        )
    }

    /// What the actions of one rule must be to each other.
    private func checkTogether() throws(ConfigurationError) {
        guard
            expiration != nil || noncurrentExpiration != nil || !transitions.isEmpty || !noncurrentTransitions.isEmpty
                || abortUploadsDays != nil
        else { throw ConfigurationError(.invalidRequest, "At least one action needs to be specified in a rule") }
        let isByObject = !filter.tags.isEmpty || filter.sizeGreaterThan != nil || filter.sizeLessThan != nil
        if isByObject, abortUploadsDays != nil {
            throw ConfigurationError(
                .invalidRequest, "AbortIncompleteMultipartUpload cannot be specified with Tags or sizes")
        }
        if isByObject, expiration == .deleteMarker {
            throw ConfigurationError(
                .invalidRequest, "ExpiredObjectDeleteMarker cannot be specified with Tags or sizes")
        }
        guard Set(transitions.map(\.storageClass)).count == transitions.count,
            Set(noncurrentTransitions.map(\.storageClass)).count == noncurrentTransitions.count
        else {
            throw ConfigurationError(
                .invalidRequest, "'StorageClass' must be different for the transitions of the rule '\(id)'")
        }
        try checkMoments()
    }

    private func checkMoments() throws(ConfigurationError) {
        var moments = transitions.map(\.moment)
        if case .at(let moment) = expiration { moments.append(moment) }
        let dates = moments.count { if case .date = $0 { true } else { false } }
        guard dates == 0 || dates == moments.count else {
            throw ConfigurationError(
                .invalidRequest,
                "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule '\(id)'")
        }
        guard case .at(let end) = expiration else { return }
        for transition in transitions {
            let isEarlier =
                switch (transition.moment, end) {
                case (.days(let a), .days(let b)): a < b
                case (.date(let a), .date(let b)): a < b
                default: true
                }
            guard isEarlier else {
                throw ConfigurationError(
                    .invalidArgument,
                    "'Days' in the Expiration action must be greater than 'Days' in the Transition action")
            }
        }
    }
}

extension Optional {
    /// `map` whose error keeps its type.
    fileprivate func map<T>(
        _ transform: (Wrapped) throws(ConfigurationError) -> T
    ) throws(ConfigurationError) -> T? {
        guard let self else { return nil }
        return try transform(self)
    }
}

extension LifecycleFilter {
    init(rule: XMLElement) throws(ConfigurationError) {
        let old = try rule.optional("Prefix")
        let filter = try rule.optional("Filter")
        guard (old == nil) != (filter == nil) else {
            throw ConfigurationError(.malformedXML, "a rule has either a Filter or a Prefix")
        }
        if let old {
            self.init(form: .prefix, prefix: try Self.prefix(old.text))
            return
        }
        guard let filter else {
            self.init(form: .single)
            return
        }
        if let and = try filter.optional("And") {
            guard filter.children.count == 1, and.children.count >= 2 else {
                throw ConfigurationError(
                    .malformedXML, "And stands alone in its Filter and has at least two conditions")
            }
            self.init(form: .and)
            try read(and)
        } else {
            guard filter.children.count <= 1 else {
                throw ConfigurationError(.malformedXML, "a Filter has one condition, or several inside of And")
            }
            self.init(form: .single)
            try read(filter)
        }
    }

    private mutating func read(_ element: XMLElement) throws(ConfigurationError) {
        try element.allow("Prefix", "Tag", "ObjectSizeGreaterThan", "ObjectSizeLessThan")
        if let text = try element.optional("Prefix")?.text { prefix = try Self.prefix(text) }
        for child in element.all("Tag") {
            let tag = try TagSet.tag(child)
            try TagSet.check(tag)
            guard !tags.contains(where: { $0.key == tag.key }) else {
                throw ConfigurationError(.invalidRequest, "Duplicate Tag Keys are not allowed.")
            }
            guard tags.count < TagSet.bucketTagsMax else {
                throw ConfigurationError(.malformedXML, "a filter has up to \(TagSet.bucketTagsMax) tags")
            }
            tags.append(tag)
        }
        sizeGreaterThan = try element.integer("ObjectSizeGreaterThan")
        sizeLessThan = try element.integer("ObjectSizeLessThan")
        guard sizeGreaterThan ?? 0 >= 0, sizeLessThan ?? 1 >= 1 else {
            throw ConfigurationError(.invalidRequest, "the sizes of a Filter are not negative")
        }
        if let low = sizeGreaterThan, let high = sizeLessThan, high <= low {
            throw ConfigurationError(
                .invalidRequest, "'ObjectSizeLessThan' must be a value greater than 'ObjectSizeGreaterThan'")
        }
    }

    private static func prefix(_ text: String) throws(ConfigurationError) -> String {
        guard text.utf8.count <= ConfigurationLimits.prefixBytesMax else {
            throw ConfigurationError(
                .invalidRequest, "The maximum size of a prefix is \(ConfigurationLimits.prefixBytesMax).")
        }
        return text
    }
}
