package import Wire

/// What becomes of objects with time (PutBucketLifecycleConfiguration).
package struct LifecycleConfiguration: ConfigurationDocument {
    package static let root: StaticString = "LifecycleConfiguration"
    package static let rulesMax = 1000
    /// The most noncurrent versions that a rule can keep whatever their age.
    package static let newerVersionsMax: Int64 = 100
    package static let bytesMax = ConfigurationLimits.bytesMax

    package var rules: [LifecycleRule]
    /// How long a day is, in seconds; a node under test has shorter ones.
    package var daySeconds = LifecycleConfiguration.daySecondsMax
    package static let daySecondsMax: Int64 = 86_400

    /// - Throws: ``ConfigurationError`` `MalformedXML`, `InvalidArgument`, `InvalidRequest` as S3 does.
    package init(_ root: XMLElement) throws(ConfigurationError) {
        try root.allow("Rule")
        guard (1...Self.rulesMax).contains(root.children.count) else {
            throw ConfigurationError(.malformedXML, "a lifecycle configuration has 1 to \(Self.rulesMax) rules")
        }
        rules = []
        var seen: Set<String> = []
        for child in root.children {
            let rule = try LifecycleRule(child)
            guard rule.id.isEmpty || seen.insert(rule.id).inserted else {
                throw ConfigurationError(
                    .invalidArgument, "Rule ID must be unique. Found same ID for one or more rules")
            }
            rules.append(rule)
        }
        // A rule without a name gets one, as in S3.
        var number = 0
        for index in rules.indices where rules[index].id.isEmpty {
            repeat { number += 1 } while !seen.insert("rule-\(number)").inserted
            rules[index].id = "rule-\(number)"
        }
    }

    /// Beginnings of keys below which is everything that rules with some action are for: none of them begins with
    /// another.
    ///
    /// - Parameter hasAction: whether a rule has the action that is asked for.
    package func prefixes(where hasAction: (LifecycleRule) -> Bool) -> [String] {
        let all = rules.filter { $0.isEnabled && hasAction($0) }.map { $0.filter.prefix ?? "" }
        var out: [String] = []
        for prefix in all.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
            // In this order what begins with another follows it.
            if let last = out.last, prefix.hasBytePrefix(last) { continue }
            out.append(prefix)
        }
        return out
    }

    package func write(to xml: inout XMLWriter) {
        for rule in rules { xml.element("Rule") { rule.write(to: &$0) } }
    }
}

package struct LifecycleRule: Sendable, Hashable {
    package var id: String
    package var isEnabled: Bool
    package var filter: LifecycleFilter
    package var expiration: Expiration?
    package var noncurrentExpiration: NoncurrentExpiration?
    package var transitions: [Transition]
    package var noncurrentTransitions: [NoncurrentTransition]
    /// Days after which a multipart upload that was not completed is aborted.
    package var abortUploadsDays: Int64?

    /// When something is due: some days after its making, or on a date.
    package enum Moment: Sendable, Hashable {
        case days(Int64)
        case date(Timestamp)
    }

    package enum Expiration: Sendable, Hashable {
        case at(Moment)
        /// Removes a delete marker behind which no version is left.
        case deleteMarker
        /// `ExpiredObjectDeleteMarker` false: nothing at all.
        case keepDeleteMarker
    }

    package struct NoncurrentExpiration: Sendable, Hashable {
        package var days: Int64
        /// How many noncurrent versions are kept whatever their age.
        package var newerVersions: Int64?
    }

    package struct Transition: Sendable, Hashable {
        package var moment: Moment
        package var storageClass: StorageClass
    }

    package struct NoncurrentTransition: Sendable, Hashable {
        package var days: Int64
        package var newerVersions: Int64?
        package var storageClass: StorageClass
    }
}

package enum StorageClass: String, Sendable, CaseIterable {
    case glacier = "GLACIER"
    case standardIA = "STANDARD_IA"
    case oneZoneIA = "ONEZONE_IA"
    case intelligentTiering = "INTELLIGENT_TIERING"
    case deepArchive = "DEEP_ARCHIVE"
    case glacierIR = "GLACIER_IR"
}

/// Which objects a rule is for: all of its conditions hold.
package struct LifecycleFilter: Sendable, Hashable {
    /// How the client wrote it, so that it is given back so.
    package enum Form: Sendable, Hashable {
        /// The old `<Prefix>` of a rule.
        case prefix
        /// `<Filter>` with at most one condition.
        case single
        /// `<Filter><And>`.
        case and
    }

    package var form: Form
    package var prefix: String?
    package var tags: [TagSet.Tag] = []
    package var sizeGreaterThan: Int64?
    package var sizeLessThan: Int64?

    package func matches(key: String) -> Bool { key.hasBytePrefix(prefix ?? "") }

    package func matches(key: String, tags: [TagSet.Tag], size: Int64) -> Bool {
        matches(key: key) && self.tags.allSatisfy { tags.contains($0) }
            && (sizeGreaterThan.map { size > $0 } ?? true) && (sizeLessThan.map { size < $0 } ?? true)
    }
}

extension String {
    /// Whether the bytes begin so; `hasPrefix` takes canonically equal texts for one, which keys are not.
    func hasBytePrefix(_ prefix: String) -> Bool { utf8.starts(with: prefix.utf8) }

    func hasByteSuffix(_ suffix: String) -> Bool { utf8.reversed().starts(with: suffix.utf8.reversed()) }
}
