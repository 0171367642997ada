package import Wire

/// Whether a bucket keeps the versions of its objects (PutBucketVersioning). No status where it never did.
package struct VersioningConfiguration: ConfigurationDocument {
    package static let root: StaticString = "VersioningConfiguration"

    package enum Status: String, Sendable, CaseIterable {
        case enabled = "Enabled"
        case suspended = "Suspended"
    }

    package var status: Status?

    package init(_ status: Status? = nil) { self.status = status }

    /// - Throws: ``ConfigurationError`` `IllegalVersioningConfigurationException` without a status, `NotImplemented`
    ///   for MFA delete.
    package init(_ root: XMLElement) throws(ConfigurationError) {
        try root.allow("Status", "MfaDelete")
        guard let status = try root.choice("Status", Status.self) else {
            throw ConfigurationError(.illegalVersioning, "The Versioning element must be specified")
        }
        if let mfa = try root.optional("MfaDelete")?.text, mfa != "Disabled" {
            throw ConfigurationError(.notImplemented, "MfaDelete is not implemented")
        }
        self.status = status
    }

    package func write(to xml: inout XMLWriter) {
        if let status { xml.element("Status", status.rawValue) }
    }
}
