import Wire

extension LifecycleRule {
    func write(to xml: inout XMLWriter) {
        xml.element("ID", id)
        filter.write(to: &xml)
        xml.element("Status", isEnabled ? "Enabled" : "Disabled")
        for transition in transitions {
            xml.element("Transition") {
                Self.write(transition.moment, to: &$0)
                $0.element("StorageClass", transition.storageClass.rawValue)
            }
        }
        switch expiration {
        case nil: break
        case .at(let moment): xml.element("Expiration") { Self.write(moment, to: &$0) }
        case .deleteMarker: xml.element("Expiration") { $0.element("ExpiredObjectDeleteMarker", true) }
        case .keepDeleteMarker: xml.element("Expiration") { $0.element("ExpiredObjectDeleteMarker", false) }
        }
        for transition in noncurrentTransitions {
            xml.element("NoncurrentVersionTransition") {
                $0.element("NoncurrentDays", transition.days)
                if let count = transition.newerVersions { $0.element("NewerNoncurrentVersions", count) }
                $0.element("StorageClass", transition.storageClass.rawValue)
            }
        }
        if let noncurrentExpiration {
            xml.element("NoncurrentVersionExpiration") {
                $0.element("NoncurrentDays", noncurrentExpiration.days)
                if let count = noncurrentExpiration.newerVersions { $0.element("NewerNoncurrentVersions", count) }
            }
        }
        if let abortUploadsDays {
            xml.element("AbortIncompleteMultipartUpload") { $0.element("DaysAfterInitiation", abortUploadsDays) }
        }
    }

    private static func write(_ moment: Moment, to xml: inout XMLWriter) {
        switch moment {
        case .days(let days): xml.element("Days", days)
        case .date(let date): xml.element("Date", date.rfc3339Milliseconds)
        }
    }
}

extension LifecycleFilter {
    func write(to xml: inout XMLWriter) {
        switch form {
        case .prefix: xml.element("Prefix", prefix ?? "")
        case .single: xml.element("Filter") { conditions(&$0) }
        case .and: xml.element("Filter") { xml in xml.element("And") { conditions(&$0) } }
        }
    }

    private func conditions(_ xml: inout XMLWriter) {
        if let prefix { xml.element("Prefix", prefix) }
        for tag in tags { TagSet.write(tag, to: &xml) }
        if let sizeGreaterThan { xml.element("ObjectSizeGreaterThan", sizeGreaterThan) }
        if let sizeLessThan { xml.element("ObjectSizeLessThan", sizeLessThan) }
    }
}
