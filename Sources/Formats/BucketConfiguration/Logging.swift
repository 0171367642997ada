package import Wire

/// Where records of accesses to a bucket go (PutBucketLogging). Empty where it is off.
package struct LoggingConfiguration: ConfigurationDocument {
    package static let root: StaticString = "BucketLoggingStatus"

    package struct Target: Sendable, Hashable {
        package var bucket: String
        package var prefix: String
        package var keyFormat: KeyFormat?
    }

    /// How the keys of log objects are made (`TargetObjectKeyFormat`).
    package enum KeyFormat: Sendable, Hashable {
        case simple
        case partitioned(DateSource?)
    }

    package enum DateSource: String, Sendable, CaseIterable {
        case eventTime = "EventTime"
        case deliveryTime = "DeliveryTime"
    }

    package var target: Target?

    package init() {}

    package init(_ root: XMLElement) throws(ConfigurationError) {
        try root.allow("LoggingEnabled")
        guard let enabled = try root.optional("LoggingEnabled") else { return }
        if enabled["TargetGrants"] != nil {
            throw ConfigurationError(.notImplemented, "access to logs is given by policies, not by TargetGrants")
        }
        try enabled.allow("TargetBucket", "TargetPrefix", "TargetObjectKeyFormat")
        let bucket = try enabled.required("TargetBucket").text
        let prefix = try enabled.required("TargetPrefix").text
        guard !bucket.isEmpty, prefix.utf8.count <= ConfigurationLimits.prefixBytesMax else {
            throw ConfigurationError(
                .malformedXML, "LoggingEnabled has a TargetBucket and a TargetPrefix of up to 1,024 bytes")
        }
        target = Target(bucket: bucket, prefix: prefix, keyFormat: try Self.keyFormat(enabled))
    }

    private static func keyFormat(_ enabled: XMLElement) throws(ConfigurationError) -> KeyFormat? {
        guard let format = try enabled.optional("TargetObjectKeyFormat") else { return nil }
        try format.allow("SimplePrefix", "PartitionedPrefix")
        guard format.children.count == 1 else {
            throw ConfigurationError(
                .malformedXML, "a TargetObjectKeyFormat has either a SimplePrefix or a PartitionedPrefix")
        }
        guard let partitioned = try format.optional("PartitionedPrefix") else { return .simple }
        try partitioned.allow("PartitionDateSource")
        return .partitioned(try partitioned.choice("PartitionDateSource", DateSource.self))
    }

    package func write(to xml: inout XMLWriter) {
        guard let target else { return }
        xml.element("LoggingEnabled") { xml in
            xml.element("TargetBucket", target.bucket)
            xml.element("TargetPrefix", target.prefix)
            switch target.keyFormat {
            case nil: break
            case .simple: xml.element("TargetObjectKeyFormat") { $0.element("SimplePrefix", "") }
            case .partitioned(let source):
                xml.element("TargetObjectKeyFormat") { xml in
                    xml.element("PartitionedPrefix") { xml in
                        if let source { xml.element("PartitionDateSource", source.rawValue) }
                    }
                }
            }
        }
    }
}
