package import BucketConfiguration
import Database
import Journal
import Wire

/// Settings of a collection that have their say in every request: read and parsed once a second.
package struct ActiveSettings: Sendable {
    package var lifecycle: LifecycleConfiguration?
    /// Where its accesses are logged.
    package var logging: LoggingConfiguration.Target?

    package init() {}
}

extension Objects {
    /// - Throws: ``ObjectsError`` `.noSuchCollection`.
    package func activeSettings(of name: String) async throws -> ActiveSettings {
        if let known = activeCache[name] { return known }
        let id = try await collection(name).id
        let documents = try await journal.find { reader in
            try reader.rows(
                "SELECT name, document FROM collection_settings WHERE collection = ? AND name IN (?, ?)", .init(id),
                .init(SettingName.lifecycle.rawValue), .init(SettingName.logging.rawValue)
            ) { ($0.text(0), Array($0.text(1).utf8)) }
        }
        var active = ActiveSettings()
        for (name, document) in documents {
            switch SettingName(name) {
            case .lifecycle:
                active.lifecycle = try LifecycleConfiguration(parsing: document)
                active.lifecycle?.daySeconds = lifecycleDaySeconds
            case .logging: active.logging = try LoggingConfiguration(parsing: document).target
            default: break
            }
        }
        activeCache[name] = active
        return active
    }

    /// When an object goes by its collection's lifecycle rules, in the form of `x-amz-expiration`; nil where it stays.
    package func expiration(of version: ObjectVersion, in name: String) async throws -> String? {
        guard version.isCurrent, let rules = try await activeSettings(of: name).lifecycle else { return nil }
        return rules.expirationHeader(of: LifecycleObject(version))
    }
}
