import Database
import Journal
import Objects
import Vault

/// What whoever runs a node does with the master key itself, without a node.
package enum KeyTools {
    /// Makes the master key that a setting names: a file, or a key in a token.
    ///
    /// - Returns: which key it is, for people.
    /// - Throws: `VaultError` where there is one already, or it cannot be made.
    package static func create(_ setting: String) throws -> String { try MasterKeySetting.create(setting) }

    /// Wraps the root keys of a stopped node with another master key, for example to move it from a file into a token.
    /// The configuration has to name the new one afterwards.
    ///
    /// - Returns: how many root keys were wrapped anew.
    /// - Throws: ``ConfigurationError`` where something is still sealed by the old key itself; `VaultError` where a key
    ///   does not open.
    package static func move(_ configuration: Configuration, to setting: String) async throws -> Int {
        let old = try MasterKeySetting.open(
            configuration.masterKey, creates: false, credentials: configuration.credentials)
        let new = try MasterKeySetting.open(setting, creates: false, credentials: configuration.credentials)
        let location = try DatabaseLocation(
            configuration.metadata == "sqlite" ? configuration.data + "/metadata.sqlite" : configuration.metadata)
        let database = try await Database.open(location, migrations: Schema.migrations)
        do {
            let count = try await RootKeys.move(
                journal: Journal(database: database, node: NodeName.random()), from: old, to: new,
                columns: Schema.sealedColumns)
            await database.close()
            return count
        } catch {
            await database.close()
            throw error
        }
    }
}
