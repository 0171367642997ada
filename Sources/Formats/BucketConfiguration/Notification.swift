package import Wire

/// Who is told of what happens to the objects of a bucket (PutBucketNotificationConfiguration).
package struct NotificationConfiguration: ConfigurationDocument {
    package static let root: StaticString = "NotificationConfiguration"
    package static let targetsMax = 100
    package static let bytesMax = 512 << 10

    package var targets: [NotificationTarget] = []

    package init() {}

    /// - Throws: ``ConfigurationError`` `MalformedXML`; `InvalidArgument` for events or filters that S3 has not, and
    ///   for two targets that would be told of the same; `NotImplemented` for EventBridge.
    package init(_ root: XMLElement) throws(ConfigurationError) {
        guard root["EventBridgeConfiguration"] == nil else {
            throw ConfigurationError(.notImplemented, "there is no EventBridge here; a webhook is what there is")
        }
        try root.allow("TopicConfiguration", "QueueConfiguration", "CloudFunctionConfiguration")
        guard root.children.count <= Self.targetsMax else {
            throw ConfigurationError(.invalidArgument, "a bucket has up to \(Self.targetsMax) notifications")
        }
        var names: Set<String> = []
        for child in root.children {
            var target = try NotificationTarget(child)
            if target.id.isEmpty { target.id = "notification-\(targets.count + 1)" }
            guard names.insert(target.id).inserted else {
                throw ConfigurationError(.invalidArgument, "Same ID used for multiple configurations.")
            }
            guard !targets.contains(where: { $0.overlaps(target) }) else {
                throw ConfigurationError(
                    .invalidArgument,
                    "Configurations overlap. Configurations on the same bucket cannot share a common event type.")
            }
            targets.append(target)
        }
    }

    package func write(to xml: inout XMLWriter) {
        for target in targets { target.write(to: &xml) }
    }

    /// Those who are told of an event, such as `s3:ObjectCreated:Put`, on a key.
    package func matching(event: String, key: String) -> [NotificationTarget] {
        targets.filter { target in
            key.hasBytePrefix(target.prefix ?? "") && key.hasByteSuffix(target.suffix ?? "")
                && target.events.contains { NotificationTarget.covers($0, event) }
        }
    }
}

/// One destination, with what it is told.
package struct NotificationTarget: Sendable, Hashable {
    /// The element that the client named it by.
    package enum Kind: String, Sendable, CaseIterable {
        case topic = "TopicConfiguration"
        case queue = "QueueConfiguration"
        case function = "CloudFunctionConfiguration"
    }

    package var kind: Kind
    package var id: String
    package var arn: String
    /// Like `s3:ObjectCreated:Put` or `s3:ObjectCreated:*`.
    package var events: [String]
    package var prefix: String?
    package var suffix: String?

    /// Before a webhook in an ARN, which any kind of target may have: a node has no queues of its own.
    package static let webhookPrefix = "arn:martlet:webhook:::"

    package enum Destination: Sendable, Hashable {
        /// A webhook that the operator of the node has named.
        case name(String)
        /// An address that events are posted to.
        case address(String)

        package var text: String {
            switch self {
            case .name(let text), .address(let text): text
            }
        }
    }

    /// Where events are posted to; nil for somebody else's ARN.
    package var destination: Destination? {
        guard arn.hasPrefix(Self.webhookPrefix) else { return nil }
        let text = String(arn.dropFirst(Self.webhookPrefix.count))
        guard text.contains(":") else { return text.isEmpty || text.contains("/") ? nil : .name(text) }
        let isHTTP = text.hasPrefix("https://") || text.hasPrefix("http://")
        let host = text.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false).dropFirst(2).first
        guard isHTTP, let host, !host.isEmpty, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
        return .address(text)
    }

    /// The events of S3 ("Supported event types for SQS, SNS, and Lambda").
    package static let eventNames: Set<String> = [
        "s3:ReducedRedundancyLostObject", "s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectCreated:Post",
        "s3:ObjectCreated:Copy", "s3:ObjectCreated:CompleteMultipartUpload", "s3:ObjectRemoved:*",
        "s3:ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated", "s3:ObjectRestore:*",
        "s3:ObjectRestore:Post", "s3:ObjectRestore:Completed", "s3:ObjectRestore:Delete", "s3:Replication:*",
        "s3:Replication:OperationFailedReplication", "s3:Replication:OperationNotTracked",
        "s3:Replication:OperationMissedThreshold", "s3:Replication:OperationReplicatedAfterThreshold",
        "s3:LifecycleExpiration:*", "s3:LifecycleExpiration:Delete", "s3:LifecycleExpiration:DeleteMarkerCreated",
        "s3:LifecycleTransition", "s3:IntelligentTiering", "s3:ObjectTagging:*", "s3:ObjectTagging:Put",
        "s3:ObjectTagging:Delete", "s3:ObjectAcl:Put",
    ]

    /// Whether an event of a configuration, perhaps with `*` at its end, stands for another.
    static func covers(_ pattern: String, _ event: String) -> Bool {
        pattern == event || (pattern.hasSuffix("*") && event.hasPrefix(pattern.dropLast()))
    }

    /// Whether both would be told of one event on one key.
    func overlaps(_ other: NotificationTarget) -> Bool {
        let events = events.contains { mine in
            other.events.contains { Self.covers(mine, $0) || Self.covers($0, mine) }
        }
        let (p, q) = (prefix ?? "", other.prefix ?? "")
        let (s, t) = (suffix ?? "", other.suffix ?? "")
        return events && (p.hasBytePrefix(q) || q.hasBytePrefix(p)) && (s.hasByteSuffix(t) || t.hasByteSuffix(s))
    }
}

extension NotificationTarget {
    private var element: String {
        switch kind {
        case .topic: "Topic"
        case .queue: "Queue"
        case .function: "CloudFunction"
        }
    }

    init(_ target: XMLElement) throws(ConfigurationError) {
        guard let kind = Kind(rawValue: target.name) else {
            throw ConfigurationError(.malformedXML, "<\(target.name.prefix(64))> is no target of notifications")
        }
        self.init(kind: kind, id: try target.ruleID("Id") ?? "", arn: "", events: [])
        try target.allow("Id", element, "Event", "Filter")
        arn = try target.required(element).text
        guard (1...2048).contains(arn.utf8.count), arn.hasPrefix("arn:") else {
            throw ConfigurationError(.invalidArgument, "The ARN is not well formed")
        }
        guard !arn.hasPrefix(Self.webhookPrefix) || destination != nil else {
            throw ConfigurationError(
                .invalidArgument,
                "a webhook is like \(Self.webhookPrefix)NAME or \(Self.webhookPrefix)https://host/path")
        }
        events = target.all("Event").map(\.text)
        guard (1...Self.eventNames.count).contains(events.count) else {
            throw ConfigurationError(.malformedXML, "a notification names its events")
        }
        for event in events where !Self.eventNames.contains(event) {
            throw ConfigurationError(
                .invalidArgument, "The event '\(event.prefix(80))' is not supported for notifications")
        }
        guard let filter = try target.optional("Filter") else { return }
        try filter.allow("S3Key")
        guard let key = try filter.optional("S3Key") else { return }
        try key.allow("FilterRule")
        for rule in key.children { try read(rule) }
    }

    private mutating func read(_ rule: XMLElement) throws(ConfigurationError) {
        try rule.allow("Name", "Value")
        let name = try rule.required("Name").text.lowercased()
        let value = try rule.required("Value").text
        guard value.utf8.count <= ConfigurationLimits.prefixBytesMax else {
            throw ConfigurationError(.invalidArgument, "Size of filter rule value cannot exceed 1024 bytes in UTF-8")
        }
        switch name {
        case "prefix" where prefix == nil: prefix = value
        case "suffix" where suffix == nil: suffix = value
        case "prefix", "suffix":
            throw ConfigurationError(.invalidArgument, "Cannot specify more than one \(name) rule in a filter.")
        default:
            throw ConfigurationError(.invalidArgument, "filter rule name must be either prefix or suffix")
        }
    }

    func write(to xml: inout XMLWriter) {
        switch kind {
        case .topic: xml.element("TopicConfiguration") { write("Topic", to: &$0) }
        case .queue: xml.element("QueueConfiguration") { write("Queue", to: &$0) }
        case .function: xml.element("CloudFunctionConfiguration") { write("CloudFunction", to: &$0) }
        }
    }

    private func write(_ element: StaticString, to xml: inout XMLWriter) {
        xml.element("Id", id)
        xml.element(element, arn)
        for event in events { xml.element("Event", event) }
        guard prefix != nil || suffix != nil else { return }
        xml.element("Filter") { xml in
            xml.element("S3Key") { xml in
                for (name, value) in [("prefix", prefix), ("suffix", suffix)] {
                    guard let value else { continue }
                    xml.element("FilterRule") {
                        $0.element("Name", name)
                        $0.element("Value", value)
                    }
                }
            }
        }
    }
}
